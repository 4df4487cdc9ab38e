"""Looking for names in one image, and how sure a look is.

Two bars decide. What scores at least the detector's own threshold is there; what scores less than
a part of it is not; between them nobody can tell. One bar would make a certain answer of a score
that misses it by a hair.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
import enum

import numpy as np

from vlm_ros import boxes
from vlm_ros.errors import QuestionError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.tasks import Detector, Image, Ticket

DOUBT_RATIO = 0.5
"""The lower bar as a part of the detector's own threshold."""
LOWER_BAR = 0.1
"""The lower bar where the detector does not say what its threshold is."""
SAME_OBJECT_IOU = 0.45
"""A weak box that overlaps a strong one of its name by this is the same object seen again."""


class Presence(enum.Enum):
    """Whether something is in view."""

    PRESENT = 'present'
    DOUBTFUL = 'doubtful'
    ABSENT = 'absent'
    UNRECOGNIZED = 'unrecognized'
    """The detector has no way to look for it."""


@dataclass(frozen=True)
class Sighting:
    """What a look for one name found.

    Attributes:
        name: The name.
        found: Its boxes at or above the upper bar.
        doubtful: Its boxes between the bars, without those that show a found object again.
        recognized: Whether the detector can look for the name.
        lower_bar: The score below which a box was not reported.
        others: What was found and is not as described, where the name has attributes.
    """

    name: str
    found: Detections = field(default_factory=Detections)
    doubtful: Detections = field(default_factory=Detections)
    recognized: bool = True
    lower_bar: float = LOWER_BAR
    others: Detections = field(default_factory=Detections)

    @property
    def presence(self) -> Presence:
        """Whether the name is in view."""
        if len(self.found):
            return Presence.PRESENT
        if not self.recognized:
            return Presence.UNRECOGNIZED
        return Presence.DOUBTFUL if len(self.doubtful) else Presence.ABSENT

    @property
    def absence_confidence(self) -> float:
        """How sure it is that there is no other one: 1 less the best score one can have had."""
        best = float(self.doubtful.scores.max()) if len(self.doubtful) else self.lower_bar
        return 1.0 - max(best, self.lower_bar)

    def split(
        self, name: str, truths: Sequence[bool | None], confidences: Sequence[float]
    ) -> 'Sighting':
        """Return the sighting of those found boxes that are as described.

        Args:
            name: The name with its description, such as `red cup`.
            truths: Of each found box, whether it is so; of None, it may be.
            confidences: How sure each of these is, in [0, 1].
        """
        so, not_so, open_ = (
            np.array([truth is value for truth in truths], bool) for value in (True, False, None)
        )
        sure = self.found[so]
        doubts = [1.0 - c for c, no in zip(confidences, not_so, strict=True) if no]
        certain = np.array([c for c, yes in zip(confidences, so, strict=True) if yes], np.float32)
        return Sighting(
            name,
            _renamed(replace(sure, scores=np.minimum(sure.scores, certain)), name),
            _renamed(_joined(self.doubtful, self.found[open_]), name),
            self.recognized,
            min(1.0, max([self.lower_bar, *doubts])),
            self.found[not_so],
        )


class Observer:
    """Looks at one image, at most once for a name.

    Args:
        detector: What looks; without one every name is unrecognized.
        image: `(H, W, 3)` uint8 RGB.
        region_xyxy: Only boxes whose centre lies in it count; pixels of the image, None for all.
        score_threshold: The upper bar; None for the detector's own, which it may tell as an
            attribute `score_threshold`. A detector that does not is asked twice: at its own
            threshold, and at `LOWER_BAR` for the names that were not found.
        ticket: Checked before every look.
        earlier: Observers of the frames before this one, oldest first: what this one does not
            show, `look` looks for in them, the newest first.

    Attributes:
        seen_earlier: What this one does not show, in lower case, and the number of the frame that
            does, from 1.

    Raises:
        QuestionError: The region is no box, or lies outside the image.
    """

    def __init__(
        self,
        detector: Detector | None,
        image: Image,
        *,
        region_xyxy: Sequence[float] | None = None,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
        earlier: Sequence['Observer'] = (),
    ) -> None:
        self.earlier = tuple(earlier)
        self.seen_earlier: dict[str, int] = {}
        self.image = image
        self.resolution_wh = (int(image.shape[1]), int(image.shape[0]))
        self.region_xyxy = _clipped_region(region_xyxy, self.resolution_wh)
        self.ticket = ticket or Ticket()
        self._detector = detector
        if score_threshold is None:
            score_threshold = getattr(detector, 'score_threshold', None)
        self._upper_bar = score_threshold
        self._sightings: dict[str, Sighting] = {}

    @property
    def region(self) -> Image:
        """The part of the image that counts, as a contiguous image of its own."""
        if self.region_xyxy is None:
            return self.image
        left, top, right, bottom = self.region_xyxy
        return np.ascontiguousarray(self.image[top:bottom, left:right])

    def to_image(self, detections: Detections) -> Detections:
        """Move boxes from pixels of `region` to pixels of the image."""
        if self.region_xyxy is None or not len(detections):
            return detections
        left, top = self.region_xyxy[:2]
        return replace(detections, xyxy=detections.xyxy + np.array([left, top] * 2, np.float32))

    def look(self, names: Iterable[str]) -> dict[str, Sighting]:
        """Look for names in one call; each comes back with its sighting."""
        wanted = list(dict.fromkeys(names))
        new = {name.casefold(): name for name in wanted if name.casefold() not in self._sightings}
        if new:
            self.ticket.check()
            for sighting in self._first_look(tuple(new.values())):
                self._sightings[sighting.name.casefold()] = sighting
            self._look_back(tuple(new))
        return {name: self._sightings[name.casefold()] for name in wanted}

    def _look_back(self, names: Sequence[str]) -> None:
        for number, observer in reversed(list(enumerate(self.earlier, 1))):
            missing = [n for n in names if self._sightings[n].presence is Presence.ABSENT]
            if not missing:
                return
            for name, sighting in observer.look(missing).items():
                if sighting.presence in (Presence.PRESENT, Presence.DOUBTFUL):
                    self._sightings[name] = replace(sighting, name=self._sightings[name].name)
                    self.seen_earlier[name] = number

    def find(self, names: Iterable[str]) -> Detections:
        """Find what is there of many names, in one call, without a look for what is doubtful."""
        wanted = tuple({name.casefold(): name for name in names}.values())
        if self._detector is None or not wanted:
            return Detections(unrecognized=wanted)
        self.ticket.check()
        return self._detect(wanted, self._upper_bar)

    def _first_look(self, names: tuple[str, ...]) -> list[Sighting]:
        if self._detector is None:
            return [Sighting(name, recognized=False) for name in names]
        upper = self._upper_bar
        lower = LOWER_BAR if upper is None else DOUBT_RATIO * upper
        strong = self._detect(names, None if upper is None else lower)
        weak = strong
        if upper is not None:
            strong = strong[strong.scores >= upper]
        else:
            found = {*strong.labels, *strong.unrecognized}
            missing = tuple(name for name in names if name not in found)
            self.ticket.check()
            weak = self._detect(missing, lower) if missing else strong[:0]
        return [_sighting(name, strong, weak, lower) for name in names]

    def _detect(self, names: tuple[str, ...], score_threshold: float | None) -> Detections:
        assert self._detector is not None
        detections = self._detector.detect(
            self.image, Vocabulary(names), score_threshold=score_threshold, ticket=self.ticket
        )
        if self.region_xyxy is None:
            return detections
        left, top, right, bottom = self.region_xyxy
        centres = (detections.xyxy[:, :2] + detections.xyxy[:, 2:]) / 2
        inside = (centres >= (left, top)).all(axis=1) & (centres < (right, bottom)).all(axis=1)
        return detections[inside]


def _renamed(detections: Detections, name: str) -> Detections:
    return replace(detections, labels=(name,) * len(detections))


def _joined(first: Detections, second: Detections) -> Detections:
    return Detections(
        np.concatenate([first.xyxy, second.xyxy]),
        np.concatenate([first.scores, second.scores]),
        first.labels + second.labels,
    )


def _sighting(name: str, strong: Detections, weak: Detections, lower_bar: float) -> Sighting:
    found = strong.named(name)
    doubtful = weak.named(name)
    again = boxes.iou(doubtful.xyxy, found.xyxy) >= SAME_OBJECT_IOU
    doubtful = doubtful[~again.any(axis=1)]
    recognized = name not in strong.unrecognized
    return Sighting(name, found, doubtful, recognized, lower_bar)


def _clipped_region(
    region_xyxy: Sequence[float] | None, resolution_wh: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    if region_xyxy is None:
        return None
    region = np.asarray(region_xyxy, np.float64)
    if region.shape != (4,) or not np.isfinite(region).all():
        raise QuestionError('the region must be four numbers: left, top, right, bottom in pixels')
    if region[2] <= region[0] or region[3] <= region[1]:
        raise QuestionError('the region is empty: its right and bottom must exceed left and top')
    width, height = resolution_wh
    left, top = max(0, int(np.floor(region[0]))), max(0, int(np.floor(region[1])))
    right, bottom = min(width, int(np.ceil(region[2]))), min(height, int(np.ceil(region[3])))
    if right <= left or bottom <= top:
        raise QuestionError(f'the region lies outside the image of {width}x{height} pixels')
    return left, top, right, bottom
