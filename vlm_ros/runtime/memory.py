"""Giving memory back to the system after a model was freed."""

import ctypes
import gc
import logging
from typing import TypeVar

from vlm_ros.tasks import Model

M = TypeVar('M', bound=Model)
_LOGGER = logging.getLogger(__name__)


def free_models(models: list[M]) -> None:
    """Close models and let go of them.

    Args:
        models: A list that nobody else holds the models of; it is empty afterwards, so that no
            variable of the caller keeps one alive.
    """
    while models:
        try:
            models[-1].close()
        except Exception:
            _LOGGER.exception('closing %s failed', models[-1].model_id)
        del models[-1]
        return_freed_memory()


def return_freed_memory() -> None:
    """Collect garbage and have the allocator return what is free.

    glibc keeps freed blocks below 128 KiB, and whatever lies beneath one still in use, for
    itself; `malloc_trim` hands them back. Other C libraries do not have it.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
