"""How `vlm-ros` ends, and how it says what went wrong."""

import enum
import sys


class Exit(enum.IntEnum):
    """The exit statuses; `--help` explains them."""

    OK = 0
    NOTHING = 1
    UNUSABLE = 2
    FAILED = 3
    INTERRUPTED = 130
    READER_LEFT = 141


def complain(message: str, kind: str = 'error: ') -> None:
    """Write one line to stderr."""
    print(f'vlm-ros: {kind}{" ".join(message.split())}', file=sys.stderr, flush=True)
