"""The folder that a report is written into."""

import os
from pathlib import Path

from vlm_ros.errors import StorageError


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
