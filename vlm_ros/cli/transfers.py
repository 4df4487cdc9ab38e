"""The bar of bytes that are downloaded or copied, on a terminal and on stderr only."""

import sys
import time
from typing import Any, TypeVar

_SHOWN_AFTER_S = 0.5
"""Work that is done sooner needs no bar."""
_REFRESHED_EVERY_S = 0.1

_Transfer = TypeVar('_Transfer', bound='Transfer')


class Transfer:
    """A bar of bytes, with their rate and the time that is left.

    Args:
        what: Stands before it.
        quiet: Show nothing.
    """

    def __init__(self, what: str, *, quiet: bool) -> None:
        self._what = what
        self._is_shown = not quiet and sys.stderr.isatty()
        self._next_s = time.monotonic() + _SHOWN_AFTER_S
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self: _Transfer) -> _Transfer:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Take note that so many bytes are done, of so many."""
        now_s = time.monotonic()
        if not self._is_shown or now_s < self._next_s:
            return
        self._next_s = now_s + _REFRESHED_EVERY_S
        if self._bar is None:
            self._show(done)
        self._bar.update(self._task, completed=done, total=total)

    def _show(self, done: int) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.TextColumn('{task.description}', markup=False),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            # Results go above the bar where both are on a terminal; where stdout is a file or a
            # pipe, it must not be led to the terminal.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task(self._what, total=None, completed=done)
        self._bar.start()
