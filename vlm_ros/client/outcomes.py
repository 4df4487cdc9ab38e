"""What a request came to: the result, what became of it, and where it came from."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from vlm_ros.results import Detections, Provenance, Status, Truth
from vlm_ros.tasks import Image

T_co = TypeVar('T_co', covariant=True)

LOOKED = frozenset((Status.OK, Status.NOTHING_FOUND, Status.NOT_IN_VIEW, Status.UNSURE))
"""The statuses under which the server did its work; under the others nobody looked."""


@dataclass(frozen=True)
class Outcome(Generic[T_co]):
    """What a request came to.

    The values of `vlm_ros.results` say what is in an image. What is true of the request, whatever
    was asked, stands beside them here: a request that failed has a status and a message too, and
    no value of those types could be made for it.

    Attributes:
        result: What was asked for; None exactly where nobody looked.
        status: What became of the request.
        message: One line for people; empty when the status says it all.
        provenance: The image that was looked at, its age, the model; empty where none was.
    """

    result: T_co | None
    status: Status
    message: str = ''
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def ok(self) -> bool:
        """Whether there is what was asked for."""
        return self.status is Status.OK

    @property
    def looked(self) -> bool:
        """Whether somebody looked, so that `result` says something about the scene."""
        return self.status in LOOKED

    @property
    def line(self) -> str:
        """The status and the message, for people."""
        return f'{self.status.name}: {self.message}' if self.message else self.status.name

    def __bool__(self) -> bool:
        raise TypeError(
            'an Outcome is neither true nor false; ask its `ok`, its `looked` or its `result`'
        )


@dataclass(frozen=True)
class Exemplar:
    """A picture that is kept of a thing.

    Attributes:
        name: What the thing is called.
        exemplar_id: Names the picture.
        count: How many pictures of this name there are.
        stamp_ns: When it was taken; None where its image had no stamp.
    """

    name: str
    exemplar_id: str
    count: int
    stamp_ns: int | None = None


@dataclass(frozen=True)
class Pose:
    """Where a camera was: metres and a quaternion `xyzw`, in the frame `frame_id`."""

    frame_id: str
    position_m: tuple[float, float, float]
    orientation_xyzw: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Moment:
    """What a camera saw at one time, as remembered.

    Attributes:
        stamp_ns: When; None where the image had no stamp.
        frame_id: The frame of the image.
        camera: The camera's name.
        score: How well it fits what was searched for, in [0, 1].
        labels: Names of what was detected in it.
        pose: Where the camera was; None where that is not known.
        picture: `(H, W, 3)` uint8 RGB, small; None where none was asked for.
    """

    stamp_ns: int | None
    frame_id: str
    camera: str
    score: float
    labels: tuple[str, ...] = ()
    pose: Pose | None = None
    picture: Image | None = None


@dataclass(frozen=True)
class Memories:
    """What a search of the memory found.

    Attributes:
        moments: Best first.
        remembered: How many moments are remembered in all.
    """

    moments: tuple[Moment, ...]
    remembered: int


@dataclass(frozen=True)
class StatementState:
    """What holds of a statement that a monitor watches, since its last change.

    Attributes:
        name: What the statement is called.
        statement: The statement.
        truth: What the last frames agree on.
        confidence: How sure the last of those is, in [0, 1].
        status: OK with TRUE and FALSE; otherwise why nobody can tell.
        message: One line for people.
        evidence: The detections that support it.
        agreeing: How many of `frames` last frames say so.
        frames: How many frames were counted.
        since_ns: Stamp of the first image that led to it; None where there is none.
        provenance: The image that brought the change, and the model.
    """

    name: str
    statement: str
    truth: Truth
    confidence: float
    status: Status
    message: str
    evidence: Detections
    agreeing: int
    frames: int
    since_ns: int | None
    provenance: Provenance
