"""Numbers as JSON and as the text that people read."""

from collections.abc import Mapping
import math
from typing import Any

from vlm_ros.evaluation.coverage import Coverage
from vlm_ros.evaluation.intervals import Comparison, Interval
from vlm_ros.evaluation.pairing import Paired
from vlm_ros.evaluation.summary import NUMBERS, RunComparison, Summary
from vlm_ros.evaluation.tracks import TrackedClass

TITLES = {
    'ap': 'AP',
    'ap50': 'AP50',
    'precision': 'precision',
    'recall': 'recall',
    'f1': 'F1',
    'alarms_per_image': 'false alarms per image without the class',
}
TRACKING = ('hota', 'det_a', 'ass_a', 'idf1', 'mota')


def tracking_title(name: str) -> str:
    """Return a number of `TRACKING` as papers write it: HOTA, DetA."""
    return {'det_a': 'DetA', 'ass_a': 'AssA'}.get(name, name.upper())


def number(value: float | None) -> float | None:
    """Return a number of JSON; null where there is none."""
    return None if value is None or math.isnan(value) else round(float(value), 6)


def interval(given: Interval) -> dict[str, Any]:
    """Return an interval as JSON."""
    return {
        'value': number(given.value),
        'low': number(given.low),
        'high': number(given.high),
        'level': given.level,
        'items': given.items,
    }


def coverage(given: Coverage) -> dict[str, Any]:
    """Return a coverage as JSON."""
    return {
        'answered': given.answered,
        'abstained': given.abstained,
        'failed': given.failed,
        'rate': number(given.rate),
    }


def comparison(given: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON."""
    return {
        'difference': interval(given.difference),
        'p_value': number(given.p_value),
        'test': given.test,
        'better': given.better,
        'worse': given.worse,
        'left_out': given.left_out,
    }


def detection(summary: Summary, paired: Paired, groups: Mapping[str, str]) -> dict[str, Any]:
    """Return all numbers of a run of a detector as JSON."""
    overall = summary.score.overall
    threshold = summary.threshold
    return {
        'task': 'detect',
        'images': len(paired.images),
        'coverage': coverage(summary.score.coverage),
        'threshold': threshold if isinstance(threshold, float | int) else dict(threshold),
        'iou': summary.iou,
        'overall': {
            **{name: interval(summary.intervals[name]) for name in NUMBERS},
            'ap75': number(overall.ap75),
            'ar': {str(limit): number(value) for limit, value in overall.ar.items()},
            'ap_of_size': {size: number(value) for size, value in overall.ap_of_size.items()},
            'ar_of_size': {size: number(value) for size, value in overall.ar_of_size.items()},
            'ap_of_group': {group: number(v) for group, v in of_groups(summary, groups).items()},
        },
        'classes': {
            label: {
                'things': summary.score.truths[label],
                **{name: interval(given) for name, given in summary.intervals_of[label].items()},
                'ap75': number(summary.score.of_label[label].ap75),
                **{
                    name: getattr(summary.operating.of_label[label], name)
                    for name in ('right', 'false', 'missed', 'images_without', 'images_alarmed')
                },
            }
            for label in paired.labels
        },
        'not_looked_for': list(paired.not_looked_for),
        'boxes_left_out': paired.left_out,
        'unrecognized': list(paired.unrecognized),
    }


def tracks(given: Mapping[str, TrackedClass]) -> dict[str, Any]:
    """Return the tracks of each class as JSON."""
    return {
        label: {
            'things': own.things,
            'sequences': own.sequences,
            **{name: number(getattr(own.score, name)) for name in TRACKING},
            'identity_switches': own.score.identity_switches,
            'fragments': own.score.fragments,
            'coverage': coverage(own.score.coverage),
        }
        for label, own in given.items()
    }


def of_groups(summary: Summary, groups: Mapping[str, str]) -> dict[str, float]:
    """Return the mean AP of the classes of each group, as LVIS has them."""
    found = {}
    for group in sorted(set(groups.values())):
        values = [
            summary.score.of_label[label].ap
            for label, own in groups.items()
            if own == group and label in summary.score.of_label
        ]
        known = [value for value in values if not math.isnan(value)]
        found[group] = sum(known) / len(known) if known else math.nan
    return found


def runs(given: RunComparison) -> dict[str, Any]:
    """Return a comparison of two runs of detectors as JSON."""
    return {
        'images': given.images,
        'left_out': given.left_out,
        **{
            name: {**interval(difference), 'p_value': number(given.p_values[name])}
            for name, difference in given.differences.items()
        },
        'missed': comparison(given.missed),
        'false': comparison(given.false),
    }


def shown(value: float, digits: int = 3) -> str:
    """Return a number for people; a dash where there is none."""
    return '–' if math.isnan(value) else f'{value:.{digits}f}'


def shown_interval(given: Interval) -> str:
    """Return `0.512 [0.433, 0.590]`."""
    if math.isnan(given.low):
        return shown(given.value)
    return f'{given.value:.3f} [{given.low:.3f}, {given.high:.3f}]'


def shown_difference(given: Interval) -> str:
    """Return `+0.012 [-0.004, +0.031]`."""
    if math.isnan(given.low):
        return '–' if math.isnan(given.value) else f'{given.value:+.3f}'
    return f'{given.value:+.3f} [{given.low:+.3f}, {given.high:+.3f}]'
