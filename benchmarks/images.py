"""What reading and filling an image costs, beside cv_bridge's Python.

Run as `python -m benchmarks.images [--json]`. The picture is a photograph scaled to 1920x1080,
each figure the median of the repetitions on one OpenCV thread, the messages unpadded and little
endian (cv_bridge handles nothing else). No baseline means that the cv_bridge at hand cannot read
the encoding, or that there is none. Of the figures that name a shorter side which is enough, the
baseline is the full size.
"""

import argparse
import array
from collections.abc import Callable
import json
import statistics
import time
from types import SimpleNamespace

import cv2
import numpy as np
from skimage import data

from vlm_ros import images

RESOLUTION_WH = (1920, 1080)
RESOLUTION_4K_WH = (3840, 2160)
ENOUGH_PX = 480
REPETITIONS = 30


def messages(rgb: images.Image) -> dict[str, SimpleNamespace]:
    """Return the fields of a message for each encoding measured."""
    green = rgb[..., 1]
    pixels = {
        'rgb8': rgb,
        'bgr8': rgb,
        'rgba8': np.dstack([rgb, green]),
        'bgra8': np.dstack([rgb, green]),
        'mono8': green,
        'mono16': green.astype(np.uint16) * 257,
        'rgb16': rgb.astype(np.uint16) * 257,
        '16UC1': green.astype(np.uint16) * 20,
        '32FC1': green.astype(np.float32) / 50,
        'bayer_rggb8': green,
        'uyvy': np.dstack([green, green]),
        'nv12': np.vstack([green, green[::2]]),
    }
    width, height = RESOLUTION_WH
    return {
        encoding: SimpleNamespace(
            data=array.array('B', values.tobytes()),
            width=width,
            height=height,
            encoding=encoding,
            step=values.nbytes // len(values),
            is_bigendian=False,
        )
        for encoding, values in pixels.items()
    }


def median_ms(work: Callable[[], object]) -> float:
    """Time `work`, warm."""
    work()
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def cv_bridge_ms(message: SimpleNamespace) -> float | None:
    """Time cv_bridge on the same message; None where it cannot."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        return median_ms(lambda: bridge.imgmsg_to_cv2(message, 'rgb8'))
    except Exception:  # noqa: BLE001 - it fails in many ways, and all of them mean no baseline
        return None


def resize_ms(content: bytes) -> float:
    """Time decoding in full and shrinking to what is enough."""

    def work() -> None:
        image = images.decode_compressed(content)
        size = (ENOUGH_PX * image.shape[1] // image.shape[0], ENOUGH_PX)
        cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    return median_ms(work)


def reduced_rows(rgb: images.Image) -> list[tuple[str, float, float | None]]:
    """Measure how much it saves to decode no more than is enough."""
    rows: list[tuple[str, float, float | None]] = []
    for name, size in (('1080p', RESOLUTION_WH), ('4K', RESOLUTION_4K_WH)):
        bgr = cv2.resize(rgb, size)[..., ::-1]
        for extension in ('jpg', 'png'):
            content = cv2.imencode(f'.{extension}', bgr)[1].tobytes()
            full = median_ms(lambda content=content: images.decode_compressed(content))
            enough = median_ms(
                lambda content=content: images.decode_compressed(content, enough_px=ENOUGH_PX)
            )
            rows.append((f'decode {extension}, {ENOUGH_PX} px enough, {name}', enough, full))
            rows.append((f'decode {extension}, then shrink, {name}', resize_ms(content), full))
    return rows


def measure() -> list[dict[str, object]]:
    """Measure everything: one row a figure."""
    cv2.setNumThreads(1)
    rgb = np.asarray(cv2.resize(data.astronaut(), RESOLUTION_WH), np.uint8)
    rows = []
    for encoding, message in messages(rgb).items():
        value = median_ms(lambda message=message: images.decode(**vars(message)))
        rows.append((f'decode {encoding}', value, cv_bridge_ms(message)))
    padded = messages(rgb)['rgb8']
    padded.step += 64
    padded.data = array.array('B', np.pad(rgb.reshape(1080, -1), ((0, 0), (0, 64))).tobytes())
    rows.append(('decode rgb8, padded', median_ms(lambda: images.decode(**vars(padded))), None))
    for extension in ('jpg', 'png'):
        content = cv2.imencode(f'.{extension}', rgb[..., ::-1])[1].tobytes()
        value = median_ms(lambda content=content: images.decode_compressed(content))
        rows.append((f'decode {extension}', value, None))
    for encoding in ('rgb8', 'bgr8', 'mono8'):
        value = median_ms(
            lambda encoding=encoding: array.array('B').frombytes(images.encode(rgb, encoding))
        )
        rows.append((f'encode {encoding} and fill', value, None))
    rows = [(f'{name}, 1080p', value, baseline) for name, value, baseline in rows]
    return [
        {
            'name': name,
            'value': round(value, 4),
            'unit': 'ms',
            'baseline': None if baseline is None else round(baseline, 4),
            'ratio': None if baseline is None else round(baseline / value, 2),
        }
        for name, value, baseline in [*rows, *reduced_rows(rgb)]
    ]


def main() -> None:
    """Print the figures, as a table or as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--json', action='store_true', help='one JSON object a line')
    as_json = parser.parse_args().json
    for row in measure():
        if as_json:
            print(json.dumps(row))
            continue
        beside = f'   baseline {row["baseline"]:8.3f} ms' if row['baseline'] else ''
        print(f'{row["name"]:38} {row["value"]:8.3f} ms{beside}')


if __name__ == '__main__':
    main()
