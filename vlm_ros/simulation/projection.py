"""Solid boxes in the world, seen by a pinhole camera: where they are in its picture.

The camera's own axes are those of ROS's optical frames (REP 103): x to the right, y down, z ahead.
Pixel (0, 0) covers [0, 1) in both directions, as boxes of this package do, so that the middle of a
picture of width W is at W / 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError

Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]

NEAR_M = 0.05
"""What is nearer to the camera's plane than this, or behind it, cannot be in the picture."""
_UNIT_TOLERANCE = 1e-3
_SIGNS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if (_SIGNS[a] != _SIGNS[b]).sum() == 1]


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera without distortion, and where it is.

    Attributes:
        size_wh: Width and height of its pictures in pixels.
        intrinsics: Focal lengths `fx, fy` and middle `cx, cy`, in pixels.
        rotation: `(3, 3)`, from its optical axes to those of the world.
        position_m: `(3,)` in the world.
    """

    size_wh: tuple[int, int]
    intrinsics: tuple[float, float, float, float]
    rotation: Floats
    position_m: Floats

    @classmethod
    def of(
        cls,
        size_wh: tuple[int, int],
        intrinsics: Sequence[float],
        *,
        rotation: npt.ArrayLike,
        position_m: npt.ArrayLike,
    ) -> 'Camera':
        """Make one, checked.

        Args:
            size_wh: See above.
            intrinsics: `fx, fy, cx, cy`; or the nine numbers of K of a `CameraInfo`.
            rotation: `(3, 3)`; or a quaternion `x, y, z, w`.
            position_m: `(3,)`.

        Raises:
            InputError: Numbers are missing, not finite, or no such.
        """
        values = [float(value) for value in intrinsics]
        if len(values) == 9:
            if values[1] or values[3]:
                raise InputError('the camera matrix has skew; only pinhole cameras are known')
            values = [values[0], values[4], values[2], values[5]]
        if len(values) != 4 or not np.isfinite(values).all() or min(values[:2]) <= 0:
            raise InputError(
                f'{list(intrinsics)} are no intrinsics; give fx, fy, cx, cy, or the nine of K'
            )
        if min(size_wh) < 1:
            raise InputError(f'a picture of {size_wh[0]}×{size_wh[1]} has no pixels')
        turn = np.asarray(rotation, np.float64)
        turn = rotation_of(turn) if turn.shape == (4,) else turn
        if turn.shape != (3, 3) or not np.allclose(turn @ turn.T, np.eye(3), atol=_UNIT_TOLERANCE):
            raise InputError(
                'the rotation of the camera is none; give a matrix (3, 3) or a quaternion '
                'x, y, z, w'
            )
        focal_x, focal_y, middle_x, middle_y = values
        return cls(
            size_wh,
            (focal_x, focal_y, middle_x, middle_y),
            turn,
            _triple(position_m, 'position of the camera'),
        )

    def seen(self, points_m: npt.ArrayLike) -> Floats:
        """Return points `(N, 3)` of the world in the camera's axes, in metres."""
        return np.asarray((np.asarray(points_m) - self.position_m) @ self.rotation, np.float64)

    def pixels(self, seen_m: Floats) -> Floats:
        """Return where points `(N, 3)` in the camera's axes, ahead of it, are in the picture."""
        focal, middle = np.array(self.intrinsics[:2]), np.array(self.intrinsics[2:])
        return np.asarray(seen_m[:, :2] / seen_m[:, 2:] * focal + middle, np.float64)

    def rays(self, columns: npt.ArrayLike, rows: npt.ArrayLike) -> Floats:
        """Return the directions `(..., 3)` through the middles of pixels, 1 deep, as seen."""
        focal_x, focal_y, middle_x, middle_y = self.intrinsics
        x = (np.asarray(columns) + 0.5 - middle_x) / focal_x
        y = (np.asarray(rows) + 0.5 - middle_y) / focal_y
        return np.stack(np.broadcast_arrays(x, y, 1.0), axis=-1)


@dataclass(frozen=True, eq=False)
class Cuboid:
    """A solid box.

    Attributes:
        centre_m: `(3,)` in the world.
        rotation: `(3, 3)`, from its axes to those of the world.
        size_m: `(3,)`, its whole lengths along its axes.
    """

    centre_m: Floats
    rotation: Floats
    size_m: Floats

    @classmethod
    def of(
        cls, centre_m: npt.ArrayLike, orientation: npt.ArrayLike, size_m: npt.ArrayLike
    ) -> 'Cuboid':
        """Make one of its middle, a quaternion `x, y, z, w` or a matrix, and its lengths.

        Raises:
            InputError: Numbers are missing, not finite, or no such.
        """
        turn = np.asarray(orientation, np.float64)
        turn = turn if turn.shape == (3, 3) else rotation_of(turn)
        size = _triple(size_m, 'size of the object')
        if (size < 0).any():
            raise InputError(f'an object cannot be {size.tolist()} metres large')
        return cls(_triple(centre_m, 'middle of the object'), turn, size)

    def corners(self) -> Floats:
        """Return its corners `(8, 3)` in the world."""
        return np.asarray(self.centre_m + (_SIGNS * self.size_m / 2) @ self.rotation.T, np.float64)


@dataclass(frozen=True)
class Projected:
    """A solid box in a picture.

    Attributes:
        xyxy: What is in the picture, in pixels.
        whole_xyxy: All of it, beyond the edges too; without what is behind the camera.
        truncation: What part of the whole box is out of the picture; at least that where
            something is behind the camera.
        distance_m: From the camera's plane to the nearest corner ahead of it.
    """

    xyxy: Box
    whole_xyxy: Box
    truncation: float
    distance_m: float


def rotation_of(quaternion: npt.ArrayLike) -> Floats:
    """Return the matrix `(3, 3)` of a quaternion `x, y, z, w`, as ROS orders it.

    Raises:
        InputError: It is not four numbers of length 1.
    """
    values = np.asarray(quaternion, np.float64)
    if values.shape != (4,) or not abs(np.linalg.norm(values) - 1) < _UNIT_TOLERANCE:
        raise InputError(f'{values.tolist()} is no quaternion x, y, z, w of length 1')
    x, y, z, w = values / np.linalg.norm(values)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def project(cuboid: Cuboid, camera: Camera) -> Projected | None:
    """Return the box around a solid box in the picture; None where it is not in it."""
    seen = camera.seen(cuboid.corners())
    ahead = seen[:, 2] >= NEAR_M
    points = [*seen[ahead]]
    for a, b in _EDGES:
        if ahead[a] != ahead[b]:
            part = (NEAR_M - seen[a, 2]) / (seen[b, 2] - seen[a, 2])
            points.append(seen[a] + part * (seen[b] - seen[a]))
    if not points:
        return None
    places = camera.pixels(np.array(points))
    low, high = places.min(axis=0), places.max(axis=0)
    size = np.array(camera.size_wh, np.float64)
    kept_low, kept_high = np.clip(low, 0, size), np.clip(high, 0, size)
    if (kept_high <= kept_low).any():
        return None
    return Projected(
        _box(kept_low, kept_high),
        _box(low, high),
        truncation=float(1 - np.prod(kept_high - kept_low) / np.prod(high - low)),
        distance_m=float(min(point[2] for point in points)),
    )


def spans(cuboid: Cuboid, camera: Camera, box: Box) -> tuple[Floats, Floats]:
    """Return where the rays of a part of the picture enter and leave a solid box.

    By slabs (T. Kay and J. Kajiya, https://doi.org/10.1145/15886.15916).

    Args:
        cuboid: The solid box.
        camera: Whose rays.
        box: The part; the pixels that it touches.

    Returns:
        Two arrays `(h, w)` of depths in metres along the camera's axis; infinite and minus
        infinite where the ray misses.
    """
    left, top, right, bottom = box
    columns = np.arange(int(left), int(np.ceil(right)))
    rows = np.arange(int(top), int(np.ceil(bottom)))
    rays = camera.rays(columns[None, :], rows[:, None]) @ camera.rotation.T @ cuboid.rotation
    start = (camera.position_m - cuboid.centre_m) @ cuboid.rotation
    with np.errstate(divide='ignore', invalid='ignore'):
        first = (-cuboid.size_m / 2 - start) / rays
        second = (cuboid.size_m / 2 - start) / rays
    enter = np.nanmax(np.minimum(first, second), axis=-1)
    leave = np.nanmin(np.maximum(first, second), axis=-1)
    misses = (enter > leave) | (leave < NEAR_M)
    return np.where(misses, np.inf, np.maximum(enter, NEAR_M)), np.where(misses, -np.inf, leave)


def _triple(values: Any, what: str) -> Floats:
    array = np.asarray(values, np.float64)
    if array.shape != (3,) or not np.isfinite(array).all():
        raise InputError(f'the {what} is {array.tolist()}; give three finite numbers in metres')
    return array


def _box(low: Floats, high: Floats) -> Box:
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
