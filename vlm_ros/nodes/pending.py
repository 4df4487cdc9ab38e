"""Waiting for a worker without blocking the executor."""

from collections.abc import Callable
from concurrent.futures import Future
import threading
from typing import Generic, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future as RosFuture

from vlm_ros.errors import DeadlineExceeded
from vlm_ros.tasks import Ticket

T = TypeVar('T')


class Pending(Generic[T]):
    """A request that a worker has: awaited in an `async` callback, ended by its ticket.

    The await ends at the deadline or the cancel even while the model is in the middle of a step;
    the step's result is then thrown away.

    Args:
        node: The node whose executor runs the awaiting callback.
        future: What the worker completes.
        ticket: The request's deadline and cancel.
    """

    def __init__(self, node: Node, future: 'Future[T]', ticket: Ticket) -> None:
        self._node = node
        self._future = future
        self._ticket = ticket
        self._done = RosFuture(executor=node.executor)
        future.add_done_callback(lambda _: self._end())

    def cancel(self, reason: str = 'the caller cancelled the request') -> None:
        """Take the request back."""
        self._ticket.cancel(reason)
        self._end()

    async def result(self) -> T:
        """Wait for the worker.

        Raises:
            InterruptedWork: The deadline passed or the request was cancelled first.
            Exception: Whatever the work raised.
        """
        timer = None
        if (remaining_s := self._ticket.remaining_s) is not None and not self._done.done():
            timer = self._node.create_timer(
                remaining_s,
                self._end,
                callback_group=ReentrantCallbackGroup(),
                clock=Clock(clock_type=ClockType.STEADY_TIME),
            )
        try:
            await self._done
        finally:
            if timer is not None:
                self._node.destroy_timer(timer)
        if not self._future.done():
            self._ticket.raise_if_ended()
            raise DeadlineExceeded('the deadline passed before the work was done')
        return self._future.result()

    def _end(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
            # An idle executor does not notice a future that another thread completes.
            if (executor := self._node.executor) is not None:
                executor.wake()


def on_a_thread(work: Callable[[], T]) -> 'Future[T]':
    """Run something that waits, where it keeps nobody waiting."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
