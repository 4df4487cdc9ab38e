"""YOLO: a text file an image, a line a box (https://docs.ultralytics.com/datasets/detect/).

A line is the number of the class, from 0, then centre and size as parts of the image's width and
height. With masks every line is an outline instead, that of a box being its corners: programs that
find one outline in a file take all its lines for such. There is no room for scores where labels
are trained on; predictions have them as a last number. Tracks and stamps have no place.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from vlm_ros.data.formats.exporting import Export, ExportedBox, write_text, Written
from vlm_ros.data.formats.masks import outlines_of
from vlm_ros.data.formats.pictures import pictures_of, size_of
from vlm_ros.data.formats.truth import (
    content,
    Fitting,
    in_score_range,
    lines,
    numbers,
    TOLERANCE_PX,
    TruthBox,
    TruthImage,
    TruthSet,
    whole_number,
)
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, MaskRecord

_Point = tuple[float, float]


def write_yolo(
    records: Iterable[FrameRecord],
    vocabulary: Sequence[str],
    folder: Path,
    *,
    images: Path | None = None,
    split: str = 'train',
    masks: bool = False,
    scores: bool = False,
) -> Written:
    """Write `data.yaml`, `SPLIT.txt` that lists the images, and `labels/KEY.txt`.

    `data.yaml` names a list for `train` and one for `val`, without which training does not begin;
    that of this split stands for one that is not there. Write a split of its own to validate on.

    Args:
        records: The images; see `Export` for those that are left out.
        vocabulary: The names, in the order of their numbers.
        folder: Where the files go.
        images: The folder that the records' pictures are in; they are linked, or copied, into
            `images/`, where the list looks for them. None leaves that to others.
        split: Of the list.
        masks: Whether to write outlines instead of boxes. Holes are lost, and parts are joined by
            a line, because a thing has one outline here.
        scores: Whether to write scores, for labels that are predictions and not trained on.

    Raises:
        InputError: A key is there twice, a label is not in the vocabulary, a picture is missing,
            or a mask is damaged.
        StorageError: The disk is full, or the folder cannot be written.
    """
    export = Export(vocabulary, folder, images, 'images')
    listed = []
    for record, name, boxes in export.frames(records, 'labels/{}.txt'):
        size = (record.image.width, record.image.height)
        rows = [_row(box, size, masks, scores, record.key) for box in boxes]
        write_text(folder / 'labels' / f'{record.key}.txt', rows)
        listed.append(f'./images/{name}')
    write_text(folder / f'{split}.txt', listed)
    path = folder / 'data.yaml'
    names = dict(enumerate(export.vocabulary))
    settings = {**_lists(folder, split), 'nc': len(names), 'names': names}
    described = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    write_text(path, [described.rstrip('\n')])
    return export.written(path)


def _lists(folder: Path, split: str) -> dict[str, str]:
    """Return the list of each split; training refuses a file without `train` and `val`."""
    there = [
        part
        for part in dict.fromkeys(['train', 'val', 'test', split])
        if part == split or (folder / f'{part}.txt').is_file()
    ]
    lists = {part: f'{part}.txt' for part in there}
    return {'train': lists.get('train', f'{split}.txt'), 'val': f'{split}.txt', **lists}


def _row(box: ExportedBox, size: tuple[int, int], masks: bool, scores: bool, key: str) -> str:
    width, height = size
    left, top, right, bottom = box.xyxy
    if masks:
        mask = box.detection.mask
        outline: Sequence[_Point] = (
            _outline(mask, size, f'a {box.label} of {key}') if mask else ()
        ) or ((left, top), (right, top), (right, bottom), (left, bottom))
        values = [part for x, y in outline for part in (x / width, y / height)]
    else:
        centre = ((left + right) / 2 / width, (top + bottom) / 2 / height)
        values = [*centre, (right - left) / width, (bottom - top) / height]
    if scores:
        return ' '.join([str(box.number), *(f'{v:.6f}' for v in values), f'{box.detection.score}'])
    return ' '.join([str(box.number), *(f'{value:.6f}' for value in values)])


def _outline(mask: MaskRecord, size: tuple[int, int], where: str) -> list[_Point]:
    # Programs that train on outlines round them to the numbers of pixels, and fill in between.
    parts = [
        [(float(x), float(y)) for x, y in part] for part in outlines_of(mask, size[::-1], where)
    ]
    # Out along the parts, each closed, and back over their beginnings.
    outline = [point for part in parts for point in (*part, part[0])]
    outline += [part[0] for part in parts[-2:0:-1]]
    return outline + outline[-1:] * (3 - len(outline)) if outline else []


def read_yolo(
    path: Path,
    *,
    split: str = 'train',
    tolerance_px: float = TOLERANCE_PX,
) -> TruthSet:
    """Read a YOLO dataset: boxes, predictions with scores, or the boxes around outlines.

    An image without a file of labels has no boxes, as in training.

    Args:
        path: The `data.yaml`.
        split: Which of its lists or folders of images.
        tolerance_px: How far a box may reach out of its image. Six digits of a part overshoot by
            less than a hundredth of a pixel; such boxes are clipped and counted.

    Raises:
        InputError: A file is no such dataset's, a picture is missing or there twice, or a box is
            impossible.
    """
    settings = _settings(path)
    if 'kpt_shape' in settings:
        raise InputError(f'{path} has labels of poses; give a dataset of boxes or outlines')
    names = _names(settings, path)
    fitting = Fitting(tolerance_px)
    truths = []
    for picture in _pictures(settings, path, split):
        width, height = size_of(picture)
        labels = _labels_of(picture)
        rows = lines(labels) if labels.is_file() else []
        boxes = tuple(
            _box(row.split(), names, (width, height), fitting, f'line {number} of {labels}')
            for number, row in enumerate(rows, 1)
            if row.strip()
        )
        truths.append(TruthImage(_key(picture), str(picture), width, height, boxes))
    return TruthSet(
        tuple(truths), tuple(names[number] for number in sorted(names)), fitting.clipped
    )


def _settings(path: Path) -> dict[Any, Any]:
    try:
        settings = yaml.safe_load(content(path))
    except yaml.YAMLError as error:
        raise InputError(f'{path} is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(settings, dict):
        raise InputError(f'{path} is not the data.yaml of a YOLO dataset: it has no names')
    return settings


def _names(settings: dict[Any, Any], path: Path) -> dict[int, str]:
    names = settings.get('names')
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names:
        raise InputError(f'{path} has no `names`; list the classes there')
    where = f'names of {path}'
    # YAML takes a bare yes or no for something else.
    strange = [own for own in names.values() if isinstance(own, bool) or own is None]
    if strange:
        raise InputError(f'{where}: {strange[0]!r} is no text; put quotes around the name')
    found = {whole_number(str(number), where): str(name) for number, name in names.items()}
    if len(set(found.values())) < len(found):
        raise InputError(f'{where}: a class is there twice')
    return found


def _pictures(settings: dict[Any, Any], path: Path, split: str) -> list[Path]:
    places = settings.get(split)
    if not places:
        raise InputError(f'{path} has no `{split}`; add its folder of images, or a list of them')
    root = path.parent / str(settings.get('path') or '')
    if not isinstance(places, str | list):
        raise InputError(f'`{split}` of {path} is {places!r}; give a folder of images, or a list')
    found: list[Path] = []
    for place in [places] if isinstance(places, str) else places:
        where = _place(root, str(place), path)
        if where.is_dir():
            pictures = pictures_of(where)
            _check_complete(where, pictures)
            found += pictures
        else:
            found += [where.parent / row.strip() for row in lines(where) if row.strip()]
    if len(set(found)) < len(found):
        twice = next(picture for picture in found if found.count(picture) > 1)
        raise InputError(f'{twice} is there twice in `{split}` of {path}; remove one')
    if not found:
        raise InputError(f'`{split}` of {path} has no pictures')
    return found


def _place(root: Path, place: str, path: Path) -> Path:
    """Return where a list or folder is; exports of Roboflow have a `../` too many."""
    inside = [root / place, path.parent / place, path.parent / place.removeprefix('../')]
    found = next((where for where in inside if where.exists()), None)
    if found is None:
        raise InputError(
            f'{inside[0]} is missing; correct `path` or the folders in {path}, which are looked '
            'for from its own folder'
        )
    return found


def _check_complete(folder: Path, pictures: list[Path]) -> None:
    expected = {_labels_of(picture) for picture in pictures}
    for labels in sorted(_labels_of(folder / 'any').parent.rglob('*.txt')):
        if labels not in expected and labels.name != 'classes.txt':  # a list that some tools add
            raise InputError(f'{labels} has no picture in {folder}; put it back, or remove both')


def _split_at_images(picture: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    folders = picture.parent.parts
    for index in range(len(folders) - 1, -1, -1):
        if folders[index] == 'images':
            return folders[:index], folders[index + 1 :]
    return folders, ()


def _labels_of(picture: Path) -> Path:
    above, below = _split_at_images(picture)
    name = f'{picture.stem}.txt'
    if (*above, *below) == picture.parent.parts:
        return picture.with_name(name)  # no folder `images`: beside the picture
    return Path(*above, 'labels', *below, name)


def _key(picture: Path) -> str:
    _, below = _split_at_images(picture)
    return '/'.join((*below, picture.stem))


def _box(
    words: list[str], names: dict[int, str], size: tuple[int, int], fitting: Fitting, where: str
) -> TruthBox:
    if len(words) < 5:
        raise InputError(f'{where}: has {len(words)} numbers; a box needs 5, an outline 7 or more')
    number = whole_number(words[0], where)
    if number not in names:
        raise InputError(f'{where}: class {number} is not among the names of data.yaml')
    values = numbers(words[1:], where)
    score = None
    if len(values) == 5 or (len(values) > 6 and len(values) % 2):
        score = in_score_range(values.pop(), where)
    width, height = size
    if len(values) == 4:
        x, y, w, h = values
        edges = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    else:
        edges = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    left, top, right, bottom = edges
    xyxy = (left * width, top * height, right * width, bottom * height)
    return TruthBox(names[number], fitting.fit(xyxy, width, height, where), score=score)
