"""The records of a truth's images, found by their keys or by the names of the files."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from vlm_ros.data.formats import TruthImage
from vlm_ros.data.formats.exporting import LOOKED
from vlm_ros.data.truths.box_truth import Moment
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord

_MAX_TAIL = 8


def rows_of(
    records: Sequence[FrameRecord],
    images: Sequence[TruthImage],
    where: str,
    moments: Sequence[Moment | None] = (),
) -> list[int | None]:
    """Return for each image the number of its record; None where there is none.

    Frames of a video are those of the sequence that bears its name.

    Raises:
        InputError: No image has a record, one has two, or its record is of another size.
    """
    keys: dict[str, int] = {}
    for number, record in enumerate(records):
        if keys.setdefault(record.key, number) != number:
            raise InputError(f'{where} has two records {record.key}; leave one')
    shared = Counter(image.key for image in images)
    by_file = _by_tail(records, images, where, str)
    by_stem = _by_tail(records, images, where, _stem)
    by_moment = {
        (Path(record.source).stem, record.index): row
        for row, record in enumerate(records)
        if record.time_s is not None and not record.topic
    }
    rows: list[int | None] = []
    for number, image in enumerate(images):
        known = keys.get(image.key) if shared[image.key] == 1 else None
        moment = moments[number] if moments else None
        frame = by_moment.get((moment.sequence, moment.place)) if moment else None
        places = (known, by_file[number], by_stem[number], frame)
        row = next((found for found in places if found is not None), None)
        rows.append(row)
        if row is not None:
            _check_size(records[row], image, where)
    if not any(row is not None for row in rows):
        told = records[0].source if records else 'nothing'
        raise InputError(
            f'{where} is of other images than the truth: it begins with {told}, the truth with '
            f'{images[0].file or images[0].key}'
        )
    return rows


def _by_tail(
    records: Sequence[FrameRecord],
    images: Sequence[TruthImage],
    where: str,
    plain: Callable[[str], str],
) -> list[int | None]:
    """Find records by the last parts of the files' names, as many as tell the images apart."""
    files = [plain(image.file or image.key) for image in images]
    depth = _depth(files)
    tails: dict[tuple[str, ...], set[int]] = {}
    for row, record in enumerate(records):
        names = [] if record.topic or record.time_s is not None else [record.source]
        for name in (*names, record.image.file):
            if name:
                tails.setdefault(Path(plain(name)).parts[-depth:], set()).add(row)
    alike = Counter(Path(file).parts[-depth:] for file in files)
    rows: list[int | None] = []
    for file, image in zip(files, images, strict=True):
        tail = Path(file).parts[-depth:]
        found = tails.get(tail, set()) if alike[tail] == 1 else set()
        if len(found) > 1:
            raise InputError(
                f'{where} has {len(found)} records of {image.file}; leave one of them'
            )
        rows.append(next(iter(found), None))
    return rows


def _check_size(record: FrameRecord, image: TruthImage, where: str) -> None:
    size = (record.image.width, record.image.height)
    if record.status in LOOKED and size != (image.width, image.height):
        raise InputError(
            f'{where} has {image.file or image.key} at {size[0]}×{size[1]}, and the truth at '
            f'{image.width}×{image.height}; annotate the pictures of the truth'
        )


def _stem(name: str) -> str:
    return str(Path(name).with_suffix(''))


def _depth(names: Sequence[str]) -> int:
    """Return how many of the last parts of paths tell them apart."""
    for depth in range(1, _MAX_TAIL):
        if len({Path(name).parts[-depth:] for name in names}) == len(names):
            return depth
    return _MAX_TAIL
