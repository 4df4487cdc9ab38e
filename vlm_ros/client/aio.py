"""The client in asyncio."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
import contextlib
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from vlm_ros.client import requests
from vlm_ros.client.call import Call
from vlm_ros.client.methods import named_like
from vlm_ros.client.outcomes import Outcome, StatementState
from vlm_ros.client.requests import Request
from vlm_ros.client.watching import Watch

P = ParamSpec('P')
T = TypeVar('T')


def _awaited(
    make: Callable[P, Request[T]],
) -> Callable[Concatenate['AsyncMethods', P], Coroutine[Any, Any, Outcome[T]]]:
    async def method(self: 'AsyncMethods', /, *args: P.args, **kwargs: P.kwargs) -> Outcome[T]:
        return await self.send(make(*args, **kwargs))

    return named_like(make, method, 'Cancelling the task cancels the request.')


class AsyncMethods:
    """The methods of `VlmClient` as coroutines, for the event loop that awaits them.

    A task that is cancelled takes its request back. Many may be awaited at once, as by
    `asyncio.gather`.

    Args:
        send: Sends a request; for any thread.
        watch: Hears what a monitor says; for any thread.
    """

    def __init__(
        self,
        send: Callable[[Request[Any]], Call[Any]],
        watch: Callable[[str, Callable[[StatementState], None]], Watch],
    ) -> None:
        self._send = send
        self._watch = watch

    async def send(self, request: Request[T]) -> Outcome[T]:
        """Send a prepared request and wait for what it comes to."""
        loop = asyncio.get_running_loop()
        if (on_partial := request.on_partial) is not None:

            def in_the_loop(text: str) -> None:
                loop.call_soon_threadsafe(on_partial, text)

            request = replace(request, on_partial=in_the_loop)
        call = self._send(request)
        overdue = loop.call_later(call.overdue_s, call.done)
        try:
            return await asyncio.wrap_future(call.future)
        finally:
            overdue.cancel()

    async def watch(self, name: str) -> AsyncIterator[StatementState]:
        """Yield what holds of a statement that a monitor watches, and each change of it.

        It ends when the client is closed.
        """
        loop = asyncio.get_running_loop()
        states: asyncio.Queue[StatementState | None] = asyncio.Queue()

        def in_the_loop(state: StatementState | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody listens
                loop.call_soon_threadsafe(states.put_nowait, state)

        watch = self._watch(name, in_the_loop)
        watch.on_close = lambda: in_the_loop(None)
        try:
            while (state := await states.get()) is not None:
                yield state
        finally:
            watch.close()

    ask = _awaited(requests.ask)
    verify = _awaited(requests.verify)
    detect = _awaited(requests.detect)
    ground = _awaited(requests.ground)
    describe = _awaited(requests.describe)
    locate = _awaited(requests.locate)
    set_vocabulary = _awaited(requests.set_vocabulary)
    set_statements = _awaited(requests.set_statements)
    add_exemplar = _awaited(requests.add_exemplar)
    remove_exemplars = _awaited(requests.remove_exemplars)
    list_exemplars = _awaited(requests.list_exemplars)
    search_memory = _awaited(requests.search_memory)
