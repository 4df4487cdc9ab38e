"""Labelled boxes, whatever the layout."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from vlm_ros.data.formats import read_coco, read_kitti, read_voc, read_yolo
from vlm_ros.data.formats.truth import Box, content
from vlm_ros.data.truths.box_truth import BoxTruth, Moment
from vlm_ros.data.truths.json_files import checked, load
from vlm_ros.data.truths.kitti_tracking import read_kitti_tracking
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError

FREQUENCIES = {'r': 'rare', 'c': 'common', 'f': 'frequent'}
"""How LVIS calls classes in up to 10, up to 100, and more images."""


def read_boxes(
    path: Path, layout: str, *, split: str | None = None, images: Path | None = None
) -> BoxTruth:
    """Read labelled boxes.

    Args:
        path: The file or folder.
        layout: One of `layouts.TASKS` whose task is `detect`.
        split: Which part of a YOLO, VOC or KITTI dataset, or which sequence of KITTI's tracking;
            None for the `val`, `test` or `train` of YOLO, the first there is, and for all of the
            others.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: It is not such a dataset, or damaged.
    """
    if images is not None and not images.is_dir():
        raise InputError(f'the folder of pictures {images} is missing')
    if layout in ('coco', 'lvis'):
        if split is not None:
            raise InputError(f'{layout} has a file for each split; name that of {split!r} itself')
        return _read_coco(path, images)
    if layout == 'yolo':
        file = path / 'data.yaml' if path.is_dir() else path
        truth = read_yolo(file, split=split or _own_split(file))
    elif layout == 'voc':
        truth = read_voc(path, split=split)
    elif layout == 'kitti_tracking':
        return read_kitti_tracking(path, split=split, images=images)
    elif layout == 'kitti':
        truth = read_kitti(path, split=split, images=images)
    else:
        raise InputError(f'{layout} has no boxes of classes; give a truth that has')
    folder = path if path.is_dir() else path.parent
    return BoxTruth(truth, images or pictures_near(folder, [i.file for i in truth.images]))


def _own_split(file: Path) -> str:
    """Return the part of a YOLO dataset that is there to be evaluated on."""
    import yaml

    try:
        settings = yaml.safe_load(content(file))
    except yaml.YAMLError:
        settings = None  # what reads it all says what is wrong
    there = settings if isinstance(settings, dict) else {}
    return next((part for part in ('val', 'test', 'train') if there.get(part)), 'val')


class _Image(BaseModel):
    id: int
    source: str = ''  # this and the next three are written by this package alone
    topic: str = ''
    index: int | None = None
    time_s: float | None = None
    neg_category_ids: list[int] | None = None
    not_exhaustive_category_ids: list[int] = []


class _Category(BaseModel):
    id: int
    name: str
    frequency: str = ''


class _Annotation(BaseModel):
    image_id: int
    bbox: Box
    area: float | None = None


class _Dataset(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def _read_coco(path: Path, images: Path | None) -> BoxTruth:
    truth = read_coco(path)
    more = checked(load(path), _Dataset, path, 'a COCO file of instances')
    names = {category.id: category.name for category in more.categories}
    areas: dict[int, list[float | None]] = {image.id: [] for image in more.images}
    boxes: dict[int, list[Box]] = {image.id: [] for image in more.images}
    for annotation in more.annotations:
        left, top, width, height = annotation.bbox
        boxes[annotation.image_id].append((left, top, left + width, top + height))
        areas[annotation.image_id].append(annotation.area)
    for image in more.images:
        for number in (*(image.neg_category_ids or ()), *image.not_exhaustive_category_ids):
            if number not in names:
                raise InputError(
                    f'image {image.id} of {path} names category {number}, which is not there; '
                    'add it'
                )
    return BoxTruth(
        truth,
        images or pictures_near(path.parent, [image.file for image in truth.images]),
        areas=[_known(areas[image.id]) for image in more.images],
        as_written=[boxes[image.id] for image in more.images],
        moments=_moments(more.images),
        judged=[
            None
            if image.neg_category_ids is None
            else frozenset(names[number] for number in image.neg_category_ids)
            for image in more.images
        ],
        not_exhaustive=[
            frozenset(names[number] for number in image.not_exhaustive_category_ids)
            for image in more.images
        ],
        groups={c.name: FREQUENCIES.get(c.frequency, c.frequency) for c in more.categories}
        if any(category.frequency for category in more.categories)
        else {},
        image_ids=[image.id for image in more.images],
        label_ids=names,
    )


def _moments(images: Sequence[_Image]) -> list[Moment | None]:
    found = [
        Moment(f'{image.source}:{image.topic}', image.index, image.time_s or 0.0)
        if image.index is not None and (image.topic or image.time_s is not None)
        else None
        for image in images
    ]
    return found if any(found) else []


def _known(areas: list[float | None]) -> list[float] | None:
    known = [area for area in areas if area is not None]
    return known if len(known) == len(areas) else None
