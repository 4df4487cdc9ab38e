"""Grounding DINO (arXiv 2303.05499), MM Grounding DINO (2401.02361) and LLMDet (2501.18954).

Text and image are fused from the first layer on, so all names go into one pass, and nothing that
was computed for one image serves the next but the tokens. Most of the time goes into the encoder
over the image, which has a token for every 8 x 8 pixels and fewer for coarser levels:
`max_side_px` is what makes it faster.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    GroundingDinoForObjectDetection,
    MMGroundingDinoForObjectDetection,
)

from vlm_ros.backends.engine.captions import Caption, caption_names, caption_sentence
from vlm_ros.backends.engine.checkpoint import (
    Checkpoint,
    load_model,
    load_processor,
    open_checkpoint,
)
from vlm_ros.backends.engine.detecting import BatchedDetector, check_fractions, check_max_batch
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import Recent
from vlm_ros.backends.engine.work import check_image
from vlm_ros.boxes import class_wise_non_max_suppression, clip_xyxy, cxcywh_to_xyxy, FloatArray
from vlm_ros.errors import BackendError
from vlm_ros.phrases import check_text, noun_phrases, Vocabulary
from vlm_ros.results import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.tasks import Image, Ticket

MODELS = {
    'grounding-dino': GroundingDinoForObjectDetection,
    'mm-grounding-dino': MMGroundingDinoForObjectDetection,
}
TOKEN_PX = 8
"""Side of the square that a token of the encoder's finest level stands for, in every published
checkpoint."""
MAX_VOCABULARIES = 8


@dataclass(frozen=True)
class Reading:
    """A vocabulary as the model reads it.

    Attributes:
        captions: One a pass.
        unreadable: Names that are in none of them.
    """

    captions: tuple[Caption, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Finds:
    """The boxes that reach a threshold, best first.

    Attributes:
        xyxy: `(N, 4)` pixels of the image.
        scores: `(N,)` in [0, 1].
        things: `(N,)`, which of the things that were looked for each box shows.
    """

    xyxy: FloatArray
    scores: FloatArray
    things: npt.NDArray[np.intp]


class GroundingDinoBackend(BatchedDetector):
    """Open-vocabulary detection, and phrase grounding with the whole sentence read.

    Names that do not fit into one caption (256 tokens, 60 to 100 names) make further passes. A
    name's score is that of its best token. A box bears the name that suits it best.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `grounding-dino` or `mm-grounding-dino`; see
            `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it, for products of matrices only: weights
            and positions stay float32. All in bfloat16, which has 8 bits for a position among
            167, the network made NaN of an 800 x 1333 image (tried with random weights).
        preprocess: `fast` or `exact`; see `engine.pixels`.
        max_side_px: The longer side that images are made at most, their shorter one in
            proportion; 0 for the checkpoint's own (1333, the shorter side 800).
        text_threshold: What every token of a name must score for a box to bear it; 0 asks for
            the best token only. The library leaves tokens below it out of a box's label, `cup`
            for `coffee cup`; here such a box goes.
        iou_threshold: Of two boxes of one name that overlap by more, the better one stays; 1
            keeps both, as the library does. Training leaves few duplicates, so the default
            spares neighbours in a crowd.
        max_batch: How many images one call may bring; those of one size are one pass.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.25
    """What a score must reach where the caller does not say; the library's."""

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        max_side_px: int = 0,
        text_threshold: float = 0.0,
        iou_threshold: float = 0.7,
        max_batch: int = 4,
        threads: int = 0,
    ) -> None:
        check_fractions(text_threshold=text_threshold, iou_threshold=iou_threshold)
        check_max_batch(max_batch)
        checkpoint = open_checkpoint(model, backend='grounding_dino', model_types=tuple(MODELS))
        super().__init__('grounding_dino', checkpoint, device=device, dtype=dtype, threads=threads)
        self.max_batch = max_batch
        self._text_threshold = text_threshold
        self._iou_threshold = iou_threshold
        self._model = load_model(
            MODELS[checkpoint.model_type],
            checkpoint,
            device=self.torch_device,
            dtype=torch.float32,
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        queries = int(self._model.config.num_queries)
        processor, longest = _image_processor(checkpoint, max_side_px, queries)
        self._pixels = Pixels(processor, preprocess=preprocess)
        self.enough_px = self._pixels.enough_px
        # The model takes its queries out of its tokens, and fails where there are fewer.
        self._max_aspect = longest**2 / (TOKEN_PX**2 * queries)
        self._readings: Recent[Reading] = Recent(MAX_VOCABULARIES)
        self._ticket = Ticket()
        self._check_between_layers()

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what its own vocabulary names; images of one size in one pass."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            readings = [self._read(vocabulary) for vocabulary in vocabularies]
            captions = [reading.captions for reading in readings]
            found = []
            for finds, vocabulary, reading in zip(
                self._look(images, captions, threshold, ticket),
                vocabularies,
                readings,
                strict=True,
            ):
                labels = tuple(vocabulary.names[thing] for thing in finds.things)
                found.append(Detections(finds.xyxy, finds.scores, labels, reading.unreadable))
            return found

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names, read in its sentence.

        The same words may stand for two things, `a cup beside another cup`: each phrase has
        boxes of its own, and no box belongs to two.
        """
        check_text(text, 'text')
        threshold = self.score_threshold if score_threshold is None else score_threshold
        phrases = noun_phrases(text)
        with self.at_work(ticket) as ticket:
            caption = caption_sentence(
                self._tokenizer,
                text,
                [phrase.span for phrase in phrases],
                max_tokens=self._model.config.max_text_len,
            )
            captions = [caption] if caption.indices else []
            finds = self._look([image], [captions], threshold, ticket)[0]
        unread = [p.name for i, p in enumerate(phrases) if i not in caption.indices]
        labels = tuple(phrases[thing].name for thing in finds.things)
        groundings = []
        for index, phrase in enumerate(phrases):
            own = np.flatnonzero(finds.things == index)
            scores = tuple(float(score) for score in finds.scores[own])
            groundings.append(
                PhraseGrounding(phrase.text, phrase.span, tuple(int(i) for i in own), scores)
            )
        detections = Detections(finds.xyxy, finds.scores, labels, tuple(dict.fromkeys(unread)))
        return PhraseGroundings(text, detections, tuple(groundings))

    def release_memory(self) -> None:
        """Forget the vocabularies that were read, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._readings.clear()
        super().release_memory()

    def _check_between_layers(self) -> None:
        """Look at the ticket before every layer: on a CPU one pass takes many seconds."""
        network = self._model.model
        for layer in (*network.encoder.layers, *network.decoder.layers):
            layer.register_forward_pre_hook(lambda *_: self._ticket.check())

    def _read(self, vocabulary: Vocabulary) -> Reading:
        limit = self._model.config.max_text_len
        return self._readings.get(
            vocabulary.vocabulary_id,
            lambda: Reading(*caption_names(self._tokenizer, vocabulary.names, max_tokens=limit)),
        )

    def _look(
        self,
        images: Sequence[Image],
        captions: Sequence[Sequence[Caption]],
        threshold: float,
        ticket: Ticket,
    ) -> list[Finds]:
        """Find in each image what its own captions name."""
        passes: dict[tuple[int, ...], list[int]] = {}
        pixels = []
        for index, image in enumerate(images):
            ticket.check()
            pixels.append(self._pixel_values(image))
            for number in range(len(captions[index])):
                key = (number, *pixels[-1].shape[-2:])
                passes.setdefault(key, []).append(index)
        finds: list[list[Finds]] = [[] for _ in images]
        for (number, *_), indices in sorted(passes.items()):
            ticket.check()
            read = [captions[index][number] for index in indices]
            looks = self._run(torch.cat([pixels[index] for index in indices]), read, ticket)
            for index, caption, look in zip(indices, read, looks, strict=True):
                finds[index].append(self._found(images[index], caption, *look, threshold))
        ticket.check()
        return [self._joined(each) for each in finds]

    def _pixel_values(self, image: Image) -> torch.Tensor:
        check_image(image)
        shown = _widened(image, self._max_aspect)
        return self._pixels([shown], device=self.torch_device, dtype=torch.float32)

    def _run(
        self, pixels: torch.Tensor, captions: Sequence[Caption], ticket: Ticket
    ) -> list[tuple[FloatArray, FloatArray]]:
        """Return `(Q, T)` scores of tokens and `(Q, 4)` boxes, cxcywh in [0, 1], of each image."""
        rows = [torch.tensor(caption.ids) for caption in captions]
        masks = [torch.ones_like(row) for row in rows]
        self._ticket = ticket
        reduced = self.dtype != torch.float32
        with torch.autocast(self.torch_device.type, self.dtype, enabled=reduced):
            outputs = self._model(
                pixel_values=pixels,
                input_ids=_padded(rows, self._tokenizer.pad_token_id).to(self.torch_device),
                attention_mask=_padded(masks, 0).to(self.torch_device),
            )
        scores = outputs.logits.float().sigmoid().cpu().numpy()
        boxes = outputs.pred_boxes.float().cpu().numpy()
        return list(zip(scores, boxes, strict=True))

    def _found(
        self,
        image: Image,
        caption: Caption,
        tokens: FloatArray,
        boxes: FloatArray,
        threshold: float,
    ) -> Finds:
        every = caption.scores(tokens, text_threshold=self._text_threshold)
        best = every.argmax(axis=1)
        scores = every.max(axis=1)
        # A name whose tokens fall short scores 0, and is not there whatever the threshold.
        kept = np.flatnonzero((scores >= threshold) & (scores > 0))
        height, width = image.shape[:2]
        xyxy = cxcywh_to_xyxy(boxes[kept]) * np.array([width, height] * 2, np.float32)
        things = np.array(caption.indices, np.intp)[best[kept]]
        return Finds(clip_xyxy(xyxy, (width, height)), scores[kept], things)

    def _joined(self, parts: Iterable[Finds]) -> Finds:
        """Put the finds of an image's passes together, without duplicates."""
        nothing = Finds(
            np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.intp)
        )
        parts = [nothing, *parts]
        xyxy = np.concatenate([part.xyxy for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        things = np.concatenate([part.things for part in parts])
        kept = class_wise_non_max_suppression(xyxy, scores, things, self._iou_threshold)
        return Finds(xyxy[kept], scores[kept], things[kept])


def _image_processor(checkpoint: Checkpoint, max_side_px: int, queries: int) -> tuple[Any, int]:
    """Return the image processor and the longest side of what it makes, in pixels."""
    processor = load_processor(AutoImageProcessor, checkpoint)
    size = dict(processor.size)
    shortest, longest = int(size['shortest_edge']), int(size['longest_edge'])
    if not max_side_px:
        return processor, longest
    least = TOKEN_PX * math.ceil(math.sqrt(queries))
    if not least <= max_side_px <= longest:
        raise BackendError(
            f'max_side_px must be 0 or from {least}, below which there are fewer tokens than the '
            f'{queries} boxes to find, to {longest}; got {max_side_px}'
        )
    size = {
        'shortest_edge': max(least, round(shortest * max_side_px / longest)),
        'longest_edge': max_side_px,
    }
    return load_processor(AutoImageProcessor, checkpoint, size=size), max_side_px


def _widened(image: Image, max_aspect: float) -> Image:
    """Stretch an image that is narrower than that: boxes are fractions of it, and stay right."""
    height, width = image.shape[:2]
    least = math.ceil(max(height, width) / max_aspect)
    if min(height, width) >= least:
        return image
    size = (max(width, least), max(height, least))
    stretched: Image = cv2.resize(image, size)  # type: ignore[assignment]
    return stretched


def _padded(rows: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)
