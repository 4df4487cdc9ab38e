"""Numbers for things that are seen in several images: ByteTrack (arXiv 2110.06864).

The tracker is that of `trackers`: it takes the time of each frame, so that sampled images and
gaps are predicted over, and gives the same numbers for the same boxes. (supervision's own is
deprecated in its favour.) It runs over finished records in the order of the camera, because what
it says of an image depends on all before it.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vlm_ros.boxes import iou
from vlm_ros.data.formats.exporting import LOOKED
from vlm_ros.records import FrameRecord

LOST_S = 1.0
"""So long a thing may be hidden at least."""
LOST_PERIODS = 3
"""So many of the camera's images it may be hidden in, however far they are apart."""
GAPS = 15
"""From the middle one of so many gaps between images comes how far they are apart."""
ACTIVATION = 0.25
"""From which score on a box begins a track."""
MIN_IOU = 0.1
"""A thing overlaps with where it is expected by so much."""
BEGINNING = 2
"""A track begins at a box that is at most so many of the camera's images before its second."""
MAX_HELD = 1000
"""So many records wait at most for what comes of their boxes."""


@dataclass(eq=False)
class _Held:
    """A record whose boxes may yet turn out to begin tracks; `newer` counts those after it."""

    record: FrameRecord
    newer: int = 0

    def set_track(self, index: int, track_id: int) -> None:
        boxes = list(self.record.detections)
        boxes[index] = boxes[index].model_copy(update={'track_id': track_id})
        self.record = self.record.model_copy(update={'detections': tuple(boxes)})


@dataclass(eq=False)
class _Camera:
    """What is known of one camera: a tracker a label, and the numbers that were given."""

    trackers: dict[str, Any] = field(default_factory=dict)
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    recent: list[_Held] = field(default_factory=list)
    last_s: float | None = None
    gaps_s: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS))

    def take(self, held: _Held, time_s: float) -> None:
        """Number the boxes of the next image."""
        if self.last_s is not None:
            self.gaps_s.append(time_s - self.last_s)
        self.last_s = time_s
        # A tracker has to hear of images without its thing as well.
        labels = {box.label for box in held.record.detections} | set(self.trackers)
        for label in sorted(labels):
            begun = []
            for index, identity in self._follow(held.record, label, time_s):
                place = (label, identity)
                if place not in self.numbers:
                    self.numbers[place] = len(self.numbers) + 1
                    begun.append(index)
                held.set_track(index, self.numbers[place])
            self._number_beginnings(held, label, begun)
        for earlier in self.recent:
            earlier.newer += 1
        self.recent = [*self.recent[1 - BEGINNING :], held]

    def _follow(self, record: FrameRecord, label: str, time_s: float) -> Iterator[tuple[int, int]]:
        from supervision import Detections

        if label not in self.trackers:
            self.trackers[label] = _new_tracker()
        tracker = self.trackers[label]
        if self.gaps_s:
            period_s = float(np.median(self.gaps_s))
            tracker.maximum_time_without_update = max(LOST_S, LOST_PERIODS * period_s)
        rows = [(i, row) for i, row in enumerate(record.detections) if row.label == label]
        boxes = Detections(
            xyxy=np.array([row.xyxy for _, row in rows]).reshape(-1, 4),
            confidence=np.array([row.score for _, row in rows]),
            data={'index': np.array([i for i, _ in rows], int)},
        )
        followed = tracker.update(boxes, timestamp=time_s)
        identities = followed.tracker_id
        if len(followed) and identities is not None:
            for index, identity in zip(followed.data['index'], identities, strict=True):
                if identity >= 0:
                    yield int(index), int(identity)

    def _number_beginnings(self, held: _Held, label: str, begun: list[int]) -> None:
        """Number the boxes that tracks began with, which the tracker does not say.

        It expects a thing that it has seen once where it was, so that is the box of most overlap.
        """
        for earlier in reversed(self.recent):
            rows = [
                index
                for index, row in enumerate(earlier.record.detections)
                if row.label == label and row.track_id is None and row.score >= ACTIVATION
            ]
            if not rows or not begun:
                continue
            now, before = held.record.detections, earlier.record.detections
            overlaps = iou([before[i].xyxy for i in rows], [now[i].xyxy for i in begun])
            while overlaps.size and overlaps.max() >= MIN_IOU:
                row, column = np.unravel_index(overlaps.argmax(), overlaps.shape)
                track_id = now[begun[column]].track_id
                assert track_id is not None
                earlier.set_track(rows.pop(row), track_id)
                begun.pop(column)
                overlaps = np.delete(np.delete(overlaps, row, 0), column, 1)


def tracked(records: Iterable[FrameRecord]) -> Iterator[FrameRecord]:
    """Yield records, in their order, with the numbers of their boxes.

    Each camera and label has a tracker. One box alone is no track. What has no time, such as a
    photograph, stays as it is; so does an image that could not be looked at, which does not say
    that nothing is there, and one that is not later than the one before.
    """
    cameras: dict[tuple[str, str], _Camera] = {}
    waiting: deque[_Held] = deque()
    for record in records:
        held = _Held(record)
        waiting.append(held)
        camera = cameras.setdefault((record.source, record.topic), _Camera())
        time_s = record.time_s
        is_looked_at = record.status is None or record.status in LOOKED
        is_later = time_s is not None and (camera.last_s is None or time_s > camera.last_s)
        if time_s is not None and is_looked_at and is_later:
            camera.take(held, time_s)
        else:
            held.newer = BEGINNING
        while waiting and (waiting[0].newer >= BEGINNING or len(waiting) > MAX_HELD):
            yield waiting.popleft().record
    yield from (held.record for held in waiting)


def _new_tracker() -> Any:
    from trackers import ByteTrackTracker

    return ByteTrackTracker(
        lost_track_buffer=round(30 * LOST_S),
        track_activation_threshold=ACTIVATION,
        minimum_consecutive_frames=1,
        minimum_iou_threshold=MIN_IOU,
        high_conf_det_threshold=ACTIVATION,
    )
