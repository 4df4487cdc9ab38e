"""The model that is evaluated."""

import argparse
from collections.abc import Iterator
import contextlib
from typing import Any

from vlm_ros import backends
from vlm_ros.errors import BackendError
from vlm_ros.tasks import tasks_of


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what decides a model's results, but for secrets, which the backend refuses."""
    options = backends.parse_options(args.option, '--option')
    return {'backend': args.backend, 'model': args.model, 'device': args.device, **options}


@contextlib.contextmanager
def loaded(args: argparse.Namespace, tasks: tuple[str, ...]) -> Iterator[Any]:
    """Load the backend that is asked for.

    Raises:
        BackendError: It cannot be had, or does none of the tasks.
    """
    options = backends.parse_options(args.option, '--option')
    options = {'device': args.device, 'model': args.model, **options}
    model = backends.load(args.backend, **options)
    try:
        able = tasks_of(model)
        if not set(tasks) & set(able):
            raise BackendError(
                f'the backend {args.backend!r} cannot {" or ".join(tasks)}; it can '
                f'{", ".join(able)}'
            )
        yield model
    finally:
        model.close()
