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
    """Write one line to stderr; what would steer the terminal is spelled out."""
    line = ''.join(c if c.isprintable() else repr(c)[1:-1] for c in ' '.join(message.split()))
    print(f'vlm-ros: {kind}{line}', file=sys.stderr, flush=True)
