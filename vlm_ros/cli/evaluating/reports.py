"""The folder that a report is written into, and what is said of two runs."""

import argparse
import os
from pathlib import Path

from vlm_ros.errors import StorageError


def versus(args: argparse.Namespace) -> str:
    """Say which run is held against which: `run less baseline`."""
    own, other = Path(args.predictions or args.output or args.backend), Path(args.against)
    return f'{own} less {other}' if own.name == other.name else f'{own.name} less {other.name}'


def check_folder(folder: Path) -> None:
    """See that a report can be written, before anything is computed for it.

    Raises:
        StorageError: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f'the report cannot be written into {folder}: {error.strerror or error}; choose '
            'another folder'
        ) from error
    if not os.access(folder, os.W_OK):
        raise StorageError(f'the report cannot be written into {folder}; choose another folder')
