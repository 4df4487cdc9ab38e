"""From the responses of the services to outcomes."""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from vlm_ros.client.outcomes import (
    Exemplar,
    LOOKED,
    Memories,
    Moment,
    Outcome,
    Pose,
    StatementState,
)
from vlm_ros.errors import VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.results import (
    Answer,
    Caption,
    Detections,
    PhraseGrounding,
    PhraseGroundings,
    Provenance,
    Reference,
    Status,
    Truth,
    Verdict,
)
from vlm_ros_interfaces.msg import Moment as MomentMsg
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.msg import StatementState as StatementStateMsg

T = TypeVar('T')


def failed(status: Status, message: str) -> Outcome[Any]:
    """Make the outcome of a request that nobody looked for."""
    return Outcome(None, status, message)


def read(response: Any, result: Callable[[Any, Status], T]) -> Outcome[T]:
    """Read a response.

    Args:
        response: Has a `status` and, mostly, a `provenance`.
        result: Reads what it holds; called where somebody looked. A response that does not make
            sense is an outcome with the status FAILED.
    """
    provenance = Provenance()
    try:
        status, message = status_of(response.status)
        if hasattr(response, 'provenance'):
            provenance = conversions.msg_to_provenance(response.provenance)
        found = result(response, status) if status in LOOKED else None
    except (ValueError, VlmRosError) as error:
        message = f'the response cannot be used: {" ".join(str(error).split())}'
        return Outcome(None, Status.FAILED, message, provenance)
    return Outcome(found, status, message, provenance)


def status_of(msg: ResultStatus) -> tuple[Status, str]:
    """Return the status and the message.

    Raises:
        ValueError: Nobody filled the message in, or with a code that is none.
    """
    if msg.code == ResultStatus.UNSET:
        raise ValueError('its status was left unset')
    return Status(msg.code), msg.message


def answer(response: Any, status: Status) -> Answer:
    """Read the response of `answer_question` and the result of the action `answer`."""
    return Answer(
        status,
        response.answer,
        response.confidence,
        conversions.msg_to_detections(response.evidence),
        response.status.message,
    )


def verdict(response: Any, status: Status) -> Verdict:
    """Read the response of `verify_statement`."""
    return Verdict(
        Truth(response.verdict),
        response.confidence,
        conversions.msg_to_detections(response.evidence),
        status,
        response.status.message,
    )


def detections(response: Any, _: Status) -> Detections:
    """Read the response of `detect_objects`."""
    return conversions.msg_to_detections(response.detections)


def groundings(text: str, response: Any, _: Status) -> PhraseGroundings:
    """Read the response of `ground_phrases` about a text."""
    return PhraseGroundings(
        text,
        conversions.msg_to_detections(response.detections),
        tuple(
            PhraseGrounding(
                msg.phrase, (msg.start, msg.end), tuple(msg.detections), tuple(msg.scores)
            )
            for msg in response.groundings
        ),
    )


def caption(response: Any, status: Status) -> Caption | None:
    """Read the response of `describe_image`, which has no score: it is given as 0."""
    if not response.caption:
        return None
    return Caption(response.caption, 0.0, status, response.status.message)


def reference(response: Any, status: Status) -> Reference:
    """Read the response of `locate_object`."""
    found = type(response.candidates)(detections=[response.detection])
    return Reference(
        status,
        conversions.msg_to_detections(found) if status is Status.OK else Detections(),
        response.confidence,
        conversions.msg_to_detections(response.candidates),
        response.status.message,
    )


def vocabulary_id(response: Any) -> Outcome[str]:
    """Read the response of `set_vocabulary`."""
    provenance = Provenance(vocabulary_id=response.vocabulary_id)
    if not response.success:
        return Outcome(None, Status.FAILED, response.message, provenance)
    return Outcome(response.vocabulary_id, Status.OK, response.message, provenance)


def statements(names: tuple[str, ...], response: Any) -> Outcome[tuple[str, ...]]:
    """Read the response of `set_statements` to a request with those names."""
    if not response.success:
        return Outcome(None, Status.FAILED, response.message)
    return Outcome(names, Status.OK, response.message)


def added(name: str, response: Any, _: Status) -> Exemplar:
    """Read the response of `add_exemplar`."""
    stamp = response.provenance.image_header.stamp
    return Exemplar(name, response.exemplar_id, response.count, conversions.stamp_to_ns(stamp))


def removed(response: Any, _: Status) -> int:
    """Read the response of `remove_exemplars`."""
    return int(response.removed)


def exemplars(response: Any, _: Status) -> tuple[Exemplar, ...]:
    """Read the response of `list_exemplars`."""
    counts = Counter(response.names)
    return tuple(
        Exemplar(name, exemplar_id, counts[name], conversions.stamp_to_ns(stamp))
        for name, exemplar_id, stamp in zip(
            response.names, response.exemplar_ids, response.stamps, strict=True
        )
    )


def memories(response: Any, _: Status) -> Memories:
    """Read the response of `search_memory`."""
    return Memories(tuple(_moment(msg) for msg in response.moments), response.remembered)


def statement_state(msg: StatementStateMsg) -> StatementState:
    """Read what a monitor publishes.

    Raises:
        ValueError: It does not make sense.
    """
    status, message = status_of(msg.status)
    return StatementState(
        msg.name,
        msg.statement,
        Truth(msg.verdict),
        msg.confidence,
        status,
        message,
        conversions.msg_to_detections(msg.evidence),
        msg.agreeing,
        msg.frames,
        conversions.stamp_to_ns(msg.since),
        conversions.msg_to_provenance(msg.provenance),
    )


def _moment(msg: MomentMsg) -> Moment:
    return Moment(
        conversions.stamp_to_ns(msg.header.stamp),
        msg.header.frame_id,
        msg.camera,
        msg.score,
        tuple(msg.labels),
        _pose(msg) if msg.has_pose else None,
        conversions.msg_to_image(msg.picture) if len(msg.picture.data) else None,
    )


def _pose(msg: MomentMsg) -> Pose:
    position, orientation = msg.pose.pose.position, msg.pose.pose.orientation
    return Pose(
        msg.pose.header.frame_id,
        (position.x, position.y, position.z),
        (orientation.x, orientation.y, orientation.z, orientation.w),
    )
