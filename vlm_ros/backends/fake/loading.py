"""How loading a fake goes: how long it takes, and whether it ends well."""

from collections import Counter
import threading
import time

from vlm_ros.errors import BackendError

_failed: Counter[str] = Counter()
_lock = threading.Lock()


def load(model: str, *, load_s: float, load_fails: int, load_hangs: bool) -> None:
    """Take the time that loading takes.

    Args:
        model: Whose failures are counted, in this process.
        load_s: How long it takes, in seconds.
        load_fails: How many loads of that model fail before one does not.
        load_hangs: Whether it never ends; only the end of the process ends it.

    Raises:
        BackendError: It is one of the loads that fail.
    """
    if load_hangs:
        threading.Event().wait()
    time.sleep(load_s)
    with _lock:
        if _failed[model] >= load_fails:
            return
        _failed[model] += 1
        count = _failed[model]
    raise BackendError(f'the fake backend failed to load on purpose, {count} of {load_fails}')


def forget_failures() -> None:
    """Begin to count anew, for every model."""
    with _lock:
        _failed.clear()
