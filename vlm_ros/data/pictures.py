"""Picture files that say themselves what they show."""

from dataclasses import dataclass
import io
import json
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from vlm_ros.grounding.exemplars import Exemplar
from vlm_ros.images import decode_compressed, Image

MAX_SIDE_PX = 384
"""Larger pictures are made smaller: models make a square of some 224 to 960 pixels of a cut-out,
and a gallery is held in memory."""
MAX_FILE_BYTES = 4 * MAX_SIDE_PX**2
"""Of a file; noise, which cannot be compressed, takes three bytes a pixel."""
_TEXT = 'vlm_ros'
"""The keyword of the text in a PNG that says what it shows."""


@dataclass(frozen=True, eq=False)
class KeptPicture(Exemplar):
    """A picture of a thing that is kept.

    Attributes:
        exemplar_id: Tells it from all others.
        added_ns: When it was kept, in nanoseconds of the system's clock.
        stamp_ns: When the image it was cut from was taken, in nanoseconds of the publisher's
            clock; None where that is not known.
        camera: Whose image; empty where it came otherwise, or the camera has no name.
        xyxy: Where the thing was, in pixels of that image.
    """

    exemplar_id: str
    added_ns: int
    stamp_ns: int | None = None
    camera: str = ''
    xyxy: tuple[float, float, float, float] | None = None


def to_png(picture: KeptPicture) -> bytes:
    """Write a picture with all that is known of it into one file."""
    known = {
        'name': picture.name,
        'added_ns': picture.added_ns,
        'stamp_ns': picture.stamp_ns,
        'camera': picture.camera,
        'xyxy': picture.xyxy,
    }
    text = PngInfo()
    text.add_itxt(_TEXT, json.dumps(known, ensure_ascii=False))
    file = io.BytesIO()
    Pillow.fromarray(picture.image).save(file, 'png', pnginfo=text)
    return file.getvalue()


def from_png(content: bytes, exemplar_id: str) -> KeptPicture:
    """Read what `to_png` wrote.

    Raises:
        ValueError: It is not that, or damaged.
    """
    try:
        with Pillow.open(io.BytesIO(content), formats=['PNG']) as opened:
            # Before it is unpacked: a few bytes of a file can make gigabytes of pixels.
            if max(opened.size) > MAX_SIDE_PX:
                width, height = opened.size
                raise ValueError(
                    f'it has {width}x{height} pixels; those kept here have {MAX_SIDE_PX} a side '
                    'at most'
                )
            opened.load()
            known = json.loads(getattr(opened, 'text', {})[_TEXT])
        if not isinstance(known, dict):
            raise ValueError('its text is not what this package writes')
        image = decode_compressed(content).copy()
        image.flags.writeable = False
        return KeptPicture(
            name=_of_type(known, 'name', str),
            image=image,
            exemplar_id=exemplar_id,
            added_ns=_of_type(known, 'added_ns', int),
            stamp_ns=None if known.get('stamp_ns') is None else _of_type(known, 'stamp_ns', int),
            camera=_of_type(known, 'camera', str),
            xyxy=_box(known.get('xyxy')),
        )
    except KeyError as error:
        raise ValueError(f'it has no {error} that this package wrote') from error
    except ValueError:
        raise
    except Exception as error:  # anybody may put files there, with anything in them
        raise ValueError(' '.join(str(error).split())) from error


def shrunk(image: Image) -> Image:
    """Return a copy whose longer side has `MAX_SIDE_PX` pixels at most; read-only."""
    height, width = image.shape[:2]
    scale = min(1.0, MAX_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: Image = np.array(
        image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8
    )
    small.flags.writeable = False
    return small


def _of_type(known: dict[str, Any], key: str, kind: type) -> Any:
    value = known[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f'its {key} is not a {kind.__name__}')
    return value


def _box(value: Any) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    left, top, right, bottom = (float(edge) for edge in value)
    return left, top, right, bottom
