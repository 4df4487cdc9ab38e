"""OWL-ViT (arXiv 2205.06230) and OWLv2 (arXiv 2306.09683): two-tower open-vocabulary detectors.

The towers meet in a dot product only, so each is run as rarely as possible: the text tower once a
vocabulary, the vision tower once a frame, for however many names. The zero-shot pipeline of
transformers runs both once for every name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    Owlv2ForObjectDetection,
    OwlViTForObjectDetection,
)

from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.detecting import BatchedDetector, check_fractions, check_max_batch
from vlm_ros.backends.engine.devices import choose_dtype
from vlm_ros.backends.engine.export import run_in
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import Recent, RecentPictures
from vlm_ros.boxes import class_wise_non_max_suppression, clip_xyxy, cxcywh_to_xyxy
from vlm_ros.errors import BackendError, InputError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros.tasks import Image, Ticket

MODELS = {'owlvit': OwlViTForObjectDetection, 'owlv2': Owlv2ForObjectDetection}
PROMPT = 'a photo of a {}'
"""What the model was trained to read; CLIP's first template (arXiv 2103.00020)."""
TEXT_BATCH = 32
"""Names in one pass of the text tower; the ticket is looked at between passes."""
MAX_VOCABULARIES = 8
MAX_PICTURES = 500
"""Exemplars whose places are kept; a gallery has no more."""


@dataclass(frozen=True)
class Queries:
    """What to look for.

    Attributes:
        places: `(N, D)`, unit length, in the space that text and patches share.
        names: N names.
        unreadable: Names that are too long for the text tower.
    """

    places: torch.Tensor
    names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


class OwlBackend(BatchedDetector):
    """Open-vocabulary detection, phrase grounding and image-guided detection.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `owlvit` or `owlv2`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it; of exported runtimes, `openvino` alone
            has bfloat16, for the vision tower.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        runtime: `torch`; `onnx` or `openvino` for the vision tower, on a CPU.
        prompt: What is made of a name before it is encoded, with one `{}`.
        iou_threshold: Of two boxes of one name that overlap by more, the better one stays; 1
            keeps both, as the library does.
        max_batch: How many images one call may bring.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.1
    """What a score must reach where the caller does not say; the library's."""
    likeness_threshold = 0.6
    """The same for image-guided detection, whose scores are higher; the library's example's."""

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        runtime: str = 'torch',
        prompt: str = PROMPT,
        iou_threshold: float = 0.5,
        max_batch: int = 4,
        threads: int = 0,
    ) -> None:
        if prompt.count('{}') != 1:
            raise BackendError(f'prompt must have one {{}} for the name, got {prompt!r}')
        check_fractions(iou_threshold=iou_threshold)
        check_max_batch(max_batch)
        checkpoint = open_checkpoint(model, backend='owl', model_types=tuple(MODELS))
        super().__init__(
            'owl',
            checkpoint,
            device=device,
            dtype=dtype,
            runtime=runtime,
            threads=threads,
        )
        self._prompt = prompt
        self._iou_threshold = iou_threshold
        self.max_batch = max_batch if runtime == 'torch' else 1
        self._model = load_model(
            MODELS[checkpoint.model_type],
            checkpoint,
            device=self.torch_device,
            dtype=self.dtype,
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._pixels = Pixels(
            load_processor(AutoImageProcessor, checkpoint),
            preprocess=preprocess,
            pads=checkpoint.model_type == 'owlv2',
        )
        self.enough_px = self._pixels.enough_px
        size = self._model.config.vision_config.image_size
        self._vision = run_in(
            runtime,
            VisionTower(self._model),
            torch.zeros(1, 3, size, size),
            VisionTower.OUTPUTS,
            name=checkpoint.name,
            revision=checkpoint.revision,
            dtype=choose_dtype(dtype, self.torch_device),
        )
        self._texts: Recent[Queries] = Recent(MAX_VOCABULARIES)
        self._pictures: RecentPictures[torch.Tensor | None] = RecentPictures(MAX_PICTURES)
        self._last: tuple[tuple[Image, ...], tuple[torch.Tensor, ...]] = (), ()

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names, all images in one forward."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            texts = [self._encode(vocabulary, ticket) for vocabulary in vocabularies]
            ticket.check()
            seen = self._look(images)
            ticket.check()
            return [
                self._found(image, queries, threshold, looks)
                for image, queries, *looks in zip(images, texts, *seen, strict=True)
            ]

    def detect_like(
        self,
        image: Image,
        exemplars: Sequence[Image],
        names: Sequence[str],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what looks like the exemplars, one-shot detection in the paper's words.

        A name is `unrecognized` where nothing stands out in its exemplars.
        """
        if not exemplars or len(exemplars) != len(names):
            raise InputError(f'{len(exemplars)} exemplars and {len(names)} names; give one each')
        threshold = self.likeness_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            places: dict[str, list[torch.Tensor]] = {}
            for exemplar, name in zip(exemplars, names, strict=True):
                own = self._pictures.get(exemplar, self._query)
                places.setdefault(name, []).extend(() if own is None else (own,))
                ticket.check()
            shown = {name: of_one for name, of_one in places.items() if of_one}
            if not shown:
                return Detections(unrecognized=tuple(places))
            looks = self._look_again(image)
            ticket.check()
            queries = Queries(
                torch.cat([place for of_one in shown.values() for place in of_one]),
                tuple(name for name, of_one in shown.items() for _ in of_one),
                tuple(name for name in places if name not in shown),
            )
            return self._found(image, queries, threshold, looks)

    def release_memory(self) -> None:
        """Forget the texts that were read, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._texts.clear()
            self._pictures.clear()
            self._last = (), ()
        super().release_memory()

    def _encode(self, vocabulary: Vocabulary, ticket: Ticket) -> Queries:
        return self._texts.get(
            vocabulary.vocabulary_id, lambda: self._read(vocabulary.names, ticket)
        )

    def _read(self, names: Sequence[str], ticket: Ticket) -> Queries:
        limit = self._model.config.text_config.max_position_embeddings
        texts = [self._prompt.format(name) for name in names]
        lengths = [len(ids) for ids in self._tokenizer(texts)['input_ids']]
        readable = [i for i, length in enumerate(lengths) if length <= limit]
        made = [torch.zeros(0, self._model.config.text_config.hidden_size)]
        for start in range(0, len(readable), TEXT_BATCH):
            ticket.check()
            tokens = self._tokenizer(
                [texts[i] for i in readable[start : start + TEXT_BATCH]],
                padding='max_length',
                max_length=limit,
                return_tensors='pt',
            ).to(self.torch_device)
            features = self._towers().get_text_features(**tokens)
            made.append(getattr(features, 'pooler_output', features))
        unreadable = tuple(name for i, name in enumerate(names) if lengths[i] > limit)
        return Queries(
            _unit(torch.cat(made[1:] or made)).to(self.torch_device),
            tuple(names[i] for i in readable),
            unreadable,
        )

    def _towers(self) -> Any:
        return getattr(self._model, self._model.base_model_prefix)

    def _look(self, images: Sequence[Image]) -> tuple[torch.Tensor, ...]:
        seen = self._vision(
            self._pixels(images, device=self.torch_device, dtype=self.dtype).contiguous()
        )
        self._last = tuple(images), seen
        return seen

    def _look_again(self, image: Image) -> Sequence[torch.Tensor]:
        """Look at one image, which most likely was just looked at for names."""
        images, seen = self._last
        for index, other in enumerate(images):
            if other is image and not image.flags.writeable:
                return [output[index] for output in seen]
        return [output[0] for output in self._look([image])]

    def _query(self, exemplar: Image) -> torch.Tensor | None:
        """Return the place `(1, D)` of the thing that fills a picture, None where nothing does."""
        pixels = self._pixels([exemplar], device=self.torch_device, dtype=self.dtype)
        features = self._model.image_embedder(pixels)[0]
        flat = features.flatten(1, 2)
        # By the box that fits the picture best and stands out most, as the library chooses it.
        chosen = self._model.embed_image_query(flat, features)[0]
        return None if chosen is None else _unit(chosen.reshape(1, -1))

    def _found(
        self, image: Image, queries: Queries, threshold: float, looks: Sequence[torch.Tensor]
    ) -> Detections:
        if not queries.names:
            return Detections(unrecognized=queries.unreadable)
        places, shift, scale, boxes = looks
        logits = (places.to(queries.places) @ queries.places.T + shift) * scale
        best, indices = logits.float().max(dim=-1)
        scores, which = best.sigmoid().cpu().numpy(), indices.cpu().numpy()
        xyxy = cxcywh_to_xyxy(boxes.float().cpu().numpy())
        kept = np.flatnonzero(scores >= threshold)
        kinds = np.unique(queries.names, return_inverse=True)[1][which]
        kept = kept[
            class_wise_non_max_suppression(
                xyxy[kept], scores[kept], kinds[kept], self._iou_threshold
            )
        ]
        height, width = image.shape[:2]
        scale_x, scale_y = self._pixels.scale_xy(image)
        xyxy = xyxy[kept] * np.array([scale_x, scale_y] * 2, np.float32)
        return Detections(
            clip_xyxy(xyxy, (width, height)),
            scores[kept],
            tuple(queries.names[index] for index in which[kept]),
            queries.unreadable,
        )


class VisionTower(torch.nn.Module):
    """Everything of the model that depends on the image alone."""

    OUTPUTS = ('places', 'shift', 'scale', 'boxes')

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Look at images.

        Args:
            pixels: `(B, 3, S, S)`.

        Returns:
            Of P patches an image: their places `(B, P, D)`, unit length; shift and scale
            `(B, P, 1)` of their similarities; their boxes `(B, P, 4)`, cxcywh in [0, 1].
        """
        features = self.model.image_embedder(pixels)[0]
        flat = features.flatten(1, 2)
        head = self.model.class_head
        places = _unit(head.dense0(flat))
        boxes = self.model.box_predictor(flat, features)
        return places, head.logit_shift(flat), head.elu(head.logit_scale(flat)) + 1, boxes


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    # The heads add the same to the length.
    lengths: torch.Tensor = torch.linalg.norm(vectors, dim=-1, keepdim=True)
    return vectors / (lengths + 1e-6)
