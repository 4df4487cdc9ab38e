"""One thing that was looked at."""

from dataclasses import dataclass
import enum


class State(str, enum.Enum):
    """How it is with a thing."""

    GOOD = 'good'
    LIMITED = 'limited'
    """Something cannot be done, or not as fast."""
    BROKEN = 'broken'
    """What is installed does not work."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        group: What it belongs to: `machine`, `libraries`, `ros` or `weights`.
        subject: What was looked at.
        state: How it is.
        text: What was found, in one line.
        mend: What to do about it, in one line; empty where it is good.
    """

    group: str
    subject: str
    state: State
    text: str
    mend: str = ''
