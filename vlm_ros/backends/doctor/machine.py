"""Processor, memory, disk and accelerators."""

from collections.abc import Iterator
import os
import platform
import shutil

import psutil

from vlm_ros.backends.doctor.finding import Finding, State
from vlm_ros.backends.weights import cache_folder

LITTLE_MEMORY_GB = 2.0
"""The embedded backend needs 0.9, a small chat model 1.5 to 2."""
LITTLE_DISK_GB = 3.0
GROUP = 'machine'


def examine_machine() -> Iterator[Finding]:
    """Look at what the machine has."""
    yield _python()
    yield from _processor()
    yield _memory()
    yield _disk()
    yield from _accelerators()


def _python() -> Finding:
    text = f'{platform.python_version()}, {platform.system()} on {platform.machine()}'
    return Finding(GROUP, 'Python', State.GOOD, text)


def _processor() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    try:
        import torch

        from vlm_ros.backends.engine.devices import cpu_has_bfloat16

        capability = torch.backends.cpu.get_cpu_capability()
        has_bfloat16 = cpu_has_bfloat16()
    except Exception:  # noqa: BLE001 - the libraries' own finding says why
        yield Finding(GROUP, 'processor', State.GOOD, f'{cores} cores')
        return
    text = f'{cores} cores, {capability}'
    if has_bfloat16:
        yield Finding(
            GROUP, 'processor', State.GOOD, f'{text}, bfloat16 in hardware (dtype=auto takes it)'
        )
    else:
        yield Finding(
            GROUP,
            'processor',
            State.LIMITED,
            f'{text}, no bfloat16 in hardware: torch runs in float32',
            'for speed, use runtime=openvino where a backend has it, or a small model',
        )


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    free_gb, total_gb = memory.available / 1e9, memory.total / 1e9
    text = f'{free_gb:.1f} GB free of {total_gb:.1f} GB'
    if free_gb >= LITTLE_MEMORY_GB:
        return Finding(GROUP, 'memory', State.GOOD, text)
    return Finding(GROUP, 'memory', State.LIMITED, text, 'end other programs, or use embedded')


def _disk() -> Finding:
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    text = f'{free_gb:.1f} GB free for weights in {cache_folder()}'
    if not os.access(folder, os.W_OK):
        mend = 'set VLM_ROS_CACHE to a folder that may be written'
        return Finding(GROUP, 'disk', State.BROKEN, f'{folder} may not be written', mend)
    if free_gb >= LITTLE_DISK_GB:
        return Finding(GROUP, 'disk', State.GOOD, text)
    return Finding(
        GROUP, 'disk', State.LIMITED, text, 'free some, or set VLM_ROS_CACHE to another disk'
    )


def _accelerators() -> Iterator[Finding]:
    try:
        import torch
    except Exception:  # noqa: BLE001 - the libraries' own finding says why
        return
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            major, minor = torch.cuda.get_device_capability(index)
            text = (
                f'{torch.cuda.get_device_name(index)}, compute capability {major}.{minor}, '
                f'{free / 1e9:.1f} GB free of {total / 1e9:.1f} GB'
            )
            yield Finding(GROUP, f'cuda:{index}', State.GOOD, text)
    elif torch.backends.mps.is_available():
        yield Finding(GROUP, 'mps', State.GOOD, 'Apple GPU')
    elif shutil.which('nvidia-smi') or os.path.exists('/dev/nvidia0'):
        built = f'CUDA {torch.version.cuda}' if torch.version.cuda else 'without CUDA'
        yield Finding(
            GROUP,
            'GPU',
            State.BROKEN,
            f'there is an NVIDIA GPU, and torch ({built}) cannot use it',
            'install a torch for the CUDA version that nvidia-smi shows',
        )
    else:
        yield Finding(
            GROUP,
            'GPU',
            State.LIMITED,
            'none: models run on the processor',
            'models of more than about 500 million parameters are better served over openai_api',
        )
