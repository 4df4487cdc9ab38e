"""A small dataset of real photographs, as `vlm-ros annotate` leaves one."""

import importlib.util
from pathlib import Path
import shutil

from vlm_ros.data.photographs import SAMPLES
from vlm_ros.records import (
    AnswerRecord,
    CaptionRecord,
    DetectionRecord,
    FrameRecord,
    ImageRecord,
    Manifest,
    write_lines,
)
from vlm_ros.results import Status

HOSTILE = '<script>document.title = "taken"</script>'
VOCABULARY = ('cat', 'coffee cup', 'person', 'rocket')


def box(label, *xyxy, score):
    return DetectionRecord(label=label, score=score, xyxy=xyxy)


def record(index, sample, size, *boxes, status=Status.OK, topic='/front', **more):
    width, height = size
    suffix = Path(SAMPLES[sample][1]).suffix
    return FrameRecord(
        key=f'drive-{index:06d}',
        source='drive.mcap',
        topic=topic,
        index=index,
        stamp_ns=1_700_000_000_000_000_000 + index,
        time_s=index / 10,
        image=ImageRecord(file=f'images/{sample}{suffix}', width=width, height=height),
        status=status,
        detections=boxes,
        **more,
    )


RECORDS = (
    record(
        0,
        'chelsea',
        (451, 300),
        box('cat', 80.25, 60, 320.5, 300, score=0.91),
        box('person', 420, 2, 449, 40, score=0.2),
        caption=CaptionRecord(text='a cat looks up', score=0.8),
        answers=(AnswerRecord(question='is there a cat?', status=Status.OK, answer='yes'),),
    ),
    record(
        1,
        'coffee',
        (600, 400),
        box('rocket', 150, 80, 450, 350, score=0.35),
        topic='/rear',
    ),
    record(2, 'rocket', (640, 427), status=Status.NOTHING_FOUND),
    record(3, 'astronaut', (512, 512), status=Status.FAILED, message='out of memory'),
    record(
        4,
        'astronaut',
        (512, 512),
        box('person', 100, 20, 400, 512, score=0.88),
        topic='/rear',
    ),
    record(
        5,
        'chelsea',
        (451, 300),
        box(HOSTILE, 10, 10, 200, 200, score=0.6),
        message='"><img src=x onerror="document.title=1">',
    ),
)
WORST_FIRST = [f'drive-{index:06d}' for index in (3, 0, 1, 5, 4, 2)]


def manifest(**fields):
    return Manifest(version='1', plan={}, plan_id='0' * 12, vocabulary=VOCABULARY, **fields)


def make_dataset(folder, records=RECORDS):
    """Write a dataset; the pictures are those that its records name."""
    for row in records:
        target = folder / row.image.file
        if target.name and not target.exists():
            package, file = SAMPLES[target.stem]
            home = Path(importlib.util.find_spec(package).submodule_search_locations[0])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(home / file, target)
    write_lines(folder / 'annotations.jsonl', records)
    (folder / 'dataset.json').write_text(manifest().model_dump_json())
    return folder
