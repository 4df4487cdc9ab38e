"""What a chat model is told: the words of every task, and the conversation around them.

The images come first and the words after them, so that one prefix serves every question about an
image. Short answers are asked for behind the question, as LLaVA 1.5 does (arXiv 2310.03744).
"""

from collections.abc import Iterable, Sequence
import re
from typing import Any

CAPTION = 'Describe the image in one sentence.'
CAPTION_FRAMES = 'Describe in one sentence what happens in these frames.'
ANSWER = '{question}\nAnswer with a single word or a short phrase.'
ANSWER_YES_NO = '{question}\nAnswer yes or no.'
ANSWER_CHOICE = '{question}\nAnswer with one of these: {choices}.'
VERIFY = 'Is this true: "{statement}"? Answer yes or no.'
MATCH = 'Does this figure show "{text}"? Please answer yes or no.'
"""The question that VQAScore asks (arXiv 2404.01291)."""

FRAME = 'Frame {}:'
SIDES = ('Left image:', 'Right image:')
"""Of the pairs in NLVR2 (arXiv 1811.00491)."""

PREFIX_CAPTION = 'caption en'
PREFIX_ANSWER = 'answer en {question}'
"""Tasks that PaliGemma was trained to do, by the first words of a prompt (arXiv 2407.07726)."""

_THOUGHT = re.compile(r'<think>.*?(?:</think>|\Z)', re.DOTALL)


class Chat:
    """Puts words and images into the form that a model was trained on.

    Args:
        processor: Has the chat template; without one, the words stand behind the images alone.

    Attributes:
        is_prefix: Whether the model takes a task prefix, and no instructions.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        template = processor.chat_template
        self.is_prefix = not template
        # Other templates take no notice of it, but none shall be surprised by it.
        self._options = {'enable_thinking': False} if 'enable_thinking' in str(template) else {}
        tokens: Iterable[str] = processor.tokenizer.get_added_vocab()
        found = sorted((token for token in tokens if token.strip()), key=len, reverse=True)
        self._markup = re.compile(f'(?:{"|".join(map(re.escape, found)) or "(?!)"})+')

    def plain(self, text: str) -> str:
        """Return a text without what the tokenizer would take for its own markup."""
        return self._markup.sub(' ', text).strip()

    def messages(self, intros: Sequence[str], words: str) -> list[dict[str, Any]]:
        """Return the conversation: images, each after its introduction, and the words.

        Args:
            intros: One an image; empty for none.
            words: What the user says about them.
        """
        content: list[dict[str, Any]] = []
        for intro in intros:
            if intro:
                content.append({'type': 'text', 'text': intro})
            content.append({'type': 'image'})
        content.append({'type': 'text', 'text': words})
        return [{'role': 'user', 'content': content}]

    def text(self, intros: Sequence[str], words: str) -> str:
        """Return the conversation as the processor takes it, up to the model's turn."""
        if self.is_prefix:
            return str(self._processor.image_token) * len(intros) + words
        rendered: str = self._processor.apply_chat_template(
            self.messages(intros, words),
            add_generation_prompt=True,
            tokenize=False,
            **self._options,
        )
        return rendered


def without_thoughts(text: str) -> str:
    """Return a text without what the model thought aloud, finished or not.

    A model that was told not to think may do it all the same.
    """
    head, closed, tail = text.rpartition('</think>')
    return (tail if closed else _THOUGHT.sub('', head + tail)).strip()
