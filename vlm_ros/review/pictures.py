"""The pictures of a review page: links to a dataset's files, or small ones in the page itself."""

import base64
from collections.abc import Iterable, Mapping
import contextlib
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from vlm_ros.data.formats.pictures import kept_picture
from vlm_ros.errors import ImageError, InputError
from vlm_ros.images import decode_compressed
from vlm_ros.records import FrameRecord

INLINE_WIDTHS_PX = (960, 640, 480, 320)
INLINE_QUALITY = 80
_ASPECT = 4
_SAMPLE = 8
_DOUBT = 1.5
"""How far a few pictures may mislead about all."""


def files_of(folder: Path, records: Iterable[FrameRecord]) -> dict[str, Path]:
    """Return the pictures that a dataset has, by the name that the records have for them."""
    found = {}
    for record in records:
        if record.image.file:
            with contextlib.suppress(InputError):
                found[record.image.file] = kept_picture(folder, record).resolve()
    return found


def links_to(files: Mapping[str, Path], page: Path) -> dict[str, str]:
    """Return the addresses of pictures, relative to the page where they are beside it."""
    home = page.resolve().parent
    return {
        name: quote(path.relative_to(home).as_posix())
        if path.is_relative_to(home)
        else path.as_uri()
        for name, path in files.items()
    }


def inlined(files: Mapping[str, Path], budget_bytes: int) -> dict[str, str] | None:
    """Return small pictures as `data:` addresses, as large as a budget allows.

    A picture that cannot be read is left out.

    Args:
        files: The pictures.
        budget_bytes: Of all addresses together.

    Returns:
        None where the smallest of `INLINE_WIDTHS_PX` exceed the budget.
    """
    some = list(files.values())[:: max(1, len(files) // _SAMPLE)][:_SAMPLE]
    for width_px in INLINE_WIDTHS_PX:
        # A few tell most widths that are too large without reading all.
        expected = sum(len(_address(path, width_px) or '') for path in some) / max(1, len(some))
        if expected * len(files) > _DOUBT * budget_bytes:
            continue
        found: dict[str, str] = {}
        used = 0
        for name, path in files.items():
            address = _address(path, width_px)
            if address is None:
                continue
            found[name] = address
            used += len(address)
            if used > budget_bytes:
                break
        else:
            return found
    return None


def _address(path: Path, width_px: int) -> str | None:
    """Return a picture of at most this width; None where it cannot be read."""
    try:
        image = decode_compressed(path.read_bytes(), enough_px=width_px)
    except (ImageError, OSError):
        return None
    height, width = image.shape[:2]
    # Nor is anything so high that JPEG has no room for it.
    scale = min(1.0, width_px / width, _ASPECT * width_px / height)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, INLINE_QUALITY]
    _, content = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return 'data:image/jpeg;base64,' + base64.b64encode(content.tobytes()).decode()
