"""OpenCV's video capture: opening it with a reason when it fails, reading it to a checked end."""

import glob
import os
import time

import cv2
import numpy as np

from vlm_ros.data.frames import Frame
from vlm_ros.errors import SourceError


class Reading:
    """One round through an open capture.

    Args:
        capture: Just opened.
        source: What it is called.
        may_be_live: Whether it is live unless it says how many frames it has.
        every: Return each so-many-th frame only, without converting those between.

    Attributes:
        is_live: Whether it is a camera or a stream.
        rate_hz: Frames a second; None where the source does not say.
        length: How many frames `next` will return, as far as the source says.
    """

    def __init__(
        self, capture: cv2.VideoCapture, source: str, *, may_be_live: bool, every: int
    ) -> None:
        self._capture = capture
        self._source = source
        self._every = every
        self._started_s = time.monotonic()
        self._position_s = 0.0
        self._count = 0
        self._promised = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        # FFmpeg gives its clock's 90000 for a stream that does not state a rate.
        self.rate_hz = float(rate_hz) if 0 < rate_hz <= 1000 else None
        self.is_live = may_be_live and not self._promised
        self.length = -(-self._promised // every) or None

    def next(self) -> Frame | None:
        """Return the next frame that is wanted; None where there are no more."""
        while (place := self.grab()) is not None:
            if place[0] % self._every == 0 and (frame := self.retrieve()) is not None:
                return frame
        return None

    def grab(self) -> tuple[int, float] | None:
        """Go on by one frame; return its number and its time in seconds, None at the end."""
        if not self._capture.grab():
            return None
        self._count += 1
        self._position_s = self._time_s()
        return self._count - 1, self._position_s

    def retrieve(self) -> Frame | None:
        """Return the frame that was grabbed last; None where it cannot be decoded."""
        read, bgr = self._capture.retrieve()
        if not read:
            return None
        rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), np.uint8)
        return Frame(rgb, self._source, self._count - 1, self._position_s)

    def check_end(self) -> None:
        """Tell a video's end from a break, which OpenCV reports alike.

        Raises:
            SourceError: No frame was read, the source is live, or the frames ended well before
                the time and the number that the file promises.
        """
        if not self._count:
            raise SourceError(f'{self._source} opens as a video but holds no frame')
        if self.is_live:
            raise SourceError(f'{self._source} stopped after {self._count} frame(s)')
        if not self._promised or not self.rate_hz:
            return
        # Both must fall short, by more than the slips that sound files have: the number is only
        # an estimate where frames come irregularly, and then the time is right.
        slack = max(2, self._promised // 100)
        last = self._position_s * self.rate_hz + 1
        if max(self._count, last) < self._promised - slack:
            raise SourceError(
                f'{self._source} breaks off after {self._count} of {self._promised} frames'
            )

    def _time_s(self) -> float:
        if self.is_live:
            return time.monotonic() - self._started_s
        return float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3


def open_capture(
    source: str, target: str | int, *, timeouts_s: tuple[float, float] | None
) -> cv2.VideoCapture:
    """Open a path, an address or a camera's index.

    Args:
        source: What it is called.
        target: What OpenCV opens.
        timeouts_s: For an address, how long to wait for it and then for each frame.

    Raises:
        SourceError: It cannot be opened.
    """
    _quiet()
    if isinstance(target, int):
        capture = cv2.VideoCapture(target)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    else:
        # Only FFmpeg is asked where it is there: others guess a numbered sequence of pictures
        # from a file name, or start a pipeline of their own.
        has_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
        settings = []
        if timeouts_s is not None and has_ffmpeg:
            open_ms, read_ms = (int(timeout_s * 1000) for timeout_s in timeouts_s)
            settings = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, open_ms]
            settings += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]
        api = cv2.CAP_FFMPEG if has_ffmpeg else cv2.CAP_ANY
        capture = cv2.VideoCapture(target, api, settings)
    if not capture.isOpened() or _is_text(capture):
        capture.release()
        raise SourceError(_why_not(source, target, is_network=timeouts_s is not None))
    return capture


def _quiet() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr what the errors here say better.

    For the whole process; whoever set their variables is left alone.
    """
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    if 'OPENCV_LOG_LEVEL' in os.environ:
        return
    if hasattr(cv2, 'setLogLevel'):  # OpenCV 4.6
        cv2.setLogLevel(0)
    else:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _is_text(capture: cv2.VideoCapture) -> bool:
    # FFmpeg plays a text file as what it would look like on a terminal.
    return int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little', signed=True) == b'ansi'


def _why_not(source: str, target: str | int, *, is_network: bool) -> str:
    if is_network:
        return f'{source} cannot be opened: nothing answers there, or it is no video stream'
    if not isinstance(target, int):
        return f'{source} is neither a photograph nor a video that can be read'
    device = f'/dev/video{target}'
    if not os.path.exists(device):
        found = ', '.join(sorted(glob.glob('/dev/video*'))) or 'none'
        return f'camera {source} cannot be opened: there is no {device}; cameras here: {found}'
    if not os.access(device, os.R_OK | os.W_OK):
        return f'camera {source} cannot be opened: no permission for {device}; join its group'
    return f'camera {source} cannot be opened: {device} is in use, or is no camera'
