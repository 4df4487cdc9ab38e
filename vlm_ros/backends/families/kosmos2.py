"""Kosmos-2 (arXiv 2306.14824): a language model that puts boxes into its sentences.

What the vision tower makes of a frame is kept for the next requests about it.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch.nn.functional import normalize
from transformers import AutoProcessor, Kosmos2ForConditionalGeneration

from vlm_ros.backends.dialects import parse_kosmos2, prompt_kosmos2
from vlm_ros.backends.dialects.names import said
from vlm_ros.backends.engine.answering import (
    answer_by,
    captioned,
    check_choices,
    IGNORED,
    log_likelihoods,
    spell,
)
from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.generation import end_tokens, generate, Generated
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.spoken_grounding import grounded, ScoredBox
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.errors import BackendError, QuestionError
from vlm_ros.phrases import check_text, noun_phrases
from vlm_ros.results import Answer, Caption, PhraseGroundings
from vlm_ros.tasks import Image, Ticket

CAPTION = 'An image of'
QUESTION = 'Question: {} Answer:'
"""Both as the authors ask."""
OBJECT_END = '</object>'
TOKENS_OF_BOXES = 64
"""Twenty boxes, of two corners and a delimiter each, with what is around them."""


class Kosmos2Backend(TorchBackend):
    """Captions, phrase grounding and answers.

    Grounding asks for the boxes of one noun phrase at a time: so a phrase keeps its place in the
    text, and a text that names five things takes five short answers after one look.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `kosmos-2`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        max_new_tokens: Where a caption or an answer is cut off.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.05
    """What a box must score where the caller does not say; below it the model is at a loss."""

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        max_new_tokens: int = 64,
        threads: int = 0,
    ) -> None:
        if max_new_tokens < 1:
            raise BackendError(f'max_new_tokens must be at least 1, got {max_new_tokens}')
        checkpoint = open_checkpoint(model, backend='kosmos2', model_types=('kosmos-2',))
        super().__init__('kosmos2', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            Kosmos2ForConditionalGeneration,
            checkpoint,
            device=self.torch_device,
            dtype=self.dtype,
        )
        self._processor = load_processor(AutoProcessor, checkpoint)
        self._tokenizer = self._processor.tokenizer
        self._pixels = Pixels(self._processor.image_processor, preprocess=preprocess)
        self.enough_px = self._pixels.enough_px
        self._max_new_tokens = max_new_tokens
        self._object_end = self._tokenizer.convert_tokens_to_ids(OBJECT_END)
        self._looks: RecentImages[torch.Tensor] = RecentImages()

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, going on from the prompt, which is not repeated."""
        if prompt.strip():
            check_text(prompt, 'prompt')
        with self.at_work(ticket) as ticket:
            written = self._write(image, said(prompt) or CAPTION, ticket)
            return captioned(_without_markup(written))

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer in a few words, or with the likeliest of the choices."""
        check_text(question, 'question')
        choices = check_choices(choices)
        prompt = QUESTION.format(said(question))
        with self.at_work(ticket) as ticket:
            seen = self._looks.get(image, self._see)
            ticket.check()
            return answer_by(
                question,
                choices,
                ticket,
                score=lambda texts: self._score(seen, prompt, texts),
                write=lambda: _without_markup(self._write(image, prompt, ticket)),
            )

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names; its boxes share one score."""
        check_text(text, 'text')
        threshold = self.score_threshold if score_threshold is None else score_threshold
        found: list[ScoredBox] = []
        with self.at_work(ticket) as ticket:
            self._looks.get(image, self._see)
            for phrase in noun_phrases(text):
                ticket.check()
                if said(phrase.text):
                    found += self._locate(image, phrase.text, ticket)
            return grounded(text, found, threshold)

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _locate(self, image: Image, phrase: str, ticket: Ticket) -> list[ScoredBox]:
        """Return the boxes of a phrase; the model ends where its object does."""
        prompt = prompt_kosmos2(phrase)
        ends = (*end_tokens(self._model.text_model), self._object_end)
        written = self._write(image, prompt, ticket, max_new_tokens=TOKENS_OF_BOXES, ends=ends)
        height, width = image.shape[:2]
        spoken = parse_kosmos2(
            prompt + written.text,
            resolution_wh=(width, height),
            was_cut=not written.is_complete,
        )
        return [
            ScoredBox(replace(box, label=phrase, span=None), written.confidence)
            for box in spoken.boxes
            if box.label
        ]

    def _write(
        self,
        image: Image,
        prompt: str,
        ticket: Ticket,
        *,
        max_new_tokens: int = 0,
        ends: Sequence[int] = (),
    ) -> Generated:
        tokens, is_seen = self._read(prompt)
        seen = self._looks.get(image, self._see)
        ticket.check()
        inputs = {
            'input_ids': tokens,
            'attention_mask': torch.ones_like(tokens),
            'image_embeds': seen,
            'image_embeds_position_mask': is_seen,
            **({'eos_token_id': list(ends)} if ends else {}),
        }
        return generate(
            self._model.text_model,
            self._tokenizer,
            inputs,
            ticket=ticket,
            max_new_tokens=max_new_tokens or self._max_new_tokens,
            ends=ends or None,
        )

    def _read(self, prompt: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens `(1, L)` behind an image, and which of them stand for it."""
        room = self._model.config.latent_query_num
        # Any image: the processor only asks whether there is one.
        text = self._processor.preprocess_examples([prompt], images=[()], num_image_tokens=room)[0]
        tokens = self._tokenizer(
            f'{self._tokenizer.bos_token}{text}', add_special_tokens=False, return_tensors='pt'
        ).input_ids
        limit = self._model.config.text_config.max_position_embeddings
        if tokens.shape[1] > limit:
            raise QuestionError(
                f'the text {prompt[:30]!r}... has {tokens.shape[1]} tokens with its image; this '
                f'model reads {limit}'
            )
        first = self._tokenizer.unk_token_id + 1
        tokens[0, 2 : 2 + room] = torch.arange(first, first + room)
        is_seen = torch.zeros_like(tokens)
        is_seen[0, 2 : 2 + room] = 1
        return tokens.to(self.torch_device), is_seen.bool().to(self.torch_device)

    def _see(self, image: Image) -> torch.Tensor:
        """Return what the language model gets of an image, `(1, Q, D)`."""
        pixels = self._pixels([image], device=self.torch_device, dtype=self.dtype)
        tower = self._model.vision_model
        features = tower.model.post_layernorm(tower(pixels).last_hidden_state)
        seen: torch.Tensor = self._model.image_to_text_projection(normalize(features, dim=-1))[0]
        return seen

    def _score(self, seen: torch.Tensor, prompt: str, texts: Sequence[str]) -> torch.Tensor:
        """Return the log-likelihoods of texts behind an image and a prompt."""
        model = self._model.text_model
        tokens, is_seen = self._read(prompt)
        labels = spell(
            self._tokenizer,
            texts,
            end=(*end_tokens(model), self._tokenizer.eos_token_id)[0],
            device=self.torch_device,
        )
        count = len(texts)
        before, words = tokens.expand(count, -1), labels[:, :-1]
        logits = model(
            input_ids=torch.cat([before, words.clamp(min=0)], 1),
            attention_mask=torch.cat([before >= 0, words != IGNORED], 1).long(),
            image_embeds=seen.repeat(count, 1, 1),
            image_embeds_position_mask=torch.cat(
                [is_seen.expand(count, -1), torch.zeros_like(words, dtype=torch.bool)], 1
            ),
        ).logits
        return log_likelihoods(logits[:, -labels.shape[1] :], labels)


def _without_markup(written: Generated) -> Generated:
    # The model may put boxes into a sentence that nobody asked to be grounded.
    return replace(written, text=parse_kosmos2(written.text, resolution_wh=(1, 1)).caption)
