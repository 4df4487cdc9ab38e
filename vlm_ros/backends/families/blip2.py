"""BLIP-2 (arXiv 2301.12597) and InstructBLIP (2305.06500): a frozen language model that sees.

A Q-Former turns an image into a few vectors, which stand before the prompt like words. BLIP-2's
do not depend on the prompt: they are kept, and the next question about a frame costs the language
model only. InstructBLIP's read the question; of them the vision tower's work, the larger part, is
kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import (
    AutoProcessor,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    InstructBlipForConditionalGeneration,
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
from vlm_ros.backends.engine.generation import end_tokens, generate, Generated
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import BackendError
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Caption
from vlm_ros.tasks import Image, Ticket

MAX_TEXT_TOKENS = 512
"""For language models that count places relatively, and so name no limit: T5 was trained on it."""


class Blip2(TorchBackend):
    """What the heads have in common: the vision tower and the Q-Former.

    Args:
        checkpoint: A BLIP-2 or InstructBLIP model.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        question_prompt: What is made of a question, with one `{}`; empty for the model's own.
        max_new_tokens: Where a text is cut off.
        threads: CPU threads; 0 leaves them as they are.
    """

    model_class: Any
    caption_prompt = ''
    question_prompt = ''

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        question_prompt: str = '',
        max_new_tokens: int = 40,
        threads: int = 0,
    ) -> None:
        if max_new_tokens < 1:
            raise BackendError(f'max_new_tokens must be at least 1, got {max_new_tokens}')
        if question_prompt and question_prompt.count('{}') != 1:
            raise BackendError(f'question_prompt must have one {{}}, got {question_prompt!r}')
        super().__init__('blip2', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            self.model_class, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._processor = load_processor(AutoProcessor, checkpoint)
        self._tokenizer = self._processor.tokenizer
        self._pixels = Pixels(self._processor.image_processor, preprocess=preprocess)
        self.enough_px = self._pixels.enough_px
        self._question_prompt = question_prompt or self.question_prompt
        self._max_new_tokens = max_new_tokens
        self._looks: RecentImages[torch.Tensor] = RecentImages()

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _look(self, image: Image) -> torch.Tensor:
        """Return what is kept of an image."""
        return self._looks.get(image, self._see)

    def _see(self, image: Image) -> torch.Tensor:
        """Return what the vision tower sees, `(1, P, D)`, as the Q-Former takes it."""
        pixels = self._pixels([image], device=self.torch_device, dtype=self.dtype)
        seen: torch.Tensor = self._model.vision_model(pixels).last_hidden_state
        # In half precision the library keeps the Q-Former of some models in float32.
        return seen.to(next(self._model.qformer.encoder.parameters()).dtype)

    def _queried(self, seen: torch.Tensor, **more: Any) -> torch.Tensor:
        """Return the Q-Former's vectors `(N, Q, D)` for what was seen, `(N, P, D)`."""
        queried: torch.Tensor = self._model.qformer(
            encoder_hidden_states=seen,
            encoder_attention_mask=_all_of(seen),
            **more,
        ).last_hidden_state
        return queried[:, : self._model.query_tokens.shape[1]]


class Blip2Talker(Blip2):
    """Captions and answers from the language model behind the Q-Former."""

    model_class: Any = Blip2ForConditionalGeneration
    question_prompt = 'Question: {} Answer:'
    """As the paper asks."""

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, going on from the prompt, which is not repeated."""
        if prompt.strip():
            check_text(prompt, 'prompt')
        with self.at_work(ticket) as ticket:
            embedded = self._prompt(image, prompt.strip() or self.caption_prompt)
            ticket.check()
            return captioned(self._write(embedded, ticket))

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
            embedded = self._prompt(image, self._question_prompt.format(question.strip()))
            ticket.check()
            return answer_by(
                question,
                choices,
                ticket,
                score=lambda texts: self._score(embedded, texts),
                write=lambda: self._write(embedded, ticket),
            )

    def _see(self, image: Image) -> torch.Tensor:
        seen = super()._see(image)
        return self._projected(self._queried(seen, query_embeds=self._model.query_tokens))

    def _projected(self, queried: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = self._model.language_projection(queried.to(self.dtype))
        return projected

    def _shown(self, image: Image, text: str) -> torch.Tensor:
        """Return the image as the language model gets it before a text, `(1, Q, D)`."""
        return self._look(image)

    def _prompt(self, image: Image, text: str) -> torch.Tensor:
        """Return an image and the text behind it as the language model gets them."""
        model = self._model.language_model
        config = self._model.config.text_config
        if text:
            limit = getattr(config, 'max_position_embeddings', MAX_TEXT_TOKENS)
            tokens = tokenize(
                self._tokenizer,
                [text],
                limit=limit - self._model.query_tokens.shape[1],
                device=self.torch_device,
            )['input_ids']
        else:
            tokens = torch.tensor([[config.bos_token_id]], device=self.torch_device)
        words = model.get_input_embeddings()(tokens)
        return torch.cat([self._shown(image, text).to(words), words], 1)

    def _write(self, embedded: torch.Tensor, ticket: Ticket) -> Generated:
        return generate(
            self._model.language_model,
            self._tokenizer,
            {'inputs_embeds': embedded, 'attention_mask': _all_of(embedded)},
            ticket=ticket,
            max_new_tokens=self._max_new_tokens,
        )

    def _score(self, embedded: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        """Return the log-likelihoods of texts behind an image and a prompt."""
        model = self._model.language_model
        is_decoder = self._model.config.use_decoder_only_language_model
        labels = spell(
            self._tokenizer,
            texts,
            end=(*end_tokens(model), self._tokenizer.eos_token_id)[0],
            device=self.torch_device,
            before=' ' if is_decoder else '',
        )
        before = embedded.expand(len(texts), -1, -1)
        counts = labels[:, :-1] != IGNORED
        words = labels[:, :-1].clamp(min=0)
        if is_decoder:
            spelled = model.get_input_embeddings()(words)
            logits = model(
                inputs_embeds=torch.cat([before, spelled], 1),
                attention_mask=torch.cat([_all_of(before), counts.long()], 1),
            ).logits[:, before.shape[1] - 1 :]
        else:
            start = torch.full_like(labels[:, :1], model.config.decoder_start_token_id)
            logits = model(
                inputs_embeds=before,
                attention_mask=_all_of(before),
                decoder_input_ids=torch.cat([start, words], 1),
            ).logits
        return log_likelihoods(logits, labels)


class InstructBlip(Blip2Talker):
    """InstructBLIP, whose Q-Former reads the instruction as well."""

    model_class = InstructBlipForConditionalGeneration
    caption_prompt = 'A short image description:'
    question_prompt = 'Question: {} Short answer:'
    """Among the templates of the paper's appendix."""

    def _see(self, image: Image) -> torch.Tensor:
        return super(Blip2Talker, self)._see(image)

    def _shown(self, image: Image, text: str) -> torch.Tensor:
        tokens = tokenize(
            self._processor.qformer_tokenizer,
            [text],
            limit=self._model.config.qformer_config.max_position_embeddings,
            device=self.torch_device,
        )
        queries = self._model.query_tokens
        queried = self._queried(
            self._look(image),
            input_ids=tokens['input_ids'],
            attention_mask=torch.cat([_all_of(queries), tokens['attention_mask']], 1),
            query_embeds=queries,
        )
        return self._projected(queried)


class Blip2Matcher(Blip2):
    """Image-text matching by the Q-Former."""

    model_class = Blip2ForImageTextRetrieval

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by the matching head, a probability that the pair belongs."""
        texts = check_texts(texts)
        with self.at_work(ticket) as ticket:
            seen = self._look(image)
            scores = in_batches(texts, lambda texts: self._compare(seen, texts), ticket)
            array: FloatArray = scores.cpu().numpy()
            return array

    def _compare(self, seen: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        tokens = tokenize(
            self._tokenizer,
            texts,
            limit=self._model.config.qformer_config.max_position_embeddings,
            device=self.torch_device,
        )
        queries = self._model.query_tokens.expand(len(texts), -1, -1)
        queried = self._queried(
            seen.expand(len(texts), -1, -1),
            query_embeds=self._model.embeddings(
                input_ids=tokens['input_ids'], query_embeds=queries
            ),
            query_length=queries.shape[1],
            attention_mask=torch.cat([_all_of(queries), tokens['attention_mask']], 1),
        )
        votes = self._model.itm_head(queried.to(self._model.itm_head.weight.dtype)).mean(1)
        matched: torch.Tensor = votes.float().softmax(-1)[:, 1]
        return matched


HEADS: Mapping[str, Callable[..., Blip2Talker | Blip2Matcher]] = {
    'Blip2ForConditionalGeneration': Blip2Talker,
    'InstructBlipForConditionalGeneration': InstructBlip,
    'Blip2ForImageTextRetrieval': Blip2Matcher,
}


def load_blip2(
    *,
    device: str = 'auto',
    model: str = '',
    dtype: str = 'auto',
    preprocess: str = 'fast',
    question_prompt: str = '',
    max_new_tokens: int = 40,
    threads: int = 0,
) -> Blip2Talker | Blip2Matcher:
    """Load a BLIP-2 or InstructBLIP model: what it can do depends on the head it was saved with.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `blip-2` or `instructblip`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        question_prompt: What is made of a question, with one `{}`; empty for the model's own.
        max_new_tokens: Where a caption or an answer is cut off.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used, or the model has none of these heads.
        DeviceError: This machine has no such device.
    """
    checkpoint = open_checkpoint(model, backend='blip2', model_types=('blip-2', 'instructblip'))
    return HEADS[checkpoint.head(HEADS)](
        checkpoint,
        device=device,
        dtype=dtype,
        preprocess=preprocess,
        question_prompt=question_prompt,
        max_new_tokens=max_new_tokens,
        threads=threads,
    )


def _all_of(vectors: torch.Tensor) -> torch.Tensor:
    return torch.ones(vectors.shape[:2], dtype=torch.long, device=vectors.device)
