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
from vlm_ros.boxes import FloatArray
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
        input_hw: Height and width of the input; zeros where it has the shape of the image.
        crop_px: The side that the shorter one of an image is resized to, where the ends of the
            longer one are then cut off; 0 where nothing is.

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
        sizes = _sizes(processor)
        if sizes is None and not self._is_exact:
            raise BackendError(
                f'{type(processor).__name__} resizes to {dict(processor.size or {})}, which '
                'preprocess=fast does not know; use preprocess=exact'
            )
        self._height, self._width, self._shortest, self._longest = sizes or (0, 0, 0, 0)
        self._resample = _ENLARGING.get(int(processor.resample or 2), cv2.INTER_LINEAR)
        self._mean, self._factor = _normalization(processor)
        self._resized_wh = _resized_wh(processor, self._width, self._height)
        self.input_hw = (self._height, self._width)
        self.crop_px = 0 if self._longest else self._shortest
        largest = max(self._shortest, *self._resized_wh)
        self.enough_px = None if self._is_exact else largest

    def __call__(
        self, images: Sequence[Image], *, device: torch.device, dtype: torch.dtype
    ) -> torch.Tensor:
        """Return `pixel_values` `(N, 3, height, width)` of images of any sizes.

        A processor that keeps the shape of an image takes those of one size together; see
        `size_hw`.

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
        small = [self._small(image) for image in images]
        if device.type == 'cpu':
            return torch.from_numpy(self._planes(small)).to(dtype)
        # To the device as bytes: a quarter of what floats would be.
        batch = torch.from_numpy(np.stack(small)).to(device).permute(0, 3, 1, 2).float()
        return ((batch - self._mean.to(device)) * self._factor.to(device)).to(dtype)

    def _planes(self, small: Sequence[Image]) -> FloatArray:
        """Return normalized images `(N, 3, height, width)`, float32."""
        # By a table of the 256 values of each channel: exact, on one thread, and several times as
        # fast as arithmetic in torch, whose threads wait for each other on a busy machine.
        values = torch.arange(256.0)
        tables = ((values - self._mean.reshape(3, 1)) * self._factor.reshape(3, 1)).numpy()
        planes = np.empty((len(small), 3, *small[0].shape[:2]), np.float32)
        for image, made in zip(small, planes, strict=True):
            for channel, table in enumerate(tables):
                cv2.LUT(cv2.extractChannel(image, channel), table, dst=made[channel])
        return planes

    def size_hw(self, image: Image) -> tuple[int, int]:
        """Return height and width of the input that an image makes, before it is in a batch."""
        if not self._longest:
            return self._height, self._width
        # As the processors of the DETR kind round: the shorter side to the nearest, the longer
        # one down.
        shorter, longer = sorted(image.shape[:2])
        side: float = self._shortest
        if longer / shorter * side > self._longest:
            side = self._longest * shorter / longer
        short, long = _at_least_1(side), _at_least_1(int(side * longer / shorter))
        if shorter == short:  # then the longer side stays too, whatever it is
            long = longer
        return (short, long) if image.shape[0] <= image.shape[1] else (long, short)

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
        if self._longest:
            return self._resize(image, self.size_hw(image)[::-1])
        if not self._shortest:
            return _centre(self._resize(image, self._resized_wh), self._width, self._height)
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


def _sizes(processor: Any) -> tuple[int, int, int, int] | None:
    """Return height and width of the input, and the shorter and the longest side after resizing.

    Where there is a longest side the input has the shape of the image, and no size of its own.
    None where the processor does something else.
    """
    size = dict(processor.size or {})
    shortest, longest = (int(size.get(f'{which}_edge') or 0) for which in ('shortest', 'longest'))
    if shortest and longest:
        return 0, 0, shortest, longest
    if shortest and getattr(processor, 'do_center_crop', False):
        crop = dict(processor.crop_size or {})
        return int(crop['height']), int(crop['width']), shortest, 0
    if size.get('height') and size.get('width'):
        if getattr(processor, 'do_center_crop', False):
            size = dict(processor.crop_size or size)
        return int(size['height']), int(size['width']), 0, 0
    return None


def _resized_wh(processor: Any, width: int, height: int) -> tuple[int, int]:
    """Return what every image is resized to before the input is cut out of its centre."""
    size = dict(processor.size or {})
    return int(size.get('width') or width), int(size.get('height') or height)


def _normalization(processor: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what is subtracted from bytes, and what they are multiplied by then; `(3, 1, 1)`."""
    mean, std = (np.array(x, np.float32) for x in (processor.image_mean, processor.image_std))
    if not getattr(processor, 'do_normalize', True):
        mean, std = np.zeros(3, np.float32), np.ones(3, np.float32)
    # ALIGN's, an EfficientNet's, takes values from -1 to 1 without a mean.
    offset = 1.0 if getattr(processor, 'rescale_offset', False) else 0.0
    scale = float(getattr(processor, 'rescale_factor', 0) or 1 / 255)
    if not getattr(processor, 'do_rescale', True):
        scale = 1.0  # OmDet-Turbo's mean is that of bytes
    if getattr(processor, 'include_top', False):
        std = std * std  # it divides by the deviation again
    return (
        torch.from_numpy((mean + offset) / scale).float().reshape(3, 1, 1),
        torch.from_numpy(scale / std).float().reshape(3, 1, 1),
    )


def _centre(image: Image, width: int, height: int) -> Image:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])


def _at_least_1(side: float) -> int:
    return max(1, round(side))


def _writable(image: Image) -> Image:
    # torch warns of arrays that it may not write into, though it never does here.
    return image if image.flags.writeable else image.copy()
