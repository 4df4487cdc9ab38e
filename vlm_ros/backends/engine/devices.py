"""Where a model runs, and in what arithmetic."""

import psutil
import torch

from vlm_ros.errors import BackendError, DeviceError

DTYPES = {
    'float32': torch.float32,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}
AMPERE = (8, 0)
"""The first compute capability of NVIDIA with bfloat16 in its tensor cores."""


def choose_device(device: str) -> torch.device:
    """Return the device of a name, `auto` being the fastest that is there.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        DeviceError: This machine has no such device.
    """
    if device == 'auto':
        if torch.cuda.is_available():
            return torch.device('cuda:0')
        return torch.device('mps' if torch.backends.mps.is_available() else 'cpu')
    kind, _, number = device.partition(':')
    if kind == 'cuda':
        index = int(number or 0)  # torch would take cuda:256 for cuda:0
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if index >= count:
            raise DeviceError(f'there is no device {device!r} here, {_cuda(count)}; use cpu')
        return torch.device('cuda', index)
    if kind == 'mps' and not torch.backends.mps.is_available():
        raise DeviceError("there is no device 'mps' here; use cpu")
    return torch.device(device)


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Return the arithmetic of a name, `auto` being the fastest that the device has in hardware.

    On a processor that is bfloat16 where it has instructions for it (avx512_bf16 or AMX: 1.9 times
    as fast for OWL-ViT) and float32 elsewhere, where bfloat16 would be slower.

    Args:
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: What it will run on.

    Raises:
        BackendError: There is no such name.
    """
    if dtype in DTYPES:
        return DTYPES[dtype]
    if dtype != 'auto':
        raise BackendError(f'the dtype {dtype!r} is unknown; use auto, {", ".join(DTYPES)}')
    if device.type == 'cuda':
        capable = torch.cuda.get_device_capability(device) >= AMPERE
        return torch.bfloat16 if capable else torch.float16
    if device.type == 'mps':
        return torch.float16
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def cpu_has_bfloat16() -> bool:
    """Say whether the processor multiplies bfloat16 in hardware."""
    # torch.cpu.get_capabilities is missing before torch 2.10.
    capabilities: dict[str, bool] = getattr(torch.cpu, 'get_capabilities', dict)()
    return bool(capabilities.get('avx512_bf16') or capabilities.get('amx_bf16'))


def free_memory_bytes(device: torch.device) -> int:
    """Return how many bytes of the device's memory nobody uses."""
    if device.type == 'cuda':
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _cuda(count: int) -> str:
    if count:
        return f'only {count} of them'
    return 'torch finds no CUDA' if torch.version.cuda else 'this torch was built without CUDA'
