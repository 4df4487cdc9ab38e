"""The pictures of a review page: links to a dataset's files, or small ones in the page itself."""

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np

from vlm_ros.errors import ImageError
from vlm_ros.images import decode_compressed
from vlm_ros.records import FrameRecord

INLINE_WIDTH_PX = 960
INLINE_QUALITY = 80


def files_of(folder: Path, records: Iterable[FrameRecord]) -> dict[str, Path]:
    """Return the pictures inside a dataset's folder, by the name that the records have for them.

    A record may come from elsewhere, and must not make a page show, or a server send, what does
    not belong to the dataset.
    """
    home = folder.resolve()
    found = {}
    for record in records:
        path = (folder / record.image.file).resolve()
        if record.image.file and path.is_relative_to(home) and path.is_file():
            found[record.image.file] = path
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
    """Return small pictures as `data:` addresses; None if they exceed a budget together.

    A picture that cannot be read is left out.
    """
    found = {}
    used = 0
    for name, path in files.items():
        try:
            image = decode_compressed(path.read_bytes(), enough_px=INLINE_WIDTH_PX)
        except (ImageError, OSError):
            continue
        height, width = image.shape[:2]
        if width > INLINE_WIDTH_PX:
            size = (INLINE_WIDTH_PX, max(1, round(height * INLINE_WIDTH_PX / width)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        options = [cv2.IMWRITE_JPEG_QUALITY, INLINE_QUALITY]
        _, content = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        found[name] = 'data:image/jpeg;base64,' + base64.b64encode(content.tobytes()).decode()
        used += len(found[name])
        if used > budget_bytes:
            return None
    return found
