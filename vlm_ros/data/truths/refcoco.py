"""RefCOCO, RefCOCO+ and RefCOCOg (arXiv 1608.00272, 1511.02283): `refs(BY).p` and instances.json.

The layout is that of https://github.com/lichengunc/refer: a folder with COCO's `instances.json`
and a pickle of references, each an object of an image with its sentences. BY is who split them:
`unc` and `google` for RefCOCO and RefCOCO+, `umd` and `google` for RefCOCOg.
"""

import math
from pathlib import Path

from pydantic import BaseModel

from vlm_ros.data.truths.items import Expression, LanguageTruth
from vlm_ros.data.truths.json_files import checked, load
from vlm_ros.data.truths.pickles import read_plain_pickle
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError


class _Sentence(BaseModel):
    sent_id: int
    sent: str


class _Reference(BaseModel):
    ref_id: int
    ann_id: int
    image_id: int
    split: str
    sentences: list[_Sentence]


class _Image(BaseModel):
    id: int
    file_name: str


class _Annotation(BaseModel):
    id: int
    image_id: int
    bbox: tuple[float, float, float, float]


class _Instances(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]


def read_refcoco(
    path: Path, *, split: str | None = None, images: Path | None = None
) -> LanguageTruth:
    """Read referring expressions; keys are the numbers of the sentences (`sent_id`).

    Args:
        path: The folder, or its `refs(BY).p` where there are several.
        split: Such as `val`, `testA`, `testB`, `test`; None for `val`.
        images: The folder of COCO's pictures of train2014; None to look around.

    Raises:
        InputError: A file is missing, damaged or no such dataset's, or there is no such split.
    """
    references = path if path.is_file() else _only(path)
    folder = references.parent
    rows = checked(
        read_plain_pickle(references), list[_Reference], references, 'the references of RefCOCO'
    )
    file = folder / 'instances.json'
    instances = checked(load(file), _Instances, file, 'a COCO file of instances')
    files = {image.id: image.file_name for image in instances.images}
    boxes = {annotation.id: annotation for annotation in instances.annotations}
    splits = sorted({row.split for row in rows})
    wanted = split or 'val'
    items = []
    for row in rows:
        if row.split != wanted:
            continue
        annotation = boxes.get(row.ann_id)
        if annotation is None or annotation.image_id not in files:
            raise InputError(
                f'reference {row.ref_id} of {references} is of annotation {row.ann_id}, which is '
                f'not in {file}; take both from the same archive'
            )
        left, top, width, height = annotation.bbox
        if not (width >= 0 and height >= 0 and math.isfinite(left + top + width + height)):
            raise InputError(
                f'annotation {annotation.id} of {file}: the box {list(annotation.bbox)} is '
                'impossible; correct or remove it'
            )
        items += [
            Expression(
                str(sentence.sent_id),
                (files[annotation.image_id],),
                sentence.sent,
                boxes=((left, top, left + width, top + height),),
            )
            for sentence in row.sentences
        ]
    if wanted not in splits:
        raise InputError(f'{references} has no split {wanted!r}; it has {", ".join(splits)}')
    if not items:
        raise InputError(f'the split {wanted!r} of {references} has no sentences')
    pictures = images or pictures_near(folder, [items[0].images[0]])
    return LanguageTruth(items, 'refcoco', pictures)


def _only(folder: Path) -> Path:
    found = sorted(folder.glob('refs(*).p'))
    if len(found) != 1:
        told = ', '.join(str(path) for path in found) or 'none'
        raise InputError(f'{folder} needs one refs(BY).p, and has {told}; name one as --truth')
    return found[0]
