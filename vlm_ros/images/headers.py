"""What the first bytes of a picture file say, read before anything is decoded.

JPEG and PNG, which cameras send, are read here: Pillow and the decoders do not agree on every
damaged header, and a size that is not the one decoded later protects nothing.
"""

from dataclasses import dataclass
import io

from vlm_ros.errors import ImageError
from vlm_ros.images.raw import check_size, MAX_PIXELS

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_JPEG_SIGNATURE = b'\xff\xd8\xff'

_OTHER_FORMATS = ('WEBP', 'BMP', 'TIFF', 'PPM')
"""Pillow's names of what is read besides."""

_TILE_WIDTH, _TILE_LENGTH = 322, 323
_MAX_SPARE_TILE = 1024 * 1024
"""Pixels. A tile may be larger than the TIFF it is in, as sizes of tiles are multiples of 16."""

_MAX_SCANS = 100
"""A progressive JPEG has about ten; each goes over the whole image and may take a few bytes."""

_SMALLEST_DEFLATED = 1 / 1032
"""Deflate makes nothing smaller than this."""

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type."""


@dataclass(frozen=True)
class Header:
    """What a picture file starts with.

    Attributes:
        width: In pixels, as stored: the EXIF orientation is not applied.
        height: In pixels.
        scan: Where a JPEG's first scan starts; None for another format.
    """

    width: int
    height: int
    scan: int | None = None


def read_header(content: memoryview) -> Header:
    """Return the header of a JPEG, PNG, WebP, BMP, TIFF, PPM or PGM file.

    Raises:
        ImageError: Another format, a header that is damaged or cut off, no pixels or more than
            `MAX_PIXELS`.
    """
    if not content:
        raise ImageError('the picture is empty: it has no bytes')
    if content[:3] == _JPEG_SIGNATURE:
        header = _read_jpeg(content)
    elif content[:8] == PNG_SIGNATURE:
        header = _read_png(content)
    else:
        header = _read_other(content)
    check_size(header.width, header.height)
    return header


def check_whole(content: bytes, header: Header) -> None:
    """Refuse what a decoder would fill up with grey, or take gigabytes or for ever to read.

    OpenCV 4.6, which Ubuntu 24.04 has, fills the missing part of a truncated JPEG with grey and
    says nothing, and half a frame must not pass for a frame. The end marker is looked for behind
    the start of the scan, since the thumbnail in the EXIF block has one of its own. Of a PNG
    chunk, OpenCV 4.14 believes the length, and allocates up to 4 GiB for a file of 100 bytes.

    Raises:
        ImageError: A JPEG without its end marker or with too many scans, a PNG with a chunk that
            ends behind the file or with fewer bytes than its pixels can be packed into.
    """
    if header.scan is not None:
        if content.rfind(b'\xff\xd9') <= header.scan:
            raise damaged(content)
        scans = content.count(b'\xff\xda', header.scan)
        if scans > _MAX_SCANS:
            raise ImageError(f'the JPEG has {scans} scans, more than {_MAX_SCANS}')
    elif content.startswith(PNG_SIGNATURE):
        bits = content[24] * _PNG_CHANNELS.get(content[25], 1)
        packed = header.width * header.height * bits / 8 * _SMALLEST_DEFLATED
        if packed > len(content) or not _chunks_fit(content):
            raise damaged(content)


def damaged(content: bytes | memoryview) -> ImageError:
    """Return the error of a picture that is not whole."""
    return ImageError(
        f'the picture cannot be decoded: its {len(content)} bytes are truncated or damaged'
    )


def _read_jpeg(content: memoryview) -> Header:
    size = None
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        length = int.from_bytes(content[position + 2 : position + 4], 'big')
        if marker == 0xFF:  # padding between segments
            position += 1
            continue
        if marker == 0xDA:
            if size is None:
                break
            return Header(*size, scan=position)
        if length < 2 or marker in (0xD8, 0xD9):
            break
        # The frame header; 0xC4, 0xC8 and 0xCC lie among its numbers and are something else.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if size is not None:
                break
            height = int.from_bytes(content[position + 5 : position + 7], 'big')
            size = (int.from_bytes(content[position + 7 : position + 9], 'big'), height)
        position += 2 + length
    raise damaged(content)


def _read_png(content: memoryview) -> Header:
    if len(content) < 33 or bytes(content[8:16]) != b'\0\0\0\x0dIHDR':
        raise damaged(content)
    return Header(
        int.from_bytes(content[16:20], 'big'),
        int.from_bytes(content[20:24], 'big'),
    )


def _chunks_fit(png: bytes) -> bool:
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(png):
        if png[position + 4 : position + 8] == b'IEND':
            return True
        # A length, a name and a checksum stand around what is in a chunk.
        position += 12 + int.from_bytes(png[position : position + 4], 'big')
    return False


def _read_other(content: memoryview) -> Header:
    from PIL import Image as Pillow  # here, because camera images never need it

    try:
        with Pillow.open(io.BytesIO(content), formats=_OTHER_FORMATS) as picture:
            header = Header(*picture.size)
            tags = getattr(picture, 'tag_v2', {})
            tile = int(tags.get(_TILE_WIDTH, 0)) * int(tags.get(_TILE_LENGTH, 0))
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise ImageError(
            f'the image has more than {MAX_PIXELS // 1_000_000} megapixels'
        ) from error
    except Exception as error:  # each of Pillow's readers raises its own on damaged headers
        raise ImageError(
            f'the {len(content)} bytes are no picture of a known format '
            f'(they start {bytes(content[:8])!r})'
        ) from error
    # OpenCV allocates a whole tile, up to 1 GiB of it, however small the image.
    if tile > max(header.width * header.height, _MAX_SPARE_TILE):
        raise damaged(content)
    return header
