"""Raw images: every encoding, against plain numpy and against cv_bridge."""

import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from skimage import data

from vlm_ros import images
from vlm_ros.errors import ImageError
from vlm_ros.images import raw

PHOTO = np.ascontiguousarray(data.chelsea()[40:140, 100:250])
"""A cat's face, 150x100."""


def fields(pixels, encoding, *, padding=0, big=False):
    """Return `decode`'s arguments for `(rows, W)` or `(rows, W, C)` numbers."""
    pixels = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder('>' if big else '<')))
    rows = pixels.reshape(len(pixels), -1).view(np.uint8)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=171)
    return {
        'data': padded.tobytes(),
        'width': pixels.shape[1],
        'height': len(pixels),
        'encoding': encoding,
        'step': padded.shape[1],
        'is_bigendian': big,
    }


def with_alpha(rgb):
    return np.dstack([rgb, np.full(rgb.shape[:2], 7, rgb.dtype)])


def gray(rgb):
    return rgb[..., 1]


def as_rgb(channel):
    return np.dstack([channel] * 3)


WIDE = PHOTO.astype(np.uint16) * 257
"""The photograph in 16 bits, every value of which comes back exactly."""

EXACT = {
    'rgb8': (PHOTO, PHOTO),
    'bgr8': (PHOTO[..., ::-1], PHOTO),
    'rgba8': (with_alpha(PHOTO), PHOTO),
    'bgra8': (with_alpha(PHOTO[..., ::-1]), PHOTO),
    'mono8': (gray(PHOTO), as_rgb(gray(PHOTO))),
    '8UC1': (gray(PHOTO), as_rgb(gray(PHOTO))),
    '8UC3': (PHOTO[..., ::-1], PHOTO),
    '8UC4': (with_alpha(PHOTO[..., ::-1]), PHOTO),
    'rgb16': (WIDE, PHOTO),
    'bgr16': (WIDE[..., ::-1], PHOTO),
    'rgba16': (with_alpha(WIDE), PHOTO),
    'bgra16': (with_alpha(WIDE[..., ::-1]), PHOTO),
    'mono16': (gray(WIDE), as_rgb(gray(PHOTO))),
}
"""The encodings that lose nothing: what is sent, what comes back."""

BAYER = {'rggb': (0, 0), 'bggr': (1, 1), 'gbrg': (1, 0), 'grbg': (0, 1)}
"""Row and column of the first red pixel."""


def mosaic(rgb, first_red):
    """Keep of every pixel the one colour that a sensor with that pattern measures."""
    red_y, red_x = first_red
    bayer = rgb[..., 1].copy()
    bayer[red_y::2, red_x::2] = rgb[red_y::2, red_x::2, 0]
    bayer[1 - red_y :: 2, 1 - red_x :: 2] = rgb[1 - red_y :: 2, 1 - red_x :: 2, 2]
    return bayer


def yuv444(rgb):
    """Video-range BT.601, float `(H, W, 3)`."""
    rgb = rgb.astype(float)
    matrix = np.array(
        [[65.481, 128.553, 24.966], [-37.797, -74.203, 112], [112, -93.786, -18.214]]
    )
    return rgb @ matrix.T / 255 + [16, 128, 128]


def subsampled(name, rgb):
    """Return the rows of a YUV image whose colour is constant over each 2x2 block."""
    yuv = np.rint(yuv444(rgb)).astype(np.uint8)
    y, u, v = yuv[..., 0], yuv[:, ::2, 1], yuv[:, ::2, 2]
    if name in ('nv12', 'nv21'):
        chroma = np.stack([u, v] if name == 'nv12' else [v, u], axis=-1)[::2]
        return np.vstack([y, chroma.reshape(len(y) // 2, -1)])
    both = np.stack([u, v], axis=-1).reshape(y.shape)
    return np.dstack([both, y] if name in ('uyvy', 'yuv422') else [y, both])


BLOCKS = PHOTO[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)


def test_every_encoding_is_tested():
    yuv = {'uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21'}
    bayer = {f'bayer_{pattern}{bits}' for pattern in BAYER for bits in (8, 16)}
    assert set(images.ENCODINGS) == {*EXACT, '16UC1', '32FC1', *yuv, *bayer}
    assert not set(images.ENCODINGS) & set(images.FALLBACK_ENCODINGS)


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 1, 10])
@pytest.mark.parametrize('encoding', EXACT)
def test_exact_encodings(encoding, padding, big):
    sent, expected = EXACT[encoding]
    image = images.decode(**fields(sent, encoding, padding=padding, big=big))
    assert image.dtype == np.uint8 and image.flags.c_contiguous
    np.testing.assert_array_equal(image, expected)


def test_sixteen_bits_are_rounded_to_eight():
    values = np.array([[0, 128, 129, 257, 65406, 65407, 65535]], np.uint16)
    image = images.decode(**fields(values, 'mono16'))
    np.testing.assert_array_equal(image[0, :, 0], [0, 0, 1, 1, 254, 255, 255])


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('pattern', BAYER)
def test_bayer(pattern, bits, padding):
    sent = mosaic(PHOTO if bits == 8 else WIDE, BAYER[pattern])
    image = images.decode(**fields(sent, f'bayer_{pattern}{bits}', padding=padding, big=True))
    # Interpolation blurs; a pattern taken for another is seven times as far off.
    assert np.abs(image.astype(int) - PHOTO).mean() < 6


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('encoding', ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21'])
def test_yuv(encoding, padding):
    message = fields(subsampled(encoding, BLOCKS), encoding, padding=padding)
    message |= {'width': BLOCKS.shape[1], 'height': BLOCKS.shape[0]}
    image = images.decode(**message)
    assert image.flags.c_contiguous
    assert np.abs(image.astype(int) - BLOCKS).max() <= 4


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('padding', [0, 1, 6])
@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_depth_is_stretched_over_what_was_measured(encoding, padding, big):
    if encoding == '16UC1':
        depth = np.array([[0, 500, 1500], [2500, 0, 500]], np.uint16)
    else:
        depth = np.array([[np.nan, 0.5, 1.5], [2.5, np.inf, 0.5]], np.float32)
    image = images.decode(**fields(depth, encoding, padding=padding, big=big))
    np.testing.assert_array_equal(image, as_rgb(np.array([[0, 1, 128], [255, 0, 1]], np.uint8)))


@pytest.mark.parametrize(
    'depth',
    [
        np.array([[-3e38, 0, 3e38, -np.inf]], np.float32),
        np.array([[-2, -1, 0, np.nan]], np.float32),
    ],
)
def test_depth_of_any_magnitude(depth):
    image = images.decode(**fields(depth, '32FC1'))
    np.testing.assert_array_equal(image[0, :, 0], [1, 128, 255, 0])


def test_depth_that_is_the_same_everywhere_is_still_told_from_nothing():
    image = images.decode(**fields(np.array([[2, np.nan]], np.float32), '32FC1'))
    assert image[0, 0, 0] > image[0, 1, 0] == 0


@pytest.mark.parametrize(
    ('encoding', 'depth'),
    [
        ('32FC1', np.full((4, 5), np.nan, np.float32)),
        ('32FC1', np.full((4, 5), np.inf, np.float32)),
        ('16UC1', np.zeros((4, 5), np.uint16)),
    ],
)
def test_depth_with_nothing_measured(encoding, depth):
    with pytest.raises(ImageError, match=f'5x4 {encoding} image has no valid pixel'):
        images.decode(**fields(depth, encoding))


@pytest.mark.parametrize('make', [bytes, bytearray, memoryview, lambda b: array.array('B', b)])
@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8'])
def test_every_kind_of_buffer(make, encoding):
    message = fields(*(EXACT[encoding][0], encoding))
    message['data'] = make(message['data'])
    np.testing.assert_array_equal(images.decode(**message), PHOTO)


def test_unpadded_rgb8_is_not_copied():
    message = fields(PHOTO, 'rgb8')
    message['data'] = array.array('B', message['data'])
    assert np.shares_memory(images.decode(**message), np.frombuffer(message['data'], np.uint8))


def test_trailing_bytes_are_ignored_and_the_last_padding_may_be_missing():
    message = fields(PHOTO, 'bgr8', padding=16)
    rows = message['data']
    for sent in (rows[:-16], rows + b'trailing'):
        np.testing.assert_array_equal(images.decode(**message | {'data': sent}), PHOTO[..., ::-1])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'encoding': 'rgb888'}, "unknown encoding 'rgb888'; did you mean 'rgb8'?"),
        ({'encoding': 'RGB8'}, "unknown encoding 'RGB8'"),
        ({'encoding': ''}, "unknown encoding ''; known are rgb8, "),
        ({'encoding': '64FC1'}, "encoding '64FC1' needs cv_bridge"),
        ({'data': b''}, '150x100 rgb8 with step 450 takes 45000 bytes, got 0'),
        ({'data': bytes(44_999)}, 'takes 45000 bytes, got 44999'),
        ({'data': [1, 2, 3]}, 'must be contiguous bytes, got list'),
        ({'width': 0}, 'no pixels: it is 0x100'),
        ({'height': 0}, 'no pixels: it is 150x0'),
        ({'height': -1}, 'no pixels'),
        ({'step': 449}, 'step 449 is smaller than a row: 150 rgb8 pixels take 450 bytes'),
        ({'step': 0}, 'step 0 is smaller'),
        ({'width': 2**32 - 1, 'height': 2**32 - 1}, 'more than 64 megapixels'),
        ({'encoding': 'uyvy', 'width': 149}, 'uyvy needs an even width, got 149x100'),
        ({'encoding': 'nv12', 'height': 99}, 'nv12 needs an even width and height, got 150x99'),
        ({'encoding': 'bayer_rggb8', 'height': 2}, 'at least 3 pixels a side, got 150x2'),
    ],
)
def test_bad_fields(change, message):
    with pytest.raises(ImageError) as caught:
        images.decode(**fields(PHOTO, 'rgb8') | change)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('encoding', images.ENCODINGS)
def test_one_byte_too_few(encoding):
    channels = raw._LAYOUTS[encoding].channels
    message = fields(np.ones((6, 8, channels), raw._LAYOUTS[encoding].dtype), encoding)
    if encoding in ('nv12', 'nv21'):
        message['height'] = 4
    assert images.decode(**message).shape == (message['height'], 8, 3)
    message['data'] = message['data'][:-1]
    with pytest.raises(ImageError, match='truncated'):
        images.decode(**message)


def test_the_fallback_is_asked_only_for_the_rest():
    def fail():
        raise AssertionError('asked')

    message = fields(PHOTO, 'rgb8')
    images.decode(**message, fallback=fail)
    with pytest.raises(ImageError, match='unknown encoding'):
        images.decode(**message | {'encoding': 'nonsense'}, fallback=fail)
    image = images.decode(**message | {'encoding': 'nv24'}, fallback=lambda: PHOTO[..., ::-1])
    np.testing.assert_array_equal(image, PHOTO[..., ::-1])
    assert image.flags.c_contiguous
    with pytest.raises(ImageError, match=r"'nv24' came out of the fall-back as \(100, 150\)"):
        images.decode(**message | {'encoding': 'nv24'}, fallback=lambda: gray(PHOTO))


@pytest.mark.parametrize(
    'encoding',
    [
        'rgb8',
        'bgr8',
        'rgba8',
        'bgra8',
        'mono8',
        'bayer_rggb8',
        'bayer_bggr8',
        'bayer_gbrg8',
        'yuv422',
    ],
)
def test_against_cv_bridge(encoding):
    bridge = pytest.importorskip('cv_bridge', exc_type=ImportError).CvBridge()
    if encoding.startswith('bayer'):
        message = fields(mosaic(PHOTO, BAYER[encoding[6:10]]), encoding)
    elif encoding == 'yuv422':
        message = fields(subsampled(encoding, BLOCKS), encoding)
    else:
        message = fields(EXACT[encoding][0], encoding)
    try:
        expected = bridge.imgmsg_to_cv2(SimpleNamespace(**message), 'rgb8')
    except KeyError:
        pytest.skip(f'this cv_bridge does not know {encoding}')
    except (TypeError, cv2.error) as error:
        # Release 1.13 counts channels in OpenCV 4's way.
        if int(cv2.__version__.split('.')[0]) < 5:
            raise
        pytest.skip(
            f'this cv_bridge cannot read {encoding} under OpenCV {cv2.__version__}: {error}'
        )
    np.testing.assert_array_equal(images.decode(**message), expected)


# Encoding


@pytest.mark.parametrize('encoding', ['rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8'])
def test_encode_and_decode(encoding):
    encoded = images.encode(PHOTO, encoding)
    filled = array.array('B')
    filled.frombytes(encoded)
    image = images.decode(
        filled,
        width=150,
        height=100,
        encoding=encoding,
        step=len(encoded) // 100,
        is_bigendian=False,
    )
    expected = PHOTO if encoding != 'mono8' else as_rgb(cv2.cvtColor(PHOTO, cv2.COLOR_RGB2GRAY))
    np.testing.assert_array_equal(image, expected)


def test_rgb8_is_encoded_without_a_copy():
    assert np.shares_memory(np.frombuffer(images.encode(PHOTO), np.uint8), PHOTO)


def test_encode_takes_what_is_not_contiguous():
    assert bytes(images.encode(PHOTO[:, ::-1])) == PHOTO[:, ::-1].tobytes()


@pytest.mark.parametrize(
    ('image', 'encoding', 'message'),
    [
        (PHOTO, 'jpeg', "cannot encode to 'jpeg'; choose from rgb8, bgr8"),
        (gray(PHOTO), 'rgb8', 'got (100, 150) and uint8'),
        (PHOTO / 255, 'rgb8', 'got (100, 150, 3) and float64'),
        (PHOTO[:0], 'rgb8', 'got (0, 150, 3) and uint8'),
    ],
)
def test_what_cannot_be_encoded(image, encoding, message):
    with pytest.raises(ImageError) as caught:
        images.encode(image, encoding)
    assert message in str(caught.value)
