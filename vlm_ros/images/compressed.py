"""Picture files, and the dialects of `sensor_msgs/CompressedImage.format`, to RGB.

The dialects are those that the plugins of image_transport write and read:

- `jpeg`, `png`: a picture file, and nothing more is said.
- `ENCODING; jpeg compressed STORED`, the same with `png` and `tiff`: the encoding of the raw image
  and that of the stored one. A STORED that begins with `rgb` says that the publisher gave OpenCV
  RGB for BGR, so that red and blue are exchanged in the file. A Bayer mosaic is stored as it is
  where STORED is empty or the same mosaic; `mono8` says that it became grey before.
- `ENCODING; compressedDepth png`: 12 bytes, then a 16-bit PNG of millimetres (`16UC1`) or of
  quantized inverse depth (`32FC1`), whose two parameters are the last 8 of the 12 bytes.
"""

from dataclasses import dataclass
import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vlm_ros.errors import ImageError
from vlm_ros.images import raw
from vlm_ros.images.headers import check_whole, damaged, Header, PNG_SIGNATURE, read_header
from vlm_ros.images.raw import Buffer, Image

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_DEPTH_HEADER = struct.Struct('<iff')


@dataclass(frozen=True)
class Reduction:
    """How much smaller than stored a picture is decoded.

    Attributes:
        factor: 1, 2, 4 or 8.
        width: Of the stored picture, in pixels; the EXIF orientation is not applied.
        height: In pixels.
    """

    factor: int
    width: int
    height: int

    def scale(self, image: Image) -> tuple[float, float]:
        """Return the stored pixels in a pixel of the decoded image, along its width and height."""
        height, width = image.shape[:2]
        stored = (self.width, self.height)
        # The EXIF orientation may have turned it. Where both ways round give the same size, they
        # differ by less than one pixel of the decoded image.
        if tuple(-(-side // self.factor) for side in stored) != (width, height):
            stored = stored[::-1]
        return stored[0] / width, stored[1] / height


@dataclass(frozen=True)
class _Dialect:
    """What a format text says.

    Attributes:
        encoding: Of the raw image; empty where it is not said.
        transport: What made the message, such as `jpeg compressed` or `compressedDepth`.
        stored: The encoding of the stored picture; empty where it is not said.
    """

    encoding: str
    transport: str
    stored: str

    @classmethod
    def of(cls, text: str) -> '_Dialect':
        encoding, semicolon, rest = text.partition(';')
        if not semicolon:
            return cls('' if encoding not in raw.ENCODINGS else encoding, '', '')
        transport, compressed, stored = rest.partition('compressed ')
        return cls(encoding.strip(), (transport + compressed).strip(), stored.strip())

    @property
    def is_mosaic(self) -> bool:
        """Whether a grey picture holds the pixels of a Bayer sensor."""
        return self.encoding.startswith('bayer_') and self.stored in ('', self.encoding)

    @property
    def is_swapped(self) -> bool:
        """Whether red and blue are exchanged in the file."""
        return self.encoding.startswith(('rgb', 'bgr')) and self.stored.startswith('rgb')


def decode_compressed(data: Buffer, *, format: str = '', enough_px: int | None = None) -> Image:  # noqa: A002 - the name of the message's field
    """Return the image that a picture file or a `sensor_msgs/CompressedImage` holds.

    JPEG, PNG, WebP, BMP, TIFF, PPM and PGM. What the bytes are decides, not what `format` calls
    them: a JPEG that is called `png` is read as a JPEG. The EXIF orientation is applied, alpha is
    dropped, more than 8 bits are scaled down. Depth is stretched as `decode` does it.

    Args:
        data: The file.
        format: The message's field, see the module. Empty for a file.
        enough_px: The shorter side from which on a larger image shows no more. A JPEG is decoded
            at 1/2, 1/4 or 1/8 of its size as long as its shorter side stays as long as this;
            other pictures are decoded in full. None for the full size.

    Returns:
        `(H, W, 3)` uint8 RGB, C-contiguous.

    Raises:
        ImageError: Not a picture, a truncated or damaged one, one of more than `MAX_PIXELS` (the
            size is taken from the header, before any pixel is decoded), or a depth image that has
            no valid pixel or a compression that is not read.
    """
    dialect = _Dialect.of(format)
    file = raw.bytes_of(data)
    if _is_depth(file, dialect):
        return _decode_depth(file, dialect, format)
    header = _read(file, format)
    content = bytes(file)
    check_whole(content, header)
    unchanged = _unchanged(content, header, dialect)
    if unchanged is not None:
        return unchanged
    factor = _factor(header, dialect, enough_px)
    bgr = _imdecode(content, _REDUCED[factor])
    if dialect.is_swapped:
        return np.asarray(bgr, np.uint8)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), np.uint8)


def reduction(data: Buffer, *, format: str = '', enough_px: int | None) -> Reduction:  # noqa: A002 - see above
    """Return by how much `decode_compressed` reduces a picture, from its header alone.

    Raises:
        ImageError: As `decode_compressed` does for what the header tells.
    """
    dialect = _Dialect.of(format)
    file = raw.bytes_of(data)
    header = _read(file[_DEPTH_HEADER.size :] if _is_depth(file, dialect) else file, format)
    return Reduction(_factor(header, dialect, enough_px), header.width, header.height)


def _read(file: memoryview, text: str) -> Header:
    try:
        return read_header(file)
    except ImageError as error:
        if not text:
            raise
        raise ImageError(f'{error}; its format says {text!r}') from error


def _factor(header: Header, dialect: _Dialect, enough_px: int | None) -> int:
    if enough_px is None or header.scan is None or dialect.is_mosaic:
        return 1
    shorter_px = min(header.width, header.height)
    # The decoder rounds up.
    return next((f for f in (8, 4, 2) if -(-shorter_px // f) >= enough_px), 1)


def _imdecode(content: bytes | memoryview, flags: int) -> npt.NDArray[Any]:
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise damaged(content)
    return np.asarray(pixels)


def _unchanged(content: bytes, header: Header, dialect: _Dialect) -> Image | None:
    """Return the image of a mosaic or of stored depth; None for all that is brightness."""
    is_depth = dialect.encoding in ('16UC1', '32FC1') and header.scan is None
    if not (is_depth or dialect.is_mosaic):
        return None
    pixels = _imdecode(content, cv2.IMREAD_UNCHANGED)
    # Of a 16-bit mosaic, a JPEG holds 8.
    encoding = f'{dialect.encoding.rstrip("0123456789")}{8 * pixels.itemsize}'
    if is_depth:
        encoding = dialect.encoding
    if encoding not in raw.ENCODINGS or not raw.matches(pixels, encoding):
        return None
    return raw.to_rgb(pixels, encoding)


def _is_depth(file: memoryview, dialect: _Dialect) -> bool:
    """Whether a PNG comes behind the 12 bytes of compressed_depth_image_transport."""
    start = _DEPTH_HEADER.size
    if 'compressedDepth' in dialect.transport and file[:8] != PNG_SIGNATURE:
        return True
    return file[start : start + 8] == PNG_SIGNATURE


def _decode_depth(file: memoryview, dialect: _Dialect, text: str) -> Image:
    if dialect.transport.endswith('rvl'):
        raise ImageError(
            f'the format {text!r} is not read; set the format of the compressedDepth transport '
            'to png'
        )
    content = bytes(file[_DEPTH_HEADER.size :])
    check_whole(content, _read(memoryview(content), text))
    pixels = _imdecode(content, cv2.IMREAD_UNCHANGED)
    if not raw.matches(pixels, '16UC1'):
        raise ImageError(
            f'a compressed depth image is 16-bit grey, this is {pixels.shape} {pixels.dtype}'
        )
    if dialect.encoding != '32FC1':
        return raw.to_rgb(pixels, '16UC1')
    _, numerator, offset = _DEPTH_HEADER.unpack_from(file)
    levels = np.arange(65536, dtype=np.float32)
    with np.errstate(all='ignore'):
        depth_m = np.float32(numerator) / (levels - np.float32(offset))
        depth_m[~(depth_m > 0)] = np.nan
    depth_m[0] = np.nan  # not measured, or beyond the publisher's range
    return raw.to_rgb(depth_m[pixels], '32FC1')
