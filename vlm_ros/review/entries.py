"""What the review page is told of an image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from vlm_ros.data.formats.masks import outlines_of
from vlm_ros.records import DetectionRecord, FrameRecord
from vlm_ros.review.ordering import Comparison

_OUTLINE_ERROR = 1 / 640
"""How far an outline may be from its mask, as a part of the image's longer side: less than a pixel
of the page."""


def entry_of(
    record: FrameRecord,
    place: int,
    pictures: Mapping[str, int],
    comparison: Comparison | None,
) -> dict[str, Any]:
    """Return what the page shows of an image, without what says nothing.

    Args:
        record: The image.
        place: Its number in the dataset.
        pictures: The number of each picture, by its name in the records.
        comparison: What another dataset says of it.

    Raises:
        InputError: A mask is damaged.
    """
    entry: dict[str, Any] = {
        'key': record.key,
        'place': place,
        'camera': camera_of(record),
        'source': record.source,
        'status': record.status.name if record.status is not None else 'NOT ASKED',
        'size': [record.image.width, record.image.height],
        'boxes': [_box(row, record, f'box {i}') for i, row in enumerate(record.detections)],
    }
    more: dict[str, Any] = {
        'message': record.message,
        'time': record.time_s,
        'picture': pictures.get(record.image.file),
        'caption': record.caption.text or record.caption.status.name if record.caption else '',
        'answers': [[row.question, row.answer or row.status.name] for row in record.answers],
        'tags': {group: row.label for group, row in record.tags.items()},
        'unrecognized': record.unrecognized,
    }
    if comparison is not None:
        more |= {
            'disagreement': round(comparison.disagreement, 4),
            'alone': [i for i, agreed in enumerate(comparison.agreed) if not agreed],
            'missing': [[row.label, row.score, row.xyxy] for row in comparison.missing],
        }
    return entry | {name: value for name, value in more.items() if value not in (None, '', [], {})}


def camera_of(record: FrameRecord) -> str:
    """Return what the page calls the camera of an image."""
    if record.topic:
        return record.topic
    if record.time_s is not None or record.stamp_ns is not None:
        return record.source
    # Each photograph is a source.
    folder = str(Path(record.source).parent)
    return 'photographs' if folder == '.' else folder


def _box(row: DetectionRecord, record: FrameRecord, name: str) -> list[Any]:
    box: list[Any] = [row.label, row.score, row.xyxy, row.track_id]
    if row.mask is not None:
        size = record.image.height, record.image.width
        outlines = outlines_of(row.mask, size, f'{name} of {record.key}')
        error_px = max(size) * _OUTLINE_ERROR
        box.append([cv2.approxPolyDP(one, error_px, True).ravel().tolist() for one in outlines])
    return box
