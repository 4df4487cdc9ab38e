"""The tokens of a question, without the image that stands before it.

A processor takes words only together with images, and enlarges even a tiny one to the size of its
tiles: 30 ms for SmolVLM, half of what it takes to answer yes or no. What stands behind the last
image does not depend on it, so the tokenizer alone makes the same tokens; that it does is tried
out on two texts first, and where it does not the processor is asked, with a tiny image.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vlm_ros.backends.chat.prompts import Chat
from vlm_ros.backends.engine.recent import Recent
from vlm_ros.errors import ModelError
from vlm_ros.tasks import Image

MAX_TAILS = 256
GREY = 127
BLANK_PX = 64
PROBES = ('Look.', 'What is it, and where? Is it 2 m away')
Process = Callable[[Sequence[Image], Sequence[str], str], Any]
Tokens = tuple[int, ...]


class Tails:
    """Makes tokens of what stands between the images and the model's turn.

    Args:
        process: Makes the model's inputs of images, their introductions, and words.
        processor: Its tokenizer is used.
        chat: The template.
        image_token: The token that stands for a part of an image.
    """

    def __init__(self, process: Process, processor: Any, chat: Chat, image_token: int) -> None:
        self._process = process
        self._tokenizer = processor.tokenizer
        self._placeholder = str(processor.image_token)
        self._chat = chat
        self._image_token = image_token
        self._image_word = str(self._tokenizer.convert_ids_to_tokens(image_token))
        self._kept: Recent[Tokens] = Recent(MAX_TAILS)
        self._between: str | None = None
        self._is_tried = False

    def get(self, intros: Sequence[str], words: str) -> Tokens:
        """Return the tokens behind the last image.

        Args:
            intros: What introduces each image.
            words: What the user says about them.
        """
        return self._kept.get((tuple(intros), words), lambda: self._make(intros, words))

    @property
    def are_quick(self) -> bool:
        """Whether the tokenizer alone is enough."""
        if not self._is_tried:
            self._between = self._text_between()
            self._is_tried = True
        return self._between is not None

    def length_before(self, tokens: Sequence[int]) -> int:
        """Return how many tokens there are up to the last one of an image.

        Raises:
            ModelError: There is none.
        """
        if self._image_token not in tokens:
            raise ModelError('the template of this model leaves the image out')
        return len(tokens) - list(tokens)[::-1].index(self._image_token)

    def _make(self, intros: Sequence[str], words: str) -> Tokens:
        if self.are_quick:
            return self._by_tokenizer(self._between or '', intros, words)
        return self._by_processor(intros, words)

    def _by_processor(self, intros: Sequence[str], words: str) -> Tokens:
        tokens = self._process([blank()] * len(intros), intros, words)['input_ids'][0].tolist()
        return tuple(tokens[self.length_before(tokens) :])

    def _by_tokenizer(self, between: str, intros: Sequence[str], words: str) -> Tokens:
        after = self._chat.text(intros, words).rpartition(self._placeholder)[2]
        # Behind a token of an image, because some tokenizers begin a text with a space.
        text = self._image_word + between + after
        tokens = self._tokenizer(text, add_special_tokens=False)['input_ids']
        return tuple(tokens[self.length_before(tokens) :])

    def _text_between(self) -> str | None:
        """Return what the processor puts behind an image; None where it is not that simple."""
        exact = [self._by_processor([''], words) for words in PROBES]
        plain = self._by_tokenizer('', [''], PROBES[0])
        if exact[0][len(exact[0]) - len(plain) :] != plain:
            return None
        added = exact[0][: len(exact[0]) - len(plain)]
        between = str(self._tokenizer.decode(added)) if added else ''
        made = [self._by_tokenizer(between, [''], words) for words in PROBES]
        return between if made == exact else None


def blank() -> Image:
    """Return a small image that shows nothing."""
    return np.full((BLANK_PX, BLANK_PX, 3), GREY, np.uint8)
