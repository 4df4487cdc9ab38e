"""The colour of what a box holds, in the words that all languages with enough of them share.

The eleven basic colour terms are those of B. Berlin and P. Kay (Basic Color Terms, 1969). A pixel
gets its term by lightness, chroma and hue in CIELAB. The borders between the terms follow the
names that people gave to colours on their screens in a large survey (xkcd, 2010, CC0): of its 510
names that end in a basic term, from `dark sage green` to `reddish pink`, 92 % fall on the right
side. Where no one term stands out for the object as a whole, as on a zebra, there is no colour
rather than a wrong one. Lamps and cameras that tint the whole picture are not corrected for.
"""

import contextlib

import cv2
import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray
from vlm_ros.spatial import Box
from vlm_ros.tasks import Image

TERMS = (
    'white', 'black', 'grey', 'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink',
    'brown',
)  # fmt: skip
"""The eleven basic colour terms."""
DOMINANT_SHARE = 0.4
"""What part of an object has the colour that the whole is called by."""
MINOR_SHARE = 0.2
"""What part of an object may have a colour that it is not called by, if another dominates."""
TRACE_SHARE = 0.05
"""What part of an object may have a colour that it is surely not called by."""
OTHER_WORDS = {
    'gray': ('grey',), 'crimson': ('red',), 'navy': ('blue',), 'violet': ('purple',),
    'lilac': ('purple', 'pink'), 'magenta': ('pink', 'purple'), 'maroon': ('red', 'brown'),
    'tan': ('brown',), 'beige': ('brown', 'yellow', 'white'), 'golden': ('yellow', 'orange'),
    'gold': ('yellow', 'orange'), 'silver': ('grey', 'white'), 'teal': ('green', 'blue'),
    'turquoise': ('green', 'blue'), 'cyan': ('blue', 'green'), 'blond': ('yellow', 'brown'),
    'blonde': ('yellow', 'brown'),
}  # fmt: skip
"""What other colour words come under."""
_SIDE_PX = 96
"""What boxes are scaled down to: details change no colour."""
_MARGIN = 0.2
"""What is looked at around a box for its background, as a part of its sides."""
_ROUNDS = 2
"""Rounds of GrabCut; up to eight made no colour of a sample photograph clearer."""
_LIKE_BACKGROUND = 0.9
"""By how much a colour that all of the background has counts less."""
_NEUTRAL = 0.4
"""What white, black and grey count beside colours: a red car has tyres, windows and highlights."""
_LEAST_PART = 0.1
"""Less of a box than this is no object: then the cut went wrong."""
_CLUSTERS = 8
_LEAST_LIT = 0.1
"""What part of an object must be in the light for the rest to count as its shaded side."""
_DARKEST = 0.45
"""The least part of the light that still falls on a shaded side."""
_SAME_PROPORTIONS = 0.05
_JITTER = 4.0
"""How far from a border, in units of CIELAB, a colour begins to count for both sides."""


def shares(image: Image, box: Box) -> FloatArray:
    """Return what part of the object in a box has which of the `TERMS`.

    The object is told from its background by GrabCut (C. Rother et al., 2004), which was made for
    boxes: what lies around the box is background, and so is what is like it inside. Its pixels
    make a few clusters, so that noise and shading do not scatter one paint over several terms.
    Since no cut is perfect, terms of the background count less, and so do neutral ones, which
    most things have besides their colour.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        box: `(4,)` left, top, right, bottom in pixels.

    Returns:
        `(11,)` float32 that sum to 1; all 0 for a box without pixels in the image.
    """
    inside, around = _object_pixels(image, box)
    if not len(inside):
        return np.zeros(len(TERMS), np.float32)
    centres, sizes = _clusters(_lab(inside))
    centres = centres[_lit(centres, sizes)]
    offsets = np.stack(np.meshgrid(*[[-_JITTER, 0, _JITTER]] * 3), axis=-1).reshape(-1, 3)
    near = (centres[:, None] + offsets).reshape(-1, 3).astype(np.float32)
    found = np.bincount(terms_of(near), np.repeat(sizes, len(offsets)), len(TERMS))
    background = np.bincount(terms_of(_lab(around)), minlength=len(TERMS)) / max(1, len(around))
    neutral = np.isin(TERMS, ('white', 'black', 'grey'))
    counted = found * (1 - _LIKE_BACKGROUND * background) * np.where(neutral, _NEUTRAL, 1.0)
    return np.asarray(counted / counted.sum(), np.float32)


def dominant(parts: FloatArray) -> str | None:
    """Return the term that an object as a whole is called by; None where none stands out."""
    best = int(parts.argmax())
    return TERMS[best] if parts[best] >= DOMINANT_SHARE else None


def terms_meant(word: str) -> tuple[str, ...]:
    """Return the terms that a colour word, such as `red` or `dark turquoise`, comes under."""
    if ' and ' in word:
        return ()
    last = word.rsplit(' ', 1)[-1]
    return (last,) if last in TERMS else OTHER_WORDS.get(last, ())


def is_coloured(parts: FloatArray, word: str) -> tuple[bool | None, float]:
    """Tell whether an object is called by a colour word, and how sure that is.

    Args:
        parts: What `shares` returns.
        word: Such as `red`. That a thing is `crimson` or `dark blue` can be ruled out, but pixels
            under an unknown light do not tell it from red or blue.

    Returns:
        The truth, None where pixels cannot tell, and its confidence in [0, 1].
    """
    terms = terms_meant(word)
    if not terms or not parts.any():
        return None, 0.0
    share = min(1.0, float(sum(parts[TERMS.index(term)] for term in terms)))
    if share >= DOMINANT_SHARE:
        return (True, share) if word in (*TERMS, 'gray') else (None, 0.0)
    if share < TRACE_SHARE or (dominant(parts) and share < MINOR_SHARE):
        return False, 1 - share
    return None, 0.0


_Pixels = npt.NDArray[np.uint8]


def _object_pixels(image: Image, box: Box) -> tuple[_Pixels, _Pixels]:
    """Return pixels `(N, 3)` of the object in a box, and those around it; scaled down."""
    height, width = image.shape[:2]
    left, top = np.maximum(np.floor(box[:2]), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(box[2:]), (width, height)).astype(int).tolist()
    if right <= left or bottom <= top:
        return np.zeros((0, 3), np.uint8), np.zeros((0, 3), np.uint8)
    margin = (round(_MARGIN * (right - left)), round(_MARGIN * (bottom - top)))
    x, y = max(0, left - margin[0]), max(0, top - margin[1])
    view = image[y : bottom + margin[1], x : right + margin[0]]
    scale = min(1.0, _SIDE_PX / max(view.shape[:2]))
    size_wh = [max(1, round(side * scale)) for side in (view.shape[1], view.shape[0])]
    small = np.asarray(cv2.resize(view, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    inner = [round(edge * scale) for edge in (left - x, top - y, right - x, bottom - y)]
    column = slice(min(inner[0], size_wh[0] - 1), max(inner[2], inner[0] + 1))
    row = slice(min(inner[1], size_wh[1] - 1), max(inner[3], inner[1] + 1))
    mask = np.zeros(small.shape[:2], np.uint8)
    mask[row, column] = cv2.GC_PR_FGD
    around = small[mask == cv2.GC_BGD]
    _cut_out(small, mask)
    inside = small[row, column]
    kept = (mask[row, column] == cv2.GC_PR_FGD) & _ellipse(*inside.shape[:2])
    if kept.sum() < _LEAST_PART * kept.size:
        kept = _ellipse(*inside.shape[:2])
    return inside[kept], around


def _lab(pixels: _Pixels) -> FloatArray:
    if not len(pixels):
        return np.zeros((0, 3), np.float32)
    rgb = pixels[None].astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[0], np.float32)


def _ellipse(height: int, width: int) -> npt.NDArray[np.bool_]:
    """Make the mask of an ellipse that fills a box: in the corners is mostly background."""
    y, x = (np.abs(2 * np.arange(side) + 1 - side) / side for side in (height, width))
    mask: npt.NDArray[np.bool_] = np.hypot(y[:, None], x[None]) <= 1
    return mask


def _cut_out(image: Image, mask: npt.NDArray[np.uint8]) -> None:
    """Mark what is background inside the box that a mask has; in place."""
    if (mask == cv2.GC_PR_FGD).mean() > 0.95 or mask.size < 100:
        return  # nothing, or next to nothing, shows what the background is like
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    with contextlib.suppress(cv2.error):  # too few colours to model
        cv2.grabCut(
            image, mask, (0, 0, 1, 1), background, foreground, _ROUNDS, cv2.GC_INIT_WITH_MASK
        )


def _clusters(lab: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the centres `(K, 3)` of a few clusters and the part of the pixels in each, `(K,)`."""
    count = min(_CLUSTERS, len(np.unique(lab, axis=0)))
    if count == 1:  # of a single pixel OpenCV makes three of one dimension
        return lab[:1], np.ones(1, np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    cv2.setRNGSeed(0)
    first = np.zeros((len(lab), 1), np.int32)
    _, labels, centres = cv2.kmeans(lab, count, first, criteria, 1, cv2.KMEANS_PP_CENTERS)
    sizes = np.bincount(np.asarray(labels).ravel(), minlength=count) / len(lab)
    return np.asarray(centres, np.float32), sizes.astype(np.float32)


def _lit(centres: FloatArray, sizes: FloatArray) -> npt.NDArray[np.intp]:
    """Return for each cluster the one that it is the shaded side of, or itself.

    Shade scales linear light and leaves the proportions of red, green and blue: the grey side of
    a white box is white.
    """
    rgb = cv2.cvtColor(centres[None], cv2.COLOR_Lab2RGB)[0].clip(0, 1)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear.sum(axis=1)
    proportions = linear / np.maximum(light, 1e-6)[:, None]
    found = np.arange(len(centres))
    brightest = [i for i in np.argsort(-light, kind='stable') if sizes[i] >= _LEAST_LIT]
    for i in found:
        alike = np.abs(proportions - proportions[i]).max(axis=1) <= _SAME_PROPORTIONS
        shade = light[i] / np.maximum(light, 1e-6)
        found[i] = next((j for j in brightest if alike[j] and _DARKEST <= shade[j] <= 1), i)
    return found


def terms_of(lab: FloatArray) -> npt.NDArray[np.intp]:
    """Return the index in `TERMS` of each colour.

    Args:
        lab: `(N, 3)` float32 CIELAB: lightness in [0, 100], a, b.
    """
    lightness, a, b = lab.T
    chroma = np.hypot(a, b)
    hue = np.degrees(np.arctan2(b, a)) % 360
    hue = np.where(hue >= 320, hue - 360, hue)
    # Pure blue bends towards purple in CIELAB, the more the stronger it is.
    purple = np.where(chroma < 60, 301, 308)
    # In order: the first condition that holds names the colour.
    rules = [
        ((lightness < 14) & (chroma < 18), 'black'),
        ((lightness < 20) & (chroma < 10), 'black'),
        ((lightness >= 88) & (chroma < 8), 'white'),
        ((lightness >= 93) & (chroma < 13), 'white'),
        (chroma < 12, 'grey'),
        ((chroma < 18) & (lightness < 75) & (hue > 73), 'grey'),
        ((hue < 0) & (lightness >= 50), 'pink'),
        ((hue < 0), 'purple'),
        ((hue < 15) & (lightness >= 48), 'pink'),
        ((hue < 15) & (chroma >= 30), 'red'),
        ((hue < 44) & (lightness >= 60) & ((chroma < 62) | (hue < 36)), 'pink'),
        ((hue < 44) & (lightness >= 60), 'orange'),
        ((hue < 42) & (chroma >= 42), 'red'),
        ((hue < 47) & (chroma >= 42) & (lightness < 47), 'red'),
        ((hue < 42), 'brown'),
        ((hue < 76) & (chroma >= 56) & (lightness >= 47), 'orange'),
        ((hue < 58) & (chroma >= 42) & (lightness >= 49), 'orange'),
        ((hue < 60) & (chroma < 38) & (lightness >= 66), 'pink'),
        ((hue < 76) & (chroma >= 38) & (lightness >= 67), 'orange'),
        ((hue < 76), 'brown'),
        ((hue < 98) & (lightness < 70), 'brown'),
        ((hue < 98), 'yellow'),
        ((hue < 115) & (lightness >= 75) & (chroma >= 45), 'yellow'),
        ((hue < 175), 'green'),
        ((hue < purple), 'blue'),
    ]
    named = [TERMS.index(name) for _, name in rules]
    found: npt.NDArray[np.intp] = np.select(
        [holds for holds, _ in rules], named, TERMS.index('purple')
    )
    return found
