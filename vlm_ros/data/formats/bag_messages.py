"""Messages of annotated bags, made and packed without a ROS installation.

The definitions that rosbags does not bring are those of vision_msgs 4 and of foxglove_msgs 3 as
ROS 2 distributions release it; Foxglove knows annotations by this name of their type
(https://docs.foxglove.dev/docs/sdk/schemas/image-annotations).
"""

from collections.abc import Sequence
import functools
from typing import Any

import numpy as np

from vlm_ros.records import FrameRecord

_DEFINITIONS = {
    'foxglove_msgs/msg/Point2': 'float64 x\nfloat64 y',
    'foxglove_msgs/msg/Color': 'float64 r\nfloat64 g\nfloat64 b\nfloat64 a',
    'foxglove_msgs/msg/CircleAnnotation': """\
builtin_interfaces/Time timestamp
foxglove_msgs/Point2 position
float64 diameter
float64 thickness
foxglove_msgs/Color fill_color
foxglove_msgs/Color outline_color""",
    'foxglove_msgs/msg/PointsAnnotation': """\
uint8 UNKNOWN=0
uint8 POINTS=1
uint8 LINE_LOOP=2
uint8 LINE_STRIP=3
uint8 LINE_LIST=4
builtin_interfaces/Time timestamp
uint8 type
foxglove_msgs/Point2[] points
foxglove_msgs/Color outline_color
foxglove_msgs/Color[] outline_colors
foxglove_msgs/Color fill_color
float64 thickness""",
    'foxglove_msgs/msg/TextAnnotation': """\
builtin_interfaces/Time timestamp
foxglove_msgs/Point2 position
string text
float64 font_size
foxglove_msgs/Color text_color
foxglove_msgs/Color background_color""",
    'foxglove_msgs/msg/ImageAnnotations': """\
foxglove_msgs/CircleAnnotation[] circles
foxglove_msgs/PointsAnnotation[] points
foxglove_msgs/TextAnnotation[] texts""",
    'vision_msgs/msg/Point2D': 'float64 x\nfloat64 y',
    'vision_msgs/msg/Pose2D': 'vision_msgs/Point2D position\nfloat64 theta',
    'vision_msgs/msg/BoundingBox2D': """\
vision_msgs/Pose2D center
float64 size_x
float64 size_y""",
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score',
    'vision_msgs/msg/ObjectHypothesisWithPose': """\
vision_msgs/ObjectHypothesis hypothesis
geometry_msgs/PoseWithCovariance pose""",
    'vision_msgs/msg/Detection2D': """\
std_msgs/Header header
vision_msgs/ObjectHypothesisWithPose[] results
vision_msgs/BoundingBox2D bbox
string id""",
    'vision_msgs/msg/Detection2DArray': """\
std_msgs/Header header
vision_msgs/Detection2D[] detections""",
}
Color = tuple[float, float, float]


@functools.cache
def typestore() -> Any:
    """Return rosbags' store of ROS 2 Jazzy's types, with those of the annotations."""
    from rosbags.typesys import get_types_from_msg, get_typestore, Stores

    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, definition in _DEFINITIONS.items():
        types.update(get_types_from_msg(definition, name))
    store.register(types)
    return store


class Messages:
    """Makes the messages of one image.

    Args:
        stamp_ns: When it was taken, in nanoseconds.
        frame_id: Of its camera.
    """

    def __init__(self, stamp_ns: int, frame_id: str) -> None:
        self._types = typestore().types
        self._stamp = self._make('builtin_interfaces/msg/Time', *divmod(stamp_ns, 10**9))
        self._header = self._make('std_msgs/msg/Header', self._stamp, frame_id)

    def image(self, content: bytes, kind: str) -> Any:
        """Return a compressed image; `kind` is `jpeg`, `png` or `webp`."""
        data = np.frombuffer(content, np.uint8)
        return self._make('sensor_msgs/msg/CompressedImage', self._header, kind, data)

    def text(self, text: str) -> Any:
        """Return a line of text."""
        return self._make('std_msgs/msg/String', text)

    def record(self, record: FrameRecord) -> Any:
        """Return all that is known of the image, as its line of JSON."""
        return self.text(record.line())

    def detection(
        self, label: str, score: float, xyxy: Sequence[float], track_id: int | None
    ) -> Any:
        """Return one detection, of a label and a box in pixels."""
        left, top, right, bottom = xyxy
        point = self._make('geometry_msgs/msg/Point', 0.0, 0.0, 0.0)
        facing = self._make('geometry_msgs/msg/Quaternion', 0.0, 0.0, 0.0, 1.0)
        pose = self._make('geometry_msgs/msg/Pose', point, facing)
        posed = self._make('geometry_msgs/msg/PoseWithCovariance', pose, np.zeros(36))
        hypothesis = self._make('vision_msgs/msg/ObjectHypothesis', label, score)
        result = self._make('vision_msgs/msg/ObjectHypothesisWithPose', hypothesis, posed)
        middle = self._make('vision_msgs/msg/Point2D', (left + right) / 2, (top + bottom) / 2)
        center = self._make('vision_msgs/msg/Pose2D', middle, 0.0)
        box = self._make('vision_msgs/msg/BoundingBox2D', center, right - left, bottom - top)
        name = '' if track_id is None else str(track_id)
        return self._make('vision_msgs/msg/Detection2D', self._header, [result], box, name)

    def detections(self, detections: Sequence[Any]) -> Any:
        """Return the detections of the image."""
        return self._make('vision_msgs/msg/Detection2DArray', self._header, list(detections))

    def outline(
        self, points: Sequence[tuple[float, float]], color: Color, thickness: float, fill: float
    ) -> Any:
        """Return a closed line through points in pixels; `fill` is how opaque its inside is."""
        kind = self._types['foxglove_msgs/msg/PointsAnnotation']
        return kind(
            timestamp=self._stamp,
            type=kind.LINE_LOOP,
            points=[self._point(*point) for point in points],
            outline_color=self._color(color, 1.0),
            outline_colors=[],
            fill_color=self._color(color, fill),
            thickness=thickness,
        )

    def label(self, text: str, place: tuple[float, float], color: Color, font_px: float) -> Any:
        """Return a text whose bottom left is at a place in pixels; it stands on the colour."""
        ink = 0.0 if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 0.55 else 1.0
        return self._make(
            'foxglove_msgs/msg/TextAnnotation',
            self._stamp,
            self._point(*place),
            text,
            font_px,
            self._color((ink, ink, ink), 1.0),
            self._color(color, 0.8),
        )

    def annotations(self, outlines: Sequence[Any], labels: Sequence[Any]) -> Any:
        """Return what is drawn over the image."""
        return self._make('foxglove_msgs/msg/ImageAnnotations', [], list(outlines), list(labels))

    def _point(self, x: float, y: float) -> Any:
        return self._make('foxglove_msgs/msg/Point2', float(x), float(y))

    def _color(self, color: Color, alpha: float) -> Any:
        return self._make('foxglove_msgs/msg/Color', *color, alpha)

    def _make(self, kind: str, *fields: Any) -> Any:
        return self._types[kind](*fields)
