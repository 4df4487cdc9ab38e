"""What is in an image: boxes by name and by text, and a caption."""

from collections.abc import Sequence
from functools import partial

from vlm_ros.client import responses
from vlm_ros.client.endpoints import Address
from vlm_ros.client.requests.request import names_of, number, Request, source, timeout
from vlm_ros.phrases import check_text
from vlm_ros.results import Caption, Detections, PhraseGroundings
from vlm_ros.tasks import Image
from vlm_ros_interfaces import srv


def detect(
    vocabulary: Sequence[str] = (),
    *,
    camera: str = '',
    image: Image | None = None,
    score_threshold: float = 0.0,
    timeout_s: float | None = None,
) -> Request[Detections]:
    """Find things by name.

    Args:
        vocabulary: The names; none: those that the detector looks for.
        camera: Which camera, where the server has several; empty: its only one.
        image: `(H, W, 3)` uint8 RGB to look at instead of the camera's newest.
        score_threshold: Lowest score of a box, above 0 up to 1; 0: the server's parameter.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    fields = {
        'vocabulary': names_of(vocabulary) if len(vocabulary) else [],
        'score_threshold': number('score_threshold', score_threshold, 1.0),
        **source(camera, image),
    }
    return Request(
        Address('detect_objects', srv.DetectObjects),
        lambda _: srv.DetectObjects.Request(check_fields=True, **fields),
        lambda response: responses.read(response, responses.detections),
        timeout(timeout_s),
    )


def ground(
    text: str,
    *,
    camera: str = '',
    image: Image | None = None,
    score_threshold: float = 0.0,
    timeout_s: float | None = None,
) -> Request[PhraseGroundings]:
    """Find what the phrases of a text name.

    Args:
        text: A caption, an instruction, a list: any text with names of things.
        camera: Which camera, where the server has several; empty: its only one.
        image: `(H, W, 3)` uint8 RGB to look at instead of the camera's newest.
        score_threshold: Lowest score of a box, above 0 up to 1; 0: the server's parameter.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    check_text(text, 'text')
    threshold = number('score_threshold', score_threshold, 1.0)
    fields = {'text': text, 'score_threshold': threshold, **source(camera, image)}
    return Request(
        Address('ground_phrases', srv.GroundPhrases),
        lambda _: srv.GroundPhrases.Request(check_fields=True, **fields),
        lambda response: responses.read(response, partial(responses.groundings, text)),
        timeout(timeout_s),
    )


def describe(
    prompt: str = '',
    *,
    camera: str = '',
    image: Image | None = None,
    timeout_s: float | None = None,
) -> Request[Caption | None]:
    """Describe the image in a sentence; the service does not say how sure it is (score 0).

    Args:
        prompt: What to attend to, such as `the people`.
        camera: Which camera, where the server has several; empty: its only one.
        image: `(H, W, 3)` uint8 RGB to look at instead of the camera's newest.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    if prompt:
        check_text(prompt, 'prompt')
    fields = {'prompt': prompt, **source(camera, image)}
    return Request(
        Address('describe_image', srv.DescribeImage),
        lambda _: srv.DescribeImage.Request(check_fields=True, **fields),
        lambda response: responses.read(response, responses.caption),
        timeout(timeout_s),
    )
