"""What a model could not do at an image, which is done again by the next run."""

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.records import FrameRecord
from vlm_ros.results import Status


def failure_of(record: FrameRecord, plan: AnnotationPlan) -> str:
    """Return why a part of what the plan wants is missing, in one line; empty if nothing is."""
    for said in (record, record.caption, *record.answers):
        if said is not None and said.status is Status.FAILED:
            return said.message or 'a model failed'
    lacks_tags = any(group not in record.tags for group in plan.tags)
    lacks_masks = plan.masks and any(row.mask is None for row in record.detections)
    return record.message if lacks_tags or lacks_masks else ''
