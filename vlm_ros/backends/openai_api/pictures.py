"""Images as the API takes them: a JPEG in a data URL.

Servers recognize an image they saw before by its bytes, and then spare its encoding and the part
of the prompt before it (docs.vllm.ai, prefix caching). So one frame always becomes the same bytes.
"""

import base64
from collections import OrderedDict
from dataclasses import dataclass
import hashlib

import cv2
import numpy as np

from vlm_ros.errors import BackendError, ImageError, ModelError
from vlm_ros.tasks import Image

MIN_SIDE_PX = 32
"""What is smaller, such as a strip of one row, is stretched: processors refuse an image smaller
than one of their patches, of up to 32 pixels for Qwen3-VL."""
_KEPT = 8


@dataclass(frozen=True)
class Picture:
    """An image as it is sent.

    Attributes:
        url: `data:image/jpeg;base64,...`.
        sent_wh: Its size in pixels.
    """

    url: str
    sent_wh: tuple[int, int]


class Pictures:
    """Encodes images, and remembers the last ones: several questions are asked about one frame.

    Args:
        max_side_px: Images are scaled down to this longer side.
        quality: Of the JPEG, 1 to 100.

    Attributes:
        multiple: Sides are rounded to multiples of this, so that the server's own rounding, after
            which some models count their pixels, changes nothing.

    Raises:
        BackendError: A number is out of its range.
    """

    def __init__(self, *, max_side_px: int, quality: int) -> None:
        if not MIN_SIDE_PX <= max_side_px <= 8192:
            raise BackendError(
                f'max_side_px must be from {MIN_SIDE_PX} to 8192, got {max_side_px}'
            )
        if not 1 <= quality <= 100:
            raise BackendError(f'jpeg_quality must be from 1 to 100, got {quality}')
        self._max_side_px, self._quality = max_side_px, quality
        self.multiple = 1
        self._kept: OrderedDict[tuple[bytes, tuple[int, ...]], Picture] = OrderedDict()

    def encode(self, image: Image) -> Picture:
        """Return the picture of an image `(H, W, 3)` uint8 RGB.

        Raises:
            ImageError: It is no such image.
            ModelError: It cannot be encoded.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != 'uint8' or not image.size:
            raise ImageError(f'an image must be (H, W, 3) uint8, got {image.shape} {image.dtype}')
        # By content: a caller may read every frame into the same array.
        key = hashlib.blake2b(image.tobytes()).digest(), image.shape
        if key not in self._kept:
            self._kept[key] = self._encode(image)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def clear(self) -> None:
        """Forget the last images."""
        self._kept.clear()

    def _encode(self, image: Image) -> Picture:
        height, width = image.shape[:2]
        scale = min(1.0, self._max_side_px / max(height, width))
        sent_wh = self._side(width * scale), self._side(height * scale)
        if sent_wh != (width, height):
            shrinks = sent_wh[0] * sent_wh[1] < width * height
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            resized = np.asarray(cv2.resize(image, sent_wh, interpolation=how), np.uint8)
        else:
            resized = image
        options = [cv2.IMWRITE_JPEG_QUALITY, self._quality]
        ok, data = cv2.imencode('.jpg', cv2.cvtColor(resized, cv2.COLOR_RGB2BGR), options)
        if not ok:
            raise ModelError(f'an image of {width} x {height} pixels cannot be encoded as JPEG')
        url = 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode('ascii')
        return Picture(url, sent_wh)

    def _side(self, side_px: float) -> int:
        rounded = round(side_px / self.multiple) * self.multiple
        least = -(-MIN_SIDE_PX // self.multiple) * self.multiple
        return max(least, rounded)
