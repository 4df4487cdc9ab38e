"""Requests for a look at an image: which image is meant, until when, and what becomes of it."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from sensor_msgs.msg import Image as ImageMsg

from vlm_ros.errors import InputError, ModelError, VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.image_feed import Frame, View
from vlm_ros.nodes.looking import Look, look, Result
from vlm_ros.nodes.model_node import ModelNode
from vlm_ros.nodes.pending import Pending
from vlm_ros.results import Provenance, Status
from vlm_ros.tasks import Ticket

R = TypeVar('R', bound=Result)
LONGEST_S = 3600.0
"""The longest deadline that a request may ask for."""
_OLDEST_S = 1e10  # any image at all
_RECORDED_S = 3600.0
_MOST_QUOTED = 50


class Requests:
    """The requests that a node works on.

    Args:
        node: Has the cameras and the model; its parameters hold `timeout_s` and `max_image_age_s`
            for requests that give none.
    """

    def __init__(self, node: ModelNode[Any]) -> None:
        self._node = node
        self._pending: set[Pending[Any]] = set()

    def cancel(self, reason: str) -> None:
        """Take all requests back."""
        for pending in tuple(self._pending):
            pending.cancel(reason)

    async def look(
        self,
        request: Any,
        tasks: tuple[str, ...],
        work: Callable[[Any, View, Ticket], R],
        *,
        timeout_s: float = 0.0,
        max_image_age_s: float = 0.0,
        frame: Frame | None = None,
        ticket: Ticket | None = None,
        on_partial: Callable[[str], None] | None = None,
        on_pending: Callable[[Pending[Look[R]]], None] = lambda _: None,
    ) -> Look[R]:
        """Have the worker look at the image a request is about, and wait for it.

        Args:
            request: Has the fields `camera` and `image`.
            tasks: The methods of which the model must have one, out of `tasks.TASKS`; none where
                it does not look alone.
            work: Calls the model on the view of the image.
            timeout_s: Seconds until the answer; 0 for the parameter's.
            max_image_age_s: What a newest image may be old; 0 for the parameter's.
            frame: The image of the camera to look at, unless it is too old by then; None for the
                newest.
            ticket: The request's, where it has one already.
            on_partial: Told the text so far.
            on_pending: Given the hold on the request, once it waits.

        Returns:
            What came of it; never raises what the request or the model is to blame for.
        """
        camera = ''
        try:
            camera = self.camera_of(request)
            ticket = held = ticket or self.ticket(timeout_s, on_partial)
            limit_s = self.age_limit_s(max_image_age_s)
            if not self._node.is_active:
                raise ModelError(self._node.why_not_active())
            brought, wanted = None, frame
            if frame is None and is_given(request.image):
                camera, brought = '', Frame(request.image)
                frame = brought
            source, worker = camera, self._node.worker

            def choose() -> Frame | Look[Any]:
                return brought or self.newest(source, limit_s, wanted)

            def see() -> Look[R]:
                # Chosen now: while the request waited, newer images came, or none.
                chosen = choose()
                if not isinstance(chosen, Frame):
                    return chosen
                provenance = Provenance(camera=source)
                return look(worker, chosen, tasks, lambda m, v: work(m, v, held), provenance)

            chosen = choose()
            if not isinstance(chosen, Frame):
                return chosen
            frame = chosen
            future = worker.submit(see, ticket)
            pending = Pending(self._node, future, ticket)
            self._pending.add(pending)
            on_pending(pending)
            try:
                return await pending.result()
            finally:
                self._pending.discard(pending)
        except VlmRosError as error:
            return no_look(*conversions.error_to_status(error), camera, frame)

    def ticket(
        self, timeout_s: float = 0.0, on_partial: Callable[[str], None] | None = None
    ) -> Ticket:
        """Make the ticket of a request that gives so many seconds, 0 for the parameter's.

        Raises:
            InputError: No request may take so long.
        """
        limit_s = _limit('timeout_s', timeout_s, LONGEST_S)
        return Ticket(limit_s or self._node.settings.values.timeout_s, on_partial)

    def age_limit_s(self, max_image_age_s: float = 0.0) -> float:
        """Return what a request's image may be old, in seconds; 0 for the parameter's.

        Raises:
            InputError: No image may be so old.
        """
        limit_s = _limit('max_image_age_s', max_image_age_s, _OLDEST_S)
        return limit_s or float(self._node.settings.values.max_image_age_s)

    def newest(
        self, camera: str, limit_s: float, wanted: Frame | None = None
    ) -> Frame | Look[Any]:
        """Return a camera's newest image, or why it has none that is no older than `limit_s`.

        Args:
            camera: The camera.
            limit_s: How old the image may be, in seconds.
            wanted: An image of it that is meant instead of the newest.
        """
        feed = self._node.feeds[camera]
        frame = wanted or feed.newest
        if frame is None:
            return no_look(Status.NO_IMAGE, feed.silence(), camera)
        age_s = frame.age_s(self._node.get_clock().now().nanoseconds)
        if age_s > limit_s:
            return no_look(Status.STALE, stale(age_s, limit_s), camera, frame)
        return frame

    async def newer(self, camera: str, than: Frame, ticket: Ticket) -> Frame:
        """Wait for an image of a camera after another.

        Raises:
            InterruptedWork: The ticket ended first.
        """
        feed = self._node.feeds[camera]
        future: Future[Frame] = Future()

        def take(frame: Frame) -> None:
            if frame is not than and not future.done():
                future.set_result(frame)

        feed.add_listener(take)
        if feed.newest is not None:
            take(feed.newest)
        pending = Pending(self._node, future, ticket)
        self._pending.add(pending)
        try:
            return await pending.result()
        finally:
            self._pending.discard(pending)
            feed.remove_listener(take)

    def camera_of(self, request: Any) -> str:
        """Return the camera that a request means; the image it may bring needs none.

        Raises:
            InputError: There is no such camera, or several and none is named.
        """
        if request.camera in self._node.feeds:
            return str(request.camera)
        names = ', '.join(repr(name) for name in self._node.feeds if name)
        if request.camera:
            known = f'the cameras are {names}' if names else 'this node has one without a name'
            raise InputError(f'there is no camera {_short(request.camera)}; {known}')
        if len(self._node.feeds) == 1 or is_given(request.image):
            return next(iter(self._node.feeds))
        raise InputError(f'say which camera is meant: {names}')


def no_look(status: Status, message: str, camera: str = '', frame: Frame | None = None) -> Look[R]:
    """Make what came of a request that nobody looked at an image for."""
    provenance = conversions.header_to_provenance(frame.header if frame else None)
    return Look(None, status, message, replace(provenance, camera=camera))


def is_given(image: ImageMsg) -> bool:
    """Whether a request brings an image."""
    return bool(image.width or image.height or len(image.data))


def _short(text: str) -> str:
    return repr(text) if len(text) <= _MOST_QUOTED else f'{text[:_MOST_QUOTED]!r}...'


def stale(age_s: float, limit_s: float) -> str:
    """Say that the newest image is older than allowed; both in seconds."""
    message = f'the newest image is {age_s:.1f} s old; at most {limit_s:g} s are allowed'
    if age_s > _RECORDED_S:
        message += ' (a recording? then set use_sim_time and play it with --clock)'
    return message


def _limit(name: str, seconds: float, at_most_s: float) -> float:
    if not 0.0 <= seconds <= at_most_s:
        raise InputError(
            f'{name} must be 0 or more seconds, {at_most_s:g} at most, got {seconds:g}'
        )
    return seconds
