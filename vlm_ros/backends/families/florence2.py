"""Florence-2 (arXiv 2311.06242): captions, detection and grounding, each a sentence to write.

The native class of transformers (`florence-community/*`), not the remote code of `microsoft/*`.
What the vision tower, the costly part, makes of a frame is kept for the next requests about it.
"""

import math
import re
from typing import Any

import numpy as np
import torch
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from vlm_ros.backends.dialects import parse_florence2
from vlm_ros.backends.dialects.florence2 import DETECT_TASK, GROUND_TASK
from vlm_ros.backends.dialects.names import said
from vlm_ros.backends.engine.answering import captioned
from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.generation import generate, Generated
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.spoken_grounding import grounded, ScoredBox
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.errors import BackendError, QuestionError
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.results import Caption, Detections, PhraseGroundings
from vlm_ros.tasks import Image, Ticket

CAPTION_TASKS = {
    'short': '<CAPTION>',
    'detailed': '<DETAILED_CAPTION>',
    'paragraph': '<MORE_DETAILED_CAPTION>',
}
_LOCATION = re.compile(r'<loc_\d+>')


class Florence2Backend(TorchBackend):
    """Captions, open-vocabulary detection and phrase grounding.

    Detection asks for one name at a time, which is how the model was trained: what one name finds
    does not depend on the others. A request takes one text for each name, but one look only.
    The model finds something for most names, whether it is there or not.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `florence2`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        caption: How much a caption says: `short`, `detailed` or `paragraph`.
        max_new_tokens: Where a text is cut off; a box takes 4 tokens and its share of the label.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.05
    """What a score must reach where the caller does not say. The authors keep all that the model
    writes; below one in twenty a token it is at a loss for words."""

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        caption: str = 'short',
        max_new_tokens: int = 256,
        threads: int = 0,
    ) -> None:
        if caption not in CAPTION_TASKS:
            raise BackendError(f'caption must be {", ".join(CAPTION_TASKS)}, got {caption!r}')
        if max_new_tokens < 1:
            raise BackendError(f'max_new_tokens must be at least 1, got {max_new_tokens}')
        checkpoint = open_checkpoint(model, backend='florence2', model_types=('florence2',))
        super().__init__('florence2', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            Florence2ForConditionalGeneration,
            checkpoint,
            device=self.torch_device,
            dtype=self.dtype,
        )
        self._processor = load_processor(AutoProcessor, checkpoint)
        self._tokenizer = self._processor.tokenizer
        self._pixels = Pixels(self._processor.image_processor, preprocess=preprocess)
        self.enough_px = self._pixels.enough_px
        self._caption = CAPTION_TASKS[caption]
        self._max_new_tokens = max_new_tokens
        self._looks: RecentImages[torch.Tensor] = RecentImages()

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image; a prompt counts where it is the token of a caption task.

        That is `<CAPTION>`, `<DETAILED_CAPTION>` or `<MORE_DETAILED_CAPTION>`; the model follows
        no other words.
        """
        task = prompt.strip() if prompt.strip() in CAPTION_TASKS.values() else self._caption
        with self.at_work(ticket) as ticket:
            words = self._processor.task_prompts_without_inputs[task]
            return captioned(self._write(image, words, ticket, skip_special_tokens=True))

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names, one name after the other."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        found: list[tuple[ScoredBox, str]] = []
        unreadable: list[str] = []
        with self.at_work(ticket) as ticket:
            for name in vocabulary.names:
                ticket.check()
                try:
                    boxes = self._locate(image, DETECT_TASK, name, ticket)
                except QuestionError:
                    unreadable.append(name)
                    continue
                # Whatever the model calls it: it was asked for nothing else.
                found += [(each, name) for each in boxes if each.score >= threshold]
        found.sort(key=lambda item: -item[0].score)
        return Detections(
            np.array([each.box.xyxy for each, _ in found], np.float32).reshape(-1, 4),
            np.array([each.score for each, _ in found], np.float32),
            tuple(name for _, name in found),
            tuple(unreadable),
        )

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what the phrases of the text name, those that the model takes for phrases."""
        check_text(text, 'text')
        threshold = self.score_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            return grounded(text, self._locate(image, GROUND_TASK, text, ticket), threshold)

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _locate(self, image: Image, task: str, text: str, ticket: Ticket) -> list[ScoredBox]:
        check_text(said(text), 'text')
        words = self._processor.task_prompts_with_input[task].format(input=said(text))
        written = self._write(image, words, ticket, skip_special_tokens=False)
        ignored: frozenset[str] = frozenset()
        if task == GROUND_TASK:
            ignored = frozenset(self._processor.post_processor.banned_grounding_tokens)
        height, width = image.shape[:2]
        return scored_boxes(written, self._tokenizer, (width, height), ignored)

    def _write(
        self, image: Image, words: str, ticket: Ticket, *, skip_special_tokens: bool
    ) -> Generated:
        embedded = self._read(words)
        seen = self._looks.get(image, self._see)
        ticket.check()
        tokens, embeddings = embedded
        is_seen = (tokens == self._processor.image_token_id)[..., None]
        embeddings = embeddings.masked_scatter(is_seen, seen.to(embeddings))
        attention = torch.ones_like(tokens)
        inputs = {
            'encoder_outputs': self._model.get_encoder()(
                inputs_embeds=embeddings, attention_mask=attention
            ),
            'attention_mask': attention,
        }
        return generate(
            self._model,
            self._tokenizer,
            inputs,
            ticket=ticket,
            max_new_tokens=self._max_new_tokens,
            skip_special_tokens=skip_special_tokens,
        )

    def _read(self, words: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens `(1, L)` of a prompt, with room for the image, and their vectors."""
        room = self._processor.image_token * self._processor.num_image_tokens
        text = f'{room}{self._tokenizer.bos_token}{words}{self._tokenizer.eos_token}'
        tokens = self._tokenizer(text, add_special_tokens=False, return_tensors='pt').input_ids
        limit = self._model.config.text_config.max_position_embeddings
        if tokens.shape[1] > limit:
            raise QuestionError(
                f'the text {words[:30]!r}... has {tokens.shape[1]} tokens with its image; this '
                f'model reads {limit}'
            )
        tokens = tokens.to(self.torch_device)
        return tokens, self._model.get_input_embeddings()(tokens)

    def _see(self, image: Image) -> torch.Tensor:
        """Return what the language model gets of an image, `(1, P, D)`."""
        pixels = self._pixels([image], device=self.torch_device, dtype=self.dtype)
        features: Any = self._model.get_image_features(pixels)
        seen: torch.Tensor = getattr(features, 'pooler_output', features)
        return seen


def scored_boxes(
    written: Generated,
    tokenizer: Any,
    resolution_wh: tuple[int, int],
    ignored: frozenset[str] = frozenset(),
) -> list[ScoredBox]:
    """Read the boxes of a text, each with a score.

    The score is the geometric mean of the probabilities of the box's four tokens and its label's,
    as the authors' code scores boxes. Neighbouring bins share a probability, so that even a
    box that is seen clearly does not score near 1.

    Args:
        written: What the model wrote.
        tokenizer: Its tokenizer.
        resolution_wh: Pixels of the source image.
        ignored: Phrases that name nothing.
    """
    found: list[ScoredBox] = []
    label: list[tuple[int, float]] = []
    corners: list[tuple[str, float]] = []
    names = tokenizer.convert_ids_to_tokens(list(written.tokens))
    if '<poly>' in names:
        return []  # the corners of an outline, as the library reads such a text
    for token, name, likelihood in zip(
        written.tokens, names, written.log_probabilities, strict=True
    ):
        if not _LOCATION.fullmatch(name):
            if token in tokenizer.all_special_ids:
                continue
            if corners:
                label, corners = [], []
            label.append((token, likelihood))
            continue
        corners.append((name, likelihood))
        if len(corners) % 4 == 0:
            four = corners[-4:]
            text = tokenizer.decode([token for token, _ in label])
            text += ''.join(corner for corner, _ in four)
            spoken = parse_florence2(text, resolution_wh=resolution_wh, ignored=ignored)
            likelihoods = [value for _, value in label + four]
            score = math.exp(sum(likelihoods) / len(likelihoods))
            found += [ScoredBox(box, score) for box in spoken.boxes]
    return found
