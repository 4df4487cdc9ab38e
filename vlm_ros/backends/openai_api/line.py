"""A thread that talks to the server, and can be made to hang up.

A read that waits in a socket cannot be interrupted from another thread: closing the socket there
does not wake the reader, nor does the server hear of it before the reader returns. A task of an
event loop can be cancelled at any point, while it connects, waits or reads, and closes its
connection then. So requests run in an event loop on a thread of their own, and the thread that
wants the answer waits beside it with an eye on the ticket.
"""

import asyncio
from collections.abc import Callable, Coroutine
import contextlib
import queue
import threading
import time
from typing import Any, TypeVar

from vlm_ros.tasks import Ticket

T = TypeVar('T')
SLICE_S = 0.05
"""How long a cancelled ticket may stay unnoticed."""
_GOODBYE_S = 1.0

Tell = Callable[[str], None]


class TalkError(Exception):
    """A conversation failed; its cause says how."""


class Line:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name='openai_api', daemon=True
        )
        self._thread.start()

    def call(self, talk: Callable[[Tell], Coroutine[Any, Any, T]], ticket: Ticket) -> T:
        """Run a conversation to its end, or until the ticket ends, which hangs up.

        Args:
            talk: Makes the conversation; what it tells on the way is reported as partial text, on
                the calling thread.
            ticket: The caller's deadline and cancel.

        Raises:
            TalkError: The conversation failed, or was ended by `close`.
            DeadlineExceeded: The deadline passed first.
            WorkCancelled: The caller cancelled.
        """
        news: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        future = asyncio.run_coroutine_threadsafe(talk(news.put), self._loop)
        future.add_done_callback(lambda _: news.put(None))
        try:
            while (text := _next(news, ticket)) is not None:
                # Not `check()`, which marks a step of the work: how often this looks is chance.
                # It is a sign of life all the same; the server's silence has its own limit.
                ticket.seen_s = time.monotonic()
                ticket.raise_if_ended()
                if text:
                    ticket.report_partial(text)
            try:
                return future.result()
            except Exception as error:
                raise TalkError from error
        finally:
            future.cancel()

    def close(self, last_words: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """End the thread, after some last words; may be called twice."""
        if self._loop.is_closed():
            return
        with contextlib.suppress(Exception):  # nothing of it matters any more
            asyncio.run_coroutine_threadsafe(self._hang_up(last_words), self._loop).result(
                _GOODBYE_S
            )
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GOODBYE_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def _hang_up(self, last_words: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in others if task), return_exceptions=True)
        if last_words is not None:
            await last_words()


def _next(news: 'queue.SimpleQueue[str | None]', ticket: Ticket) -> str | None:
    """Return the next news; empty where there is none yet."""
    left_s = ticket.remaining_s
    try:
        return news.get(timeout=SLICE_S if left_s is None else min(SLICE_S, left_s))
    except queue.Empty:
        return ''
