"""`add_exemplar`, `remove_exemplars`, `list_exemplars`: pictures of things to find more of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from vlm_ros.data.gallery import checked_name, Gallery, MIN_SIDE_PX
from vlm_ros.data.pictures import KeptPicture, shrunk
from vlm_ros.errors import DeadlineExceeded, InputError, VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import AskedNode, Response
from vlm_ros.nodes.gallery import detects_by_pictures
from vlm_ros.nodes.image_feed import View
from vlm_ros.nodes.looking import Look
from vlm_ros.nodes.pending import on_a_thread, Pending
from vlm_ros.nodes.requests import no_look
from vlm_ros.results import Provenance, Status
from vlm_ros.tasks import Image, Model, Ticket
from vlm_ros_interfaces.srv import AddExemplar, ListExemplars, RemoveExemplars

T = TypeVar('T')
CAN_DETECT_LIKE = 'owl, clip, open_clip or embedded'
"""Backends to name to whom has none that detects by pictures."""


@dataclass(frozen=True, eq=False)
class CutOut:
    """A part of an image, as what came of a look.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        xyxy: Where it was, in pixels of the source image.
        message: What its keeper should know.
    """

    image: Image
    xyxy: tuple[float, float, float, float]
    message: str = ''
    status: Status = Status.OK

    def scaled(self, x: float, y: float) -> 'CutOut':
        """Return the same part of an image `x` times as wide and `y` times as high."""
        left, top, right, bottom = self.xyxy
        return replace(self, xyxy=(left * x, top * y, right * x, bottom * y))


class ExemplarServices:
    """Keeps pictures of things; see `data.gallery`.

    Args:
        node: Offers the services; its detector is shown the pictures.
    """

    def __init__(self, node: AskedNode[Any]) -> None:
        self._node = node
        node.offer(AddExemplar, 'add_exemplar', self._on_add)
        node.offer(RemoveExemplars, 'remove_exemplars', self._on_remove)
        node.offer(ListExemplars, 'list_exemplars', self._on_list)

    @property
    def _gallery(self) -> Gallery:
        return self._node.gallery.kept

    async def _on_add(
        self, request: AddExemplar.Request, response: AddExemplar.Response
    ) -> AddExemplar.Response:
        try:
            name = checked_name(request.name)
        except InputError as error:
            return self._failed(error, response)
        seen = await self._node.requests.look(
            request,
            (),
            lambda model, view, ticket: self._cut_out(model, view, request, name, ticket),
            max_image_age_s=request.max_image_age_s,
        )
        if seen.result is None:
            return self._node.fill(seen, response)
        keep = partial(self._keep, name, seen.result, seen.provenance)
        try:
            kept, count = await self._wait_for(keep)
        except VlmRosError as error:
            failed: Look[CutOut] = Look.failed(error, seen.provenance)
            return self._node.fill(failed, response)
        response.exemplar_id = kept.exemplar_id
        response.count = count
        return self._node.fill(seen, response)

    async def _on_remove(
        self, request: RemoveExemplars.Request, response: RemoveExemplars.Response
    ) -> RemoveExemplars.Response:
        remove = partial(self._gallery.remove, request.name, request.exemplar_id)
        try:
            response.removed = await self._wait_for(remove)
        except VlmRosError as error:
            return self._failed(error, response)
        status = Status.OK if response.removed else Status.NOTHING_FOUND
        message = ''
        if not response.removed:
            message = f'there is no such picture of {request.name[:50]!r}; see list_exemplars'
        response.status = conversions.status_to_msg(status, message)
        return response

    async def _on_list(
        self, request: ListExemplars.Request, response: ListExemplars.Response
    ) -> ListExemplars.Response:
        read = partial(self._gallery.pictures, now=True)
        try:
            kept = await self._wait_for(read)
        except VlmRosError as error:
            return self._failed(error, response)
        response.names = [picture.name for picture in kept]
        response.exemplar_ids = [picture.exemplar_id for picture in kept]
        response.stamps = [conversions.ns_to_stamp(picture.stamp_ns) for picture in kept]
        response.status = conversions.status_to_msg(Status.OK)
        return response

    def _keep(self, name: str, cut: CutOut, source: Provenance) -> tuple[KeptPicture, int]:
        """Keep a picture; returns it with how many there are of its name. Waits for the disk."""
        kept = self._gallery.add(
            name, cut.image, stamp_ns=source.stamp_ns, camera=source.camera, xyxy=cut.xyxy
        )
        return kept, sum(other.name == kept.name for other in self._gallery.pictures())

    def _cut_out(
        self, model: Model, view: View, request: AddExemplar.Request, name: str, ticket: Ticket
    ) -> CutOut:
        """Cut the thing out and have the detector look at it; for the worker's thread."""
        xyxy = _region(conversions.msg_to_region(request.roi), view.image)
        left, top, right, bottom = xyxy
        image = shrunk(view.image[top:bottom, left:right])
        detector = self._node.bare_detector_for(model)
        if not detects_by_pictures(detector):
            model_id = getattr(detector, 'model_id', model.model_id)
            message = f'kept, but {model_id} cannot detect by pictures; use {CAN_DETECT_LIKE}'
            return CutOut(image, xyxy, message)
        alike = detector.detect_like(image, [image], [name], ticket=ticket)
        if alike.unrecognized:
            raise InputError(
                'nothing stands out in this region; cut the thing out more closely, or come closer'
            )
        return CutOut(image, xyxy)

    async def _wait_for(self, work: Callable[[], T]) -> T:
        """Have something done that waits for the disk.

        Raises:
            DeadlineExceeded: It takes longer than the parameter `timeout_s`; it goes on meanwhile.
        """
        ticket = self._node.requests.ticket()
        try:
            return await Pending(self._node, on_a_thread(work), ticket).result()
        except DeadlineExceeded as error:
            raise DeadlineExceeded(
                f'the disk of the gallery {self._gallery.folder} does not answer; once it does, '
                'list_exemplars says what is kept'
            ) from error

    def _failed(self, error: Exception, response: Response) -> Response:
        failed: Look[CutOut] = no_look(*conversions.error_to_status(error))
        return self._node.fill(failed, response)


def _region(
    xyxy: tuple[float, float, float, float] | None, image: Image
) -> tuple[int, int, int, int]:
    """Return a region of an image in whole pixels, all of it where none is given.

    Raises:
        InputError: It reaches out of the image, or is too small.
    """
    height, width = image.shape[:2]
    left, top, right, bottom = (int(edge) for edge in xyxy or (0, 0, width, height))
    box = f'the region from ({left}, {top}) to ({right}, {bottom})'
    if right > width or bottom > height:
        raise InputError(f'{box} reaches out of the {width}x{height} image')
    if min(right - left, bottom - top) < MIN_SIDE_PX:
        raise InputError(
            f'{box} has less than {MIN_SIDE_PX} pixels a side, which show nothing; '
            'choose a larger one, or come closer'
        )
    return left, top, right, bottom
