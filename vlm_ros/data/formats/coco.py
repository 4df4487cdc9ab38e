"""COCO: one JSON file for all images (https://cocodataset.org/#format-data).

Numbers of images, boxes and categories count from 1. Boxes are left, top, width, height. Keys that
COCO does not have are left alone by its readers, so nothing of a box is lost: `score`, `track_id`;
of an image `key`, `source`, `topic`, `index`, `stamp_ns`, `time_s`. Names that could not be looked
for are, as in LVIS, an image's `not_exhaustive_category_ids`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from vlm_ros.data.formats.exporting import Export, ExportedBox, Written
from vlm_ros.data.formats.masks import from_coco, pixels_of, to_coco
from vlm_ros.data.formats.truth import (
    content,
    Fitting,
    in_score_range,
    TOLERANCE_PX,
    TruthBox,
    TruthImage,
    TruthSet,
)
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord
from vlm_ros.whole_files import writing


def write_coco(
    records: Iterable[FrameRecord],
    vocabulary: Sequence[str],
    folder: Path,
    *,
    images: Path | None = None,
    split: str = 'train',
) -> Written:
    """Write `annotations/instances_SPLIT.json`; the same records give the same bytes.

    Args:
        records: The images; see `Export` for those that are left out.
        vocabulary: The names, in the order of their numbers.
        folder: Where the files go.
        images: The folder that the records' pictures are in; they are then linked, or copied, into
            `images/`. None leaves them where they are.
        split: Of the file's name.

    Raises:
        InputError: A key is there twice, a label is not in the vocabulary, a picture is missing,
            or a mask is damaged.
        StorageError: The disk is full, or the folder cannot be written.
    """
    export = Export(vocabulary, folder, images, 'images')
    pictures: list[str] = []
    annotations: list[str] = []
    for record, name, boxes in export.frames(records):
        number = len(pictures) + 1
        file = name if images is not None else record.image.file or name
        pictures.append(_json(_image(record, number, file, export.vocabulary)))
        size = (record.image.height, record.image.width)
        for box in boxes:
            where = f'a {box.label} of {record.key}'
            entry = _annotation(box, len(annotations) + 1, number, size, where)
            annotations.append(_json(entry))
    categories = [
        _json({'id': number, 'name': label, 'supercategory': ''})
        for number, label in enumerate(export.vocabulary, 1)
    ]
    path = folder / 'annotations' / f'instances_{split}.json'
    with writing(path) as stream:
        # One entry a line: two versions of a dataset can be compared.
        stream.write(b'{"info":{"description":"vlm_ros"},"licenses":[]')
        parts = {'categories': categories, 'images': pictures, 'annotations': annotations}
        for part, rows in parts.items():
            stream.write(f',\n"{part}":[\n'.encode() + ',\n'.join(rows).encode() + b'\n]')
        stream.write(b'}\n')
    return export.written(path)


def _image(
    record: FrameRecord, number: int, file: str, vocabulary: Sequence[str]
) -> dict[str, Any]:
    known = {
        'id': number,
        'file_name': file,
        'width': record.image.width,
        'height': record.image.height,
        'key': record.key,
        'source': record.source,
        'topic': record.topic or None,
        'index': record.index,
        'stamp_ns': record.stamp_ns,
        'time_s': record.time_s,
        'not_exhaustive_category_ids': [
            number for number, label in enumerate(vocabulary, 1) if label in record.unrecognized
        ]
        or None,
    }
    return {name: value for name, value in known.items() if value is not None}


def _annotation(
    box: ExportedBox, number: int, image: int, size: tuple[int, int], where: str
) -> dict[str, Any]:
    left, top, right, bottom = box.xyxy
    width, height = round(right - left, 2), round(bottom - top, 2)
    known: dict[str, Any] = {
        'id': number,
        'image_id': image,
        'category_id': box.number + 1,
        'bbox': [left, top, width, height],
        'area': round(width * height, 4),
        'iscrowd': 0,
        'score': box.detection.score,
    }
    if box.detection.track_id is not None:
        known['track_id'] = box.detection.track_id
    mask = box.detection.mask
    if mask is not None:
        known['area'] = int(pixels_of(mask, size, where).sum())
        known['segmentation'] = to_coco(mask)
    return known


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'), allow_nan=False)


class _Category(BaseModel):
    id: int
    name: str = Field(min_length=1)


class _Image(BaseModel):
    id: int
    file_name: str = ''
    coco_url: str = ''  # LVIS has no file names
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    key: str = ''

    @property
    def file(self) -> str:
        return self.file_name or '/'.join(self.coco_url.split('/')[-2:])


class _RunLengths(BaseModel):
    size: tuple[int, int]
    counts: str | list[int]


class _Annotation(BaseModel):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    iscrowd: int = 0
    ignore: int = 0
    score: float | None = None
    track_id: int | None = None
    segmentation: _RunLengths | list[list[float]] | None = None


class _Dataset(BaseModel):
    categories: list[_Category]
    images: list[_Image]
    annotations: list[_Annotation]


def read_coco(
    path: Path,
    *,
    images: Path | None = None,
    masks: bool = False,
    tolerance_px: float = TOLERANCE_PX,
) -> TruthSet:
    """Read a COCO file of instances.

    Args:
        path: Such as `annotations/instances_val2017.json`.
        images: The folder of the pictures, to see that all are there; None does not look.
        masks: Whether to read masks and outlines too, which takes longer than all the rest.
        tolerance_px: How far a box may reach out of its image. Boxes of COCO are rounded, so that
            some overshoot by a fraction; they are clipped and counted.

    Raises:
        InputError: It is no such file, a number or picture is there twice or not at all, or a box
            is impossible.
    """
    try:
        dataset = _Dataset.model_validate_json(content(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = '.'.join(str(part) for part in first['loc'])
        raise InputError(
            f'{path} is not a COCO file of instances: {where}{": " * bool(where)}{first["msg"]}'
        ) from error
    names = {category.id: category.name for category in dataset.categories}
    _check_once((category.id for category in dataset.categories), 'category', path)
    _check_once((category.name for category in dataset.categories), 'category', path)
    _check_once((image.id for image in dataset.images), 'image', path)
    _check_once((annotation.id for annotation in dataset.annotations), 'annotation', path)
    _check_once((image.file or image.id for image in dataset.images), 'image', path)
    if not dataset.images:
        raise InputError(f'{path} has no images')
    by_image: dict[int, list[TruthBox]] = {image.id: [] for image in dataset.images}
    sizes = {image.id: (image.width, image.height) for image in dataset.images}
    fitting = Fitting(tolerance_px)
    for annotation in dataset.annotations:
        where = f'annotation {annotation.id} of {path}'
        if annotation.image_id not in sizes:
            raise InputError(f'{where}: there is no image {annotation.image_id}; remove it')
        if annotation.category_id not in names:
            raise InputError(f'{where}: there is no category {annotation.category_id}; add it')
        size = sizes[annotation.image_id]
        label = names[annotation.category_id]
        box = _box(annotation, label, size, fitting, where)
        if masks and annotation.segmentation:
            segmentation = annotation.model_dump()['segmentation']
            box = replace(box, mask=from_coco(segmentation, size[::-1], where))
        by_image[annotation.image_id].append(box)
    truths = []
    for image in dataset.images:
        if images is not None and not (images / image.file).is_file():
            raise InputError(f'the picture {images / image.file} of {path} is missing')
        key = image.key or Path(image.file).stem or str(image.id)
        boxes = tuple(by_image[image.id])
        truths.append(TruthImage(key, image.file, image.width, image.height, boxes))
    labels = tuple(names[number] for number in sorted(names))
    return TruthSet(tuple(truths), labels, fitting.clipped)


def _box(
    annotation: _Annotation, label: str, size: tuple[int, int], fitting: Fitting, where: str
) -> TruthBox:
    left, top, width, height = annotation.bbox
    score = annotation.score
    return TruthBox(
        label,
        fitting.fit((left, top, left + width, top + height), *size, where),
        difficult=bool(annotation.ignore),
        crowd=bool(annotation.iscrowd),
        score=None if score is None else in_score_range(score, where),
        track_id=annotation.track_id,
    )


def _check_once(values: Iterable[object], what: str, path: Path) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise InputError(f'{what} {value!r} is there twice in {path}; remove or renumber one')
        seen.add(value)
