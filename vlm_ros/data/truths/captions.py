"""Captions in the layout of COCO (arXiv 1504.00325), such as `captions_val2014.json`."""

from pathlib import Path

from pydantic import BaseModel

from vlm_ros.data.truths.items import Captioned, LanguageTruth
from vlm_ros.data.truths.json_files import checked, load
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError


class _Image(BaseModel):
    id: int
    file_name: str


class _Caption(BaseModel):
    image_id: int
    caption: str


class _Captions(BaseModel):
    images: list[_Image]
    annotations: list[_Caption]


def read_captions(path: Path, *, images: Path | None = None) -> LanguageTruth:
    """Read captions; keys are the numbers of the images.

    Args:
        path: The file.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: The file is damaged or no such dataset's, or an image has no caption.
    """
    rows = checked(load(path), _Captions, path, "COCO's captions")
    said: dict[int, list[str]] = {image.id: [] for image in rows.images}
    for row in rows.annotations:
        if row.image_id not in said:
            raise InputError(f'{path} has a caption of image {row.image_id}, which is not there')
        said[row.image_id].append(row.caption)
    bare = [number for number, captions in said.items() if not captions]
    if bare or not said:
        told = f'image {bare[0]} without a caption; remove it' if bare else 'no images'
        raise InputError(f'{path} has {told}')
    items = [
        Captioned(str(image.id), (image.file_name,), captions=tuple(said[image.id]))
        for image in rows.images
    ]
    pictures = images or pictures_near(path.parent, [items[0].images[0]])
    return LanguageTruth(items, 'coco_captions', pictures)
