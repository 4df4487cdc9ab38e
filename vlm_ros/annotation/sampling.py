"""Which images of a camera are looked at."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from vlm_ros.annotation.plan import SamplingPlan
from vlm_ros.images import Image

SIDE_PX = 32
Slots = tuple[tuple[str, int], ...]
"""What a sampler knows: the period of each camera's last chosen image."""


class Sampler:
    """Chooses by number and time; it has to be told of every image of the source, in order.

    Args:
        plan: What is chosen.
        slots: What another one knew, to go on from there.
    """

    def __init__(self, plan: SamplingPlan, slots: Slots = ()) -> None:
        self._plan = plan
        self._slots = dict(slots)

    @property
    def slots(self) -> Slots:
        """What it knows now."""
        return tuple(sorted(self._slots.items()))

    def wants(self, topic: str, index: int, time_s: float | None) -> bool:
        """Whether to look at an image.

        Args:
            topic: The camera's; each has its own rate.
            index: Its number among the camera's, from 0.
            time_s: Seconds since the source's beginning; None where there is no time, and
                neither rate nor range apply.
        """
        plan = self._plan
        if index % plan.every:
            return False
        if time_s is None:
            return True
        if plan.start_s is not None and time_s < plan.start_s:
            return False
        if plan.stop_s is not None and time_s >= plan.stop_s:
            return False
        if plan.rate_hz is None:
            return True
        # The first of each period. A thousandth of it, because 3 / 30 s times 10 Hz is below 1.
        slot = math.floor(time_s * plan.rate_hz + 1e-3)
        if slot == self._slots.get(topic):
            return False
        self._slots[topic] = slot
        return True


class SceneChange:
    """Leaves out images that look like the last one that was kept, of each camera.

    The measure is the mean absolute difference of grey values, in [0, 1], of the images made
    32x32 pixels by averaging: the difference of successive frames (Zhang, Kankanhalli and
    Smoliar, Automatic partitioning of full-motion video, 1993), against the last one *kept*, so
    that slow changes add up.

    Args:
        threshold: From which difference on an image is kept; 0 keeps all.
    """

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._kept: dict[str, npt.NDArray[np.float32]] = {}

    def wants(self, topic: str, image: Image) -> bool:
        """Whether to look at an image `(H, W, 3)` uint8 RGB; the first of a camera always."""
        if not self._threshold:
            return True
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        values = (small / 255).astype(np.float32)
        before = self._kept.get(topic)
        if before is not None and float(np.abs(values - before).mean()) < self._threshold:
            return False
        self._kept[topic] = values
        return True
