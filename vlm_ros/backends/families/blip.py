"""BLIP (arXiv 2201.12086): captions, answers and matching from one mixture of encoder-decoders.

A checkpoint has one head, and the head decides the task, so there is one class for each and
`load_blip` chooses. What the vision tower, the costly part, makes of a frame is kept: the next
questions about the frame cost the text model only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.nn.functional import normalize
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
)

from vlm_ros.backends.engine.answering import (
    answer_by,
    captioned,
    check_choices,
    check_texts,
    IGNORED,
    in_batches,
    log_likelihoods,
    spell,
    tokenize,
)
from vlm_ros.backends.engine.checkpoint import (
    Checkpoint,
    load_model,
    load_processor,
    open_checkpoint,
)
from vlm_ros.backends.engine.generation import generate, Generated
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import BackendError
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Caption
from vlm_ros.tasks import Image, Ticket

IMAGE_BATCH = 8


class Blip(TorchBackend):
    """What the heads have in common: the vision tower and the tokenizer.

    Args:
        checkpoint: A BLIP model.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        max_new_tokens: Where a text is cut off.
        threads: CPU threads; 0 leaves them as they are.
    """

    model_class: Any

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        max_new_tokens: int = 40,
        threads: int = 0,
    ) -> None:
        if max_new_tokens < 1:
            raise BackendError(f'max_new_tokens must be at least 1, got {max_new_tokens}')
        super().__init__('blip', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            self.model_class, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._pixels = Pixels(
            load_processor(AutoImageProcessor, checkpoint), preprocess=preprocess
        )
        self.enough_px = self._pixels.enough_px
        self._max_new_tokens = max_new_tokens
        self._words = self._model.config.text_config
        self._looks: RecentImages[torch.Tensor] = RecentImages()

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _look(self, image: Image) -> torch.Tensor:
        """Return what the vision tower sees, `(1, P, D)`, class token first."""
        return self._looks.get(image, lambda image: self._see([image]))

    def _see(self, images: Sequence[Image]) -> torch.Tensor:
        pixels = self._pixels(images, device=self.torch_device, dtype=self.dtype)
        seen: torch.Tensor = self._model.vision_model(pixel_values=pixels).last_hidden_state
        return seen

    def _read(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        tokens = tokenize(
            self._tokenizer,
            texts,
            limit=self._words.max_position_embeddings,
            device=self.torch_device,
        )
        return {key: tokens[key] for key in ('input_ids', 'attention_mask')}

    def _write(self, inputs: Mapping[str, torch.Tensor], ticket: Ticket) -> Generated:
        return generate(
            self._model.text_decoder,
            self._tokenizer,
            # As the library's own generate does: the configurations name another end.
            {
                **inputs,
                'eos_token_id': self._words.sep_token_id,
                'pad_token_id': self._words.pad_token_id,
            },
            ticket=ticket,
            max_new_tokens=self._max_new_tokens,
            ends=(self._words.sep_token_id,),
        )


class BlipCaptioner(Blip):
    """Captions; a prompt is the beginning of the sentence, which is not repeated."""

    model_class = BlipForConditionalGeneration

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, going on from the prompt."""
        with self.at_work(ticket) as ticket:
            start = self._start(prompt)
            seen = self._look(image)
            ticket.check()
            inputs = {
                'input_ids': start,
                'attention_mask': torch.ones_like(start),
                'encoder_hidden_states': seen,
                'encoder_attention_mask': _all_of(seen),
            }
            written = self._write(inputs, ticket)
            # Of a word that the prompt begins and the model ends.
            return captioned(replace(written, text=written.text.removeprefix('##')))

    def _start(self, prompt: str) -> torch.Tensor:
        if not prompt.strip():
            return torch.tensor([[self._words.bos_token_id]], device=self.torch_device)
        check_text(prompt, 'prompt')
        tokens = self._read([prompt])['input_ids'][:, :-1]
        tokens[:, 0] = self._words.bos_token_id
        return tokens


class BlipAnswerer(Blip):
    """Answers to questions."""

    model_class = BlipForQuestionAnswering

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
        with self.at_work(ticket) as ticket:
            asked = self._ask(self._look(image), question)
            ticket.check()
            start = torch.tensor([[self._words.bos_token_id]], device=self.torch_device)
            inputs = {
                'input_ids': start,
                'encoder_hidden_states': asked,
                'encoder_attention_mask': _all_of(asked),
            }
            return answer_by(
                question,
                choices,
                ticket,
                score=lambda texts: self._score(asked, texts),
                write=lambda: self._write(inputs, ticket),
            )

    def _ask(self, seen: torch.Tensor, question: str) -> torch.Tensor:
        """Return the question in the light of the image, `(1, L, D)`."""
        asked: torch.Tensor = self._model.text_encoder(
            **self._read([question]),
            encoder_hidden_states=seen,
            encoder_attention_mask=_all_of(seen),
        ).last_hidden_state
        return asked

    def _score(self, asked: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        """Return the log-likelihoods of answers, as the paper ranks them."""
        labels = spell(
            self._tokenizer, texts, end=self._words.sep_token_id, device=self.torch_device
        )
        start = torch.full_like(labels[:, :1], self._words.bos_token_id)
        shown = asked.expand(len(texts), -1, -1)
        logits = self._model.text_decoder(
            input_ids=torch.cat([start, labels[:, :-1].clamp(min=0)], 1),
            attention_mask=torch.cat([start >= 0, labels[:, :-1] != IGNORED], 1).long(),
            encoder_hidden_states=shown,
            encoder_attention_mask=_all_of(shown),
        ).logits
        return log_likelihoods(logits, labels)


class BlipMatcher(Blip):
    """Image-text matching by the cross-encoder, and the two towers below it for retrieval."""

    model_class = BlipForImageTextRetrieval

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by the matching head (ITM), a probability that the pair belongs."""
        texts = check_texts(texts)
        with self.at_work(ticket) as ticket:
            seen = self._look(image)

            def compare(texts: Sequence[str]) -> torch.Tensor:
                shown = seen.expand(len(texts), -1, -1)
                read = self._model.text_encoder(
                    **self._read(texts),
                    encoder_hidden_states=shown,
                    encoder_attention_mask=_all_of(shown),
                ).last_hidden_state
                matched: torch.Tensor = self._model.itm_head(read[:, 0]).float().softmax(-1)[:, 1]
                return matched

            return _array(in_batches(texts, compare, ticket))

    def encode_images(
        self, images: Sequence[Image], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Place images where the contrastive head (ITC) has them."""
        with self.at_work(ticket) as ticket:
            places = []
            for start in range(0, len(images), IMAGE_BATCH):
                ticket.check()
                seen = self._see(images[start : start + IMAGE_BATCH])
                places.append(normalize(self._model.vision_proj(seen[:, 0]).float(), dim=-1))
            if not places:
                return _array(torch.zeros(0, self._model.vision_proj.out_features))
            return _array(torch.cat(places))

    def encode_texts(self, texts: Sequence[str], *, ticket: Ticket | None = None) -> FloatArray:
        """Place texts where the contrastive head (ITC) has them."""
        texts = check_texts(texts)
        with self.at_work(ticket) as ticket:

            def place(texts: Sequence[str]) -> torch.Tensor:
                read = self._model.text_encoder(**self._read(texts)).last_hidden_state
                return normalize(self._model.text_proj(read[:, 0]).float(), dim=-1)

            return _array(in_batches(texts, place, ticket))


HEADS: Mapping[str, Callable[..., BlipCaptioner | BlipAnswerer | BlipMatcher]] = {
    'BlipForConditionalGeneration': BlipCaptioner,
    'BlipForQuestionAnswering': BlipAnswerer,
    'BlipForImageTextRetrieval': BlipMatcher,
}


def load_blip(
    *,
    device: str = 'auto',
    model: str = '',
    dtype: str = 'auto',
    preprocess: str = 'fast',
    max_new_tokens: int = 40,
    threads: int = 0,
) -> BlipCaptioner | BlipAnswerer | BlipMatcher:
    """Load a BLIP model: what it can do depends on the head it was saved with.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `blip`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        max_new_tokens: Where a caption or an answer is cut off.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used, or the model has none of these heads.
        DeviceError: This machine has no such device.
    """
    checkpoint = open_checkpoint(model, backend='blip', model_types=('blip',))
    return HEADS[checkpoint.head(HEADS)](
        checkpoint,
        device=device,
        dtype=dtype,
        preprocess=preprocess,
        max_new_tokens=max_new_tokens,
        threads=threads,
    )


def _all_of(seen: torch.Tensor) -> torch.Tensor:
    return torch.ones(seen.shape[:2], dtype=torch.long, device=seen.device)


def _array(values: torch.Tensor) -> FloatArray:
    array: FloatArray = values.float().cpu().numpy()
    return array
