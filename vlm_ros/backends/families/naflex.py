"""Images to what SigLIP 2 NaFlex (arXiv 2502.14786) takes: patches of an image in its own shape.

The image is made as large as its budget of patches allows, with sides that are multiples of a
patch; what remains of the budget is padding.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from transformers.models.siglip2.image_processing_siglip2 import (
    get_image_size_for_max_num_patches,
)

from vlm_ros.backends.engine.work import check_image
from vlm_ros.errors import BackendError
from vlm_ros.tasks import Image


class NaflexPixels:
    """Makes what the vision tower takes as the model's image processor describes it.

    Args:
        processor: A `Siglip2ImageProcessor`.
        preprocess: `fast` resizes bytes; `exact` is what the processor itself makes.

    Raises:
        BackendError: `preprocess` is neither.
    """

    def __init__(self, processor: Any, *, preprocess: str = 'fast') -> None:
        if preprocess not in ('fast', 'exact'):
            raise BackendError(f'preprocess must be fast or exact, got {preprocess!r}')
        self._processor = processor
        self._is_exact = preprocess == 'exact'

    def __call__(
        self, images: Sequence[Image], *, device: torch.device, dtype: torch.dtype
    ) -> dict[str, torch.Tensor]:
        """Return `pixel_values`, `pixel_attention_mask` and `spatial_shapes` of N images.

        Raises:
            ImageError: One is not an image.
        """
        for image in images:
            check_image(image)
        small = list(images) if self._is_exact else [self._small(image) for image in images]
        made = self._processor(
            images=[torch.from_numpy(image.copy()).permute(2, 0, 1) for image in small],
            input_data_format='channels_first',
            return_tensors='pt',
            do_resize=self._is_exact,
        )
        return {
            name: values.to(device, dtype if values.is_floating_point() else None)
            for name, values in made.items()
        }

    def _small(self, image: Image) -> Image:
        height, width = get_image_size_for_max_num_patches(
            image_height=image.shape[0],
            image_width=image.shape[1],
            patch_size=self._processor.patch_size,
            max_num_patches=self._processor.max_num_patches,
        )
        shrinks = height <= image.shape[0] and width <= image.shape[1]
        # The mean over all pixels: without it, what shrinks by more than 2 is sampled, not seen.
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(image, (width, height), interpolation=method)
        return np.asarray(small, np.uint8)
