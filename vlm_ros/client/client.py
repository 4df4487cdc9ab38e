"""The client of the nodes."""

from collections.abc import Callable
import concurrent.futures
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar
import weakref

from rclpy.node import Node

from vlm_ros.client import requests
from vlm_ros.client.aio import AsyncMethods
from vlm_ros.client.call import Call
from vlm_ros.client.dispatch import Dispatcher
from vlm_ros.client.methods import named_like
from vlm_ros.client.outcomes import Outcome, StatementState
from vlm_ros.client.own_node import OwnNode
from vlm_ros.client.requests import check_name, checked_timeout, Request
from vlm_ros.client.threads import is_run_by
from vlm_ros.client.watching import Watch
from vlm_ros.errors import InputError

P = ParamSpec('P')
T = TypeVar('T')
TIMEOUT_S = 10.0


def _blocking(
    make: Callable[P, Request[T]],
) -> Callable[Concatenate['VlmClient', P], Outcome[T]]:
    def method(self: 'VlmClient', /, *args: P.args, **kwargs: P.kwargs) -> Outcome[T]:
        request = make(*args, **kwargs)
        self.check_thread()
        return self.wait(self.send(request))

    return named_like(make, method, 'Blocks until it has ended; see `VlmClient`.')


class VlmClient:
    """Asks the nodes, in three ways.

    * Blocking: `client.ask('Is the door open?')`, on any thread but the executor's.
    * In asyncio: `await client.aio.ask('Is the door open?')`.
    * Polled: `call = client.send(requests.ask('Is the door open?'))`, then `call.done()`,
      `call.outcome()` and `call.cancel()`, on any thread; the way of callbacks and of the leaves
      of a behaviour tree.

    All three end with an `Outcome`, after the time-out at the latest and half a second for the
    reply: no server, one that does not answer and one that dies are the statuses FAILED and
    TIMEOUT with a line that names the service. Only wrong arguments raise, `InputError`, before
    anything is sent.

    A request to a server that was discovered less than a second ago can be lost (Fast DDS delivers
    nothing to a server that has not discovered the client yet). Without an answer after a second
    such a request is sent once more where that changes nothing: a question keeps its goal's
    identifier, so that it is answered once; `add_exemplar` and `remove_exemplars` are never
    repeated.

    Args:
        node: Whose executor works for the client; it has to run, on another thread where calls
            block. None: a node and a thread of the client's own.
        namespace: Where the services are, relative to the node's namespace unless it begins with
            a slash.
        timeout_s: For requests that give none: how long the whole may take, the wait for a server
            included.

    Raises:
        InputError: `namespace` or `timeout_s` cannot be used.
    """

    def __init__(
        self, node: Node | None = None, *, namespace: str = '', timeout_s: float = TIMEOUT_S
    ) -> None:
        self._timeout_s = checked_timeout(timeout_s)
        if namespace.strip('/'):
            check_name('namespace', namespace.rstrip('/'))
        self._own = OwnNode() if node is None else None
        self.node: Node = self._own.node if self._own else node
        self._dispatcher = Dispatcher(self.node, namespace)
        self._watches: weakref.WeakSet[Watch] = weakref.WeakSet()
        self.aio = AsyncMethods(self.send, self.watch)
        # A thread that still runs rclpy when the interpreter ends can crash it.
        self._at_exit = weakref.finalize(self, self._own.close) if self._own else None

    def __enter__(self) -> 'VlmClient':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take back what is under way, and leave the node or end the client's own."""
        for watch in tuple(self._watches):
            watch.close()
        self._dispatcher.close(wait=not is_run_by(self.node.executor))
        if self._at_exit is not None:
            self._at_exit()

    def send(self, request: Request[T]) -> Call[T]:
        """Send a prepared request without waiting; for any thread."""
        timeout_s = self._timeout_s if request.timeout_s is None else request.timeout_s
        return self._dispatcher.post(request, timeout_s)

    def wait(self, call: Call[T]) -> Outcome[T]:
        """Wait for what a call comes to; an exception such as Ctrl-C takes it back.

        Raises:
            InputError: This thread is the executor's, which the answer needs.
        """
        if not call.done():
            self.check_thread()
        try:
            concurrent.futures.wait([call.future], call.overdue_s)
        except BaseException:
            call.cancel()
            raise
        return call.outcome()

    def check_thread(self) -> None:
        """Refuse to wait in a callback of the executor, which the answer needs.

        Raises:
            InputError: This thread is the executor's.
        """
        if is_run_by(self.node.executor):
            raise InputError(
                'a blocking call in a callback would wait for ever for the executor that runs the '
                "callback; use client.send or client.aio, another thread, or a client's own node"
            )

    def watch(self, name: str, callback: Callable[[StatementState], None]) -> Watch:
        """Have `callback` called with what holds of a statement now, and with each change.

        Args:
            name: The statement's name in the monitor.
            callback: Called on the executor's thread.

        Returns:
            Has a method `close`; keep it as long as changes are wanted.

        Raises:
            InputError: The name cannot be one, or the client is closed.
        """
        check_name('statement', name)
        if self._dispatcher.is_closed:
            raise InputError('the client is closed')
        topic = self._dispatcher.name_of(f'statements/{name}')
        watch = Watch(self.node, topic, callback, self._dispatcher.group)
        self._watches.add(watch)
        return watch

    ask = _blocking(requests.ask)
    verify = _blocking(requests.verify)
    detect = _blocking(requests.detect)
    ground = _blocking(requests.ground)
    describe = _blocking(requests.describe)
    locate = _blocking(requests.locate)
    set_vocabulary = _blocking(requests.set_vocabulary)
    set_statements = _blocking(requests.set_statements)
    add_exemplar = _blocking(requests.add_exemplar)
    remove_exemplars = _blocking(requests.remove_exemplars)
    list_exemplars = _blocking(requests.list_exemplars)
    search_memory = _blocking(requests.search_memory)
