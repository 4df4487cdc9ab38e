"""What is remembered of one image, and what is asked for."""

from dataclasses import dataclass

import cv2

from vlm_ros.errors import InputError
from vlm_ros.images import Image

THUMBNAIL_PX = 320
"""Longest side of a picture that is kept; about 15 KB."""
_JPEG_QUALITY = 85


@dataclass(frozen=True)
class Pose:
    """Where a camera was.

    Attributes:
        frame_id: In which frame, such as `map`.
        position: x, y, z in metres.
        orientation: A unit quaternion x, y, z, w.
    """

    frame_id: str
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float]


@dataclass(frozen=True)
class Moment:
    """What a camera saw at one time.

    Attributes:
        stamp_ns: The image's own stamp; 0 where nobody set one.
        frame_id: The frame of its header.
        camera: The camera's name; empty where it has none.
        labels: Names of what was detected in it.
        pose: Where the camera was, where that is known.
        picture: A small JPEG of it; empty where none is kept or asked for.
    """

    stamp_ns: int
    frame_id: str = ''
    camera: str = ''
    labels: tuple[str, ...] = ()
    pose: Pose | None = None
    picture: bytes = b''


@dataclass(frozen=True)
class Match:
    """A moment that was found.

    Attributes:
        moment: The moment.
        score: How well it fits, in [0, 1]; see `scoring`.
    """

    moment: Moment
    score: float


@dataclass(frozen=True)
class Search:
    """Which moments are wanted.

    Attributes:
        camera: Only of this camera; empty for all.
        since_ns: Not before; None for no bound.
        until_ns: Not after; None for no bound.
        max_moments: How many at most.
        min_score: Leave out what scores less, in [0, 1].
        with_pictures: Whether to return the pictures.

    Raises:
        InputError: The limits contradict each other or are out of range.
    """

    camera: str = ''
    since_ns: int | None = None
    until_ns: int | None = None
    max_moments: int = 5
    min_score: float = 0.0
    with_pictures: bool = True

    def __post_init__(self) -> None:
        since_ns, until_ns = self.since_ns, self.until_ns
        if since_ns is not None and until_ns is not None and since_ns > until_ns:
            raise InputError(
                f'since ({since_ns * 1e-9:.3f} s) is after until ({until_ns * 1e-9:.3f} s)'
            )
        if not 0.0 <= self.min_score <= 1.0:
            raise InputError(f'min_score must be in [0, 1], got {self.min_score:g}')
        if self.max_moments < 1:
            raise InputError(f'max_moments must be 1 or more, got {self.max_moments}')


def thumbnail(image: Image) -> bytes:
    """Return an image as a JPEG whose longest side has `THUMBNAIL_PX` pixels at most."""
    height, width = image.shape[:2]
    scale = min(1.0, THUMBNAIL_PX / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    content = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return bytes(content.tobytes())
