"""Images read once, for any number of questions about them.

What a model has read of the images, the keys and values of every layer, is kept and copied for
every question, so that a question costs only its own words: the *prefix*. It takes the library's
own path, `generate` for a single token, so that positions and masks are as the model expects, and
works for sliding windows and for states of linear attention too, because it is copied and never
cropped. PaliGemma's images attend to the question; of them only the features are kept.

Reading the images is one forward, which a cancel cannot interrupt; it takes effect after it.
"""

from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass
import hashlib
import inspect
from typing import Any

import cv2
import numpy as np
import PIL.Image
import torch
from transformers.cache_utils import DynamicLayer

from vlm_ros.backends.chat.prompts import Chat
from vlm_ros.backends.chat.tails import blank, GREY, Tails
from vlm_ros.backends.engine.recent import Recent
from vlm_ros.backends.engine.work import check_image
from vlm_ros.errors import ModelError
from vlm_ros.tasks import Image, Ticket

MAX_PREFIXES = 2
"""The newest frame, and the one that a slower request is still about."""
MAX_ASPECT = 50
"""Images longer than this are padded: some processors refuse an aspect of 200, others round the
short side to nothing."""
SEES_QUESTION = ('paligemma',)
"""Kinds whose image tokens attend to the words after them (arXiv 2407.07726)."""
_PER_TOKEN = ('input_ids', 'attention_mask', 'token_type_ids', 'mm_token_type_ids')


@dataclass(frozen=True, eq=False)
class Prefix:
    """Images as a model has read them.

    Attributes:
        intros: What introduced each image.
        tokens: All up to the last of the image, introductions and the template's words included.
        cache: Keys and values of the tokens; None where the images attend to the question.
        inputs: What goes in again with every question where there is no cache.
        rope_deltas: What the Qwen models keep beside the cache; None for other models.
        input_wh: Pixels of a single image as the model got it; None where that is not known.
        is_plain: Whether several questions may be put to it at once: every layer attends to all.
    """

    intros: tuple[str, ...]
    tokens: tuple[int, ...]
    cache: Any
    inputs: Mapping[str, Any]
    rope_deltas: torch.Tensor | None
    input_wh: tuple[int, int] | None
    is_plain: bool


class Reader:
    """Reads images and puts questions behind them.

    Args:
        model: Of transformers.
        processor: Its own.
        chat: Its template.
        image_options: What the processor is told at every call.
        device: Where the model is.
        dtype: Its arithmetic.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        chat: Chat,
        image_options: Mapping[str, Any],
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.model = model
        self.processor = processor
        self.chat = chat
        self._image_options = image_options
        self._device = device
        self._dtype = dtype
        config = model.config
        image_token = getattr(config, 'image_token_id', None)
        image_token = config.image_token_index if image_token is None else image_token
        self.tails = Tails(self._process, processor, chat, int(image_token))
        self._sees_question = config.model_type in SEES_QUESTION
        self._prefixes: Recent[Prefix] = Recent(MAX_PREFIXES)
        self._blanks: Recent[Prefix] = Recent(MAX_PREFIXES)

    def read(self, images: Sequence[Image], intros: Sequence[str], ticket: Ticket) -> Prefix:
        """Return what the model makes of images, which are read again only when they are new.

        Args:
            images: `(H, W, 3)` uint8 RGB each.
            intros: What introduces each of them; empty for nothing.
            ticket: Looked at before and after.

        Raises:
            ImageError: One is not an image.
        """
        for image in images:
            check_image(image)
        ticket.check()
        prefix = self._prefixes.get(
            (_digest(images), tuple(intros)), lambda: self._read(images, intros)
        )
        ticket.check()
        return prefix

    def read_blank(self, intros: Sequence[str], ticket: Ticket) -> Prefix:
        """Return what the model makes of images that show nothing, as many as introductions."""
        ticket.check()
        return self._blanks.get(tuple(intros), lambda: self._read([blank()] * len(intros), intros))

    def tail(self, prefix: Prefix, words: str) -> tuple[int, ...]:
        """Return the tokens that stand between the images and the model's turn."""
        return self.tails.get(prefix.intros, words)

    def inputs(self, prefix: Prefix, tails: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return what `generate` takes to go on behind a prefix, in one row a tail.

        Rows that are shorter are padded between prefix and tail, where nothing attends to it.
        """
        longest = max(map(len, tails))
        rows, masks = [], []
        for tail in tails:
            padding = longest - len(tail)
            rows.append([*prefix.tokens, *[0] * padding, *tail])
            masks.append([1] * len(prefix.tokens) + [0] * padding + [1] * len(tail))
        inputs = {
            'input_ids': torch.tensor(rows, device=self._device),
            'attention_mask': torch.tensor(masks, device=self._device),
        }
        if prefix.cache is None:
            types = {
                name: torch.nn.functional.pad(value, (0, longest))
                for name, value in prefix.inputs.items()
                if name in _PER_TOKEN
            }
            return {**prefix.inputs, **types, **inputs}
        cache = copy.deepcopy(prefix.cache)
        if len(tails) > 1:
            cache.batch_repeat_interleave(len(tails))
        if prefix.rope_deltas is not None:
            self.model.base_model.rope_deltas = prefix.rope_deltas
        return {**inputs, 'past_key_values': cache}

    def next_logits(self, prefix: Prefix, tails: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the logits `(N, V)` of the token behind each of N tails, float32."""
        groups = [tails] if prefix.is_plain else [[tail] for tail in tails]
        logits = [self._one_step(self.inputs(prefix, group)).logits[0] for group in groups]
        return torch.cat(logits).float()

    def clear(self) -> None:
        """Forget the images."""
        self._prefixes.clear()
        self._blanks.clear()

    def _read(self, images: Sequence[Image], intros: Sequence[str]) -> Prefix:
        inputs = self._process(images, intros, 'Look.')
        tokens = inputs['input_ids'][0].tolist()
        length = self.tails.length_before(tokens)
        for name in _PER_TOKEN:
            if name in inputs:
                inputs[name] = inputs[name][:, :length]
        cache, rope_deltas, kept, is_plain = None, None, {}, False
        if self._sees_question:
            kept = self._encoded(inputs)
        else:
            cache = self._one_step(inputs).past_key_values
            if cache.get_seq_length() != length:
                raise ModelError(f'the cache holds {cache.get_seq_length()} of {length} tokens')
            rope_deltas = getattr(self.model.base_model, 'rope_deltas', None)
            is_plain = all(type(layer) is DynamicLayer for layer in cache.layers)
        return Prefix(
            tuple(intros),
            tuple(tokens[:length]),
            cache,
            kept,
            rope_deltas,
            self._input_wh(inputs),
            is_plain,
        )

    def _one_step(self, inputs: Mapping[str, Any]) -> Any:
        return self.model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=1,
            return_dict_in_generate=True,
            output_logits=True,
        )

    def _encoded(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return inputs with the features of the images instead of their pixels, where it can."""
        if 'mm_encoder_outputs' not in inspect.signature(self.model.forward).parameters:
            return inputs  # in older versions: the pixels again with every question
        pixels = {'pixel_values': inputs.pop('pixel_values')}
        features = self.model.base_model.get_image_features(**pixels, return_dict=True)
        return {**inputs, 'mm_encoder_outputs': {'image': features}}

    def _process(
        self, images: Sequence[Image], intros: Sequence[str], words: str
    ) -> dict[str, Any]:
        text = self.chat.text(intros, words)
        tokenizer = self.processor.tokenizer
        # As the library does it: a template that writes the first token needs no second one.
        begun = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
        inputs = self.processor(
            text=[text],
            images=[[PIL.Image.fromarray(padded(image)) for image in images]],
            return_tensors='pt',
            **({'add_special_tokens': False} if begun else {}),
            **self._image_options,
        ).to(self._device, self._dtype)
        inputs.pop('labels', None)
        return dict(inputs)

    def _input_wh(self, inputs: Mapping[str, Any]) -> tuple[int, int] | None:
        grid = inputs.get('image_grid_thw')
        if grid is None or len(grid) != 1:
            return None
        side = int(self.processor.image_processor.patch_size)
        return int(grid[0, 2]) * side, int(grid[0, 1]) * side


def padded(image: Image) -> Image:
    """Return an image with grey to its right or below it, so that it is no longer than allowed."""
    height, width = image.shape[:2]
    below = max(0, -(-width // MAX_ASPECT) - height)
    beside = max(0, -(-height // MAX_ASPECT) - width)
    if not (below or beside):
        return image
    made: Image = np.asarray(
        cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=[GREY] * 3),
        np.uint8,
    )
    return made


def _digest(images: Sequence[Image]) -> bytes:
    # 1 GB/s: 6 ms for 1080p, against the hundreds that reading it takes.
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(repr(image.shape).encode())
        digest.update(np.ascontiguousarray(image).data)
    return digest.digest()
