"""SAM (arXiv 2304.02643) and SAM 2 (2408.00714) on single images: masks for boxes.

Nearly all of the time goes into encoding the image, so the last images stay encoded, and all
boxes of an image go through the small decoder together.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoImageProcessor, Sam2Model, SamModel

from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.work import check_image, TorchBackend
from vlm_ros.backends.families.sam3 import MODEL_TYPES as SAM_3_TYPES
from vlm_ros.backends.families.sam3 import Sam3Backend
from vlm_ros.backends.families.sam_pixels import shrunk
from vlm_ros.boxes import clip_xyxy
from vlm_ros.errors import BackendError
from vlm_ros.results import Detections, Masks
from vlm_ros.tasks import Image, Ticket

MODELS = {'sam': SamModel, 'sam2': Sam2Model}
BOXES_IN_ONE_PASS = 64
"""Of the decoder; the ticket is looked at between passes."""
MASKS_AT_ONCE = 8
"""Masks that are made as large as the image together: of 1080p, 66 MB in float32."""
MAX_IMAGES = 4
"""Images that stay encoded; 4 MB each for SAM, 17 MB for SAM 2."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """An image as the decoder takes it.

    Attributes:
        embeddings: One tensor, or one a level.
        shown_hw: Height and width of the image in the input, before it is padded.
    """

    embeddings: torch.Tensor | list[torch.Tensor]
    shown_hw: tuple[int, int]


def load_sam(
    *,
    device: str = 'auto',
    model: str = '',
    dtype: str = 'auto',
    preprocess: str = 'fast',
    threads: int = 0,
) -> 'SamBackend | Sam3Backend':
    """Load SAM, SAM 2 or SAM 3, which differ in their tasks; for the options see the classes."""
    types = (*MODELS, *SAM_3_TYPES)
    kind = open_checkpoint(model, backend='sam', model_types=types).model_type
    make = Sam3Backend if kind in SAM_3_TYPES else SamBackend
    return make(device=device, model=model, dtype=dtype, preprocess=preprocess, threads=threads)


class SamBackend(TorchBackend):
    """Segmentation by boxes: one mask a box, however many.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `sam` or `sam2`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it, for encoding images only: boxes and
            masks stay float32, because bfloat16 has 8 bits for a coordinate up to 1024.
        preprocess: `fast`, which shrinks the image as bytes first, or `exact` for what the
            processor itself makes.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        threads: int = 0,
    ) -> None:
        if preprocess not in ('fast', 'exact'):
            raise BackendError(f'preprocess must be fast or exact, got {preprocess!r}')
        checkpoint = open_checkpoint(model, backend='sam', model_types=tuple(MODELS))
        super().__init__('sam', checkpoint, device=device, dtype=dtype, threads=threads)
        self._is_exact = preprocess == 'exact'
        self._model = load_model(
            MODELS[checkpoint.model_type],
            checkpoint,
            device=self.torch_device,
            dtype=torch.float32,
        )
        self._processor = load_processor(AutoImageProcessor, checkpoint)
        size = dict(self._processor.size)
        self._longest = int(size.get('longest_edge') or 0)
        self._input_hw = int(size.get('height') or 0), int(size.get('width') or 0)
        self.enough_px = None if self._is_exact else max(self._longest, *self._input_hw)
        self._seen: RecentImages[Encoded] = RecentImages(MAX_IMAGES)

    def segment(self, image: Image, boxes: Detections, *, ticket: Ticket | None = None) -> Masks:
        """Cut out what the boxes hold; a mask's score is the overlap the model expects of it."""
        height, width = image.shape[:2]
        with self.at_work(ticket) as ticket:
            check_image(image)
            ticket.check()
            xyxy = clip_xyxy(boxes.xyxy, (width, height))
            masks = np.zeros((len(boxes), height, width), bool)
            scores = np.zeros(len(boxes), np.float32)
            if len(boxes):
                encoded = self._seen.get(image, self._encode)
                ticket.check()
                scale = np.array(encoded.shown_hw[::-1] * 2) / np.array([width, height] * 2)
                prompts = torch.from_numpy((xyxy * scale).astype(np.float32))
                for start in range(0, len(boxes), BOXES_IN_ONE_PASS):
                    part = slice(start, start + BOXES_IN_ONE_PASS)
                    made = self._decode(encoded, prompts[part], (height, width), ticket)
                    masks[part], scores[part] = made
        return Masks(masks, replace(boxes, xyxy=xyxy, scores=scores))

    def release_memory(self) -> None:
        """Forget the images that were seen, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._seen.clear()
        super().release_memory()

    def _encode(self, image: Image) -> Encoded:
        shown = image if self._is_exact else shrunk(image, self._shown_hw(image))
        made = self._processor(
            images=[torch.tensor(shown).permute(2, 0, 1)],
            input_data_format='channels_first',
            return_tensors='pt',
        )
        reduced = self.dtype != torch.float32
        with torch.autocast(self.torch_device.type, self.dtype, enabled=reduced):
            embeddings = self._model.get_image_embeddings(
                made['pixel_values'].to(self.torch_device, torch.float32)
            )
        return Encoded(_as_float32(embeddings), self._shown_hw(image))

    def _decode(
        self,
        encoded: Encoded,
        prompts: torch.Tensor,
        size_hw: tuple[int, int],
        ticket: Ticket,
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float32]]:
        """Return masks `(N, H, W)` and scores `(N,)` for boxes `(N, 4)` of the input."""
        ticket.check()
        # A box leaves little doubt of what is meant: one mask, as the authors use it, instead of
        # the three for a point.
        outputs = self._model(
            image_embeddings=encoded.embeddings,
            input_boxes=prompts[None].to(self.torch_device),
            multimask_output=False,
        )
        scores = outputs.iou_scores[0, :, 0].float().clamp(0, 1).cpu().numpy()
        masks = [
            mask
            for some in outputs.pred_masks[0].split(MASKS_AT_ONCE)
            for mask in self._enlarged(some.float(), encoded, size_hw, ticket)
        ]
        return np.stack(masks), scores

    def _enlarged(
        self, masks: torch.Tensor, encoded: Encoded, size_hw: tuple[int, int], ticket: Ticket
    ) -> Iterable[npt.NDArray[np.bool_]]:
        ticket.check()
        padded = {'reshaped_input_sizes': [encoded.shown_hw]} if self._longest else {}
        made: Any = self._processor.post_process_masks([masks], [size_hw], **padded)
        found: npt.NDArray[np.bool_] = made[0][:, 0].cpu().numpy()
        return found

    def _shown_hw(self, image: Image) -> tuple[int, int]:
        """Return height and width of the image in the input."""
        if not self._longest:
            return self._input_hw
        height, width = image.shape[:2]
        scale = self._longest * 1.0 / max(height, width)
        # As the processor rounds; where it rounds a very narrow image away, it fails.
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _as_float32(embeddings: Any) -> torch.Tensor | list[torch.Tensor]:
    if isinstance(embeddings, torch.Tensor):
        return embeddings.float()
    return [each.float() for each in embeddings]
