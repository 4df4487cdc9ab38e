"""Between ROS messages and this package's values: `x_to_msg` and `msg_to_x`, nothing else."""

from dataclasses import replace

from builtin_interfaces.msg import Duration, Time
import numpy as np
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from vlm_ros import boxes, images
from vlm_ros.errors import DeadlineExceeded, ImageError, InputError, VlmRosError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Caption, Detections, PhraseGroundings, Provenance, Status
from vlm_ros.tasks import Image as RgbImage
from vlm_ros_interfaces.msg import Caption as CaptionMsg
from vlm_ros_interfaces.msg import PhraseGrounding as PhraseGroundingMsg
from vlm_ros_interfaces.msg import Provenance as ProvenanceMsg
from vlm_ros_interfaces.msg import ResultStatus

UNKNOWN_AGE = Duration(sec=-1)
"""How a message says that an age cannot be known: no age is negative."""

MAX_MESSAGE_CHARACTERS = 500
"""Longer messages are cut: they quote what a camera or a client sent."""


def stamp_to_ns(stamp: Time) -> int | None:
    """Nanoseconds of a stamp; None for the zero stamp, which means that nobody set it."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec or None


def ns_to_stamp(stamp_ns: int | None) -> Time:
    """Return the stamp of `stamp_ns` nanoseconds, the zero stamp for None.

    Beyond what a stamp can hold it is the nearest one: the nanoseconds of a stamp that came may
    have been more than a second.
    """
    sec, nanosec = divmod(stamp_ns or 0, 1_000_000_000)
    return Time(sec=min(max(sec, -(2**31)), 2**31 - 1), nanosec=nanosec)


def seconds_to_duration(duration_s: float) -> Duration:
    """Return `duration_s` seconds, to the nanosecond."""
    sec, nanosec = divmod(round(duration_s * 1e9), 1_000_000_000)
    return Duration(sec=sec, nanosec=nanosec)


def duration_to_seconds(duration: Duration) -> float | None:
    """Seconds of a duration; None where it says that an age is unknown."""
    return None if duration.sec < 0 else duration.sec + duration.nanosec * 1e-9


def msg_to_image(msg: Image | CompressedImage, enough_px: int | None = None) -> RgbImage:
    """Return the `(H, W, 3)` uint8 RGB image of a raw or compressed message.

    Args:
        msg: The message.
        enough_px: See `decode_compressed`; a raw image is never reduced.

    Raises:
        ImageError: The message cannot be read as an image.
    """
    if isinstance(msg, CompressedImage):
        return images.decode_compressed(msg.data, format=msg.format, enough_px=enough_px)
    return images.decode(
        msg.data,
        width=msg.width,
        height=msg.height,
        encoding=msg.encoding,
        step=msg.step,
        is_bigendian=bool(msg.is_bigendian),
        fallback=lambda: _cv_bridge_rgb(msg),
    )


def _cv_bridge_rgb(msg: Image) -> RgbImage:
    try:
        import cv_bridge  # here, because a build against another NumPy fails to import
    except (ImportError, AttributeError) as error:
        raise ImageError(
            f'encoding {msg.encoding!r} needs cv_bridge, which does not import here: {error}'
        ) from error
    try:
        return cv_bridge.CvBridge().imgmsg_to_cv2(msg, desired_encoding='rgb8')
    except Exception as error:  # cv_bridge raises its own and OpenCV's errors alike
        raise ImageError(f'cv_bridge cannot read encoding {msg.encoding!r}: {error}') from error


def image_to_msg(image: RgbImage, header: Header) -> Image:
    """Return `(H, W, 3)` uint8 RGB as an `rgb8` message with the given header."""
    height, width = image.shape[:2]
    msg = Image(header=header, height=height, width=width, encoding='rgb8', step=3 * width)
    # The only way to fill `data` that copies once and does not walk it element by element:
    # assigning an array or a memoryview takes 150 ms and more at 1080p, with the GIL held.
    msg.data.frombytes(images.encode(image, 'rgb8'))
    return msg


def detections_to_msg(detections: Detections, header: Header) -> Detection2DArray:
    """Return one `Detection2D` a box; `class_id` is the class name, `header` the image's own."""
    msg = Detection2DArray(header=header)
    centres = boxes.xyxy_to_cxcywh(detections.xyxy).tolist()
    for label, score, (x, y, width, height) in zip(
        detections.labels, detections.scores.tolist(), centres, strict=True
    ):
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = label
        hypothesis.hypothesis.score = score
        detection = Detection2D(header=header, results=[hypothesis])
        detection.bbox.center.position.x = x
        detection.bbox.center.position.y = y
        detection.bbox.size_x = width
        detection.bbox.size_y = height
        msg.detections.append(detection)
    return msg


def msg_to_detections(msg: Detection2DArray) -> Detections:
    """Return the boxes of a message, each with its first hypothesis."""
    return Detections(
        xyxy=boxes.cxcywh_to_xyxy(
            [
                (d.bbox.center.position.x, d.bbox.center.position.y, d.bbox.size_x, d.bbox.size_y)
                for d in msg.detections
            ]
        ),
        scores=np.array(
            [d.results[0].hypothesis.score if d.results else 0.0 for d in msg.detections],
            np.float32,
        ),
        labels=tuple(
            d.results[0].hypothesis.class_id if d.results else '' for d in msg.detections
        ),
    )


def groundings_to_msg(groundings: PhraseGroundings) -> list[PhraseGroundingMsg]:
    """Return one message a phrase, those that nothing was found for included."""
    return [
        PhraseGroundingMsg(
            phrase=grounding.phrase,
            start=grounding.span[0],
            end=grounding.span[1],
            detections=list(grounding.detections),
            scores=list(grounding.scores),
        )
        for grounding in groundings.groundings
    ]


def status_to_msg(status: Status, message: str = '') -> ResultStatus:
    """Return a status with its one-line message, of `MAX_MESSAGE_CHARACTERS` at most."""
    message = ' '.join(message.split())
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = f'{message[: MAX_MESSAGE_CHARACTERS - 3]}...'
    return ResultStatus(code=int(status), message=message)


def header_to_provenance(header: Header | None) -> Provenance:
    """Start a provenance at an image's header; None where there is no image."""
    if header is None:
        return Provenance()
    return Provenance(stamp_ns=stamp_to_ns(header.stamp), frame_id=header.frame_id)


def published_at(provenance: Provenance, now_ns: int) -> Provenance:
    """Return a provenance whose age is that of a publication at `now_ns` of the node's clock.

    A clock that stands at zero (simulated time before the first tick), an image without a stamp,
    one from the future and one from before 1970 have no age that could be told.
    """
    if provenance.stamp_ns is None or not now_ns or not 0 < provenance.stamp_ns <= now_ns:
        return replace(provenance, age_s=None)
    return replace(provenance, age_s=(now_ns - provenance.stamp_ns) * 1e-9)


def provenance_to_msg(provenance: Provenance) -> ProvenanceMsg:
    """Return a provenance; an unknown age is `UNKNOWN_AGE`."""
    return ProvenanceMsg(
        image_header=provenance_to_header(provenance),
        camera=provenance.camera,
        model_id=provenance.model_id,
        model_revision=provenance.model_revision,
        vocabulary_id=provenance.vocabulary_id,
        inference_time=seconds_to_duration(provenance.inference_time_s),
        age=UNKNOWN_AGE if provenance.age_s is None else seconds_to_duration(provenance.age_s),
    )


def msg_to_provenance(msg: ProvenanceMsg) -> Provenance:
    """Return the provenance of a message."""
    return Provenance(
        stamp_ns=stamp_to_ns(msg.image_header.stamp),
        frame_id=msg.image_header.frame_id,
        camera=msg.camera,
        model_id=msg.model_id,
        model_revision=msg.model_revision,
        vocabulary_id=msg.vocabulary_id,
        inference_time_s=duration_to_seconds(msg.inference_time) or 0.0,
        age_s=duration_to_seconds(msg.age),
    )


def provenance_to_header(provenance: Provenance) -> Header:
    """Return the header of the image that a result is about."""
    return Header(stamp=ns_to_stamp(provenance.stamp_ns), frame_id=provenance.frame_id)


def caption_to_msg(
    caption: Caption | None, status: Status, message: str, provenance: Provenance
) -> CaptionMsg:
    """Return a caption, or what became of it where there is none."""
    return CaptionMsg(
        header=provenance_to_header(provenance),
        text=caption.text if caption else '',
        score=caption.score if caption else 0.0,
        status=status_to_msg(status, message),
        provenance=provenance_to_msg(provenance),
    )


def vocabulary_to_msg(vocabulary: Vocabulary, threshold: float, stamp: Time) -> LabelInfo:
    """Return the names as a class map, numbered in their order."""
    return LabelInfo(
        header=Header(stamp=stamp),
        class_map=[
            VisionClass(class_id=number, class_name=name)
            for number, name in enumerate(vocabulary.names)
        ],
        threshold=threshold,
    )


def msg_to_vocabulary(msg: LabelInfo) -> Vocabulary:
    """Return the names of a class map."""
    return Vocabulary(tuple(entry.class_name for entry in msg.class_map))


def msg_to_region(msg: RegionOfInterest) -> tuple[float, float, float, float] | None:
    """Return a region as `xyxy` pixels; None where nothing is given, which means the whole image.

    Raises:
        InputError: It has a place but no size, or one side only.
    """
    if not msg.width or not msg.height:
        if msg.width or msg.height or msg.x_offset or msg.y_offset:
            raise InputError(
                f'the region of interest is {msg.width}x{msg.height} pixels; '
                'give both sides, or none for the whole image'
            )
        return None
    return (
        float(msg.x_offset),
        float(msg.y_offset),
        float(msg.x_offset + msg.width),
        float(msg.y_offset + msg.height),
    )


def error_to_status(error: BaseException) -> tuple[Status, str]:
    """Say what became of work that raised, as a status and a one-line message."""
    if isinstance(error, DeadlineExceeded):
        return Status.TIMEOUT, str(error)
    if isinstance(error, WorkCancelled):
        return Status.CANCELLED, str(error)
    if isinstance(error, VlmRosError):
        return Status.FAILED, str(error)
    return Status.FAILED, f'{type(error).__name__}: {" ".join(str(error).split())}'
