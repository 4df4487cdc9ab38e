"""Photographs from files: one, a folder, or those that well-known packages bring along."""

from collections.abc import Callable, Iterator, Sequence
import difflib
import importlib.util
import logging
from pathlib import Path
import re

from vlm_ros.data.frames import Frame, Media
from vlm_ros.errors import ImageError, SourceError, VlmRosError
from vlm_ros.images import decode_compressed, Image

OnSkipped = Callable[[str, VlmRosError], None]
"""Told the name of a photograph that was skipped and why."""

SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp', '.tif', '.tiff', '.ppm', '.pgm')
"""The files of a folder that are taken for photographs."""

SAMPLES = {
    'astronaut': ('skimage', 'data/astronaut.png'),
    'chelsea': ('skimage', 'data/chelsea.png'),
    'coffee': ('skimage', 'data/coffee.png'),
    'motorcycle': ('skimage', 'data/motorcycle_left.png'),
    'rocket': ('skimage', 'data/rocket.jpg'),
    'china': ('sklearn', 'datasets/images/china.jpg'),
    'flower': ('sklearn', 'datasets/images/flower.jpg'),
}
"""Photographs by name: the package and the file in it."""

SAMPLE_PREFIX = 'sample:'

_REMEMBERED_BYTES = 128_000_000
"""A loop keeps decoded photographs up to this, as decoding a large one takes a frame's time."""

_logger = logging.getLogger(__name__)


class Photographs(Media):
    """One or more photographs.

    Args:
        source: What they are called together.
        photographs: Name and file of each.
        loop: Whether to start again at the end, for ever.
        every: Yield each so-many-th only.
        on_skipped: Told of each photograph that cannot be read; logged by default.
    """

    def __init__(
        self,
        source: str,
        photographs: Sequence[tuple[str, Path]],
        *,
        loop: bool = False,
        every: int = 1,
        on_skipped: OnSkipped | None = None,
    ) -> None:
        self.source = source
        self._photographs = list(enumerate(photographs))[::every]
        self.length = len(self._photographs)
        self._loop = loop
        self._on_skipped = on_skipped or _log_skipped
        self._remembered: dict[int, Image] = {}
        self._room = _REMEMBERED_BYTES if loop else 0
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        """Yield the photographs.

        Raises:
            SourceError: Not one of them can be read, the only one included.
        """
        skipped: set[int] = set()
        while True:
            for index, (name, path) in self._photographs:
                if self._closed:
                    return
                if index in skipped:
                    continue
                try:
                    image = self._image(index, path)
                except (ImageError, OSError) as error:
                    skipped.add(index)
                    self._report(name, error)
                    continue
                yield Frame(image, name, index)
            if len(skipped) == len(self._photographs):
                raise SourceError(
                    f'none of the {self.length} photographs of {self.source} can be read'
                )
            if not self._loop:
                return

    def stretch(self, first: int, stop: int | None) -> Iterator[Frame]:
        """Yield some of the photographs once; each that cannot be read is told of.

        Args:
            first: The number of the first one, from 0.
            stop: That of the one behind the last; None for all.
        """
        for index, (name, path) in self._photographs:
            if index < first or (stop is not None and index >= stop):
                continue
            try:
                image = self._image(index, path)
            except (ImageError, OSError) as error:
                failure = _failure(name, error)
                failure.__cause__ = error
                self._on_skipped(name, failure)
            else:
                yield Frame(image, name, index)

    def close(self) -> None:
        """End the iteration and forget the photographs."""
        self._closed = True
        self._remembered.clear()

    def _image(self, index: int, path: Path) -> Image:
        image = self._remembered.get(index)
        if image is None:
            image = decode_compressed(path.read_bytes())
            if image.nbytes <= self._room:
                self._room -= image.nbytes
                self._remembered[index] = image
        return image

    def _report(self, name: str, error: ImageError | OSError) -> None:
        failure = _failure(name, error)
        if len(self._photographs) == 1:
            raise failure from error
        self._on_skipped(name, failure)


def _failure(name: str, error: ImageError | OSError) -> SourceError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return SourceError(f'{name} cannot be read: {reason}')


def has_photographs(folder: Path) -> bool:
    """Whether a folder holds what is taken for photographs."""
    return any(map(_is_photograph, folder.iterdir()))


def _is_photograph(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith('.') and path.is_file()


def photographs_in(folder: Path) -> list[tuple[str, Path]]:
    """Return name and file of a folder's photographs, in the order in which people count.

    Raises:
        SourceError: There are none, or the folder cannot be listed.
    """
    try:
        files = [path for path in folder.iterdir() if _is_photograph(path)]
    except OSError as error:
        raise SourceError(f'the folder {folder} cannot be listed: {error.strerror}') from error
    if not files:
        raise SourceError(
            f'the folder {folder} holds no photographs; looked for {", ".join(SUFFIXES)}'
        )
    return [(str(path), path) for path in sorted(files, key=_natural)]


def samples(name: str) -> list[tuple[str, Path]]:
    """Return name and file of the sample photograph called `name`, of all where it is empty.

    Raises:
        SourceError: There is no sample of that name, or its package is not installed.
    """
    if name and name not in SAMPLES:
        close = difflib.get_close_matches(name, SAMPLES, n=1)
        hint = f'; did you mean {close[0]!r}?' if close else ';'
        raise SourceError(f'there is no sample {name!r}{hint} there are {", ".join(SAMPLES)}')
    found = [
        (SAMPLE_PREFIX + sample, path)
        for sample in ([name] if name else SAMPLES)
        if (path := _sample_file(*SAMPLES[sample])) is not None
    ]
    if not found:
        raise SourceError(
            'the sample photographs come with scikit-image and scikit-learn; '
            'run: pip install scikit-image scikit-learn'
        )
    return found


def _sample_file(package: str, file: str) -> Path | None:
    # The package is found but not imported: that takes a second and brings nothing here.
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, file)
        if path.is_file():
            return path
    return None


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sort `9.jpg` before `10.jpg`, and numbers before words."""
    pieces = [piece for piece in re.split(r'(\d+)', path.name.casefold()) if piece]
    key = [(0, int(piece), '') if piece.isdecimal() else (1, 0, piece) for piece in pieces]
    return [*key, (1, 0, path.name)]


def _log_skipped(_name: str, error: VlmRosError) -> None:
    _logger.warning('skipped: %s', error)
