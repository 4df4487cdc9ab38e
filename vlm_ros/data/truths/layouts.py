"""Which public layout a file or folder has, told by what is in it."""

import json
from pathlib import Path
from typing import Any

from vlm_ros.data.formats.truth import content
from vlm_ros.data.truths.json_files import load, load_lines
from vlm_ros.errors import InputError
from vlm_ros.records.manifest import MANIFEST

TASKS = {
    'coco': 'detect',
    'lvis': 'detect',
    'yolo': 'detect',
    'voc': 'detect',
    'kitti': 'detect',
    'kitti_tracking': 'detect',
    'flickr30k': 'ground',
    'refcoco': 'refer',
    'vqa_v2': 'answer',
    'gqa': 'answer',
    'nuscenes_qa': 'answer',
    'pope': 'answer',
    'questions': 'answer',
    'nlvr2': 'verify',
    'coco_captions': 'caption',
}
"""The layouts, and what they are the truth of."""
_NO_TRUTHS = {
    'panoptic': 'panoptic segments and no boxes; name the file of instances',
    'vqa_answers': 'the answers of VQA alone; name the file of questions, and leave it beside',
}


def file_of(path: Path) -> Path:
    """Return the one JSON file of a folder, or of its `annotations`; a layout's folder itself.

    Raises:
        InputError: There are several.
    """
    if not path.is_dir() or _of_folder(path):
        return path
    found = sorted(
        file
        for file in (*path.glob('*.json'), *path.glob('annotations/*.json'))
        if file.name != MANIFEST
    )
    if len(found) > 1:
        raise InputError(f'{path} holds {len(found)} files of JSON; name one, such as {found[0]}')
    return found[0] if found else path


def layout_of(path: Path) -> str:
    """Return the layout of a dataset.

    Raises:
        InputError: There is no such file, or it is of none of them; the message lists them.
    """
    if path.is_dir():
        found = _of_folder(path)
    elif not path.exists():
        raise InputError(f'there is no file or folder {path}; it should hold the truth')
    elif path.suffix.lower() in ('.yaml', '.yml'):
        found = 'yolo'
    elif path.suffix.lower() == '.p':
        found = 'refcoco'
    elif path.suffix.lower() == '.jsonl' or _is_lines(path):
        found = _of_line(_first(load_lines(path)))
    elif path.suffix.lower() == '.json':
        found = _of_json(load(path))
        if found in _NO_TRUTHS:
            raise InputError(f'{path} holds {_NO_TRUTHS[found]}')
    else:
        found = ''
    if not found:
        raise InputError(
            f'{path} has none of the layouts {", ".join(TASKS)}; name the file itself, or force '
            'one with --format'
        )
    return found


def _of_folder(folder: Path) -> str:
    if (folder / 'Sentences').is_dir() and (folder / 'Annotations').is_dir():
        return 'flickr30k'
    if (folder / 'Annotations').is_dir():
        return 'voc'
    if (folder / 'label_2').is_dir():
        return 'kitti'
    if (folder / 'label_02').is_dir():
        return 'kitti_tracking'
    for part in ('training', 'train', 'val'):
        if (folder / part).is_dir() and _of_folder(folder / part):
            raise InputError(f'{folder} has the truth in a folder; name {folder / part}')
    if (folder / 'data.yaml').is_file():
        return 'yolo'
    if any(folder.glob('refs(*).p')):
        return 'refcoco'
    return ''


def _of_json(value: Any) -> str:
    if not isinstance(value, dict):
        return 'pope' if _of_line(_first(value)) == 'pope' else ''
    rows = value.get('annotations')
    if isinstance(value.get('questions'), list):
        question = _first(value['questions'])
        return 'nuscenes_qa' if 'sample_token' in question else 'vqa_v2' if question else ''
    if isinstance(rows, list) and isinstance(value.get('images'), list):
        if {'caption', 'segments_info'} & _first(rows).keys():
            return 'coco_captions' if 'caption' in _first(rows) else 'panoptic'
        images = value['images']
        if any(isinstance(image, dict) and 'neg_category_ids' in image for image in images):
            return 'lvis'
        return 'coco' if 'categories' in value else ''
    if 'question_id' in _first(rows):
        return 'vqa_answers'
    if found := _of_line(value):
        return found  # a file of one line
    return 'gqa' if {'question', 'imageId'} <= _first([*value.values()]).keys() else ''


def _first(rows: object) -> dict[str, Any]:
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}


def _is_lines(path: Path) -> bool:
    """Say whether a file is JSON a line; NLVR2 calls such files `.json`."""
    rows = content(path).lstrip().splitlines()
    if path.suffix.lower() != '.json' or len(rows) < 2:
        return False
    try:
        return isinstance(json.loads(rows[0]), dict)
    except ValueError:
        return False


def _of_line(value: dict[str, Any]) -> str:
    if {'sentence', 'identifier'} <= set(value):
        return 'nlvr2'
    if not {'question_id', 'image', 'text', 'label'} <= set(value):
        return ''
    return 'questions' if 'group' in value else 'pope'
