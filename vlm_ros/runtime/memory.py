"""What the process keeps of freed memory, and when it goes back to the system."""

import ctypes
import gc
import logging
from typing import TypeVar

from vlm_ros.tasks import Model

_LIBC = ctypes.CDLL(None)
# Of mallopt(3), with glibc's largest value for the first.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD_BYTES = 32 * 2**20
_TRIM_THRESHOLD_BYTES = 256 * 2**20
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


def keep_image_memory() -> None:
    """Have the allocator keep what is freed for the next image; for the start of a process.

    glibc hands an image's memory back as soon as it is freed and gets it anew for the next one,
    page by page: with a 1080p camera at 30 Hz that is a third of what the process does besides the
    model. Up to 256 MiB are kept now. Other C libraries do not have it.
    """
    if (tune := getattr(_LIBC, 'mallopt', None)) is not None:
        tune(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        tune(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


def return_freed_memory() -> None:
    """Collect garbage and have the allocator return what is free.

    glibc keeps freed blocks that lie beneath one still in use; `malloc_trim` hands their pages
    back. Other C libraries do not have it.
    """
    collect_garbage()
    if (trim := getattr(_LIBC, 'malloc_trim', None)) is not None:
        trim(0)


def collect_garbage() -> None:
    """Collect all garbage, that of what was spared before as well.

    This holds every thread up: for half a second once the model libraries are imported.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def spare_the_living() -> None:
    """Collect what is new, and keep later collections off what is left.

    The interpreter's own full collections look at everything that the model libraries brought,
    and no camera of the process is served meanwhile. What is alive now is looked at again only in
    `collect_garbage`, so that a model which is let go of is found all the same.
    """
    gc.collect()
    gc.freeze()
