"""One way to read every source of images: photographs, folders, videos, bags, cameras, streams."""

from collections.abc import Sequence
import os
from pathlib import Path
import re
from urllib.parse import unquote, urlsplit

import cv2

from vlm_ros.data.bags import Bag, is_bag
from vlm_ros.data.clips import Clip
from vlm_ros.data.frames import Frame, Media
from vlm_ros.data.photographs import (
    has_photographs,
    OnSkipped,
    Photographs,
    photographs_in,
    SAMPLE_PREFIX,
    samples,
    SUFFIXES,
)
from vlm_ros.data.video import OPEN_TIMEOUT_S, READ_TIMEOUT_S, Video
from vlm_ros.errors import SourceError

__all__ = ['Frame', 'Media', 'check_source', 'is_address', 'open_clip', 'open_media']

SCHEMES = ('rtsp', 'rtsps', 'http', 'https', 'rtmp', 'rtp', 'srt', 'udp', 'tcp')
"""The addresses that are taken for streams."""


def open_media(
    source: str,
    *,
    topics: Sequence[str] = (),
    loop: bool = False,
    every: int = 1,
    on_skipped: OnSkipped | None = None,
) -> Media:
    """Open a source of images.

    Args:
        source: A photograph; a folder of photographs; a video; a bag of ROS, folder or file; the
            index of a camera (`0`) or its device (`/dev/video0`); an address (`rtsp://…`,
            `http://…`); or `sample:` for the photographs that scikit-image and scikit-learn bring,
            `sample:chelsea` for one.
        topics: Of a bag, the topics to read; empty for all that have images.
        loop: Whether to start again at the end, for ever; live sources have no end.
        every: Yield each so-many-th frame only.
        on_skipped: Told of each photograph of several, or message of a bag, that cannot be read;
            logged by default.

    Returns:
        The frames, to be iterated inside a `with`.

    Raises:
        SourceError: There is no such source or topic, or it cannot be opened. Iterating raises it
            where the source breaks off, or none of its images can be read.
    """
    if every < 1:
        raise SourceError(f'every must be 1 or more, got {every}')
    check_source(source)
    path = _path(source)
    is_there = not source.startswith(SAMPLE_PREFIX) and not _scheme(source)
    if is_there and is_bag(path):
        return Bag(path, topics=topics, loop=loop, every=every, on_skipped=on_skipped)
    if topics:
        raise SourceError(f'{source} is not a bag of ROS and has no topics')
    if source.startswith(SAMPLE_PREFIX):
        photographs = samples(source[len(SAMPLE_PREFIX) :])
        return Photographs(source, photographs, loop=loop, every=every, on_skipped=on_skipped)
    if (camera := _camera(source)) is not None:
        return Video(source, camera, every=every)
    if _scheme(source):
        public = _without_password(source)
        return Video(public, source, is_network=True, loop=loop, every=every)
    if path.is_dir():
        _check_no_folder_of_bags(source, path)
        photographs = photographs_in(path)
    elif _is_photograph(source, path):
        photographs = [(source, path)]
    else:
        return Video(source, _for_ffmpeg(path), loop=loop, every=every)
    return Photographs(source, photographs, loop=loop, every=every, on_skipped=on_skipped)


def open_clip(source: str, *, on_skipped: OnSkipped | None = None) -> Clip:
    """Open a recording that `open_media` opens as a video, to choose which frames are decoded.

    Args:
        source: As there.
        on_skipped: Told of each frame that cannot be decoded.

    Raises:
        SourceError: It cannot be opened.
    """
    if _scheme(source):
        timeouts_s = (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
        public = _without_password(source)
        return Clip(public, source, timeouts_s=timeouts_s, on_skipped=on_skipped)
    return Clip(source, _for_ffmpeg(_path(source)), on_skipped=on_skipped)


def is_address(source: str) -> bool:
    """Whether a source is somewhere on a network."""
    return bool(_scheme(source))


def check_source(source: str) -> None:
    """See that a source is there, as far as that can be seen without opening it.

    Raises:
        SourceError: There is no such file, folder, sample or kind of address.
    """
    if not source.strip():
        raise SourceError('the source is empty; give a photograph, a folder, a video or a camera')
    if source.startswith(SAMPLE_PREFIX):
        samples(source[len(SAMPLE_PREFIX) :])
    elif _scheme(source) and _scheme(source) not in SCHEMES:
        raise SourceError(
            f'{_without_password(source)} cannot be opened: the address must start with '
            f'{"://, ".join(SCHEMES)}://'
        )
    elif not _scheme(source) and _camera(source) is None:
        path = _path(source)
        if not path.exists():
            raise SourceError(
                f'there is no file or folder {source}; a source can also be a camera (0), an '
                'address (rtsp://...) or sample:'
            )
        if not os.access(path, os.R_OK):
            raise SourceError(f'no permission to read {source}')
        if not path.is_file() and not path.is_dir():
            raise SourceError(f'{source} is neither a file nor a folder')


def _check_no_folder_of_bags(source: str, path: Path) -> None:
    try:
        holds_bags = not has_photographs(path) and any(map(is_bag, path.iterdir()))
    except OSError:
        return  # whoever lists the photographs says so
    if holds_bags:
        raise SourceError(f'the folder {source} holds bags; name them: {path}/*')


def _scheme(source: str) -> str:
    """Return the scheme of an address in lower case; empty for everything else."""
    match = re.match(r'([A-Za-z][A-Za-z0-9+.-]*)://', source)
    return match[1].lower() if match and match[1].lower() != 'file' else ''


def _camera(source: str) -> int | None:
    """Return the index of a camera, which `/dev/v4l/by-id/...` and the like link to."""
    if source.isdecimal() and os.path.exists(source):
        return None  # sequences of public datasets are folders with such names
    if source.startswith('/dev/'):
        source = os.path.realpath(source).removeprefix('/dev/video')
    return int(source) if re.fullmatch(r'[0-9]{1,4}', source) else None


def _path(source: str) -> Path:
    if source.lower().startswith('file://'):
        return Path(unquote(urlsplit(source).path))
    return Path(source).expanduser()


def _for_ffmpeg(path: Path) -> str:
    # It takes what stands before a colon for a protocol, unless there is a slash before that.
    return str(path.absolute())


def _is_photograph(source: str, path: Path) -> bool:
    # By name first, so that a damaged photograph is reported as one.
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        # OpenCV does not refuse such a name, it crashes.
        raise SourceError(f'the name of {source!r} is not UTF-8; rename the file') from error
    return bool(cv2.haveImageReader(str(path)))


def _without_password(address: str) -> str:
    return re.sub(r'(://[^/@:]*):[^/@]*@', r'\1:***@', address)
