"""The cameras of a node: a name each, and the topics that follow from it."""

from dataclasses import dataclass
import re

from vlm_ros.errors import InputError
from vlm_ros.nodes.parameters import parameter

MAX_CAMERAS = 32
MAX_NAME_CHARACTERS = 50


@dataclass(frozen=True)
class CameraParameters:
    """The parameter of every node that looks at cameras."""

    cameras: tuple[str, ...] = parameter(
        (),
        'Names of the cameras; each is looked at on <name>/image, and all that is published of it '
        'begins with <name>/. Empty for one camera on image.',
        read_only=True,
        text_or_list=True,
    )

    def __post_init__(self) -> None:
        if len(self.cameras) > MAX_CAMERAS:
            raise InputError(f'there are {len(self.cameras)} cameras; at most {MAX_CAMERAS}')
        for number, name in enumerate(self.cameras):
            if len(name) > MAX_NAME_CHARACTERS:
                raise InputError(
                    f'the camera name {name[:20]!r}... has {len(name)} characters; '
                    f'at most {MAX_NAME_CHARACTERS} are taken'
                )
            if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_]*', name):
                raise InputError(
                    f'the camera name {name!r} cannot be part of a topic; '
                    'use letters, digits and underscores, a letter first'
                )
            if name in self.cameras[:number]:
                raise InputError(f'the camera {name!r} is named twice')

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras; the only one is nameless where none is named."""
        return self.cameras or ('',)


def topic_of(camera: str, topic: str) -> str:
    """Return the relative name of a camera's topic, service or parameter."""
    return f'{camera}/{topic}' if camera else topic
