"""Boxes out of JSON, whatever a family calls its keys."""

from collections.abc import Iterator, Sequence
import re

from vlm_ros.backends.dialects.loose_json import JsonValue, LooseJson, read_loose_json
from vlm_ros.backends.dialects.spoken import Hearing, number, read_only_so_much, SpokenBoxes

BOX_KEYS = ('bbox_2d', 'box_2d', 'bbox', 'box', 'bounding_box', 'boundingbox', 'coordinates')
LABEL_KEYS = ('label', 'name', 'class', 'class_name', 'category', 'object', 'type')
_NAMED_CORNERS = (
    ('x1', 'y1', 'x2', 'y2'),
    ('xmin', 'ymin', 'xmax', 'ymax'),
    ('x_min', 'y_min', 'x_max', 'y_max'),
    ('left', 'top', 'right', 'bottom'),
)
_NUMBER = re.compile(r'[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[nN]a[nN]')


def parse_json_boxes(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    scale_wh: tuple[float, float],
    y_first: bool = False,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of a JSON answer, or of what is left of one.

    Args:
        text: What the model said.
        resolution_wh: Pixels of the source image.
        scale_wh: What the model counts as the width and the height of the image.
        y_first: Whether lists are `[y, x, y, x]` and not `[x, y, x, y]`.
        was_cut: Whether the model stopped at a limit.
    """
    text, is_all = read_only_so_much(text)
    found = read_loose_json(text)
    hearing = Hearing(resolution_wh, scale_wh)
    entries = 0
    for entry in found.objects:
        lowered = {key.strip().lower(): value for key, value in entry.items()}
        key = next((key for key in BOX_KEYS if key in lowered), None)
        if key is not None:
            entries += 1
            _note(hearing, _label(lowered), lowered[key], y_first)
        elif any(name in lowered for name in LABEL_KEYS) and _is_flat(lowered):
            entries += 1
            hearing.reject(f'{_label(lowered)[:40]!r} has no box')
    if not entries:
        for values in found.lists:  # boxes only, without anything around them
            if _is_box(values) or any(_is_box(value) for value in values):
                _note(hearing, '', values, y_first)
    return hearing.heard(
        is_complete=is_all and found.is_complete and not was_cut,
        is_readable=bool(entries) or _says_nothing(found),
    )


def _says_nothing(found: LooseJson) -> bool:
    """Tell whether there is a list or an object, with none in it but lists without entries."""
    values = [*found.lists, *(value for entry in found.objects for value in entry.values())]
    return any(value == [] for value in values) or found.objects == ({},)


def _note(hearing: Hearing, label: str, said: JsonValue, y_first: bool) -> None:
    if said is None or said == [] or said == '':
        return  # the way of saying that it is not there
    boxes = list(_boxes(said))
    if not boxes:
        hearing.reject(f'{label[:40]!r} has a box that is not four numbers')
    for corners, is_named in boxes:
        first, second, third, fourth = corners
        if y_first and not is_named:
            first, second, third, fourth = second, first, fourth, third
        hearing.note(label, (first, second, third, fourth))


def _boxes(said: JsonValue) -> Iterator[tuple[Sequence[float], bool]]:
    """Yield four numbers for each box, and whether their order is told by names."""
    if isinstance(said, dict):
        lowered = {key.lower(): value for key, value in said.items()}
        for names in _NAMED_CORNERS:
            if all(name in lowered for name in names):
                yield [_number(lowered[name]) for name in names], True
                return
    elif isinstance(said, str):
        numbers = [number(part) for part in _NUMBER.findall(said[:1000])]
        if len(numbers) == 4:
            yield numbers, False
    elif isinstance(said, list):
        if _is_box(said):
            yield [_number(value) for value in said], False
        elif len(said) == 2 and all(isinstance(p, list) and len(p) == 2 for p in said):
            yield [_number(value) for p in said if isinstance(p, list) for value in p], False
        else:
            for value in said:
                if isinstance(value, list) and _is_box(value):
                    yield [_number(part) for part in value], False


def _is_box(value: JsonValue) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(isinstance(part, (float, str)) for part in value)
    )


def _is_flat(entry: dict[str, JsonValue]) -> bool:
    return not any(isinstance(value, (dict, list)) for value in entry.values())


def _label(entry: dict[str, JsonValue]) -> str:
    value = next((entry[key] for key in LABEL_KEYS if key in entry), None)
    if isinstance(value, float):
        return f'{value:g}'
    return value if isinstance(value, str) else ''


def _number(value: JsonValue) -> float:
    if isinstance(value, str):
        return number(value)
    return value if isinstance(value, float) else float('nan')
