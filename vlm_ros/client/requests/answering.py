"""Questions, statements and references."""

from collections.abc import Callable, Sequence

from vlm_ros.client import responses
from vlm_ros.client.endpoints import Address
from vlm_ros.client.requests.request import (
    choices_of,
    image_msg,
    LONGEST_S,
    number,
    OLDEST_S,
    Region,
    Request,
    roi,
    source,
    timeout,
    whole,
)
from vlm_ros.errors import InputError
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Reference, Verdict
from vlm_ros.tasks import Image
from vlm_ros_interfaces import action, srv


def ask(
    question: str,
    *,
    camera: str = '',
    image: Image | None = None,
    choices: Sequence[str] = (),
    region_xyxy: Region | None = None,
    window_s: float = 0.0,
    require_evidence: bool = True,
    max_image_age_s: float = 0.0,
    timeout_s: float | None = None,
    on_partial: Callable[[str], None] | None = None,
) -> Request[Answer]:
    """Answer a question.

    It goes through the action `answer`, so a cancel and the end of the time reach the model.

    Args:
        question: In plain language.
        camera: Which camera, where the server has several; empty: its only one.
        image: `(H, W, 3)` uint8 RGB to look at instead of the camera's newest.
        choices: Answers to choose between; none: the answer is free.
        region_xyxy: Part of the image to look at, `(left, top, right, bottom)` in its
            pixels.
        window_s: Look at the frames of so many seconds; 0: at the newest alone.
        require_evidence: Whether an answer that no box supports becomes UNSURE.
        max_image_age_s: How old the camera's newest image may be; 0: the server's
            parameter.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.
        on_partial: Told the answer so far, on the executor's thread or in the event loop.

    Raises:
        InputError: An argument cannot be used.
    """
    check_text(question, 'question')
    fields = {
        'question': question,
        'choices': choices_of(choices),
        'roi': roi(region_xyxy),
        'window_s': number('window_s', window_s, LONGEST_S),
        'require_evidence': bool(require_evidence),
        **source(camera, image),
        'max_image_age_s': number('max_image_age_s', max_image_age_s, OLDEST_S),
    }
    return Request(
        Address('answer', action.AnswerQuestion, is_action=True),
        lambda left_s: action.AnswerQuestion.Goal(check_fields=True, **fields, timeout_s=left_s),
        lambda response: responses.read(response, responses.answer),
        timeout(timeout_s),
        on_partial,
    )


def verify(
    statement: str,
    *,
    camera: str = '',
    image: Image | None = None,
    other_camera: str = '',
    other_image: Image | None = None,
    frames: int = 0,
    agreeing: int = 0,
    max_image_age_s: float = 0.0,
    timeout_s: float | None = None,
) -> Request[Verdict]:
    """Check a statement.

    Args:
        statement: A sentence that is true or false.
        camera: Which camera, where the server has several; empty: its only one.
        image: `(H, W, 3)` uint8 RGB to look at instead of the camera's newest.
        other_camera: The right one of a pair of cameras, `camera` being the left.
        other_image: The right one of a pair of images.
        frames: How many frames to look at, one after the other; 0: one.
        agreeing: How many of them must agree; 0: more than half.
        max_image_age_s: How old the camera's newest image may be; 0: the server's
            parameter.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    check_text(statement, 'statement')
    frames, agreeing = whole('frames', frames), whole('agreeing', agreeing)
    if agreeing > max(frames, 1):
        raise InputError(f'agreeing is {agreeing}, more than the {max(frames, 1)} of frames')
    fields = {
        'statement': statement,
        'other_camera': other_camera,
        'other_image': image_msg(other_image),
        'frames': frames,
        'agreeing': agreeing,
        **source(camera, image),
        'max_image_age_s': number('max_image_age_s', max_image_age_s, OLDEST_S),
    }
    return Request(
        Address('verify_statement', srv.VerifyStatement),
        lambda left_s: srv.VerifyStatement.Request(check_fields=True, **fields, timeout_s=left_s),
        lambda response: responses.read(response, responses.verdict),
        timeout(timeout_s),
    )


def locate(
    expression: str,
    *,
    camera: str = '',
    image: Image | None = None,
    region_xyxy: Region | None = None,
    max_image_age_s: float = 0.0,
    timeout_s: float | None = None,
) -> Request[Reference]:
    """Find the one object that is meant.

    Args:
        expression: Such as `the second person from the left`.
        camera: Which camera, where the server has several; empty: its only one.
        image: `(H, W, 3)` uint8 RGB to look at instead of the camera's newest.
        region_xyxy: Part of the image to look at, `(left, top, right, bottom)` in its
            pixels.
        max_image_age_s: How old the camera's newest image may be; 0: the server's
            parameter.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    check_text(expression, 'expression')
    fields = {
        'expression': expression,
        'roi': roi(region_xyxy),
        **source(camera, image),
        'max_image_age_s': number('max_image_age_s', max_image_age_s, OLDEST_S),
    }
    return Request(
        Address('locate_object', srv.LocateObject),
        lambda left_s: srv.LocateObject.Request(check_fields=True, **fields, timeout_s=left_s),
        lambda response: responses.read(response, responses.reference),
        timeout(timeout_s),
    )
