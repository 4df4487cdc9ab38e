"""The review page: one HTML file with its script, its style and the annotations in it."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
from typing import Any

from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord
from vlm_ros.records.reviews import kept_reviews, latest, lines_of
from vlm_ros.review.applying import manifest_of, records_of
from vlm_ros.review.entries import entry_of
from vlm_ros.review.ordering import compare, Comparison, worst_first
from vlm_ros.review.pictures import files_of, inlined, links_to
from vlm_ros.whole_files import writing

PAGE = 'review.html'
INLINE_BYTES = 16_000_000
"""Pictures up to this are put into the page. Beyond it a browser would take seconds to open it,
and the page links to the dataset's pictures instead."""
_BEGINNING = b'<!doctype html>'
_SCRIPTS = ('beginnings', 'verdicts', 'choosing', 'showing', 'hands')


@dataclass(frozen=True)
class Reviewed:
    """A dataset as the page shows it.

    Attributes:
        folder: The dataset's.
        vocabulary: The names that were looked for.
        records: The images.
        files: Its pictures, by their name in the records.
        compared: Of each image, what another dataset says; empty without one.
        compared_with: The other dataset's folder; empty without one.
    """

    folder: Path
    vocabulary: tuple[str, ...]
    records: tuple[FrameRecord, ...]
    files: Mapping[str, Path]
    compared: Mapping[str, Comparison]
    compared_with: str


@dataclass(frozen=True)
class Page:
    """A page that was written.

    Attributes:
        path: Where.
        images: How many images it shows.
        linked: Whether it needs the dataset's pictures beside it.
        without_picture: How many images have none.
    """

    path: Path
    images: int
    linked: bool
    without_picture: int


def read_reviewed(folder: Path, other: Path | None = None) -> Reviewed:
    """Read a dataset.

    Args:
        folder: The dataset's.
        other: A dataset of the same images, made by another model.

    Raises:
        InputError: There is no dataset, or the other one has none of its images.
    """
    manifest = manifest_of(folder)
    records = tuple(records_of(folder))
    compared: dict[str, Comparison] = {}
    if other is not None:
        manifest_of(other)
        rows = {row.key: row.detections for row in records_of(other)}
        compared = {
            record.key: compare(record.detections, rows[record.key])
            for record in records
            if record.key in rows
        }
        if records and not compared:
            raise InputError(
                f'{other} has none of the images of {folder}; annotate the same sources, named in '
                'the same way'
            )
    return Reviewed(
        folder,
        manifest.vocabulary,
        records,
        files_of(folder, records),
        compared,
        '' if other is None else str(other),
    )


def write_page(
    folder: Path,
    path: Path | None = None,
    *,
    other: Path | None = None,
    inline_bytes: int = INLINE_BYTES,
    by: str = '',
) -> Page:
    """Write a dataset's review page, whole or not at all.

    Args:
        folder: The dataset's.
        path: Where; `review.html` in the folder by default.
        other: A dataset of the same images, made by another model, to compare with.
        inline_bytes: Up to how many bytes of pictures are put into the page; 0 for none.
        by: Who reviews.

    Raises:
        InputError: There is no dataset, or the file is there and is no page.
        StorageError: The disk is full, or the page cannot be written.
    """
    reviewed = read_reviewed(folder, other)
    path = path or folder / PAGE
    _check_free(path)
    pictures = inlined(reviewed.files, inline_bytes) if inline_bytes else None
    linked = pictures is None and bool(reviewed.files)
    if pictures is None:
        pictures = links_to(reviewed.files, path)
    content = render(reviewed, pictures, by=by)
    with writing(path) as stream:
        stream.write(content)
    without = sum(record.image.file not in pictures for record in reviewed.records)
    return Page(path, len(reviewed.records), linked, without)


def _check_free(path: Path) -> None:
    """See that no records, reviews or other files of a person are written over."""
    if not path.is_file():
        return
    with path.open('rb') as stream:
        if not stream.read(len(_BEGINNING)).lower() == _BEGINNING:
            raise InputError(f'{path} is there and is no page; choose another name')


def render(
    reviewed: Reviewed, pictures: Mapping[str, str], *, by: str = '', served: bool = False
) -> bytes:
    """Return the page.

    Args:
        reviewed: What it shows.
        pictures: The address of each picture, by its name in the records.
        by: Who reviews.
        served: Whether a server takes what is said.
    """
    from jinja2 import Environment, FileSystemLoader

    web = Path(__file__).parent / 'web'
    style = (web / 'page.css').read_text(encoding='utf-8')
    parts = [(web / f'{name}.js').read_text(encoding='utf-8') for name in _SCRIPTS]
    # In a block, which keeps the names of the script apart from the browser's.
    script = "'use strict';\n{\n" + '\n'.join(parts) + '}\n'
    environment = Environment(
        loader=FileSystemLoader(web), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    html = environment.get_template('page.html').render(
        name=reviewed.folder.resolve().name,
        script=script,
        style=style,
        script_hash=_hash(script),
        style_hash=_hash(style),
        data=_data(reviewed, pictures, by, served),
    )
    return html.encode()


def _data(
    reviewed: Reviewed, pictures: Mapping[str, str], by: str, served: bool
) -> dict[str, Any]:
    kept = [line for record in reviewed.records for line in lines_of(record)]
    kept += kept_reviews(reviewed.folder)
    records = reviewed.records
    numbers = {name: number for number, name in enumerate(pictures)}
    keys = [worst_first(row, reviewed.compared.get(row.key)) for row in records]
    order = sorted(range(len(records)), key=lambda place: (keys[place], place))
    return {
        'id': _identity(reviewed.records),
        'by': by,
        'served': served,
        'vocabulary': reviewed.vocabulary,
        'compared': reviewed.compared_with,
        'pictures': list(pictures.values()),  # once each, whoever shows them
        'reviews': [
            line.model_dump(mode='json', exclude_defaults=True) for line in latest(kept).values()
        ],
        'frames': [
            entry_of(records[place], place, numbers, reviewed.compared.get(records[place].key))
            for place in order
        ],
    }


def _identity(records: Sequence[FrameRecord]) -> str:
    """Return what a browser keeps the state of a page under: the same whatever was reviewed."""
    rows = [[r.key, [[box.label, *box.xyxy] for box in r.detections]] for r in records]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16]


def _hash(text: str) -> str:
    return 'sha256-' + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
