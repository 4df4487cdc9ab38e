"""Progress of long work, on a terminal and on stderr only."""

from collections.abc import Iterator
import contextlib
from datetime import timedelta
import sys
import time
from typing import Any, TYPE_CHECKING, TypeVar

from vlm_ros.cli.exits import complain

if TYPE_CHECKING:
    from vlm_ros.annotation.tally import Progress as Tally

_SHOWN_AFTER_S = 1.0
"""Work that is done sooner needs no bar."""
_REFRESHED_EVERY_S = 0.1

_Progress = TypeVar('_Progress', bound='Progress')


class Progress:
    """A bar over all images of all sources, which appears when the work takes its time.

    Args:
        sources: How many sources there are; each counts as one image until it is known better.
        quiet: Show nothing.
    """

    def __init__(self, sources: int, *, quiet: bool) -> None:
        self._is_shown = not quiet and sys.stderr.isatty()
        self._sources_left = sources
        self._total: int | None = sources
        self._done = 0
        self._started_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self: _Progress) -> _Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._is_shown = False

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that something without steps is under way."""
        if not self._is_shown:
            yield
            return
        with _console().status(f'{what} ...'):
            yield
        self._started_s = time.monotonic()

    def begin_source(self, images: int | None) -> None:
        """Take note that the next source has so many images; None where that is not known."""
        self._sources_left -= 1
        self._total = None if images is None else self._done + images + self._sources_left

    def advance(self) -> None:
        """Take note that an image is done."""
        self._done += 1
        if not self._is_shown:
            return
        if self._bar is None and time.monotonic() - self._started_s > _SHOWN_AFTER_S:
            self._show()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, total=self._total)

    def _show(self) -> None:
        from rich import progress

        self._bar = progress.Progress(
            progress.MofNCompleteColumn(),
            progress.BarColumn(),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=_console(),
            transient=True,
            # Results go above the bar where both are on a terminal; where stdout is a file or a
            # pipe, it must not be led to the terminal.
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._bar.add_task('', total=self._total)
        self._bar.start()


class AnnotationProgress:
    """A bar over the images of a dataset, with their rate, the time left and what was skipped.

    Called with each `vlm_ros.annotation.tally.Progress`, of which it keeps the last.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._is_shown = not quiet and sys.stderr.isatty()
        self._started_s = time.monotonic()
        self._next_s = self._started_s + _SHOWN_AFTER_S
        self._bar: Any = None
        self._task: Any = None
        self._status: Any = None
        self.last: Tally | None = None

    def __enter__(self) -> 'AnnotationProgress':
        if self._is_shown:
            # Of a large bag, all messages are read before the first image is looked at.
            self._status = _console().status('loading models, reading sources ...')
            self._status.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def taken_s(self) -> float:
        """Seconds since the first image was begun; models were loaded before."""
        return time.monotonic() - self._started_s

    def close(self) -> None:
        """Take the bar away."""
        self._end_status()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._is_shown = False

    def __call__(self, now: 'Tally') -> None:
        """Take note of how far it is."""
        if self.last is None:
            self._end_status()
            self._started_s = time.monotonic()
        if self.last is None and now.chunks_done and not self._quiet:
            about = f'{now.chunks_done} of {now.chunks} chunks, about {now.images_before} images'
            complain(f'going on: {about}, are done already', kind='')
        if self.last is not None and now.lost > self.last.lost and not self._quiet:
            complain('a worker ended; its chunk is begun again', kind='')
        self.last = now
        if not self._is_shown or time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _REFRESHED_EVERY_S
        notes = f'{now.failed} failed  ' if now.failed else ''
        notes += f'{now.skipped} skipped' if now.skipped else ''
        if self._bar is None:
            self._show(now)
        rate_hz = (now.images_done - now.images_before) / self.taken_s
        left_s = (now.images - now.images_done) / rate_hz if rate_hz else 0.0
        self._bar.update(
            self._task,
            completed=now.images_done,
            total=now.images or None,
            rate=f'{rate_hz:.1f}/s',
            left=str(timedelta(seconds=round(left_s))) if rate_hz else '',
            notes=notes,
        )

    def _end_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _show(self, now: 'Tally') -> None:
        from rich import progress

        self._bar = progress.Progress(
            progress.MofNCompleteColumn(),
            progress.BarColumn(),
            progress.TextColumn('{task.fields[rate]}', markup=False),
            # From the same rate, which rich would take from the last seconds alone.
            progress.TextColumn('{task.fields[left]}', markup=False),
            progress.TextColumn('{task.fields[notes]}', markup=False),
            console=_console(),
            transient=True,
        )
        # From what was done before on, so that it does not count for the rate.
        self._task = self._bar.add_task(
            '', total=now.images or None, completed=now.images_before, rate='', left='', notes=''
        )
        self._bar.start()


def _console() -> Any:
    from rich.console import Console  # here, because a run that shows nothing does not need it

    return Console(stderr=True)
