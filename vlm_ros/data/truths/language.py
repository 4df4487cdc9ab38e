"""Every language dataset by its layout."""

from pathlib import Path

from vlm_ros.data.truths.captions import read_captions
from vlm_ros.data.truths.flickr30k import read_flickr30k
from vlm_ros.data.truths.items import LanguageTruth
from vlm_ros.data.truths.known_questions import read_known_questions
from vlm_ros.data.truths.nlvr2 import read_nlvr2
from vlm_ros.data.truths.questions import read_gqa, read_nuscenes_qa, read_pope, read_vqa_v2
from vlm_ros.data.truths.refcoco import read_refcoco
from vlm_ros.errors import InputError

_SPLIT = {'refcoco': read_refcoco, 'flickr30k': read_flickr30k}
_WHOLE = {
    'vqa_v2': read_vqa_v2,
    'gqa': read_gqa,
    'nuscenes_qa': read_nuscenes_qa,
    'pope': read_pope,
    'questions': read_known_questions,
    'nlvr2': read_nlvr2,
    'coco_captions': read_captions,
}


def read_language(
    path: Path, layout: str, *, split: str | None = None, images: Path | None = None
) -> LanguageTruth:
    """Read a dataset.

    Args:
        path: The file or folder.
        layout: One of `layouts.TASKS` whose task is not `detect`.
        split: Of RefCOCO and Flickr30k Entities; other datasets have a file for each.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: It is not such a dataset, or damaged, or two of its items have one key.
    """
    if images is not None and not images.is_dir():
        raise InputError(f'the folder of pictures {images} is missing')
    if layout in _SPLIT:
        truth = _SPLIT[layout](path, split=split, images=images)
    elif layout not in _WHOLE:
        raise InputError(f'{layout} has nothing but boxes of classes; choose --task detect')
    elif split is not None:
        raise InputError(f'{layout} has a file for each split; name that of {split!r} as --truth')
    else:
        truth = _WHOLE[layout](path, images=images)
    seen: set[str] = set()
    for item in truth.items:
        if item.key in seen:
            raise InputError(f'{path} has {item.key} twice; remove or renumber one')
        seen.add(item.key)
    return truth
