"""Images to what a vision tower takes, in milliseconds.

The image processors of transformers convert a 1080p frame to floating point before they make it
small: 11 to 14 ms for a CLIP-like one, 260 ms for OWLv2's, which pads and blurs at full size too.
Here the frame is made small first, as bytes. What that changes is small but not nothing (see
`benchmarks/owlv2_preprocess.py`); `exact` hands the work to the model's own processor instead.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from vlm_ros.backends.engine.work import check_image
from vlm_ros.errors import BackendError
from vlm_ros.tasks import Image

_ENLARGING = {0: cv2.INTER_NEAREST, 2: cv2.INTER_LINEAR, 3: cv2.INTER_CUBIC, 1: cv2.INTER_CUBIC}
"""OpenCV's interpolations by Pillow's numbers for them, which processors are configured with."""


class Pixels:
    """Makes `pixel_values` as an image processor of transformers describes them.

    Args:
        processor: The model's image processor.
        preprocess: `fast`, or `exact` for what the processor itself makes.
        pads: Whether the image is padded to a square first, at the right and at the bottom, as
            OWLv2's is; the padding is `PADDING` grey.

    Attributes:
        enough_px: The shorter side from which on a larger image shows the model nothing more;
            None where preprocessing is exact.

    Raises:
        BackendError: `preprocess` is neither, or the processor does what `fast` does not know.
    """

    PADDING = 0.0
    """Of 1, before normalization: what OWLv2's processor pads with."""

    def __init__(self, processor: Any, *, preprocess: str = 'fast', pads: bool = False) -> None:
        if preprocess not in ('fast', 'exact'):
            raise BackendError(f'preprocess must be fast or exact, got {preprocess!r}')
        self._processor = processor
        self._is_exact = preprocess == 'exact'
        self._pads = pads
        self._height, self._width, self._shortest = _sizes(processor)
        self._resample = _ENLARGING.get(int(processor.resample or 2), cv2.INTER_LINEAR)
        mean, std = (np.array(x, np.float32) for x in (processor.image_mean, processor.image_std))
        if not getattr(processor, 'do_normalize', True):
            mean, std = np.zeros(3, np.float32), np.ones(3, np.float32)
        self._mean = torch.from_numpy(mean * 255).reshape(3, 1, 1)
        self._factor = torch.from_numpy(1 / (std * 255)).reshape(3, 1, 1)
        self.enough_px = None if self._is_exact else max(self._shortest, self._height, self._width)

    def __call__(
        self, images: Sequence[Image], *, device: torch.device, dtype: torch.dtype
    ) -> torch.Tensor:
        """Return `pixel_values` `(N, 3, height, width)` of images of any sizes.

        Raises:
            ImageError: One is not an image.
        """
        for image in images:
            check_image(image)
        if self._is_exact:
            made: Any = self._processor(
                images=[torch.from_numpy(_writable(image)).permute(2, 0, 1) for image in images],
                input_data_format='channels_first',
                return_tensors='pt',
            )
            values: torch.Tensor = made['pixel_values'].to(device, dtype)
            return values
        batch = torch.stack(
            [torch.from_numpy(self._small(image)).permute(2, 0, 1) for image in images]
        )
        # To the device as bytes: a quarter of what floats would be.
        batch = batch.to(device).float()
        return ((batch - self._mean.to(device)) * self._factor.to(device)).to(dtype)

    def scale_xy(self, image: Image) -> tuple[float, float]:
        """Return how many pixels of the image the input's width and height stand for.

        Only where the whole image is in the input: not after a centre crop.
        """
        height, width = image.shape[:2]
        return (max(height, width),) * 2 if self._pads else (width, height)

    def _small(self, image: Image) -> Image:
        """Return a new `(height, width, 3)` uint8 image, as the model is to see it."""
        height, width = image.shape[:2]
        if self._pads:
            scale = self._width / max(height, width)
            size = _at_least_1(width * scale), _at_least_1(height * scale)
            small = self._resize(image, size)
            padded = np.full((self._height, self._width, 3), round(255 * self.PADDING), np.uint8)
            padded[: size[1], : size[0]] = small
            return padded
        if not self._shortest:
            return self._resize(image, (self._width, self._height))
        # As the processor does it: the shorter side exactly, the longer one rounded down.
        shorter, longer = sorted((height, width))
        longer = max(int(self._shortest * longer / shorter), self._shortest)
        size = (longer, self._shortest) if width >= height else (self._shortest, longer)
        return _centre(self._resize(image, size), self._width, self._height)

    def _resize(self, image: Image, size_wh: tuple[int, int]) -> Image:
        shrinks = size_wh[0] <= image.shape[1] and size_wh[1] <= image.shape[0]
        # The mean over all pixels: without it, what shrinks by more than 2 is sampled, not seen.
        method = cv2.INTER_AREA if shrinks else self._resample
        resized: Image = cv2.resize(image, size_wh, interpolation=method)  # type: ignore[assignment]
        return resized


def _sizes(processor: Any) -> tuple[int, int, int]:
    """Return height and width of the input, and the side that the shorter one is resized to."""
    size, crop = dict(processor.size or {}), dict(processor.crop_size or {})
    shortest = int(size.get('shortest_edge') or 0)
    if shortest and not size.get('longest_edge') and getattr(processor, 'do_center_crop', False):
        return int(crop['height']), int(crop['width']), shortest
    if size.get('height') and size.get('width'):
        return int(size['height']), int(size['width']), 0
    raise BackendError(
        f'{type(processor).__name__} resizes to {size}, which preprocess=fast does not know; use '
        'preprocess=exact'
    )


def _centre(image: Image, width: int, height: int) -> Image:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def _at_least_1(side: float) -> int:
    return max(1, round(side))


def _writable(image: Image) -> Image:
    # torch warns of arrays that it may not write into, though it never does here.
    return image if image.flags.writeable else image.copy()
