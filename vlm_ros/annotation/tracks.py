"""Numbers for things that are seen in several images: ByteTrack (arXiv 2110.06864).

The tracker is that of `trackers`: it takes the time of each frame, so that sampled images and
gaps are predicted over, and gives the same numbers for the same boxes. (supervision's own is
deprecated in its favour.) It runs over finished records in the order of the camera, because what
it says of an image depends on all before it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from vlm_ros.records import FrameRecord

LOST_S = 1.0
"""So long a thing may be hidden."""


class Tracks:
    """Numbers the boxes of any number of cameras; one tracker a camera and label.

    A thing has its number from the second image on that shows it, as one box alone is no track.

    Args:
        activation: From which score on a box begins a track, in [0, 1].
    """

    def __init__(self, activation: float = 0.25) -> None:
        self._activation = activation
        self._trackers: dict[tuple[str, str, str], Any] = {}
        self._numbers: dict[tuple[str, str], dict[tuple[str, int], int]] = {}

    def number(self, record: FrameRecord) -> FrameRecord:
        """Return a record with its boxes numbered; one without time stays as it is."""
        if record.time_s is None:
            return record
        camera = (record.source, record.topic)
        labels = {detection.label for detection in record.detections}
        # A tracker has to hear of images without its thing as well.
        known = {label for *place, label in self._trackers if tuple(place) == camera}
        numbered = list(record.detections)
        for label in sorted(labels | known):
            chosen = [i for i, row in enumerate(record.detections) if row.label == label]
            for index, identity in self._follow(record, camera, label, chosen):
                numbers = self._numbers.setdefault(camera, {})
                track_id = numbers.setdefault((label, identity), len(numbers) + 1)
                numbered[index] = numbered[index].model_copy(update={'track_id': track_id})
        return record.model_copy(update={'detections': tuple(numbered)})

    def _follow(
        self, record: FrameRecord, camera: tuple[str, str], label: str, chosen: list[int]
    ) -> Iterator[tuple[int, int]]:
        from supervision import Detections

        key = (*camera, label)
        tracker = self._trackers.get(key) or self._new(key)
        boxes = Detections(
            xyxy=np.array([record.detections[i].xyxy for i in chosen]).reshape(-1, 4),
            confidence=np.array([record.detections[i].score for i in chosen]),
            data={'index': np.array(chosen, int)},
        )
        if record.time_s is not None:
            followed = tracker.update(boxes, timestamp=record.time_s)
            identities = followed.tracker_id
            if len(followed) and identities is not None:
                for index, identity in zip(followed.data['index'], identities, strict=True):
                    if identity >= 0:
                        yield int(index), int(identity)

    def _new(self, key: tuple[str, str, str]) -> Any:
        from trackers import ByteTrackTracker

        tracker = ByteTrackTracker(
            lost_track_buffer=round(30 * LOST_S),
            track_activation_threshold=self._activation,
            minimum_consecutive_frames=1,
            high_conf_det_threshold=self._activation,
        )
        self._trackers[key] = tracker
        return tracker


def tracked(records: Iterable[FrameRecord]) -> Iterator[FrameRecord]:
    """Yield records, of each camera in its order, with the numbers of their boxes."""
    tracks = Tracks()
    for record in records:
        yield tracks.number(record)
