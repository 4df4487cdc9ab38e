"""What all leaves that ask have in common."""

from collections.abc import Callable
import time
from typing import Generic, TypeVar

from py_trees.behaviour import Behaviour
from py_trees.common import Access
from py_trees.common import Status as LeafStatus

from vlm_ros.behaviours.mapping import BY_POLICY, Kind, KINDS, Policy
from vlm_ros.client import Call, Outcome, Request, VlmClient
from vlm_ros.errors import InputError

T = TypeVar('T')


class Leaf(Behaviour, Generic[T]):
    """Sends a request, waits for the answer without blocking, and judges it.

    A tick never waits. While a policy says RUNNING the request is sent again, `pause_s` after
    each answer. When the tree leaves the leaf (a higher branch takes over, the tree is stopped),
    the request under way is taken back, and a question under way stops at the model too.

    `feedback_message` is a line about the last answer: its status and message.

    Args:
        name: The leaf's name in the tree.
        client: Sends the requests. Its executor runs on another thread than the one that
            ticks, or in turns with the ticks, as where a timer of the node ticks the tree.
        request: What is asked; see `vlm_ros.client.requests`.
        judge: What an answer with the status OK makes of the leaf.
        key: Where on the blackboard each answer is left, an `Outcome`; empty: nowhere.
        absent: What the leaf becomes where what was asked for, or about, is not in the image.
        unknown: What it becomes where the image was looked at and does not tell.
        blind: What it becomes where nobody looked: no image, an old one, no server, a time-out.
        pause_s: How long it waits before it asks again.

    Raises:
        InputError: `pause_s` is negative.
    """

    def __init__(
        self,
        name: str,
        client: VlmClient,
        request: Request[T],
        judge: Callable[[T], Kind],
        *,
        key: str = '',
        absent: Policy = Policy.FAILURE,
        unknown: Policy = Policy.FAILURE,
        blind: Policy = Policy.FAILURE,
        pause_s: float = 0.5,
    ) -> None:
        super().__init__(name)
        if not pause_s >= 0:
            raise InputError(f'pause_s must be 0 or more seconds, got {pause_s:g}')
        self._client = client
        self._request = request
        self._judge = judge
        self._becomes = {
            Kind.FOUND: LeafStatus.SUCCESS,
            Kind.OTHER: LeafStatus.FAILURE,
            Kind.ABSENT: BY_POLICY[absent],
            Kind.UNKNOWN: BY_POLICY[unknown],
            Kind.BLIND: BY_POLICY[blind],
        }
        self._pause_s = pause_s
        self._call: Call[T] | None = None
        self._again_s = 0.0
        self._key = key
        if key:
            self._board = self.attach_blackboard_client(name)
            self._board.register_key(key=key, access=Access.WRITE)

    def initialise(self) -> None:
        """Send the request."""
        self._call = self._client.send(self._request)
        self.feedback_message = 'asking'

    def update(self) -> LeafStatus:
        """Look whether there is an answer."""
        if self._call is None:
            if time.monotonic() < self._again_s:
                return LeafStatus.RUNNING
            self._call = self._client.send(self._request)
        if not self._call.done():
            if self._call.partial:
                self.feedback_message = self._call.partial
            return LeafStatus.RUNNING
        outcome = self._call.outcome()
        self._call = None
        self._again_s = time.monotonic() + self._pause_s
        self.feedback_message = outcome.line
        if self._key:
            self._board.set(self._key, outcome)
        return self._become(outcome)

    def terminate(self, new_status: LeafStatus) -> None:
        """Take the request back that is under way."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
            self.feedback_message = 'taken back'

    def shutdown(self) -> None:
        """Take the request back where the tree ends in the middle of it."""
        self.terminate(LeafStatus.INVALID)

    def _become(self, outcome: Outcome[T]) -> LeafStatus:
        kind = KINDS[outcome.status]
        if kind is Kind.FOUND and outcome.result is not None:
            kind = self._judge(outcome.result)
        return self._becomes[kind]
