"""The real classes of each family at tiny size, with seeded random weights, saved to disk.

A module a backend, called like it, with a function `save(folder)` that writes a checkpoint and
returns the options to load it with. Random weights find nothing sensible: what they are good for
is that two ways through the same weights must agree.
"""

import importlib
from pathlib import Path
import pkgutil
from typing import Any

import torch

import vlm_ros.backends.engine  # noqa: F401 - before transformers: it mends torchvision


def names() -> tuple[str, ...]:
    """Return the backends that have a tiny model."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith('_')))


def save(backend: str, folder: Path, *kind: str) -> dict[str, Any]:
    """Write a backend's tiny model into a folder, and return what `backends.load` needs.

    Args:
        backend: Its name.
        folder: Where to.
        kind: Which of the backend's tiny models; left out for its first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        options = importlib.import_module(f'tiny.{backend}').save(folder, *kind)
    return {'model': str(folder), **options}
