"""SAM 3 (arXiv 2511.16719) on single images: boxes and masks of every thing that a name names.

The image is encoded once and stays so, names are encoded once a vocabulary; each name is then a
pass of the detector's transformer, because the model looks for one concept at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoImageProcessor, AutoTokenizer, Sam3Model
from transformers.modeling_outputs import BaseModelOutputWithPooling

from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.recent import Recent, RecentImages
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.backends.families.sam_pixels import shrunk
from vlm_ros.boxes import clip_xyxy, FloatArray
from vlm_ros.errors import BackendError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Masks
from vlm_ros.tasks import Image, Ticket

MODEL_TYPES = ('sam3', 'sam3_video')
"""The second is what one checkpoint for images and videos calls itself; its detector is taken."""
NAMES_IN_ONE_PASS = 16
"""Of the text tower; the ticket is looked at between passes."""
MASKS_AT_ONCE = 8
"""Masks that are made as large as the image together: of 1080p, 66 MB in float32."""
MASK_THRESHOLD = 0.5
"""What a pixel of a mask must reach; the library's."""
MAX_VOCABULARIES = 8
MAX_IMAGES = 2
"""Images that stay encoded; about 110 MB each."""


@dataclass(frozen=True)
class Concepts:
    """What to look for.

    Attributes:
        texts: For each name its features, as the model takes them, and their mask `(1, T)`.
        names: As many names.
        unreadable: Names that are too long for the text tower.
    """

    texts: tuple[tuple[Any, torch.Tensor], ...]
    names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finds:
    """What one name was found as: boxes `(N, 4)` of the image, scores and small masks."""

    xyxy: FloatArray
    scores: FloatArray
    logits: torch.Tensor


class Sam3Backend(TorchBackend):
    """Open-vocabulary detection and segmentation, one mask a thing.

    A score is that of the thing times that of the name being in the image at all.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `sam3` or `sam3_video`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it, for encoding images only.
        preprocess: `fast`, which shrinks the image as bytes first, or `exact` for what the
            processor itself makes.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.3
    """What a score must exceed where the caller does not say; the library's."""

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
        checkpoint = open_checkpoint(model, backend='sam', model_types=MODEL_TYPES)
        super().__init__('sam', checkpoint, device=device, dtype=dtype, threads=threads)
        self._is_exact = preprocess == 'exact'
        self._model = load_model(
            Sam3Model, checkpoint, device=self.torch_device, dtype=torch.float32
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._processor = load_processor(AutoImageProcessor, checkpoint)
        size = dict(self._processor.size)
        self._input_hw = int(size['height']), int(size['width'])
        self.enough_px = None if self._is_exact else max(self._input_hw)
        self._concepts: Recent[Concepts] = Recent(MAX_VOCABULARIES)
        self._seen: RecentImages[Any] = RecentImages(MAX_IMAGES)

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names; what one name finds does not depend on the others."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            concepts = self._encode(vocabulary, ticket)
            finds = list(self._look(image, concepts, threshold, ticket))
            return _together(finds, concepts).best(sum(len(find.scores) for find in finds))

    def segment_phrases(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Masks:
        """Cut out each thing that a name of the vocabulary names."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        height, width = image.shape[:2]
        with self.at_work(ticket) as ticket:
            concepts = self._encode(vocabulary, ticket)
            finds = list(self._look(image, concepts, threshold, ticket))
            detections = _together(finds, concepts)
            masks = np.zeros((len(detections), height, width), bool)
            logits = [mask for find in finds for mask in find.logits]
            for start in range(0, len(logits), MASKS_AT_ONCE):
                ticket.check()
                part = slice(start, start + MASKS_AT_ONCE)
                masks[part] = _enlarged(torch.stack(logits[part]), (height, width))
        order = np.argsort(-detections.scores, kind='stable')
        return Masks(masks[order], detections[order])

    def release_memory(self) -> None:
        """Forget images and names that were seen, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._concepts.clear()
            self._seen.clear()
        super().release_memory()

    def _encode(self, vocabulary: Vocabulary, ticket: Ticket) -> Concepts:
        return self._concepts.get(
            vocabulary.vocabulary_id, lambda: self._read(vocabulary.names, ticket)
        )

    def _read(self, names: Sequence[str], ticket: Ticket) -> Concepts:
        limit = self._model.config.text_config.max_position_embeddings
        lengths = [len(ids) for ids in self._tokenizer(list(names))['input_ids']]
        readable = [name for name, length in zip(names, lengths, strict=True) if length <= limit]
        texts = []
        for start in range(0, len(readable), NAMES_IN_ONE_PASS):
            ticket.check()
            tokens = self._tokenizer(
                readable[start : start + NAMES_IN_ONE_PASS],
                padding='max_length',
                max_length=limit,
                return_tensors='pt',
            ).to(self.torch_device)
            ids, mask = tokens['input_ids'], tokens['attention_mask']
            features = self._model.get_text_features(ids, mask)
            for index in range(len(ids)):
                one = slice(index, index + 1)
                text = BaseModelOutputWithPooling(pooler_output=features.pooler_output[one])
                texts.append((text, mask[one]))
        unreadable = tuple(name for name in names if name not in readable)
        return Concepts(tuple(texts), tuple(readable), unreadable)

    def _look(
        self, image: Image, concepts: Concepts, threshold: float, ticket: Ticket
    ) -> Iterator[Finds]:
        """Yield what each name was found as."""
        ticket.check()
        seen = self._seen.get(image, self._encode_image)
        height, width = image.shape[:2]
        for text, mask in concepts.texts:
            ticket.check()
            outputs = self._model(vision_embeds=seen, text_embeds=text, attention_mask=mask)
            scores = outputs.pred_logits[0].sigmoid() * outputs.presence_logits[0].sigmoid()
            kept = scores > threshold
            boxes = outputs.pred_boxes[0][kept].float().cpu().numpy()
            xyxy = clip_xyxy(boxes * np.array([width, height] * 2, np.float32), (width, height))
            yield Finds(xyxy, scores[kept].float().cpu().numpy(), outputs.pred_masks[0][kept])

    def _encode_image(self, image: Image) -> Any:
        shown = image if self._is_exact else shrunk(image, self._input_hw)
        made = self._processor(
            images=[torch.tensor(shown).permute(2, 0, 1)],
            input_data_format='channels_first',
            return_tensors='pt',
        )
        reduced = self.dtype != torch.float32
        with torch.autocast(self.torch_device.type, self.dtype, enabled=reduced):
            seen = self._model.get_vision_features(made['pixel_values'].to(self.torch_device))
        seen.fpn_hidden_states = tuple(level.float() for level in seen.fpn_hidden_states)
        return seen


def _together(finds: Sequence[Finds], concepts: Concepts) -> Detections:
    nothing = np.zeros((0, 4), np.float32)
    labels = [name for name, find in zip(concepts.names, finds, strict=True) for _ in find.scores]
    return Detections(
        np.concatenate([nothing, *(find.xyxy for find in finds)]),
        np.concatenate([nothing[:, 0], *(find.scores for find in finds)]),
        tuple(labels),
        concepts.unreadable,
    )


def _enlarged(logits: torch.Tensor, size_hw: tuple[int, int]) -> npt.NDArray[np.bool_]:
    sized = torch.nn.functional.interpolate(
        logits.float().sigmoid()[None], size_hw, mode='bilinear', align_corners=False
    )
    found: npt.NDArray[np.bool_] = (sized[0] > MASK_THRESHOLD).cpu().numpy()
    return found
