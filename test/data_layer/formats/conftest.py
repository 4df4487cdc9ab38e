"""A small dataset over real photographs."""

from dataclasses import dataclass
import importlib.util
from pathlib import Path
import shutil

from faster_coco_eval.core.mask import encode
import numpy as np
import pytest

from vlm_ros.data.photographs import SAMPLES
from vlm_ros.records import (
    DetectionRecord,
    FrameRecord,
    ImageRecord,
    MaskRecord,
    ReviewRecord,
    Verdict,
)
from vlm_ros.results import Status

VOCABULARY = ('cat', 'coffee cup', 'person', 'rocket')


def mask_of(pixels):
    run_lengths = encode(np.asfortranarray(pixels, np.uint8))
    return MaskRecord(size=pixels.shape, counts=run_lengths['counts'].decode())


def cats_mask():
    """Two parts of the photograph of a cat: an ellipse and a rectangle."""
    y, x = np.mgrid[:300, :451]
    pixels = ((x - 200) / 120) ** 2 + ((y - 150) / 90) ** 2 <= 1
    pixels[250:290, 400:440] = True
    return pixels


def detection(label, *xyxy, score=0.5, **more):
    return DetectionRecord(label=label, score=score, xyxy=xyxy, **more)


def record(index, sample, *detections, size, status=Status.OK, **more):
    suffix = Path(SAMPLES[sample][1]).suffix
    width, height = size
    image = ImageRecord(file=f'kept/front/{index:06d}{suffix}', width=width, height=height)
    return FrameRecord(
        key=f'drive-front-{index:06d}',
        source='drive',
        topic='/front',
        index=index,
        stamp_ns=1_700_000_000_000_000_000 + index,
        image=image,
        status=status,
        detections=detections,
        **more,
    )


@dataclass(frozen=True)
class Dataset:
    folder: Path
    records: list
    vocabulary: tuple = VOCABULARY


RECORDS = [
    (
        'chelsea',
        record(
            0,
            'chelsea',
            detection('cat', 80.25, 60, 320.5, 300, score=0.91, track_id=7),
            detection('person', 1, 2, 30, 40, score=0.2),
            detection('cat', 400, 250, 440, 290, mask=mask_of(cats_mask())),
            size=(451, 300),
        ),
    ),
    (
        'coffee',
        record(
            1,
            'coffee',
            detection('rocket', 0, 0, 100, 100, review=ReviewRecord(verdict=Verdict.REJECTED)),
            detection(
                'rocket',
                150,
                80,
                450,
                350,
                review=ReviewRecord(verdict=Verdict.ACCEPTED, label='coffee cup'),
            ),
            size=(600, 400),
        ),
    ),
    ('rocket', record(2, 'rocket', size=(640, 427), status=Status.NOTHING_FOUND)),
    (
        'astronaut',
        record(
            3,
            'astronaut',
            size=(512, 512),
            status=Status.FAILED,
            message='the model ran out of memory',
        ),
    ),
    ('astronaut', record(4, 'astronaut', size=(512, 512), status=None)),
    (
        'astronaut',
        record(
            5,
            'astronaut',
            detection('person', 100, 20, 400, 512),
            size=(512, 512),
            review=ReviewRecord(verdict=Verdict.REJECTED),
        ),
    ),
    (
        'astronaut',
        record(6, 'astronaut', detection('person', 100, -5, 400, 530, score=1), size=(512, 512)),
    ),
]


@pytest.fixture
def dataset(tmp_path):
    folder = tmp_path / 'dataset'
    for sample, entry in RECORDS:
        package, file = SAMPLES[sample]
        target = folder / entry.image.file
        target.parent.mkdir(parents=True, exist_ok=True)
        home = Path(importlib.util.find_spec(package).submodule_search_locations[0])
        shutil.copy(home / file, target)
    return Dataset(folder, [entry for _, entry in RECORDS])
