"""A prepared request, and what every kind of request checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
from typing import Any, Generic, TypeVar

from rclpy.exceptions import InvalidTopicNameException
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import Image as ImageMsg
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from vlm_ros.client.endpoints import Address
from vlm_ros.client.outcomes import Outcome
from vlm_ros.errors import InputError
from vlm_ros.nodes import conversions
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Image

T = TypeVar('T')
Region = tuple[float, float, float, float]
LONGEST_S = 3600.0
"""The longest time a server takes on."""
OLDEST_S = 1e10
_MOST_PIXELS = 2**31


@dataclass(frozen=True)
class Request(Generic[T]):
    """A request that can be sent.

    Attributes:
        address: Where to.
        fill: Makes the message, given the seconds that the server has.
        read: Makes the outcome of the response.
        timeout_s: How long the whole may take; None: the client's.
        on_partial: Told the answer so far, from its beginning.
    """

    address: Address
    fill: Callable[[float], Any]
    read: Callable[[Any], Outcome[T]]
    timeout_s: float | None = None
    on_partial: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        try:
            self.fill(1.0)
        except (AssertionError, TypeError) as error:  # what messages say of a wrong type
            raise InputError(' '.join(str(error).split())) from error


def source(camera: str, image: Image | None) -> dict[str, Any]:
    """Return the fields that say what to look at.

    Raises:
        InputError: The image cannot be used.
    """
    return {'camera': camera, 'image': image_msg(image)}


def image_msg(image: Image | None) -> ImageMsg:
    """Return an image as a message without a stamp; an empty one for None.

    Raises:
        InputError: It is not `(H, W, 3)` uint8.
    """
    return ImageMsg() if image is None else conversions.image_to_msg(image, Header())


def roi(region: Region | None) -> RegionOfInterest:
    """Return `xyxy` pixels as a message that covers them; an empty one, all of it, for None.

    Raises:
        InputError: The region is empty or no region.
    """
    if region is None:
        return RegionOfInterest()
    if len(region) != 4 or not all(0 <= float(edge) < _MOST_PIXELS for edge in region):
        raise InputError(f'region_xyxy must be four pixels, 0 or more, got {region}')
    left, top = math.floor(region[0]), math.floor(region[1])
    right, bottom = math.ceil(region[2]), math.ceil(region[3])
    if right <= left or bottom <= top:
        raise InputError(f'region_xyxy is empty: {region}; it is (left, top, right, bottom)')
    return RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)


def names_of(names: Sequence[str]) -> list[str]:
    """Return the names of a vocabulary.

    Raises:
        InputError: They cannot be looked for.
    """
    if isinstance(names, str):
        raise InputError(f'the vocabulary is the text {names!r}; give a list of names')
    return list(Vocabulary(tuple(names)).names)


def check_name(what: str, name: str) -> None:
    """Check what becomes part of the name of a topic or a service.

    Raises:
        InputError: It cannot be part of one.
    """
    try:
        validate_topic_name(name)
    except InvalidTopicNameException as error:
        raise InputError(
            f'the {what} {name!r} cannot be part of a topic; use letters, digits and underscores, '
            'a letter first'
        ) from error


def choices_of(choices: Sequence[str]) -> list[str]:
    """Return the answers to choose between.

    Raises:
        InputError: One is empty or stands there twice.
    """
    if isinstance(choices, str):
        raise InputError(f'the choices are the text {choices!r}; give a list of texts')
    for number, choice in enumerate(choices):
        if not choice.strip():
            raise InputError('one of the choices is empty')
        if choice in choices[:number]:
            raise InputError(f'the choices name {choice!r} twice')
    return list(choices)


def stamp_of(name: str, stamp_ns: int | None) -> Any:
    """Return a stamp; the zero stamp for None.

    Raises:
        InputError: It is out of range.
    """
    if stamp_ns is not None and not 0 <= stamp_ns < 2**31 * 1_000_000_000:
        raise InputError(f'{name} must be nanoseconds of a stamp, got {stamp_ns}')
    return conversions.ns_to_stamp(stamp_ns)


def number(name: str, value: float, at_most: float) -> float:
    """Return a number from 0 to `at_most`.

    Raises:
        InputError: It is another one.
    """
    if not 0.0 <= value <= at_most:
        raise InputError(f'{name} must be from 0 to {at_most:g}, got {value:g}')
    return float(value)


def whole(name: str, value: int) -> int:
    """Return a whole number, 0 or more.

    Raises:
        InputError: It is another one.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise InputError(f'{name} must be a whole number, 0 or more, got {value!r}')
    return value


def timeout(timeout_s: float | None) -> float | None:
    """Return a request's time-out in seconds; None for the client's.

    Raises:
        InputError: As for `checked_timeout`.
    """
    return None if timeout_s is None else checked_timeout(timeout_s)


def checked_timeout(timeout_s: float) -> float:
    """Return a time-out in seconds.

    Raises:
        InputError: It is not above 0, or above `LONGEST_S`.
    """
    if not 0.0 < timeout_s <= LONGEST_S:
        raise InputError(
            f'timeout_s must be above 0 seconds, {LONGEST_S:g} at most, got {timeout_s:g}'
        )
    return float(timeout_s)
