"""What every backend that runs in torch has: a checkpoint on a device, and a way to fail."""

from collections.abc import Iterator
from contextlib import contextmanager
import gc

import torch

from vlm_ros.backends.engine.checkpoint import Checkpoint
from vlm_ros.backends.engine.devices import choose_device, choose_dtype
from vlm_ros.errors import BackendError, ImageError, ModelError, OutOfMemory, VlmRosError
from vlm_ros.tasks import Image, Ticket

MAX_THREADS = 1024
"""Far more than help; with some hundred thousand, OpenMP ends the process."""


class TorchBackend:
    """Names, device and ending of a backend; families add the tasks.

    Args:
        backend: Its name, the first part of `model_id`.
        checkpoint: What it runs.
        device: As `choose_device` takes it.
        dtype: As `choose_dtype` takes it.
        runtime: One of `engine.export.RUNTIMES`. What is exported runs on a CPU, and the rest of
            the model in float32 then.
        threads: CPU threads, of the whole process; 0 leaves them as they are.

    Raises:
        DeviceError: This machine has no such device.
        BackendError: The dtype is unknown, the runtime is not for the device, or the number of
            threads is out of its range.
    """

    def __init__(
        self,
        backend: str,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        runtime: str = 'torch',
        threads: int = 0,
    ) -> None:
        if not 0 <= threads <= MAX_THREADS:
            raise BackendError(f'threads must be from 0 to {MAX_THREADS}, got {threads}')
        if threads:
            torch.set_num_threads(threads)
        self.model_id = f'{backend}:{checkpoint.name}'
        self.model_revision = checkpoint.revision
        exported = runtime != 'torch'
        self.torch_device = choose_device('cpu' if exported and device == 'auto' else device)
        if exported and self.torch_device.type != 'cpu':
            raise BackendError(f'the runtime {runtime!r} is for device=cpu; use runtime=torch')
        self.device = str(self.torch_device)
        self.dtype = choose_dtype('float32' if exported else dtype, self.torch_device)
        self._is_closed = False

    def close(self) -> None:
        """Free the weights."""
        self._is_closed = True
        # Whatever holds a network, a cache of features included; not the tasks that only some
        # models of a family have.
        for name, value in list(vars(self).items()):
            if name not in _KEPT and getattr(value, '__self__', None) is not self:
                delattr(self, name)
        gc.collect()
        self.release_memory()

    def release_memory(self) -> None:
        """Hand freed blocks back to the device."""
        if self.torch_device.type == 'cuda':
            torch.cuda.empty_cache()

    @contextmanager
    def at_work(self, ticket: Ticket | None) -> Iterator[Ticket]:
        """Run a task: without gradients, and with this package's errors for torch's.

        Yields:
            The ticket, a new one where there was none; it has been checked once.

        Raises:
            ModelError: The model failed, or is closed.
            OutOfMemory: The device's memory did not suffice.
        """
        ticket = ticket or Ticket()
        ticket.check()
        if self._is_closed:
            raise ModelError(f'{self.model_id} is closed')
        try:
            with torch.inference_mode():
                yield ticket
        except VlmRosError:
            raise
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(f'{self.model_id} ran out of memory on {self.device}') from error
        except Exception as error:  # whatever torch, a tokenizer or a processor raises
            text = ' '.join(str(error).split())[:300]
            if 'allocate memory' in text:  # the CPU allocator's RuntimeError
                raise OutOfMemory(f'{self.model_id} ran out of memory on the CPU') from error
            raise ModelError(f'{self.model_id} failed: {text or type(error).__name__}') from error


_KEPT = ('model_id', 'model_revision', 'device', 'torch_device', 'dtype', '_is_closed')


def check_image(image: Image) -> None:
    """Refuse what is not an image.

    Raises:
        ImageError: It is not `(H, W, 3)` uint8 with at least one pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != 'uint8' or not image.size:
        raise ImageError(f'an image must be (H, W, 3) uint8, got {image.shape} {image.dtype}')
