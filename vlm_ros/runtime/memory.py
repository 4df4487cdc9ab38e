"""Giving memory back to the system after a model was freed."""

import ctypes
import gc


def return_freed_memory() -> None:
    """Collect garbage and have the allocator return what is free.

    glibc keeps freed blocks below 128 KiB, and whatever lies beneath one still in use, for
    itself; `malloc_trim` hands them back. Other C libraries do not have it.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
