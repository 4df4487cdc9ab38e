"""The thread that has the scene memory, so that the disk keeps nobody else waiting."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
import threading
from typing import TypeVar

from vlm_ros.boxes import FloatArray
from vlm_ros.data.scene_memory import Moment, SceneMemory
from vlm_ros.errors import ModelError, VlmRosError

T = TypeVar('T')
_LABELLED = 100
"""Images of a camera whose labels are kept for a moment that may yet come."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What is about to be remembered.

    Attributes:
        embedding: Where the model places the image.
        make: Makes the moment, its picture included; called on the keeper's thread.
        camera: Whose image.
    """

    embedding: FloatArray
    make: Callable[[], Moment]
    camera: str


@dataclass
class _Last:
    """A camera's moment stored last."""

    stamp_ns: int
    number: int
    is_labelled: bool = False


class Keeper:
    """Has a scene memory on a thread of its own; its methods are for any thread.

    Of each camera one image waits to be written at most, the newest.

    Args:
        on_trouble: Told, on the keeper's thread, in one line, of what could not be remembered.

    Attributes:
        remembered: How many moments the memory holds.
        cameras: Whose they are.
        trouble: Why the last moment could not be remembered; empty where it was.
    """

    def __init__(self, on_trouble: Callable[[str], None]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='memory')
        self._on_trouble = on_trouble
        self._has_ended = False
        self._memory: SceneMemory | None = None
        self._lock = threading.Lock()
        self._waiting: dict[str, Seen] = {}
        self._labels: dict[str, deque[tuple[int, tuple[str, ...]]]] = {}
        self._last: dict[str, _Last] = {}
        self.remembered = 0
        self.cameras: frozenset[str] = frozenset()
        self.trouble = ''

    def open(self, make: Callable[[], SceneMemory]) -> 'Future[None]':
        """Open the memory that `make` makes."""

        def work() -> None:
            self._memory = make()
            with self._lock:
                self._waiting.clear()
                self._last.clear()
            self.remembered = len(self._memory)
            self.cameras = frozenset(self._memory.cameras)
            self.trouble = ''

        return self._thread.submit(work)

    def close(self) -> 'Future[None]':
        """Close the memory, once what waits is written."""

        def work() -> None:
            memory, self._memory = self._memory, None
            if memory is not None:
                memory.close()

        return self._thread.submit(work)

    def end(self) -> None:
        """Close the memory and end the thread. May be called twice."""
        if not self._has_ended:
            self._has_ended = True
            self.close()
            self._thread.shutdown(wait=False)

    def submit(self, work: Callable[[SceneMemory], T]) -> 'Future[T]':
        """Have the thread do something with the memory; it raises `ModelError` without one."""

        def run() -> T:
            if self._memory is None:
                raise ModelError('the scene memory is closed')
            return work(self._memory)

        return self._thread.submit(run)

    def keep(self, seen: Seen) -> None:
        """Remember what was seen, unless something newer comes before it is its turn."""
        with self._lock:
            waits = seen.camera in self._waiting
            self._waiting[seen.camera] = seen
        if not waits:
            self.submit(lambda memory: self._keep(memory, seen.camera))

    def label(self, camera: str, stamp_ns: int, labels: tuple[str, ...]) -> None:
        """Say what was detected in an image, before or after it is remembered; once."""
        with self._lock:
            recent = self._labels.setdefault(camera, deque(maxlen=_LABELLED))
            recent.append((stamp_ns, labels))
            last = self._last.get(camera)
            if last is None or last.is_labelled or last.stamp_ns != stamp_ns:
                return
            last.is_labelled = True
        self.submit(lambda memory: self._try(lambda: memory.label(last.number, labels)))

    def _keep(self, memory: SceneMemory, camera: str) -> None:
        with self._lock:
            seen = self._waiting.pop(camera)
        self._try(lambda: self._add(memory, seen))

    def _add(self, memory: SceneMemory, seen: Seen) -> None:
        moment = seen.make()
        number = memory.add(moment, seen.embedding)
        if number is None:
            return
        self.remembered = len(memory)
        self.cameras |= {moment.camera}
        with self._lock:
            known = dict(self._labels.get(moment.camera, ()))
            labels = known.get(moment.stamp_ns)
            last = _Last(moment.stamp_ns, number, is_labelled=labels is not None)
            self._last[moment.camera] = last
        if labels:
            memory.label(number, labels)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except VlmRosError as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001 - the thread and what is remembered live on
            self.trouble = f'{type(error).__name__}: {" ".join(str(error).split())}'
        else:
            self.trouble = ''
            return
        self._on_trouble(self.trouble)
