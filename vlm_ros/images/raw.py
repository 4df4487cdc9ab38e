"""Rows of pixels to RGB and back, in the encodings of `sensor_msgs/image_encodings.hpp`.

All but a few odd ones are read here with OpenCV, Bayer and YUV included, because the cv_bridge
that the Python package index has reads no YUV, ignores `step` and takes colour images wrongly
under OpenCV 5.
"""

from collections.abc import Callable
from dataclasses import dataclass
import difflib
import sys
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vlm_ros.errors import ImageError

Image = npt.NDArray[np.uint8]
Buffer = bytes | bytearray | memoryview
"""Or anything else with a contiguous buffer, such as the `array.array` of a message."""

MAX_PIXELS = 64_000_000
"""Larger images are refused: four times an 8K frame has no camera behind it, only a bad header."""


@dataclass(frozen=True)
class _Layout:
    """How an encoding lies in memory and becomes RGB.

    Attributes:
        dtype: Of one channel.
        channels: A pixel.
        conversion: OpenCV's code from here to RGB; None where it is RGB already.
        is_depth: Whether the values are distances, to be stretched, and not brightnesses.
        chroma_rows: Whether half as many rows again hold the colour (planar 4:2:0).
        even: Sides that must be even: '', 'width' or 'width and height'.
        min_side: The smallest width and height that can be converted.
    """

    dtype: type[np.generic]
    channels: int
    conversion: int | None
    is_depth: bool = False
    chroma_rows: bool = False
    even: str = ''
    min_side: int = 1


_U8, _U16, _F32 = np.uint8, np.uint16, np.float32
_LAYOUTS = {
    'rgb8': _Layout(_U8, 3, None),
    'bgr8': _Layout(_U8, 3, cv2.COLOR_BGR2RGB),
    'rgba8': _Layout(_U8, 4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Layout(_U8, 4, cv2.COLOR_BGRA2RGB),
    'mono8': _Layout(_U8, 1, cv2.COLOR_GRAY2RGB),
    'rgb16': _Layout(_U16, 3, None),
    'bgr16': _Layout(_U16, 3, cv2.COLOR_BGR2RGB),
    'rgba16': _Layout(_U16, 4, cv2.COLOR_RGBA2RGB),
    'bgra16': _Layout(_U16, 4, cv2.COLOR_BGRA2RGB),
    'mono16': _Layout(_U16, 1, cv2.COLOR_GRAY2RGB),
    # The OpenCV names say nothing of colour; cv_bridge gives them to an OpenCV image, which is
    # BGR, when its caller names no encoding.
    '8UC1': _Layout(_U8, 1, cv2.COLOR_GRAY2RGB),
    '8UC3': _Layout(_U8, 3, cv2.COLOR_BGR2RGB),
    '8UC4': _Layout(_U8, 4, cv2.COLOR_BGRA2RGB),
    # The two encodings of depth images (REP 118): millimetres and metres.
    '16UC1': _Layout(_U16, 1, cv2.COLOR_GRAY2RGB, is_depth=True),
    '32FC1': _Layout(_F32, 1, cv2.COLOR_GRAY2RGB, is_depth=True),
    # ROS names a Bayer pattern by its first pixels, OpenCV by those of the second row and column.
    'bayer_rggb8': _Layout(_U8, 1, cv2.COLOR_BayerBG2RGB, min_side=3),
    'bayer_bggr8': _Layout(_U8, 1, cv2.COLOR_BayerRG2RGB, min_side=3),
    'bayer_gbrg8': _Layout(_U8, 1, cv2.COLOR_BayerGR2RGB, min_side=3),
    'bayer_grbg8': _Layout(_U8, 1, cv2.COLOR_BayerGB2RGB, min_side=3),
    'bayer_rggb16': _Layout(_U16, 1, cv2.COLOR_BayerBG2RGB, min_side=3),
    'bayer_bggr16': _Layout(_U16, 1, cv2.COLOR_BayerRG2RGB, min_side=3),
    'bayer_gbrg16': _Layout(_U16, 1, cv2.COLOR_BayerGR2RGB, min_side=3),
    'bayer_grbg16': _Layout(_U16, 1, cv2.COLOR_BayerGB2RGB, min_side=3),
    'uyvy': _Layout(_U8, 2, cv2.COLOR_YUV2RGB_UYVY, even='width'),
    'yuv422': _Layout(_U8, 2, cv2.COLOR_YUV2RGB_UYVY, even='width'),
    'yuyv': _Layout(_U8, 2, cv2.COLOR_YUV2RGB_YUY2, even='width'),
    'yuv422_yuy2': _Layout(_U8, 2, cv2.COLOR_YUV2RGB_YUY2, even='width'),
    'nv12': _Layout(_U8, 1, cv2.COLOR_YUV2RGB_NV12, chroma_rows=True, even='width and height'),
    'nv21': _Layout(_U8, 1, cv2.COLOR_YUV2RGB_NV21, chroma_rows=True, even='width and height'),
}

ENCODINGS = tuple(_LAYOUTS)
"""What `decode` reads by itself."""

FALLBACK_ENCODINGS = (
    'nv24', '8UC2', '16UC2', '16UC3', '16UC4', '32FC2', '32FC3', '32FC4',
    *(f'{depth}C{channels}' for depth in ('8S', '16S', '32S', '64F') for channels in '1234'),
)  # fmt: skip
"""What ROS knows besides: numbers that are seldom a picture, left to `decode`'s fall-back."""

_FROM_RGB = {
    'rgb8': None,
    'bgr8': cv2.COLOR_RGB2BGR,
    'rgba8': cv2.COLOR_RGB2RGBA,
    'bgra8': cv2.COLOR_RGB2BGRA,
    'mono8': cv2.COLOR_RGB2GRAY,
}


def decode(
    data: Buffer,
    *,
    width: int,
    height: int,
    encoding: str,
    step: int,
    is_bigendian: bool,
    fallback: Callable[[], Image] | None = None,
) -> Image:
    """Return the image that the fields of a `sensor_msgs/Image` hold.

    16-bit brightness is scaled to 8 bits. Depth (`16UC1`, `32FC1`) is stretched so that the
    nearest valid pixel is 1 and the farthest 255, image by image; what was not measured (NaN,
    infinite, and 0 in `16UC1`) is 0. Alpha is dropped. Bytes after the last row are ignored, and
    the last row's padding may be missing, as drivers leave either.

    Args:
        data: The rows, one `step` after the other.
        width: In pixels.
        height: In pixels.
        encoding: A name out of `sensor_msgs/image_encodings.hpp`.
        step: Bytes from one row to the next; more than a row's own where rows are padded.
        is_bigendian: The byte order of channels wider than one byte.
        fallback: Called for the `FALLBACK_ENCODINGS`, to return the image another way.

    Returns:
        `(H, W, 3)` uint8 RGB, C-contiguous. For an unpadded `rgb8` this is a view of `data`,
        otherwise one copy.

    Raises:
        ImageError: The encoding is unknown or needs a fall-back, the data is shorter than the
            sizes say, there are no pixels or more than `MAX_PIXELS`, a row does not fit into
            `step`, or no pixel of a depth image is valid.
    """
    check_size(width, height)
    layout = _LAYOUTS.get(encoding)
    if layout is None:
        return _decode_otherwise(encoding, width, height, fallback)
    _check_layout(layout, width, height, encoding)
    pixels = _pixels(data, layout, width, height, encoding, step)
    # OpenCV reads neither the other byte order nor unaligned numbers (an odd `step`); of the
    # second it does not even complain.
    if bool(is_bigendian) != (sys.byteorder == 'big') and pixels.itemsize > 1:
        pixels = pixels.view(pixels.dtype.newbyteorder()).astype(pixels.dtype)
    elif not pixels.flags.aligned:
        pixels = pixels.copy()
    return _to_rgb(pixels, layout, encoding)


def matches(pixels: npt.NDArray[Any], encoding: str) -> bool:
    """Whether decoded pixels have the type and the channels of an encoding."""
    layout = _LAYOUTS[encoding]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return pixels.dtype == layout.dtype and channels == layout.channels


def to_rgb(pixels: npt.NDArray[Any], encoding: str) -> Image:
    """Return pixels as `decode` does.

    Args:
        pixels: `(H, W)` or `(H, W, channels)` of the encoding's own type, aligned.
        encoding: One of `ENCODINGS`, not a planar one.

    Raises:
        ImageError: There are too few pixels for the encoding, or none of a depth image is valid.
    """
    layout = _LAYOUTS[encoding]
    height, width = pixels.shape[:2]
    _check_layout(layout, width, height, encoding)
    return _to_rgb(pixels, layout, encoding)


def encode(image: Image, encoding: str = 'rgb8') -> memoryview:
    """Return the bytes that publish an image, without a copy where the encoding allows it.

    Fill a message with `msg.data.frombytes(encode(image))`; its `step` is
    `len(encode(image)) // height`.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        encoding: `rgb8`, `bgr8`, `rgba8`, `bgra8` (both opaque) or `mono8`.

    Raises:
        ImageError: Another encoding, or an image of another shape or type.
    """
    if encoding not in _FROM_RGB:
        raise ImageError(f'cannot encode to {encoding!r}; choose from {", ".join(_FROM_RGB)}')
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(
            f'an image has shape (H, W, 3) and type uint8, got {image.shape} and {image.dtype}'
        )
    conversion = _FROM_RGB[encoding]
    pixels = image if conversion is None else np.asarray(cv2.cvtColor(image, conversion))
    return memoryview(np.ascontiguousarray(pixels).data).cast('B')


def _decode_otherwise(
    encoding: str, width: int, height: int, fallback: Callable[[], Image] | None
) -> Image:
    if encoding not in FALLBACK_ENCODINGS:
        close = difflib.get_close_matches(encoding, ENCODINGS, n=1)
        hint = f'; did you mean {close[0]!r}?' if close else ';'
        raise ImageError(f'unknown encoding {encoding!r}{hint} known are {", ".join(ENCODINGS)}')
    if fallback is None:
        raise ImageError(f'encoding {encoding!r} needs cv_bridge, which is not at hand here')
    image = np.ascontiguousarray(fallback())
    if image.shape != (height, width, 3) or image.dtype != np.uint8:
        raise ImageError(
            f'encoding {encoding!r} came out of the fall-back as {image.shape} {image.dtype}, '
            f'not as {(height, width, 3)} uint8'
        )
    return image


def check_size(width: int, height: int) -> None:
    """Raise `ImageError` unless there are pixels and not more than `MAX_PIXELS`."""
    if width <= 0 or height <= 0:
        raise ImageError(f'the image has no pixels: it is {width}x{height}')
    if width * height > MAX_PIXELS:
        raise ImageError(
            f'the image is {width}x{height}, more than {MAX_PIXELS // 1_000_000} megapixels'
        )


def _check_layout(layout: _Layout, width: int, height: int, encoding: str) -> None:
    if (width % 2 and 'width' in layout.even) or (height % 2 and 'height' in layout.even):
        raise ImageError(f'{encoding} needs an even {layout.even}, got {width}x{height}')
    if min(width, height) < layout.min_side:
        raise ImageError(
            f'{encoding} needs at least {layout.min_side} pixels a side, got {width}x{height}'
        )


def _pixels(
    data: Buffer, layout: _Layout, width: int, height: int, encoding: str, step: int
) -> npt.NDArray[Any]:
    """View `data` as `(rows, width, channels)`, without the last axis where it would be 1."""
    buffer = bytes_of(data)
    item = np.dtype(layout.dtype).itemsize
    row = width * layout.channels * item
    if step < row:
        raise ImageError(
            f'step {step} is smaller than a row: {width} {encoding} pixels take {row} bytes'
        )
    rows = height * 3 // 2 if layout.chroma_rows else height
    needed = step * (rows - 1) + row
    if buffer.nbytes < needed:
        raise ImageError(
            f'the image data is truncated: {width}x{height} {encoding} with step {step} '
            f'takes {needed} bytes, got {buffer.nbytes}'
        )
    strides = (step, layout.channels * item, item)
    pixels: npt.NDArray[Any] = np.ndarray(
        (rows, width, layout.channels), layout.dtype, buffer, strides=strides
    )
    return pixels[..., 0] if layout.channels == 1 else pixels


def bytes_of(data: Buffer) -> memoryview:
    """View a contiguous buffer as bytes; raises `ImageError` for anything else."""
    try:
        view = memoryview(data)
        # A view of nothing cannot be cast.
        return view.cast('B') if view.nbytes else memoryview(b'')
    except TypeError as error:
        raise ImageError(
            f'image data must be contiguous bytes, got {type(data).__name__}'
        ) from error


def _to_rgb(pixels: npt.NDArray[Any], layout: _Layout, encoding: str) -> Image:
    if layout.is_depth:
        pixels = _stretch(pixels, encoding)
    elif pixels.dtype == np.uint16:
        pixels = np.asarray(cv2.convertScaleAbs(pixels, alpha=1 / 257))
    if layout.conversion is None:
        return np.ascontiguousarray(pixels)
    return np.asarray(cv2.cvtColor(pixels, layout.conversion), np.uint8)


def _stretch(depth: npt.NDArray[Any], encoding: str) -> npt.NDArray[Any]:
    valid = np.isfinite(depth) if depth.dtype.kind == 'f' else depth != 0
    if not valid.any():
        height, width = depth.shape
        raise ImageError(f'the {width}x{height} {encoding} image has no valid pixel to show')
    black = np.zeros(depth.shape, np.uint8)
    return cv2.normalize(depth, black, 1, 255, cv2.NORM_MINMAX, cv2.CV_8U, valid.view(np.uint8))
