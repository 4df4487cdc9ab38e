"""Real photographs with boxes, and predictions of them."""

import importlib.util
import json
from pathlib import Path

import numpy as np

from vlm_ros.cli.main import main
from vlm_ros.data.photographs import SAMPLES
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord, write_lines
from vlm_ros.results import Status

SIZES = {
    'chelsea': (451, 300),
    'coffee': (600, 400),
    'rocket': (640, 427),
    'astronaut': (512, 512),
    'china': (640, 427),
    'flower': (640, 427),
}
TRUTH = {
    'chelsea': [('cat', 110, 15, 450, 299)],
    'coffee': [('cup', 180, 90, 440, 310), ('spoon', 380, 40, 560, 330)],
    'rocket': [('rocket', 300, 60, 350, 340)],
    'astronaut': [('person', 100, 20, 400, 512), ('rocket', 400, 20, 500, 300)],
    'china': [],
    'flower': [],
}
LABELS = ('cat', 'cup', 'person', 'rocket', 'spoon')


def photograph(name):
    package, file = SAMPLES[name]
    home = Path(importlib.util.find_spec(package).submodule_search_locations[0])
    return home / file


def record(index, name, boxes, status=None, **more):
    width, height = SIZES[name]
    rows = tuple(
        DetectionRecord(label=label, score=score, xyxy=xyxy) for label, score, *xyxy in boxes
    )
    return FrameRecord(
        key=f'photo-{name}',
        source=f'{name}{photograph(name).suffix}',
        index=index,
        image=ImageRecord(
            file=f'images/{name}{photograph(name).suffix}', width=width, height=height
        ),
        status=status or (Status.OK if rows else Status.NOTHING_FOUND),
        detections=rows,
        **more,
    )


def predicted(seed=0, drop=(), noise=0.04):
    """The true boxes, moved, with scores, and a false one in each image."""
    rng = np.random.default_rng(seed)
    records = []
    for index, (name, boxes) in enumerate(TRUTH.items()):
        found = []
        for label, *xyxy in boxes:
            left, top, right, bottom = xyxy
            size = np.tile([right - left, bottom - top], 2)
            moved = np.array(xyxy) + rng.normal(0, noise, 4) * size
            if label not in drop:
                found.append((label, float(rng.uniform(0.4, 0.95)), *moved))
        label = LABELS[index % len(LABELS)]
        found.append((label, float(rng.uniform(0.1, 0.7)), 5, 5, 60, 50))
        records.append(record(index, name, found))
    return records


def written(path, records):
    path.mkdir()
    write_lines(path / 'annotations.jsonl', records)
    return path


def evaluate(capsys, *args):
    status = main(['evaluate', *map(str, args), '--resamples', '40'])
    out, err = capsys.readouterr()
    return status, out, err


def numbers(capsys, *args):
    status, out, err = evaluate(capsys, *args, '--json', '-q')
    assert (status, err) == (0, '')
    return json.loads(out)


def results_of(records, truth):
    content = json.loads(truth.read_text())
    ids = {Path(image['file_name']).stem: image['id'] for image in content['images']}
    labels = {category['name']: category['id'] for category in content['categories']}
    rows = []
    for entry in records:
        for box in entry.detections:
            left, top, right, bottom = box.xyxy
            rows.append(
                {
                    'image_id': ids[f'photo-{Path(entry.source).stem}'],
                    'category_id': labels[box.label],
                    'bbox': [left, top, right - left, bottom - top],
                    'score': box.score,
                }
            )
    return rows
