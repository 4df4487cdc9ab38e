"""Weather over a picture: light, fog, rain and a sensor's noise. The same seed gives the same."""

import cv2
import numpy as np
import numpy.typing as npt

Rgb = npt.NDArray[np.uint8]
AIR = (200.0, 205.0, 210.0)
"""What a ray of light that never ends in fog looks like."""


def dim(image: Rgb, light: float) -> Rgb:
    """Return a picture with so much of its light; 1 leaves it."""
    return _pixels(image * np.float64(light))


def fog(image: Rgb, depth_m: npt.NDArray[np.float32], visibility_m: float) -> Rgb:
    """Put fog into a picture, by Koschmieder's law.

    The meteorological visibility is where 5 % of the contrast is left (WMO-No. 8, chapter 9), so
    the extinction is ln(20) / visibility.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        depth_m: `(H, W)`.
        visibility_m: As above.
    """
    kept = np.exp(-np.log(20) / visibility_m * depth_m.astype(np.float64))[..., None]
    return _pixels(image * kept + np.array(AIR) * (1 - kept))


def rain(image: Rgb, streaks: int, seed: int) -> Rgb:
    """Draw streaks of rain, all slanted alike."""
    random = np.random.default_rng(seed)
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.uint8)
    slant = random.uniform(-0.3, 0.3)
    for x, y, length in random.uniform((0, 0, 8), (width, height, 22), (streaks, 3)):
        end = (int(x + slant * length), int(y + length))
        cv2.line(layer, (int(x), int(y)), end, 110, 1, cv2.LINE_AA)
    return _pixels(image + layer[..., None] * 0.7)


def noise(image: Rgb, sigma: float, seed: int) -> Rgb:
    """Add Gaussian noise of so many grey levels."""
    random = np.random.default_rng(seed)
    return _pixels(image + random.normal(0, sigma, image.shape))


def _pixels(values: npt.NDArray[np.float64]) -> Rgb:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
