"""Results as they are written: boxes and masks in their order, and the names of images."""

import hashlib
from pathlib import Path
import re

import numpy as np

from vlm_ros.data.frames import Frame
from vlm_ros.records import DetectionRecord, MaskRecord
from vlm_ros.results import Detections, Masks


def detection_records(found: Detections, masks: Masks | None) -> tuple[DetectionRecord, ...]:
    """Return boxes as records, best first, equal scores by label and place."""
    rows = [
        DetectionRecord(
            label=found.labels[i],
            score=float(found.scores[i]),
            xyxy=tuple(float(edge) for edge in found.xyxy[i]),  # type: ignore[arg-type]
            mask=None if masks is None else mask_record(masks.masks[i]),
        )
        for i in range(len(found))
    ]
    return tuple(sorted(rows, key=lambda row: (-row.score, row.label, row.xyxy)))


def mask_record(mask: np.ndarray) -> MaskRecord:  # type: ignore[type-arg]
    """Return a mask `(H, W)` bool in COCO's compressed run lengths."""
    from pycocotools import mask as coco

    encoded = coco.encode(np.asfortranarray(mask, np.uint8))
    height, width = mask.shape
    return MaskRecord(size=(height, width), counts=encoded['counts'].decode())


def key_of(frame: Frame) -> str:
    """Return what tells an image from all others: a readable part, a hash and its number."""
    place = f'{frame.name}:{frame.topic}'
    digest = hashlib.sha256(place.encode()).hexdigest()[:8]
    stem = re.sub(r'[^A-Za-z0-9]+', '-', Path(frame.name).stem).strip('-')[:32] or 'image'
    return f'{stem}-{digest}-{frame.index:06d}'
