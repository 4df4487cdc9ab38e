"""Images for processors that keep their shape, strips of which they would make nothing."""

import math
from typing import Any

import cv2
import torch

from vlm_ros.backends.engine.work import check_image
from vlm_ros.tasks import Image

_LONGEST = 1333 / 800
"""Of the longer side against the shorter, beyond which ViLT's processor shrinks both; COCO's."""


def process_whole(processor: Any, image: Image) -> Any:
    """Return what a processor like ViLT's makes of an image, as tensors.

    It shrinks the longer side to 1.67 times `shortest_edge` and cuts both to multiples of
    `size_divisor`; of a strip of 20 to 1 nothing is left then, and the library fails.

    Args:
        processor: Has `size` with a shortest edge, and `size_divisor`.
        image: `(H, W, 3)` uint8 RGB.

    Raises:
        ImageError: It is not an image.
    """
    check_image(image)
    height, width = image.shape[:2]
    divisor = int(processor.size_divisor)
    most = int(_LONGEST * dict(processor.size)['shortest_edge']) / divisor
    if max(height, width) > most * min(height, width):
        least = math.ceil(max(height, width) / most)
        size_wh = max(width, least), max(height, least)
        image = cv2.resize(image, size_wh, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    elif not image.flags.writeable:
        image = image.copy()  # torch warns of arrays that it may not write into
    return processor(
        images=[torch.from_numpy(image).permute(2, 0, 1)],
        input_data_format='channels_first',
        return_tensors='pt',
    )
