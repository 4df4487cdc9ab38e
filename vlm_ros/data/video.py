"""Videos, cameras and network streams, read with OpenCV on a thread of their own.

The thread keeps what OpenCV does with the time it takes (connecting, waiting for a frame that
does not come) away from the reader, who can be interrupted at once and closes without waiting for
it. It reads one frame ahead in a recording, and on and on in a live source, so that the frame
handed out is always the newest.
"""

from collections.abc import Iterator
import threading

import cv2

from vlm_ros.data.capture import open_capture, Reading
from vlm_ros.data.frames import Frame, Media
from vlm_ros.errors import SourceError

OPEN_TIMEOUT_S = 10.0
"""A camera on a busy network takes a few seconds to answer."""
READ_TIMEOUT_S = 5.0
"""A live source that shows nothing for so long has stopped."""
CLOSE_TIMEOUT_S = 0.5
"""A thread that OpenCV holds longer than this is left to end by itself."""


class Video(Media):
    """A video file, a camera or a stream; open when the constructor returns.

    Args:
        source: What it is called.
        target: What OpenCV opens: a path, an address, or the index of a camera.
        is_network: Whether it is an address. What is there may be a recording all the same.
        loop: Whether to start a recording again at its end, for ever.
        every: Yield each so-many-th frame only.

    Raises:
        SourceError: It cannot be opened.
    """

    def __init__(
        self,
        source: str,
        target: str | int,
        *,
        is_network: bool = False,
        loop: bool = False,
        every: int = 1,
    ) -> None:
        self.source = source
        self._target = target
        self._is_network = is_network
        self._loop = loop
        self._every = every
        self._changed = threading.Condition()
        self._is_open = False
        self._frame: Frame | None = None
        self._error: SourceError | None = None
        self._ended = False
        self._closed = False
        # A daemon, as a thread that is stuck in a network call must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name='video', daemon=True)
        self._thread.start()
        try:
            self._await_opening()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, of a live source the newest.

        Raises:
            SourceError: The video breaks off before its end, or the live source stops.
        """
        while (frame := self._take()) is not None:
            yield frame

    def close(self) -> None:
        """Stop reading; returns within `CLOSE_TIMEOUT_S` whatever the source does."""
        with self._changed:
            self._closed = True
            self._frame = None
            self._changed.notify_all()
        self._thread.join(CLOSE_TIMEOUT_S)

    def _await_opening(self) -> None:
        with self._changed:
            # OpenCV's own limit leaves some waits out, such as that for the name's address.
            self._changed.wait_for(lambda: self._is_open or self._ended, OPEN_TIMEOUT_S + 1)
            if not self._is_open:
                raise self._error or SourceError(
                    f'{self.source} does not answer within {OPEN_TIMEOUT_S:g} s'
                )

    def _take(self) -> Frame | None:
        """Wait for the next frame; None at the end."""
        with self._changed:
            # One second more than OpenCV has, which tells a stop from a silence.
            came = self._changed.wait_for(
                lambda: self._frame is not None or self._ended or self._closed,
                READ_TIMEOUT_S + 1 if self.is_live else None,
            )
            if self._closed:
                return None
            if not came:
                raise SourceError(f'{self.source} has shown nothing for {READ_TIMEOUT_S:g} s')
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            if frame is None and self._error is not None:
                raise self._error
            return frame

    # What follows runs on the thread.

    def _run(self) -> None:
        try:
            self._read_round()
            while self._loop and not self.is_live and not self._closed:
                self._read_round()
        except SourceError as error:
            self._error = error
        except cv2.error as error:
            reason = ' '.join(str(error).split())
            self._error = SourceError(f'{self.source} cannot be read: {reason}')
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_round(self) -> None:
        """Read from the start to the end."""
        capture = open_capture(
            self.source,
            self._target,
            timeouts_s=(OPEN_TIMEOUT_S, READ_TIMEOUT_S) if self._is_network else None,
        )
        try:
            may_be_live = self._is_network or isinstance(self._target, int)
            reading = Reading(capture, self.source, may_be_live=may_be_live, every=self._every)
            self._describe(reading)
            while not self._closed and (frame := reading.next()) is not None:
                self._hand_over(frame)
            if not self._closed:
                reading.check_end()
        finally:
            capture.release()

    def _describe(self, reading: Reading) -> None:
        with self._changed:
            self.is_live = reading.is_live
            self.length = reading.length
            self.rate_hz = reading.rate_hz
            self._is_open = True
            self._changed.notify_all()

    def _hand_over(self, frame: Frame) -> None:
        with self._changed:
            if not self.is_live:
                self._changed.wait_for(lambda: self._frame is None or self._closed)
            if not self._closed:
                self._frame = frame
                self._changed.notify_all()
