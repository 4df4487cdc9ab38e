"""A sentence out of what was found."""

from collections import Counter

import numpy as np

from vlm_ros.boxes import iou
from vlm_ros.inflection import count_phrase, join_names, with_article
from vlm_ros.results import Caption, Detections, Status

SAME_THING_IOU = 0.6
MAX_KINDS = 5
NOTHING = 'nothing this model can name'


def one_name_a_thing(found: Detections) -> Detections:
    """Leave each thing its best name: a cup is also found as a mug."""
    kept: list[int] = []
    for index in np.argsort(-found.scores, kind='stable'):
        if not kept or iou(found.xyxy[index][None], found.xyxy[kept]).max() <= SAME_THING_IOU:
            kept.append(int(index))
    return found[kept]


def compose(found: Detections) -> Caption:
    """Name the things, the surest first: `two people and a bus`.

    The score is the least sure thing's that the sentence names.
    """
    things = one_name_a_thing(found)
    if not len(things):
        return Caption(NOTHING, 0.0, Status.UNSURE)
    counts = Counter(things.labels)
    named = list(counts)[:MAX_KINDS]
    parts = [
        with_article(name) if counts[name] == 1 else count_phrase(counts[name], name)
        for name in named
    ]
    score = min(float(things.named(name).scores.max()) for name in named)
    return Caption(join_names(parts), score)
