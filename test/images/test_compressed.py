"""Compressed images: picture files, the dialects of image_transport, and what is refused."""

import array
import io
import random
import struct
import zlib

import cv2
import numpy as np
from PIL import Image as Pillow
import pytest
from skimage import data

from vlm_ros import images
from vlm_ros.errors import ImageError

PHOTO = np.ascontiguousarray(data.chelsea()[40:140, 100:250])
"""A cat's face, 150x100."""

WIDE = PHOTO.astype(np.uint16) * 257

GRAY = PHOTO[..., 1]


def picture(image, extension='.png', *options):
    """Return the file of an RGB or grey image."""
    stored = image[..., ::-1] if image.ndim == 3 else image
    return cv2.imencode(extension, stored, options)[1].tobytes()


def as_rgb(channel):
    return np.dstack([channel] * 3)


def off(image, expected):
    return np.abs(image.astype(int) - expected).mean()


# Files


@pytest.mark.parametrize('extension', ['.png', '.bmp', '.tiff', '.ppm'])
def test_lossless_pictures(extension):
    image = images.decode_compressed(picture(PHOTO, extension))
    assert image.flags.c_contiguous
    np.testing.assert_array_equal(image, PHOTO)


@pytest.mark.parametrize('extension', ['.jpg', '.webp'])
def test_lossy_pictures(extension):
    image = images.decode_compressed(array.array('B', picture(PHOTO, extension)))
    assert off(image, PHOTO) < 4


def test_gray_deep_and_transparent_pictures():
    np.testing.assert_array_equal(images.decode_compressed(picture(GRAY)), as_rgb(GRAY))
    deep = images.decode_compressed(picture(WIDE[..., 1]))
    assert np.abs(deep.astype(int) - as_rgb(GRAY)).max() <= 1
    transparent = io.BytesIO()
    Pillow.fromarray(np.dstack([PHOTO, GRAY])).save(transparent, 'png')
    np.testing.assert_array_equal(images.decode_compressed(transparent.getvalue()), PHOTO)


def with_orientation(orientation, image=PHOTO):
    photo = Pillow.fromarray(image)
    exif = photo.getexif()
    exif[0x0112] = orientation
    stored = io.BytesIO()
    photo.save(stored, 'jpeg', quality=95, exif=exif)
    return stored.getvalue()


TURNS = [(1, 0), (3, 2), (6, 3), (8, 1)]
"""EXIF orientations and the quarter turns that undo them."""


@pytest.mark.parametrize(('orientation', 'turns'), TURNS)
def test_exif_orientation_is_applied(orientation, turns):
    image = images.decode_compressed(with_orientation(orientation))
    turned = np.rot90(PHOTO, turns)
    assert image.shape == turned.shape
    assert off(image, turned) < 4


# The dialects of image_transport


@pytest.mark.parametrize(
    ('text', 'extension'),
    [
        ('jpeg', '.jpg'),
        ('jpg', '.jpg'),
        ('png', '.png'),
        ('rgb8; jpeg compressed bgr8', '.jpg'),
        ('bgr8; jpeg compressed bgr8', '.jpg'),
        ('rgba8; jpeg compressed bgr8', '.jpg'),
        ('bgra8; png compressed bgr8', '.png'),
        ('rgb16; png compressed bgr16', '.png'),
        ('bgr8; jpeg compressed ', '.jpg'),
        ('bgr8;jpeg compressed bgr8', '.jpg'),
        ('bgr8; tiff compressed ', '.tiff'),
        ('anything at all', '.png'),
        # Called what they are not.
        ('png', '.jpg'),
        ('bgr8; jpeg compressed bgr8', '.png'),
        ('mono8; jpeg compressed mono8', '.jpg'),
        ('bayer_rggb8; jpeg compressed bayer_rggb8', '.jpg'),
        ('16UC1; png compressed ', '.png'),
    ],
)
def test_color(text, extension):
    assert off(images.decode_compressed(picture(PHOTO, extension), format=text), PHOTO) < 4


@pytest.mark.parametrize('text', ['bgr8; jpeg compressed rgb8', 'rgb8; png compressed rgb8'])
@pytest.mark.parametrize('extension', ['.jpg', '.png'])
def test_exchanged_colors_are_exchanged_back(text, extension):
    stored = picture(PHOTO[..., ::-1], extension)
    image = images.decode_compressed(stored, format=text)
    assert image.flags.c_contiguous
    assert off(image, PHOTO) < 4
    assert off(images.decode_compressed(stored), PHOTO) > 10


@pytest.mark.parametrize(
    'text', ['mono8; jpeg compressed mono8', '8UC1; jpeg compressed ', 'mono16; png compressed ']
)
def test_gray(text):
    stored = picture(WIDE[..., 1]) if 'png' in text else picture(GRAY, '.jpg')
    assert off(images.decode_compressed(stored, format=text), as_rgb(GRAY)) < 4


@pytest.mark.parametrize(
    ('text', 'extension', 'bits'),
    [
        ('bayer_rggb8; png compressed ', '.png', 8),
        ('bayer_rggb16; png compressed ', '.png', 16),
        ('bayer_rggb8; jpeg compressed ', '.jpg', 8),
        ('bayer_rggb8; jpeg compressed bayer_rggb8', '.jpg', 8),
        ('bayer_rggb16; jpeg compressed bayer_rggb16', '.jpg', 8),
    ],
)
def test_mosaics(text, extension, bits):
    rgb = PHOTO if bits == 8 else WIDE
    mosaic = rgb[..., 1].copy()
    mosaic[::2, ::2] = rgb[::2, ::2, 0]
    mosaic[1::2, 1::2] = rgb[1::2, 1::2, 2]
    image = images.decode_compressed(picture(mosaic, extension), format=text, enough_px=10)
    assert image.shape == PHOTO.shape
    assert off(image, PHOTO) < 8
    blue_first = images.decode_compressed(
        picture(mosaic, extension), format=text.replace('rggb', 'bggr')
    )
    assert off(blue_first, PHOTO) > 16


def test_a_mosaic_that_became_gray_before_is_gray():
    image = images.decode_compressed(
        picture(GRAY, '.jpg'), format='bayer_rggb8; jpeg compressed mono8'
    )
    np.testing.assert_array_equal(image, as_rgb(image[..., 0]))


DEPTH_MM = np.array([[0, 500, 1500], [2500, 0, 500]], np.uint16)
DEPTH_M = np.where(DEPTH_MM, DEPTH_MM / 1e3, np.nan).astype(np.float32)
SHOWN = np.array([[0, 1, 128], [255, 0, 1]], np.uint8)


def compressed_depth(values, numerator=0.0, offset=0.0):
    return struct.pack('<iff', 0, numerator, offset) + picture(values)


@pytest.mark.parametrize(
    ('text', 'stored'),
    [
        ('16UC1; compressedDepth png', compressed_depth(DEPTH_MM, 7.5, np.nan)),
        ('16UC1; compressedDepth', compressed_depth(DEPTH_MM)),
        ('16UC1', compressed_depth(DEPTH_MM)),
        ('', compressed_depth(DEPTH_MM)),
        ('16UC1; compressedDepth png', picture(DEPTH_MM)),
        ('16UC1; png compressed ', picture(DEPTH_MM)),
        ('32FC1; tiff compressed ', picture(DEPTH_M, '.tiff')),
    ],
)
def test_depth(text, stored):
    np.testing.assert_array_equal(
        images.decode_compressed(stored, format=text, enough_px=1), as_rgb(SHOWN)
    )


def test_quantized_inverse_depth():
    # As the publisher's defaults have it: 10 m at most, quantization 100.
    numerator, depth_m = 100 * 101, DEPTH_MM / 1e3
    offset = 1 - numerator / 10
    with np.errstate(divide='ignore'):
        levels = np.where(DEPTH_MM, numerator / depth_m + offset, 0).astype(np.uint16)
    image = images.decode_compressed(
        compressed_depth(levels, numerator, offset), format='32FC1; compressedDepth png'
    )
    np.testing.assert_array_equal(image, as_rgb(SHOWN))


@pytest.mark.parametrize(
    ('stored', 'message'),
    [
        (compressed_depth(DEPTH_MM, np.nan, np.nan), 'no valid pixel'),
        (compressed_depth(DEPTH_MM, -1, 0), 'no valid pixel'),
        (compressed_depth(DEPTH_MM, np.inf, 0), 'no valid pixel'),
        (compressed_depth(np.zeros_like(DEPTH_MM), 1, 0), 'no valid pixel'),
        (compressed_depth(SHOWN, 1, 0), '16-bit grey, this is'),
        (compressed_depth(DEPTH_MM, 1, 0)[:-20], 'truncated or damaged'),
        (compressed_depth(DEPTH_MM, 1, 0)[:16], 'no picture of a known format'),
        (b'1234', 'the picture is empty'),
    ],
)
def test_bad_depth(stored, message):
    with pytest.raises(ImageError) as caught:
        images.decode_compressed(stored, format='32FC1; compressedDepth png')
    assert message in str(caught.value)


def test_rvl_is_refused_with_the_mend():
    with pytest.raises(ImageError, match='set the format of the compressedDepth transport to png'):
        images.decode_compressed(bytes(40), format='16UC1; compressedDepth rvl')


# Reduced sizes


def reduced(image, factor):
    """Return the mean of each block, where the last ones are filled up with the edge."""
    pad = [(0, -side % factor) for side in image.shape[:2]]
    filled = np.pad(image, [*pad, (0, 0)], 'edge')
    blocks = filled.reshape(len(filled) // factor, factor, -1, factor, 3)
    return blocks.mean(axis=(1, 3))


@pytest.mark.parametrize(
    ('enough_px', 'factor'),
    [(None, 1), (1000, 1), (100, 1), (51, 1), (50, 2), (26, 2), (25, 4), (14, 4), (13, 8), (1, 8)],
)
def test_a_jpeg_is_reduced_as_long_as_it_is_large_enough(enough_px, factor):
    content = picture(PHOTO, '.jpg')
    image = images.decode_compressed(content, enough_px=enough_px)
    assert image.shape == (-(-100 // factor), -(-150 // factor), 3)
    assert off(image, reduced(PHOTO, factor)) < 5
    reduction = images.reduction(content, enough_px=enough_px)
    assert reduction == images.Reduction(factor, 150, 100)
    assert reduction.scale(image) == (150 / image.shape[1], 100 / image.shape[0])


@pytest.mark.parametrize(('orientation', 'turns'), TURNS)
def test_a_reduced_jpeg_is_turned(orientation, turns):
    stored = PHOTO[:97, :149]
    content = with_orientation(orientation, stored)
    image = images.decode_compressed(content, enough_px=20)
    turned = np.rot90(reduced(stored, 4), turns)
    assert image.shape == turned.shape
    assert off(image, turned) < 5
    x, y = images.reduction(content, enough_px=20).scale(image)
    assert (x * image.shape[1], y * image.shape[0]) == np.rot90(stored, turns).shape[1::-1]


@pytest.mark.parametrize('extension', ['.png', '.bmp', '.webp'])
def test_other_pictures_are_not_reduced(extension):
    content = picture(PHOTO, extension)
    assert images.decode_compressed(content, enough_px=10).shape == PHOTO.shape
    assert images.reduction(content, enough_px=10).factor == 1


# What is refused


@pytest.mark.parametrize('extension', ['.jpg', '.png', '.webp', '.bmp', '.tiff'])
@pytest.mark.parametrize('share', [0.99, 0.5, 0.02])
@pytest.mark.parametrize('enough_px', [None, 20])
def test_truncated_pictures(extension, share, enough_px):
    whole = picture(PHOTO, extension)
    with pytest.raises(ImageError, match=r'truncated or damaged|no picture of a known format'):
        images.decode_compressed(whole[: int(len(whole) * share)], enough_px=enough_px)


def segment(marker, content):
    return marker + struct.pack('>H', len(content) + 2) + content


def test_a_truncated_jpeg_is_found_out_behind_its_thumbnail():
    whole = picture(PHOTO, '.jpg')
    thumbnail = picture(PHOTO[::5, ::5], '.jpg')
    whole = whole[:2] + segment(b'\xff\xe1', b'Exif\0\0' + thumbnail) + b'\xff' + whole[2:]
    assert images.decode_compressed(whole).shape == PHOTO.shape
    with pytest.raises(ImageError, match='truncated or damaged'):
        images.decode_compressed(whole[:-100])


def png(width, height, rows, *chunks):
    """Return a PNG that claims a size and holds some bytes of rows."""

    def chunk(name, content):
        body = name + content
        return struct.pack('>I', len(content)) + body + struct.pack('>I', zlib.crc32(body))

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    return (
        b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + b''.join(chunk(*c) for c in chunks)
        + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
    )  # fmt: skip


def jpeg(width, height):
    """Return a JPEG whose header claims a size."""
    whole = bytearray(picture(PHOTO, '.jpg'))
    at = whole.index(b'\xff\xc0') + 5
    whole[at : at + 4] = struct.pack('>HH', height, width)
    return bytes(whole)


@pytest.mark.parametrize('enough_px', [None, 1])
@pytest.mark.parametrize(
    'content',
    [
        png(8001, 8000, bytes(100)),
        png(100_000, 100_000, bytes(100)),
        png(2**31 - 1, 2**31 - 1, bytes(100)),
        jpeg(65_535, 65_535),
        jpeg(65_000, 1000),
        b'P6 100000 100000 255\n' + bytes(100),
        b'BM' + bytes(12) + struct.pack('<IiiHHI', 40, 100_000, 100_000, 1, 24, 0) + bytes(100),
    ],
)
@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_absurd_sizes_are_refused_before_decoding(content, enough_px, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match='more than 64 megapixels'):
        images.decode_compressed(content, enough_px=enough_px)
    depth = bytes(12) + content
    with pytest.raises(ImageError, match='more than 64 megapixels'):
        images.decode_compressed(depth, format='16UC1; compressedDepth png')


def test_a_png_with_fewer_bytes_than_its_pixels_take_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match='truncated or damaged'):
        images.decode_compressed(png(8000, 8000, bytes(100)))


@pytest.mark.parametrize('name', [b'tEXt', b'IDAT', b'acTL', b'fcTL', b'zzZz'])
@pytest.mark.parametrize('length', [100, 2**31 - 1, 2**32 - 1])
def test_a_png_chunk_that_ends_behind_the_file_is_refused_before_decoding(
    name, length, monkeypatch
):
    monkeypatch.setattr(cv2, 'imdecode', None)
    whole = png(10, 10, bytes(310))
    chunk = struct.pack('>I', length) + name + bytes(8)
    with pytest.raises(ImageError, match='truncated or damaged'):
        images.decode_compressed(whole[:33] + chunk + whole[33:])


def tiled_tiff(side):
    """Return a grey 48x32 TIFF with tiles of that side."""
    tags = {256: 48, 257: 32, 258: 8, 259: 1, 262: 1, 277: 1, 322: side, 323: side, 324: 200}
    tags[325] = side * side
    entries = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags.items())
    head = b'II*\0' + struct.pack('<IH', 8, len(tags)) + entries + bytes(4)
    return head.ljust(200, b'\0') + bytes(min(side * side, 4096)).replace(b'\0', b'\x80')


def test_a_tiff_with_a_tile_far_larger_than_itself_is_refused_before_decoding(monkeypatch):
    image = images.decode_compressed(tiled_tiff(64))
    np.testing.assert_array_equal(image, np.full((32, 48, 3), 128))
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match='truncated or damaged'):
        images.decode_compressed(tiled_tiff(16_000))


def test_an_animation_is_its_first_picture():
    frames = [Pillow.fromarray(PHOTO), Pillow.fromarray(PHOTO[::-1])]
    stored = io.BytesIO()
    frames[0].save(stored, 'png', save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.decode_compressed(stored.getvalue()), PHOTO)


def test_the_smallest_that_pixels_can_be_packed_into_is_decoded():
    black = np.zeros((1000, 1000, 3), np.uint8)
    content = picture(black, '.png', cv2.IMWRITE_PNG_COMPRESSION, 9)
    assert len(content) < black.nbytes / 500
    np.testing.assert_array_equal(images.decode_compressed(content), black)


def test_what_a_small_png_holds_besides_is_not_unpacked():
    rows = (b'\0' + bytes(range(30))) * 10
    expected = images.decode_compressed(png(10, 10, rows))
    image = images.decode_compressed(png(10, 10, rows + bytes(10**7)))
    np.testing.assert_array_equal(image, expected)
    packed = zlib.compress(bytes(10**8))
    for name, keyword in ((b'zTXt', b'text\0\0'), (b'iCCP', b'profile\0\0')):
        content = png(10, 10, rows, (name, keyword + packed))
        np.testing.assert_array_equal(images.decode_compressed(content), expected)


def test_a_jpeg_with_two_frame_headers_is_refused():
    whole = picture(PHOTO, '.jpg')
    at = whole.index(b'\xff\xc0')
    large = segment(b'\xff\xc0', struct.pack('>BHHBBBBBBBBBB', 8, 9000, 9000, 3, *[1, 17, 0] * 3))
    small = whole[at : at + 19]
    for content in (whole[:at] + large + whole[at:], whole[:2] + small + whole[2:]):
        with pytest.raises(ImageError, match='truncated or damaged'):
            images.decode_compressed(content)


def test_a_jpeg_of_too_many_scans_is_refused(monkeypatch):
    stored = io.BytesIO()
    Pillow.fromarray(PHOTO).save(stored, 'jpeg', progressive=True)
    whole = stored.getvalue()
    assert images.decode_compressed(whole).shape == PHOTO.shape
    last = whole[whole.rindex(b'\xff\xda') : -2]
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match='scans, more than 100'):
        images.decode_compressed(whole[:-2] + last * 100 + whole[-2:])


def test_a_picture_that_is_two_at_once_has_the_size_of_the_one_that_is_decoded():
    both = picture(PHOTO, '.jpg') + picture(np.zeros((9, 9, 3), np.uint8))
    assert images.decode_compressed(both).shape == PHOTO.shape


@pytest.mark.parametrize(
    ('content', 'text', 'message'),
    [
        (b'', '', 'the picture is empty'),
        (
            b'hello, world',
            '',
            "the 12 bytes are no picture of a known format (they start b'hello, w')",
        ),
        (bytes(1000), '', 'no picture of a known format'),
        (b'\0\0\0\x01\x67' + bytes(95), 'h264', "its format says 'h264'"),
        ([1, 2], 'jpeg', 'contiguous bytes, got list'),
    ],
)
def test_no_pictures(content, text, message):
    for look in (images.decode_compressed, images.reduction):
        with pytest.raises(ImageError) as caught:
            look(content, format=text, enough_px=1)
        assert message in str(caught.value)
        assert '\n' not in str(caught.value)


# Whatever comes


FORMATS = (
    '', 'jpeg', 'png', 'bgr8; jpeg compressed rgb8', 'bayer_rggb8; png compressed ',
    'bayer_gbrg16; jpeg compressed ', '16UC1; compressedDepth png', '32FC1; compressedDepth png',
    '32FC1; tiff compressed ', '16UC1; compressedDepth rvl', '16UC1; png compressed ', ';', '; ;',
    'bayer_; png', '\0',
)  # fmt: skip

SEEDS = (
    picture(PHOTO[:20, :30], '.jpg'),
    with_orientation(6, PHOTO[:20, :30]),
    picture(PHOTO[:20, :30], '.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    picture(PHOTO[:20, :30]),
    picture(WIDE[:20, :30, 0]),
    picture(PHOTO[:20, :30], '.webp'),
    picture(PHOTO[:20, :30], '.bmp'),
    picture(PHOTO[:20, :30], '.tiff'),
    picture(PHOTO[:20, :30, 0].astype(np.float32), '.tiff'),
    picture(PHOTO[:20, :30], '.ppm'),
    compressed_depth(WIDE[:20, :30, 0], 10_100, -1000),
)


def mutated(rng, content):
    """Return a file with a few of its bytes changed, cut, doubled or put elsewhere."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        # Headers are at the start, and are what decides.
        at = rng.randrange(min(len(content), rng.choice([40, 700, 10**6])) + 1)
        length = rng.choice([1, 2, 4, 30])
        kind = rng.randrange(5)
        if kind == 0:
            content[at : at + length] = rng.randbytes(length)
        elif kind == 1:
            content[at : at + length] = rng.choice([b'\0', b'\xff', b'\x7f']) * length
        elif kind == 2:
            del content[at : at + length]
        elif kind == 3:
            content[at:at] = content[at : at + 10 * length]
        else:
            del content[at:]
            content += rng.choice([b'', b'\xff\xd9', rng.randbytes(length)])
    return bytes(content)


def check_all(seed, count):
    """Decode mutated files and return how many could be."""
    rng = random.Random(seed)
    decoded = 0
    for _ in range(count):
        content = mutated(rng, rng.choice(SEEDS))
        text, enough_px = rng.choice(FORMATS), rng.choice([None, 1, 10, 20])
        try:
            image = images.decode_compressed(content, format=text, enough_px=enough_px)
            x, y = images.reduction(content, format=text, enough_px=enough_px).scale(image)
        except ImageError:
            continue
        assert image.dtype == np.uint8 and image.shape[2:] == (3,) and image.size
        assert image.shape[0] * image.shape[1] * x * y <= images.MAX_PIXELS * 1.001
        decoded += 1
    return decoded


@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_whatever_comes_is_an_image_or_an_image_error():
    decoded = check_all(seed=1, count=1500)
    assert 100 < decoded < 1400


def test_any_raw_fields_are_an_image_or_an_image_error():
    rng = random.Random(2)
    decoded = 0
    for _ in range(3000):
        encoding = rng.choice((*images.ENCODINGS, *images.FALLBACK_ENCODINGS, 'rgb', '', 'é'))
        width, height = (rng.choice([0, 1, 2, 3, 4, 7, 8, 8, 8, 2**31]) for _ in 'wh')
        step = rng.choice([0, 1, width, width * 2, width * 3, width * 4, width * 8 + 1, 2**32 - 1])
        try:
            image = images.decode(
                rng.randbytes(rng.choice([0, 1, 63, 64, 256, 1000])),
                width=width,
                height=height,
                encoding=encoding,
                step=step,
                is_bigendian=rng.random() < 0.5,
            )
        except ImageError:
            continue
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        decoded += 1
    assert 100 < decoded < 2900
