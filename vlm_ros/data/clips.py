"""Videos read by their frames' numbers, on the caller's thread."""

from collections.abc import Callable, Iterator

import cv2

from vlm_ros.data.capture import open_capture, Reading
from vlm_ros.data.frames import Frame
from vlm_ros.data.photographs import OnSkipped
from vlm_ros.errors import SourceError


class Clip:
    """A recording that is read forwards, a part at a time; close it in the end.

    It never seeks: where OpenCV lands depends on the codec and its version, and one frame beside
    the right one would be another dataset. Frames that are passed by are neither converted nor
    copied.

    Args:
        source: What it is called.
        target: The path or address.
        timeouts_s: Of an address, how long to wait for it, and then for each frame.
        on_skipped: Told the name of each wanted frame that cannot be decoded, and why.

    Attributes:
        place: The number of the next frame.

    Raises:
        SourceError: It cannot be opened.
    """

    def __init__(
        self,
        source: str,
        target: str,
        *,
        timeouts_s: tuple[float, float] | None = None,
        on_skipped: OnSkipped | None = None,
    ) -> None:
        self.source = source
        self.place = 0
        self._has_ended = False
        self._break: SourceError | None = None
        self._on_skipped = on_skipped
        self._capture = open_capture(source, target, timeouts_s=timeouts_s)
        self._reading = Reading(self._capture, source, may_be_live=False, every=1)

    def stretch(
        self, stop: int | None, wants: Callable[[int, float], bool] = lambda *_: True
    ) -> Iterator[Frame]:
        """Yield frames from where it stands; behind a break, there are none.

        Args:
            stop: The number of the frame to end before; None for the end of the video.
            wants: Asked of each frame, with its number and time in seconds.

        Raises:
            SourceError: The video breaks off before its end, now or in an earlier stretch.
        """
        if self._break is not None:
            raise self._break
        try:
            while not self._has_ended and (stop is None or self.place < stop):
                grabbed = self._reading.grab()
                if grabbed is None:
                    self._has_ended = True
                    self._reading.check_end()
                    return
                self.place += 1
                if wants(*grabbed):
                    yield from self._retrieved()
        except SourceError as error:
            self._break = error
            raise
        except cv2.error as error:
            self._has_ended = True
            reason = ' '.join(str(error).split())
            self._break = SourceError(f'{self.source} cannot be read: {reason}')
            raise self._break from error

    def _retrieved(self) -> Iterator[Frame]:
        frame = self._reading.retrieve()
        if frame is not None:
            yield frame
        elif self._on_skipped is not None:
            name = f'frame {self.place - 1} of {self.source}'
            self._on_skipped(name, SourceError(f'{name} cannot be decoded'))

    def close(self) -> None:
        """Let go of it; may be repeated."""
        self._capture.release()
