"""What the nodes keep: pictures of things, and what was seen when."""

from functools import partial

from vlm_ros.client import responses
from vlm_ros.client.endpoints import Address
from vlm_ros.client.outcomes import Exemplar, Memories
from vlm_ros.client.requests.request import (
    number,
    OLDEST_S,
    Region,
    Request,
    roi,
    source,
    stamp_of,
    timeout,
    whole,
)
from vlm_ros.errors import InputError
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.tasks import Image
from vlm_ros_interfaces import srv


def add_exemplar(
    name: str,
    *,
    camera: str = '',
    image: Image | None = None,
    region_xyxy: Region | None = None,
    max_image_age_s: float = 0.0,
    timeout_s: float | None = None,
) -> Request[Exemplar]:
    """Keep a picture of a thing.

    It is never sent twice: that could keep the picture twice.

    Args:
        name: What the thing is called.
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
    Vocabulary((name,))
    fields = {
        'name': name,
        'roi': roi(region_xyxy),
        **source(camera, image),
        'max_image_age_s': number('max_image_age_s', max_image_age_s, OLDEST_S),
    }
    return Request(
        Address('add_exemplar', srv.AddExemplar, repeatable=False),
        lambda _: srv.AddExemplar.Request(check_fields=True, **fields),
        lambda response: responses.read(response, partial(responses.added, name)),
        timeout(timeout_s),
    )


def remove_exemplars(
    name: str, exemplar_id: str = '', *, timeout_s: float | None = None
) -> Request[int]:
    """Forget a picture of a thing, or all of that name; the result is how many.

    It is never sent twice: that could remove what was added in between.

    Args:
        name: What the thing is called.
        exemplar_id: Which picture; empty: all of that name.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    Vocabulary((name,))
    fields = {'name': name, 'exemplar_id': exemplar_id}
    return Request(
        Address('remove_exemplars', srv.RemoveExemplars, repeatable=False),
        lambda _: srv.RemoveExemplars.Request(check_fields=True, **fields),
        lambda response: responses.read(response, responses.removed),
        timeout(timeout_s),
    )


def list_exemplars(*, timeout_s: float | None = None) -> Request[tuple[Exemplar, ...]]:
    """List the pictures that are kept.

    Args:
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    return Request(
        Address('list_exemplars', srv.ListExemplars),
        lambda _: srv.ListExemplars.Request(),
        lambda response: responses.read(response, responses.exemplars),
        timeout(timeout_s),
    )


def search_memory(
    text: str,
    *,
    camera: str = '',
    since_ns: int | None = None,
    until_ns: int | None = None,
    max_moments: int = 0,
    min_score: float = 0.0,
    with_pictures: bool = True,
    timeout_s: float | None = None,
) -> Request[Memories]:
    """Search what the cameras saw earlier.

    Args:
        text: What to look for, such as `a blue mug`.
        camera: Only moments of this camera; empty: of all.
        since_ns: Only moments from this stamp on; None: without a bound.
        until_ns: Only moments up to this stamp; None: without a bound.
        max_moments: How many at most; 0: 5.
        min_score: Lowest score, above 0 up to 1; 0: the server's parameter.
        with_pictures: Whether to return the pictures too.
        timeout_s: How long the whole may take; None: the client's.

    Raises:
        InputError: An argument cannot be used.
    """
    check_text(text, 'text')
    if since_ns is not None and until_ns is not None and since_ns > until_ns:
        raise InputError(f'since_ns {since_ns} comes after until_ns {until_ns}')
    fields = {
        'text': text,
        'camera': camera,
        'since': stamp_of('since_ns', since_ns),
        'until': stamp_of('until_ns', until_ns),
        'max_moments': whole('max_moments', max_moments),
        'min_score': number('min_score', min_score, 1.0),
        'with_pictures': bool(with_pictures),
    }
    return Request(
        Address('search_memory', srv.SearchMemory),
        lambda _: srv.SearchMemory.Request(check_fields=True, **fields),
        lambda response: responses.read(response, responses.memories),
        timeout(timeout_s),
    )
