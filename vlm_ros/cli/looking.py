"""The work of the verbs that look at images: over the sources, image by image, to a status."""

import argparse
from collections.abc import Callable
from itertools import islice
import time
from typing import Any

from vlm_ros import backends
from vlm_ros.cli.exits import complain, Exit
from vlm_ros.cli.findings import Finding, print_failure, print_finding
from vlm_ros.cli.pictures import PictureFolder
from vlm_ros.cli.progress import Progress
from vlm_ros.data.media import check_source, Frame, Media, open_media
from vlm_ros.errors import BackendError, SourceError, VlmRosError
from vlm_ros.results import Status
from vlm_ros.tasks import Image, tasks_of

Look = Callable[[Image], Finding]


def look_at_sources(
    args: argparse.Namespace, tasks: tuple[str, ...], prepare: Callable[[Any], Look]
) -> int:
    """Look at every image of every source, print and save what is found.

    Args:
        args: Those of `options.add_source_arguments`, and the verb's name.
        tasks: The backend must be able to do at least one of these.
        prepare: Makes the look out of the loaded backend.

    Returns:
        The exit status.

    Raises:
        VlmRosError: A source is not there, the backend cannot be loaded, or it fails.
        OSError: A picture cannot be written.
    """
    for source in args.sources:
        check_source(source)
    pictures = PictureFolder(args.save, args.verb) if args.save else None
    with Progress(len(args.sources), quiet=args.quiet) as progress:
        work = _Work(args, pictures, progress)
        model = None
        try:
            with progress.waiting(f'loading {args.backend}'):
                model = _load(args, tasks)
            work.run(model, prepare(model))
        except KeyboardInterrupt:
            progress.close()
            complain(f'interrupted after {work.summary()}', kind='')
            return Exit.INTERRUPTED
        finally:
            if model is not None:
                model.close()
    if not args.quiet and work.count > 1:
        complain(work.summary(), kind='')
    return work.status()


def _load(args: argparse.Namespace, tasks: tuple[str, ...]) -> Any:
    options = backends.parse_options(args.option, '--option')
    # An option of these names counts, as in the nodes' `backend_options`.
    options = {'device': args.device, 'model': args.model, **options}
    model = backends.load(args.backend, **options)
    able = tasks_of(model)
    if not set(tasks) & set(able):
        model.close()
        raise BackendError(
            f'the backend {args.backend!r} cannot {" or ".join(tasks)}; it can {", ".join(able)}'
        )
    return model


class _Work:
    """The loop and its counts."""

    def __init__(
        self, args: argparse.Namespace, pictures: PictureFolder | None, progress: Progress
    ) -> None:
        self._args = args
        self._pictures = pictures
        self._progress = progress
        self.count = 0
        self._found = 0
        self._unread = 0

    def run(self, model: Any, look: Look) -> None:
        for source in self._args.sources:
            try:
                with open_media(
                    source, every=self._args.every, on_skipped=self._on_unread
                ) as media:
                    self._progress.begin_source(_expected(media, self._args.limit))
                    for frame in islice(media, self._args.limit):
                        self._look(model, look, frame)
            except SourceError as error:
                self._on_unread(source, error)

    def _look(self, model: Any, look: Look, frame: Frame) -> None:
        start_s = time.perf_counter()
        finding = look(frame.image)
        inference_time_s = time.perf_counter() - start_s
        saved = None
        if self._pictures is not None:
            saved = self._pictures.save(frame, finding)
        self.count += 1
        self._found += finding.status is Status.OK
        print_finding(self._args, model, frame, finding, inference_time_s, saved)
        self._progress.advance()

    def _on_unread(self, source: str, error: VlmRosError) -> None:
        self._unread += 1
        complain(str(error))
        if self._args.json:
            print_failure(source, error)

    def summary(self) -> str:
        """Say in a line how far the work has come."""
        images = f'{self.count} image{"" if self.count == 1 else "s"}'
        unread = f', {self._unread} not readable' if self._unread else ''
        saved = ''
        if self._pictures is not None:
            saved = f'; {self._pictures.count} saved in {self._args.save}'
        return f'{images}, {self._found} with a result{unread}{saved}'

    def status(self) -> int:
        """Return what the process ends with."""
        if self._unread:
            return Exit.UNUSABLE
        return Exit.OK if self._found else Exit.NOTHING


def _expected(media: Media, limit: int | None) -> int | None:
    if media.length is None or limit is None:
        return media.length or limit
    return min(media.length, limit)
