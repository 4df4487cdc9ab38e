"""Names that people give, read back by the programs that others train with."""

import numpy as np
import pycocotools.coco
import supervision as sv

from vlm_ros.data.formats import write_coco, write_voc, write_yolo
from vlm_ros.records import DetectionRecord

NAMES = ('a, b', "it's: yes", 'no', '1', 'null', '"quoted" & <tag>', '人 車', 'traffic light')
BOXES = ((0, 0, 451, 300), (0, 0, 1, 1), (450, 299, 451, 300), (0, 299, 451, 300))
"""Of an image of 451×300: all of it, and its corners and last row."""


def entry_of(dataset):
    detections = tuple(
        DetectionRecord(label=name, score=0.5, xyxy=BOXES[number % len(BOXES)])
        for number, name in enumerate(NAMES)
    )
    return dataset.records[0].model_copy(update={'detections': detections})


def check(read):
    ((_, _, found),) = read
    assert [read.classes[number] for number in found.class_id] == list(NAMES)
    np.testing.assert_allclose(found.xyxy, [BOXES[i % 4] for i in range(len(NAMES))], atol=0.002)


def test_yolo(dataset, tmp_path):
    write_yolo([entry_of(dataset)], NAMES, tmp_path, images=dataset.folder)
    check(
        sv.DetectionDataset.from_yolo(
            str(tmp_path / 'images'), str(tmp_path / 'labels'), str(tmp_path / 'data.yaml')
        )
    )


def test_pascal_voc(dataset, tmp_path):
    write_voc([entry_of(dataset)], NAMES, tmp_path, images=dataset.folder)
    read = sv.DetectionDataset.from_pascal_voc(
        str(tmp_path / 'JPEGImages'), str(tmp_path / 'Annotations')
    )
    check(read)


def test_coco(dataset, tmp_path):
    written = write_coco([entry_of(dataset)], NAMES, tmp_path, images=dataset.folder)
    check(sv.DetectionDataset.from_coco(str(tmp_path / 'images'), str(written.path)))
    coco = pycocotools.coco.COCO(str(written.path))
    assert [row['name'] for row in coco.loadCats(coco.getCatIds())] == list(NAMES)
