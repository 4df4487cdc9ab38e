"""What a leaf becomes by the status of an answer."""

import enum

from py_trees.common import Status as LeafStatus

from vlm_ros.results import Status


class Policy(enum.Enum):
    """What a leaf becomes where there is no answer that it could stand on."""

    RUNNING = 'running'
    """It asks again, until there is one or the tree leaves it."""
    FAILURE = 'failure'
    """It fails."""


class Kind(enum.Enum):
    """What a status says to somebody who wants to act."""

    FOUND = 'found'
    """There is what was asked for."""
    OTHER = 'other'
    """There is an answer, and not the one that was hoped for."""
    ABSENT = 'absent'
    """Looked, and it is not there: that can be relied on."""
    UNKNOWN = 'unknown'
    """Looked, and cannot tell."""
    BLIND = 'blind'
    """Nobody looked."""


KINDS = {
    Status.OK: Kind.FOUND,
    Status.NOTHING_FOUND: Kind.ABSENT,
    Status.NOT_IN_VIEW: Kind.ABSENT,
    Status.UNSURE: Kind.UNKNOWN,
    Status.STALE: Kind.BLIND,
    Status.NO_IMAGE: Kind.BLIND,
    Status.TIMEOUT: Kind.BLIND,
    Status.CANCELLED: Kind.BLIND,
    Status.FAILED: Kind.BLIND,
}

BY_POLICY = {Policy.RUNNING: LeafStatus.RUNNING, Policy.FAILURE: LeafStatus.FAILURE}
