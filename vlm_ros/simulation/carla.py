"""CARLA through carla_ros_bridge: its topics, its classes, and the truth in its cameras' pictures.

The bridge publishes what drives and walks as solid boxes in the map (`derived_object_msgs`), with
no word on what hides what. A box here is therefore around the whole thing as far as it is in the
picture, hidden or not, and how much of it is hidden stays unknown unless a depth camera at the
same place tells. Parked cars that belong to the map, signs and lights are not among the objects.
Written against the sources of the bridge and its documentation
(https://carla.readthedocs.io/projects/ros-bridge/en/latest/ros_sensors/); not run with CARLA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.data.formats import TruthBox
from vlm_ros.errors import InputError
from vlm_ros.simulation.projection import Box, Camera, Cuboid, project, spans
from vlm_ros.vocabularies import mapping, named

OBJECTS_TOPIC = '/carla/objects'
"""derived_object_msgs/ObjectArray of the whole map; `/carla/ROLE/objects` leaves the ego out."""
ENCODING = 'bgra8'
"""Of the pictures of colour and segmentation cameras; depth cameras publish 32FC1, in metres."""
CLASSES = {4: 'Pedestrian', 5: 'Bicycle', 6: 'Car', 7: 'Truck', 8: 'Motorcycle'}
"""Classes of `derived_object_msgs/Object` that have a name in CARLA's own set."""
PEDESTRIAN = 4
BOX = 1
"""The only shape of `shape_msgs/SolidPrimitive` that the bridge sends."""
TOLERANCE_M = 0.15
"""A surface may be so far before a solid box and still belong to the thing: mirrors reach out."""

PALETTE = (
    (0, 0, 0), (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32), (110, 190, 160), (170, 120, 50), (55, 90, 80),
    (45, 60, 150), (157, 234, 50), (81, 0, 81), (150, 100, 100), (230, 150, 140), (180, 165, 180),
    (180, 130, 70),
)  # fmt: skip
"""RGB of each semantic tag in the bridge's pictures, which are in the colours of Cityscapes
(https://carla.readthedocs.io/en/latest/ref_sensors/#semantic-segmentation-camera): those of
0.9.14, and the rock of later versions."""
UNKNOWN_TAG = 255
"""A colour that stands for no tag."""


@dataclass(frozen=True)
class CameraTopics:
    """Where the bridge publishes one camera.

    Attributes:
        role: Role name of the vehicle that carries it, such as `ego_vehicle`; empty where none.
        sensor: Its own role name, such as `rgb_front`.
    """

    role: str
    sensor: str

    @property
    def image(self) -> str:
        """sensor_msgs/Image."""
        return f'{self._prefix}/image'

    @property
    def camera_info(self) -> str:
        """sensor_msgs/CameraInfo."""
        return f'{self._prefix}/camera_info'

    @property
    def _prefix(self) -> str:
        return '/'.join(part for part in ('/carla', self.role, self.sensor) if part)


@dataclass(frozen=True, eq=False)
class Thing:
    """Something that drives or walks.

    Attributes:
        number: The actor's, the same as long as it lives.
        label: A class of CARLA; empty where the bridge does not tell, or has no name for it.
        cuboid: Where it is in the map.
    """

    number: int
    label: str
    cuboid: Cuboid


@dataclass(frozen=True)
class Seen:
    """One thing in a picture.

    Attributes:
        number: See `Thing`.
        label: See `Thing`.
        xyxy: Around the whole thing as far as it is in the picture, hidden or not.
        truncation: What part of its box is out of the picture, 0 to 1.
        distance_m: To its nearest corner, along the camera's axis.
        occlusion: What part of it is behind something else, 0 to 1; None where no depth was given,
            which is not the same as 0.
    """

    number: int
    label: str
    xyxy: Box
    truncation: float
    distance_m: float
    occlusion: float | None = None

    def truth(self, *, max_occlusion: float = 0.8) -> TruthBox:
        """Return it as a labelled box.

        Args:
            max_occlusion: What is hidden more than that need not be found. What is hidden to an
                unknown extent has to be.
        """
        is_hidden = self.occlusion is not None and self.occlusion > max_occlusion
        return TruthBox(self.label, self.xyxy, difficult=is_hidden, track_id=self.number)


def things_of(msg: Any, *, ego: int | None = None) -> tuple[Thing, ...]:
    """Read an ObjectArray, of ROS or of a bag.

    The bridge gives a vehicle's own pose, which is on the ground, and a walker's, which is its
    middle, and leaves out where the box is around them; the former are lifted by half their
    height, and nothing is known of boxes that are not around their middle.

    Args:
        msg: `derived_object_msgs/ObjectArray`.
        ego: Number of the vehicle that carries the camera, which does not see itself.

    Raises:
        InputError: A pose or a shape is impossible; the message names the object.
    """
    return tuple(_thing(row) for row in msg.objects if row.id != ego)


def see(
    things: Sequence[Thing],
    camera: Camera,
    *,
    depth_m: npt.NDArray[np.float32] | None = None,
    min_side_px: float = 2.0,
) -> tuple[Seen, ...]:
    """Find what is in a picture, nearest first.

    Args:
        things: All there are; those without a label are left out.
        camera: In the frame of the map. In tf the bridge's cameras have optical axes.
        depth_m: `(H, W)` of a depth camera at the same place, in metres along its axis.
        min_side_px: What is narrower or lower is left out.

    Raises:
        InputError: The depth is of another size than the picture.
    """
    width, height = camera.size_wh
    if depth_m is not None and depth_m.shape != (height, width):
        raise InputError(
            f'the depth is {depth_m.shape[1]}×{depth_m.shape[0]} and the picture {width}×{height};'
            ' give both cameras the same size and place'
        )
    found = []
    for thing in things:
        place = project(thing.cuboid, camera) if thing.label else None
        if place is None:
            continue
        left, top, right, bottom = place.xyxy
        if min(right - left, bottom - top) < min_side_px:
            continue
        hidden = None if depth_m is None else _hidden(thing.cuboid, camera, place.xyxy, depth_m)
        found.append(
            Seen(
                thing.number,
                thing.label,
                place.xyxy,
                place.truncation,
                place.distance_m,
                hidden,
            )
        )
    return tuple(sorted(found, key=lambda row: (row.distance_m, row.number)))


def relabel(seen: Sequence[Seen], label_set: str) -> tuple[Seen, ...]:
    """Put CARLA's names into those of another set; what has no place there is left out.

    Raises:
        VocabularyError: There is no such set.
    """
    from dataclasses import replace

    names = mapping('carla', label_set)
    pairs = [(row, names[row.label]) for row in seen]
    return tuple(replace(row, label=label) for row, label in pairs if label is not None)


def tags_of(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Read a picture of a segmentation camera.

    Args:
        image: `(H, W, 3)` RGB: in the colours that the bridge publishes, or CARLA's own, which
            has the tag in its red and nothing in the others.

    Returns:
        `(H, W)` uint8 numbers of tags, `UNKNOWN_TAG` where there is none of that colour; numbers
        are those of `vlm_ros.vocabularies.named('carla')`.
    """
    if not image[..., 1:].any() and image[..., 0].max(initial=0) < len(PALETTE):
        return np.ascontiguousarray(image[..., 0])
    codes = image.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found = np.full(image.shape[:2], UNKNOWN_TAG, np.uint8)
    for tag, (red, green, blue) in enumerate(PALETTE):
        found[codes == red * 65536 + green * 256 + blue] = tag
    return found


def share_of_tag(seen: Seen, tags: npt.NDArray[np.uint8], labels: Sequence[str] = ()) -> float:
    """Return what part of a box has the tag of its thing, 0 to 1.

    Tags do not tell one car from another and no box is full of its thing, so this bounds what is
    visible from above: 0 says that nothing of the thing can be seen.

    Args:
        seen: The box.
        tags: See `tags_of`.
        labels: What else its pixels may be tagged, such as `Rider` on a bicycle.
    """
    left, top, right, bottom = seen.xyxy
    part = tags[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))]
    numbers = [named('carla').find(label).number or 0 for label in (seen.label, *labels)]
    return float(np.isin(part, numbers).mean()) if part.size else 0.0


def _thing(row: Any) -> Thing:
    number, kind = int(row.id), int(row.classification)
    size = [float(length) for length in row.shape.dimensions]
    if int(row.shape.type) != BOX or len(size) != 3:
        raise InputError(f'object {number} is no solid box; only those of carla_ros_bridge are')
    at, turn = row.pose.position, row.pose.orientation
    try:
        cuboid = Cuboid.of((at.x, at.y, at.z), (turn.x, turn.y, turn.z, turn.w), size)
    except InputError as error:
        raise InputError(f'object {number}: {error}') from error
    if kind != PEDESTRIAN:
        up = cuboid.rotation[:, 2] * cuboid.size_m[2] / 2
        cuboid = Cuboid(cuboid.centre_m + up, cuboid.rotation, cuboid.size_m)
    return Thing(number, CLASSES.get(kind, '') if row.object_classified else '', cuboid)


def _hidden(
    cuboid: Cuboid, camera: Camera, box: Box, depth_m: npt.NDArray[np.float32]
) -> float | None:
    """Return what part of a solid box has something before it; None where no ray hits it."""
    enter, _ = spans(cuboid, camera, box)
    rows, columns = enter.shape
    top, left = int(box[1]), int(box[0])
    found = depth_m[top : top + rows, left : left + columns]
    hit = np.isfinite(enter)
    if not hit.any():
        return None
    return float((found[hit] < enter[hit] - TOLERANCE_M).mean())
