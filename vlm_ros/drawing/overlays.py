"""What was found, drawn into a copy of the image: boxes, names, a caption, a line of status.

supervision draws; it is imported at the first drawing, since that takes a second and most
processes never draw.
"""

from collections.abc import Sequence
from dataclasses import replace
import functools
from typing import TYPE_CHECKING
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from vlm_ros.boxes import clip_xyxy
from vlm_ros.drawing import fonts
from vlm_ros.drawing.placement import place_names
from vlm_ros.errors import ImageError
from vlm_ros.images import Image
from vlm_ros.results import Detections

if TYPE_CHECKING:
    import supervision

MAX_DRAWN = 100
"""Only the best-scoring boxes are drawn: more hide the image, and placing their names is slow."""

_MIN_FONT_PX = 11
"""Smaller letters cannot be read."""
_FONT_PX_PER_SCALE = 27
"""So that supervision's text scale, made for OpenCV's letters, gives a font of that height."""
_BAND_SHARE = 3
"""The caption's band takes at most this part (a third) of the height."""
_BAND_OPACITY = 0.7


def draw_detections(
    image: Image,
    detections: Detections,
    *,
    caption: str = '',
    status_line: str = '',
    scores: bool = True,
) -> Image:
    """Draw boxes with their names and scores, and text in a band at the bottom edge.

    A name has the same colour in every image. Sizes follow the resolution. Text is wrapped, and
    cut with an ellipsis where a third of the image is not enough for it.

    Args:
        image: `(H, W, 3)` uint8 RGB; left as it is.
        detections: In pixels of this image; boxes are clipped to it, and of more than `MAX_DRAWN`
            the best are drawn.
        caption: About the image.
        status_line: About the result, such as its age or why there is none; below the caption.
        scores: Whether scores stand behind the names.

    Returns:
        A new image of the same shape.

    Raises:
        ImageError: The image has another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ImageError(
            f'an image has shape (H, W, 3) and type uint8, got {image.shape} and {image.dtype}'
        )
    found = _best(detections, (image.shape[1], image.shape[0]))
    # supervision draws in OpenCV's order of colours; the conversion is also the copy.
    drawn = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    if found:
        _draw_boxes(drawn, found)
    canvas = Pillow.fromarray(cv2.cvtColor(drawn, cv2.COLOR_BGR2RGB, dst=drawn))
    band_px = 0
    if caption.strip() or status_line.strip():
        band_px = _draw_band(canvas, caption, status_line)
    if found:
        _draw_names(canvas, found, band_px, scores)
    return np.array(canvas, np.uint8)


def preload() -> None:
    """Load now what the first drawing would wait for: supervision takes a second or two."""
    blank = np.zeros((48, 64, 3), np.uint8)
    box = Detections(np.array([[8, 8, 40, 40]], np.float32), np.ones(1, np.float32), ('name',))
    draw_detections(blank, box, caption='caption')


def _best(detections: Detections, resolution_wh: tuple[int, int]) -> Detections:
    """Return what is drawn, best score first: inside the image, and not too many."""
    xyxy = clip_xyxy(detections.xyxy, resolution_wh)
    inside = np.all(np.hstack([xyxy[:, :2] < resolution_wh, xyxy[:, 2:] > 0]), axis=1)
    # Lines are drawn on the last pixel inside; our edges lie behind it.
    xyxy[:, 2:] = np.maximum(xyxy[:, 2:] - 1, xyxy[:, :2])
    return replace(detections, xyxy=xyxy)[inside].best(MAX_DRAWN)


def _draw_boxes(bgr: Image, found: Detections) -> None:
    import supervision as sv

    palette, _ = _palettes()
    thickness = sv.calculate_optimal_line_thickness((bgr.shape[1], bgr.shape[0]))
    # The best last, so that it lies on top.
    annotated = sv.Detections(found.xyxy[::-1].copy(), class_id=_class_ids(found.labels[::-1]))
    sv.BoxAnnotator(palette, thickness).annotate(bgr, annotated)


def _draw_names(canvas: Pillow.Image, found: Detections, band_px: int, scores: bool) -> None:
    import supervision as sv

    texts = [
        f'{label} {score:.2f}' if scores else label
        for label, score in zip(found.labels, found.scores.tolist(), strict=True)
    ]
    font_px = _font_px(canvas.size)
    padding = max(2, font_px // 4)
    path, texts = fonts.font_for(texts)
    texts = fonts.shorten(texts, ImageFont.truetype(path, font_px), canvas.width - 2 * padding)
    sizes_wh = fonts.sizes_wh(texts, ImageFont.truetype(path, font_px)) + 2 * padding
    places = place_names(found.xyxy, sizes_wh, (canvas.width, canvas.height - band_px))
    palette, text_palette = _palettes()
    annotator = sv.RichLabelAnnotator(
        palette,
        text_color=text_palette,
        font_path=path,
        font_size=font_px,
        text_padding=padding,
    )
    # It writes above a box's top left corner, so that is where a place has its bottom left.
    anchors = places[:, [0, 3, 2, 3]]
    annotator.annotate(canvas, sv.Detections(anchors, class_id=_class_ids(found.labels)), texts)


def _class_ids(labels: Sequence[str]) -> npt.NDArray[np.int_]:
    """Return a number for each label that is the same in every process: its place in a palette."""
    import supervision as sv

    colors = len(sv.ColorPalette.DEFAULT.colors)
    return np.array([zlib.crc32(label.encode()) % colors for label in labels], int)


@functools.cache
def _palettes() -> tuple['supervision.ColorPalette', 'supervision.ColorPalette']:
    """Return the colours of boxes, and for each black or white, whichever is legible on it."""
    import supervision as sv

    palette = sv.ColorPalette.DEFAULT
    texts = [
        sv.Color.BLACK if 0.299 * c.r + 0.587 * c.g + 0.114 * c.b > 140 else sv.Color.WHITE
        for c in palette.colors
    ]
    return palette, sv.ColorPalette(texts)


def _font_px(resolution_wh: tuple[int, int]) -> int:
    import supervision as sv

    scale = sv.calculate_optimal_text_scale(resolution_wh)
    return max(_MIN_FONT_PX, round(_FONT_PX_PER_SCALE * scale))


def _draw_band(canvas: Pillow.Image, caption: str, status_line: str) -> int:
    """Darken the bottom edge and write on it: the caption white, the status line grey.

    Returns:
        The band's height in pixels.
    """
    width, height = canvas.size
    font_px = _font_px(canvas.size)
    path, (caption, status_line) = fonts.font_for([caption, status_line])
    font = ImageFont.truetype(path, font_px)
    padding = max(2, font_px // 3)
    line_px = round(1.25 * font_px)
    room = max(1, (height // _BAND_SHARE - 2 * padding) // line_px)
    status = fonts.wrap(status_line, font, width - 2 * padding, 1)
    lines = fonts.wrap(caption, font, width - 2 * padding, max(1, room - len(status)))
    band_px = min(height, (len(lines) + len(status)) * line_px + 2 * padding)
    area = (0, height - band_px, width, height)
    behind = canvas.crop(area)
    band = Pillow.blend(behind, Pillow.new('RGB', behind.size), _BAND_OPACITY)
    draw = ImageDraw.Draw(band)
    for row, line in enumerate([*lines, *status]):
        color = (255, 255, 255) if row < len(lines) else (190, 190, 190)
        draw.text((padding, padding + row * line_px), line, color, font)
    canvas.paste(band, area)
    return band_px
