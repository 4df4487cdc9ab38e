"""Whether the running code was called by an executor."""

import inspect
from typing import Any


def is_run_by(executor: Any) -> bool:
    """Say whether this thread is inside `executor`, so that waiting for it would never end.

    rclpy keeps no note of the thread an executor runs on, but its own frames are below those of
    every callback that it calls on that thread. A MultiThreadedExecutor calls callbacks on other
    threads than its own, where waiting is all right.
    """
    frame = None if executor is None else inspect.currentframe()
    while frame is not None:
        if 'spin' in frame.f_code.co_name and frame.f_locals.get('self') is executor:
            return True
        frame = frame.f_back
    return False
