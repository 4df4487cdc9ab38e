"""Things followed over the frames of a camera: HOTA, IDF1 and MOTA, computed by TrackEval.

Where a box fits two things, TrackEval prefers the pair of the frame before; py-motmetrics prefers
pairs of any frame before, and counts other changes of identity there.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import Coverage, LOOKED
from vlm_ros.evaluation.overlaps import corners, overlaps
from vlm_ros.results import Status


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """What there is in a frame and what was tracked, of one class.

    Attributes:
        truth_ids: `(N,)` integers, the same in all frames of a sequence that show the thing.
        truth_xyxy: `(N, 4)` corners in pixels.
        ids: `(M,)` integers, those of the tracker.
        xyxy: `(M, 4)` corners in pixels.
        status: Whether the frame was looked at; one that was not is left out and counted.
    """

    truth_ids: Sequence[int]
    truth_xyxy: npt.ArrayLike
    ids: Sequence[int]
    xyxy: npt.ArrayLike
    status: Status = Status.OK


@dataclass(frozen=True)
class TrackingScore:
    """How well things were followed; all rates in [0, 1] but MOTA, at most 1, below 0 if bad.

    Attributes:
        hota: Higher-order tracking accuracy, the mean over overlaps 0.05 to 0.95
            (arXiv 2009.07736).
        det_a: Its part that is detection.
        ass_a: Its part that is association.
        loc_a: Its part that is the boxes' overlap.
        idf1: The part of boxes that bear the right identity, at overlap 0.5 (arXiv 1609.01775).
        mota: 1 less false boxes, missed ones and changes of identity, for each true box, at
            overlap 0.5 (Bernardin and Stiefelhagen 2008, https://doi.org/10.1155/2008/246309).
        identity_switches: How often a thing's number changed.
        fragments: How often a track of a thing broke off and went on.
        false_positives: Boxes of nothing.
        missed: Things without a box.
        coverage: Of frames.
    """

    hota: float
    det_a: float
    ass_a: float
    loc_a: float
    idf1: float
    mota: float
    identity_switches: int
    fragments: int
    false_positives: int
    missed: int
    coverage: Coverage


def track(sequences: Sequence[Sequence[TrackedFrame]]) -> TrackingScore:
    """Score the tracks of one class over sequences, each of one camera.

    Sequences are put together as TrackEval does, by their counts; identities of two sequences
    have nothing to do with each other. Rates are NaN where there is no true box in any.

    Raises:
        InputError: Boxes and identities do not fit, or an identity is twice in a frame.
    """
    coverage = Coverage.of((frame.status for frames in sequences for frame in frames), LOOKED)
    data = [
        _sequence([frame for frame in frames if frame.status in LOOKED], number)
        for number, frames in enumerate(sequences)
    ]
    if not sum(item['num_gt_dets'] for item in data):
        false = sum(item['num_tracker_dets'] for item in data)
        nan = float('nan')
        return TrackingScore(nan, nan, nan, nan, nan, nan, 0, 0, false, 0, coverage)
    hota, clear, identity = (_combined(metric, data) for metric in _metrics())
    return TrackingScore(
        hota=float(hota['HOTA'].mean()),
        det_a=float(hota['DetA'].mean()),
        ass_a=float(hota['AssA'].mean()),
        loc_a=float(hota['LocA'].mean()),
        idf1=float(identity['IDF1']),
        mota=float(clear['MOTA']),
        identity_switches=int(clear['IDSW']),
        fragments=int(clear['Frag']),
        false_positives=int(clear['CLR_FP']),
        missed=int(clear['CLR_FN']),
        coverage=coverage,
    )


def _metrics() -> list[Any]:
    from trackeval import metrics

    quiet = {'PRINT_CONFIG': False}
    return [metrics.HOTA(), metrics.CLEAR(quiet), metrics.Identity(quiet)]


def _combined(metric: Any, data: list[dict[str, Any]]) -> Any:
    results = {str(number): metric.eval_sequence(item) for number, item in enumerate(data)}
    return metric.combine_sequences(results)


def _sequence(frames: Sequence[TrackedFrame], number: int) -> dict[str, Any]:
    """Return what TrackEval takes: identities counted from 0, and the overlaps of every frame."""
    truth_numbers: dict[Hashable, int] = {}
    numbers: dict[Hashable, int] = {}
    truths, tracks, similarities = [], [], []
    for index, frame in enumerate(frames):
        where = f'frame {index} of sequence {number}'
        truth_xyxy = corners(frame.truth_xyxy, f'the truth of {where}')
        xyxy = corners(frame.xyxy, f'the tracks of {where}')
        truths.append(_renumbered(frame.truth_ids, truth_numbers, len(truth_xyxy), where))
        tracks.append(_renumbered(frame.ids, numbers, len(xyxy), where))
        similarities.append(overlaps(truth_xyxy, xyxy))
    return {
        'num_timesteps': len(frames),
        'num_gt_ids': len(truth_numbers),
        'num_tracker_ids': len(numbers),
        'num_gt_dets': sum(len(ids) for ids in truths),
        'num_tracker_dets': sum(len(ids) for ids in tracks),
        'gt_ids': truths,
        'tracker_ids': tracks,
        'similarity_scores': similarities,
    }


def _renumbered(
    ids: Sequence[int], numbers: dict[Hashable, int], boxes: int, where: str
) -> npt.NDArray[np.intp]:
    if len(ids) != boxes or len(set(ids)) != boxes:
        raise InputError(
            f'{where} has {boxes} boxes and {len(set(ids))} identities: each box needs its own'
        )
    return np.array([numbers.setdefault(one, len(numbers)) for one in ids], np.intp)
