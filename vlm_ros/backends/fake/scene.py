"""What a fake sees: made-up boxes, or those of a scene."""

from collections.abc import Iterable, Mapping, Sequence
import hashlib

import numpy as np

from vlm_ros.errors import InputError
from vlm_ros.results import Detections
from vlm_ros.tasks import Image

ABSENT = 'absent'
"""A name that begins with this is never found."""
UNKNOWN = 'unknown'
"""A name that begins with this is one the fake cannot look for."""
SCORE = 0.9

BoxFractions = Sequence[float]
"""`(left, top, right, bottom)` as fractions of the image's width and height, in [0, 1]."""


class Scene:
    """What is in every image.

    Args:
        scene: Boxes as fractions by name, or a text of `NAME LEFT TOP RIGHT BOTTOM` with `;`
            between them. Other names are not found. None: every name is found once, at a place
            that follows from its spelling, but for those that begin with `absent` and `unknown`.

    Raises:
        InputError: It cannot be understood, or a box does not lie in the image.
    """

    def __init__(self, scene: Mapping[str, Sequence[BoxFractions]] | str | None = None) -> None:
        self._boxes = None if scene is None else _checked(scene)

    @property
    def names(self) -> tuple[str, ...]:
        """What the scene holds; nothing where there is none."""
        return tuple(self._boxes or ())

    def look(self, image: Image, names: Iterable[str], threshold: float | None) -> Detections:
        """Find each name; every score is `SCORE`."""
        height, width = image.shape[:2]
        names = tuple(names)
        boxes: list[BoxFractions] = []
        labels: list[str] = []
        for name in names if threshold is None or threshold <= SCORE else ():
            for box in self._boxes_of(name.casefold()):
                boxes.append(box)
                labels.append(name)
        scale = np.array([width, height, width, height], np.float32)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4) * scale,
            np.full(len(labels), SCORE, np.float32),
            tuple(labels),
            tuple(name for name in names if name.casefold().startswith(UNKNOWN)),
        )

    def _boxes_of(self, key: str) -> Sequence[BoxFractions]:
        if self._boxes is not None:
            return self._boxes.get(key, ())
        if key.startswith((ABSENT, UNKNOWN)):
            return ()
        left, top, width, height = (byte / 255 for byte in digest(key)[:4])
        return [(left / 2, top / 2, left / 2 + 0.1 + width * 0.4, top / 2 + 0.1 + height * 0.4)]


def digest(text: str) -> bytes:
    """Return bytes that follow from a text and look as if they did not."""
    return hashlib.sha256(text.encode()).digest()


def _checked(
    scene: Mapping[str, Sequence[BoxFractions]] | str,
) -> dict[str, Sequence[BoxFractions]]:
    boxes_of = _parse(scene) if isinstance(scene, str) else scene
    if not isinstance(boxes_of, Mapping):
        raise InputError(f'the scene is {scene!r}; {_FORM}')
    for name, boxes in boxes_of.items():
        for left, top, right, bottom in boxes:
            if not (0 <= left <= right <= 1 and 0 <= top <= bottom <= 1):
                raise InputError(f'the scene has {name!r} outside the image: fractions in [0, 1]')
    return {name.casefold(): boxes for name, boxes in boxes_of.items()}


def _parse(text: str) -> dict[str, list[BoxFractions]]:
    boxes_of: dict[str, list[BoxFractions]] = {}
    for entry in filter(None, (part.strip() for part in text.split(';'))):
        words = entry.split()
        try:
            box = tuple(float(word) for word in words[-4:])
        except ValueError as error:
            raise InputError(f'the scene has {entry!r}; {_FORM}') from error
        if len(words) < 5:
            raise InputError(f'the scene has {entry!r}; {_FORM}')
        boxes_of.setdefault(' '.join(words[:-4]).casefold(), []).append(box)
    return boxes_of


_FORM = "write 'NAME LEFT TOP RIGHT BOTTOM' with ';' between them, as in 'cup 0 0 0.5 0.5'"
