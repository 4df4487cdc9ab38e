"""`search_memory`: the moments that fit a text."""

from collections.abc import Callable
from concurrent.futures import Future
import traceback
from typing import Any, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from vlm_ros.boxes import FloatArray
from vlm_ros.data.scene_memory import Match, SceneMemory, Search
from vlm_ros.errors import InputError, ModelError, VlmRosError
from vlm_ros.nodes import conversions
from vlm_ros.nodes.asked_node import SERVICE_QOS
from vlm_ros.nodes.keeper import Keeper
from vlm_ros.nodes.model_node import ModelNode
from vlm_ros.nodes.pending import Pending
from vlm_ros.nodes.poses import pose_to_msg
from vlm_ros.phrases import check_text
from vlm_ros.results import Status
from vlm_ros.tasks import Ticket
from vlm_ros_interfaces.msg import Moment
from vlm_ros_interfaces.srv import SearchMemory

T = TypeVar('T')
MAX_MOMENTS = 100
"""Of a response, whose pictures have 15 KB each."""
_USUAL_MOMENTS = 5
_MOST_QUOTED = 50


class Searches:
    """Searches a node's memory.

    Args:
        node: Offers the service; its parameters have `min_score` and `timeout_s`.
        keeper: Has the memory.
        place: Says, on the worker's thread, where the model places a text.
    """

    def __init__(
        self, node: ModelNode[Any], keeper: Keeper, place: Callable[[str, Ticket], FloatArray]
    ) -> None:
        self._node = node
        self._keeper = keeper
        self._place = place
        self._pending: set[Pending[Any]] = set()
        node.create_service(
            SearchMemory,
            'search_memory',
            self._on_search,
            # Reentrant, or a pending search would hold up every other callback.
            callback_group=ReentrantCallbackGroup(),
            qos_profile=SERVICE_QOS,
        )

    def cancel(self, reason: str) -> None:
        """Take all searches back."""
        for pending in tuple(self._pending):
            pending.cancel(reason)

    async def _on_search(
        self, request: SearchMemory.Request, response: SearchMemory.Response
    ) -> SearchMemory.Response:
        """Respond whatever happens: a client would wait for ever."""
        try:
            search = self._read(request)
            found = await self._search(request.text, search)
            response.moments = [_moment_to_msg(match) for match in found]
            status, message = (Status.OK, '') if found else self._nothing(search)
        except VlmRosError as error:
            status, message = conversions.error_to_status(error)
        except Exception as error:  # noqa: BLE001 - see above
            self._node.get_logger().error(f'a search failed: {traceback.format_exc()}')
            status, message = conversions.error_to_status(error)
        response.status = conversions.status_to_msg(status, message)
        response.remembered = self._keeper.remembered
        return response

    def _read(self, request: SearchMemory.Request) -> Search:
        """Read what is asked for; raises what is wrong with it."""
        if not self._node.is_active:
            raise ModelError(self._node.why_not_active())
        check_text(request.text, 'text')
        cameras = self._keeper.cameras | set(self._node.feeds)
        if request.camera and request.camera not in cameras:
            names = ', '.join(repr(name) for name in sorted(cameras) if name)
            known = f'there are {names}' if names else 'the only one has no name'
            raise InputError(f'no camera is called {request.camera[:_MOST_QUOTED]!r}; {known}')
        if request.max_moments > MAX_MOMENTS:
            raise InputError(
                f'max_moments is {request.max_moments}; at most {MAX_MOMENTS} are returned'
            )
        return Search(
            request.camera,
            conversions.stamp_to_ns(request.since),
            conversions.stamp_to_ns(request.until),
            request.max_moments or _USUAL_MOMENTS,
            request.min_score or self._node.settings.values.min_score,
            request.with_pictures,
        )

    async def _search(self, text: str, search: Search) -> list[Match]:
        ticket = Ticket(self._node.settings.values.timeout_s)
        vector = await self._wait(
            self._node.worker.submit(lambda: self._place(text, ticket), ticket), ticket
        )

        def find(memory: SceneMemory) -> list[Match]:
            ticket.check()  # behind a slow disk many may have given up
            return memory.search(vector, search)

        return await self._wait(self._keeper.submit(find), ticket)

    async def _wait(self, future: 'Future[T]', ticket: Ticket) -> T:
        pending = Pending(self._node, future, ticket)
        self._pending.add(pending)
        try:
            return await pending.result()
        finally:
            self._pending.discard(pending)

    def _nothing(self, search: Search) -> tuple[Status, str]:
        count = self._keeper.remembered
        if not count:
            return Status.NOTHING_FOUND, 'nothing is remembered yet'
        is_filtered = search.camera or search.since_ns is not None or search.until_ns is not None
        which = ' of this camera and time' if is_filtered else ''
        return (
            Status.NOTHING_FOUND,
            f'of {count} moments none{which} scores {search.min_score:g} or more',
        )


def _moment_to_msg(match: Match) -> Moment:
    moment = match.moment
    header = Header(stamp=conversions.ns_to_stamp(moment.stamp_ns), frame_id=moment.frame_id)
    msg = Moment(
        header=header, camera=moment.camera, score=match.score, labels=list(moment.labels)
    )
    if moment.pose is not None:
        msg.has_pose = True
        msg.pose = pose_to_msg(moment.pose, moment.stamp_ns)
    if moment.picture:
        msg.picture = CompressedImage(header=header, format='jpeg')
        msg.picture.data.frombytes(moment.picture)
    return msg
