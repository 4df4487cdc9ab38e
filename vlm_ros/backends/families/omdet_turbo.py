"""OmDet-Turbo (arXiv 2403.06892): a detector fast enough for video, whose names are kept.

Image and text meet in the decoder only: names and task are encoded once a vocabulary here. The
library keeps them too, in a cache that is asked for every name of every frame by the list of its
tokens, and that holds 100 names: of a longer vocabulary it encodes all again for each frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoTokenizer, OmDetTurboForObjectDetection

from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.detecting import BatchedDetector, check_fractions, check_max_batch
from vlm_ros.backends.engine.export import run_in
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import Recent
from vlm_ros.boxes import class_wise_non_max_suppression, clip_xyxy, cxcywh_to_xyxy
from vlm_ros.errors import BackendError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.tasks import Image, Ticket

TASK = 'Detect {}.'
"""What the model is told to do, with the names; the library's."""
NAMES_IN_ONE_PASS = 32
"""Of the text tower; the ticket is looked at between passes."""
MAX_VOCABULARIES = 8


@dataclass(frozen=True)
class Queries:
    """What to look for.

    Attributes:
        classes: `(N, 1, D)`, one a name.
        task: `(T, 1, E)`, the tokens of the task.
        task_mask: `(1, T)`, 0 where there is no token.
        names: N names.
        unreadable: Names that are too long for the text tower.
    """

    classes: torch.Tensor
    task: torch.Tensor
    task_mask: torch.Tensor
    names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


class OmDetTurboBackend(BatchedDetector):
    """Open-vocabulary detection and phrase grounding; a box may bear several names.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `omdet-turbo`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it, for products of matrices only: weights
            and positions stay float32. Exported runtimes are float32.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        runtime: `torch`; `onnx` or `openvino` for the vision tower, on a CPU.
        task: What the model is told to do, with one `{}` for the names, a comma between them.
        iou_threshold: Of two boxes of one name that overlap by more, the better one stays; the
            library's. 1 keeps both.
        max_batch: How many images one call may bring.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.3
    """What a score must reach where the caller does not say; the library's."""

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        runtime: str = 'torch',
        task: str = TASK,
        iou_threshold: float = 0.5,
        max_batch: int = 4,
        threads: int = 0,
    ) -> None:
        if task.count('{}') != 1:
            raise BackendError(f'task must have one {{}} for the names, got {task!r}')
        check_fractions(iou_threshold=iou_threshold)
        check_max_batch(max_batch)
        checkpoint = open_checkpoint(model, backend='omdet_turbo', model_types=('omdet-turbo',))
        super().__init__(
            'omdet_turbo',
            checkpoint,
            device=device,
            dtype=dtype,
            runtime=runtime,
            threads=threads,
        )
        self._task = task
        self._iou_threshold = iou_threshold
        self.max_batch = max_batch if runtime == 'torch' else 1
        self._model = load_model(
            OmDetTurboForObjectDetection,
            checkpoint,
            device=self.torch_device,
            dtype=torch.float32,
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._pixels = Pixels(
            load_processor(AutoImageProcessor, checkpoint), preprocess=preprocess
        )
        self.enough_px = self._pixels.enough_px
        self._vision = run_in(
            runtime,
            VisionTower(self._model),
            torch.zeros(1, 3, *self._pixels.input_hw),
            tuple(f'level_{level}' for level in range(self._model.config.num_feature_levels)),
            name=checkpoint.name,
            revision=checkpoint.revision,
        )
        self._queries: Recent[Queries] = Recent(MAX_VOCABULARIES)

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names; the images are looked at together."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            texts = [self._encode(vocabulary, ticket) for vocabulary in vocabularies]
            ticket.check()
            pixels = self._pixels(images, device=self.torch_device, dtype=torch.float32)
            with self._reduced():
                levels = self._vision(pixels.contiguous())
            found = []
            for image, queries, *own in zip(images, texts, *levels, strict=True):
                # Each by itself: names that fill up a shorter vocabulary would compete with it.
                ticket.check()
                found.append(
                    self._found(image, queries, [level[None] for level in own], threshold)
                )
            return found

    def release_memory(self) -> None:
        """Forget the texts that were read, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._queries.clear()
        super().release_memory()

    def close(self) -> None:
        """Free the weights."""
        if not self._is_closed:
            # The library keeps anchors in a cache of the class, and the network with them.
            type(self._model.decoder).generate_anchors.cache_clear()
        super().close()

    def _reduced(self) -> torch.autocast:
        reduced = self.dtype != torch.float32
        return torch.autocast(self.torch_device.type, self.dtype, enabled=reduced)

    def _encode(self, vocabulary: Vocabulary, ticket: Ticket) -> Queries:
        return self._queries.get(
            vocabulary.vocabulary_id, lambda: self._read(vocabulary.names, ticket)
        )

    def _read(self, names: Sequence[str], ticket: Ticket) -> Queries:
        tower = self._model.language_backbone
        limit = self._model.config.text_config.max_position_embeddings
        lengths = [len(ids) for ids in self._tokenizer(list(names))['input_ids']]
        readable = [name for name, length in zip(names, lengths, strict=True) if length <= limit]
        unreadable = tuple(name for name in names if name not in readable)
        made = []
        for start in range(0, len(readable), NAMES_IN_ONE_PASS):
            ticket.check()
            tokens = self._tokens(readable[start : start + NAMES_IN_ONE_PASS], limit)
            made.append(tower(tokens['input_ids'], encode_type='class'))
        ticket.check()
        # A task that is too long is cut off, as in training; the names themselves are not.
        tokens = self._tokens([self._task.format(', '.join(names))], limit)
        task, mask = tower(tokens['input_ids'], mask=tokens['attention_mask'], encode_type='task')
        classes = torch.cat(made)[:, None] if made else torch.zeros(0, 1, 1)
        return Queries(classes, task, mask, tuple(readable), unreadable)

    def _tokens(self, texts: Sequence[str], limit: int) -> Any:
        return self._tokenizer(
            list(texts),
            padding='max_length',
            truncation=True,
            max_length=limit,
            return_tensors='pt',
        ).to(self.torch_device)

    def _found(
        self, image: Image, queries: Queries, levels: list[torch.Tensor], threshold: float
    ) -> Detections:
        if not queries.names:
            return Detections(unrecognized=queries.unreadable)
        with self._reduced():
            outputs = self._model.decoder(
                levels, queries.classes, queries.task, queries.task_mask, return_dict=True
            )
        scores = outputs.decoder_classes[-1][0].float().sigmoid().cpu().numpy()
        boxes = outputs.decoder_coords[-1][0].float().cpu().numpy()
        # As many pairs of box and name as there are boxes, the best, as the library takes them.
        best = np.argsort(-scores, axis=None, kind='stable')[: len(boxes)]
        places, which = np.unravel_index(best, scores.shape)
        likely = scores[places, which]
        kept = np.flatnonzero(likely >= threshold)
        places, which, likely = places[kept], which[kept], likely[kept]
        height, width = image.shape[:2]
        xyxy = cxcywh_to_xyxy(boxes[places]) * np.array([width, height] * 2, np.float32)
        kept = class_wise_non_max_suppression(
            xyxy, likely, which, self._iou_threshold, max_per_class=len(boxes)
        )
        return Detections(
            clip_xyxy(xyxy[kept], (width, height)),
            likely[kept],
            tuple(queries.names[index] for index in which[kept]),
            queries.unreadable,
        )


class VisionTower(torch.nn.Module):
    """Everything of the model that depends on the image alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone = model.vision_backbone
        self.encoder = model.encoder

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Look at images `(B, 3, H, W)`; returns `(B, C, h, w)` of each level."""
        encoded = self.encoder(self.backbone(pixels), return_dict=True)
        return tuple(encoded.extracted_states)
