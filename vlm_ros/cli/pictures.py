"""The annotated pictures that `--save` writes."""

import os
from pathlib import Path
import re

import cv2

from vlm_ros.cli.findings import Finding
from vlm_ros.data.media import Frame
from vlm_ros.drawing import draw_detections

_JPEG_QUALITY = 92
_MAX_STEM_BYTES = 180
"""File systems take 255 bytes a name; the rest is for the number, the verb and the suffix."""


class PictureFolder:
    """Writes pictures whole or not at all, and over nothing that is there.

    Args:
        folder: Made where it is missing.
        verb: Becomes part of the names, so that a picture is never taken for its source.

    Raises:
        OSError: The folder cannot be made.
    """

    def __init__(self, folder: str, verb: str) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._verb = verb
        self.count = 0

    def save(self, frame: Frame, finding: Finding) -> str:
        """Draw and write a frame; return the picture's path.

        Raises:
            OSError: The picture cannot be written.
        """
        status_line = ': '.join(filter(None, [finding.failing, finding.message]))
        drawn = draw_detections(
            frame.image, finding.detections, caption=finding.answer, status_line=status_line
        )
        bgr = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
        content = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
        path = self._free_path(_stem(frame))
        partial = path.with_name(f'.{path.name}.tmp')
        try:
            partial.write_bytes(content.tobytes())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        self.count += 1
        return str(path)

    def _free_path(self, stem: str) -> Path:
        path = self._folder / f'{stem}.{self._verb}.jpg'
        number = 2
        while path.exists():
            path = self._folder / f'{stem}-{number}.{self._verb}.jpg'
            number += 1
        return path


def _stem(frame: Frame) -> str:
    """Return a file name without a suffix for a frame of any source."""
    if frame.time_s is None:
        name, number = Path(frame.name).stem, ''
    else:
        address = re.sub(r'^\w+://([^/]*@)?', '', frame.name)
        name = address if '://' in frame.name else Path(frame.name).stem
        number = f'-{frame.index:06d}'
    # A device's or a sample's name, and what an address has, may not be a file's.
    name = re.sub(r'[^\w.()+ -]+', '-', name).strip('-. ') or 'image'
    return name.encode()[:_MAX_STEM_BYTES].decode(errors='ignore') + number
