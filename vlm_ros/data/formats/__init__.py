"""Files that other programs train on and compare with: COCO, YOLO, Pascal VOC, KITTI.

Each format has a writer of records and a reader that gives the same `TruthSet` for all.
"""

from vlm_ros.data.formats.coco import read_coco, write_coco
from vlm_ros.data.formats.exporting import Written
from vlm_ros.data.formats.kitti import read_kitti, write_kitti
from vlm_ros.data.formats.truth import TruthBox, TruthImage, TruthSet
from vlm_ros.data.formats.voc import read_voc, write_voc
from vlm_ros.data.formats.yolo import read_yolo, write_yolo

WRITERS = {'coco': write_coco, 'yolo': write_yolo, 'voc': write_voc, 'kitti': write_kitti}
"""By the format's name; all take `(records, vocabulary, folder, *, images, split)`."""

__all__ = [
    'WRITERS',
    'TruthBox',
    'TruthImage',
    'TruthSet',
    'Written',
    'read_coco',
    'read_kitti',
    'read_voc',
    'read_yolo',
    'write_coco',
    'write_kitti',
    'write_voc',
    'write_yolo',
]
