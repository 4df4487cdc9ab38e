"""What is written about the images of a dataset: one JSON line an image, and how it came about.

Everything here is pydantic models, so that a file which was edited by hand, or by another program,
is checked when it is read, and says where it is wrong.
"""

from vlm_ros.records.frames import (
    AnswerRecord,
    CaptionRecord,
    DetectionRecord,
    FrameRecord,
    ImageRecord,
    MaskRecord,
    ReviewRecord,
    TagRecord,
    Verdict,
)
from vlm_ros.records.lines import read_lines, write_lines
from vlm_ros.records.manifest import Manifest, ModelRecord, SkippedRecord, SourceRecord

__all__ = [
    'AnswerRecord',
    'CaptionRecord',
    'DetectionRecord',
    'FrameRecord',
    'ImageRecord',
    'Manifest',
    'MaskRecord',
    'ModelRecord',
    'ReviewRecord',
    'SkippedRecord',
    'SourceRecord',
    'TagRecord',
    'Verdict',
    'read_lines',
    'write_lines',
]
