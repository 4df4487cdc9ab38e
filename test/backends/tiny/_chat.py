"""What the tiny chat models share: sizes, tokenizer, conversations."""

from collections.abc import Iterable
from typing import Any

from transformers import (
    Qwen2Tokenizer,
)

from tiny._trained import bytes_and_merges

SPECIAL = [
    '<|endoftext|>',
    '<s>',
    '</s>',
    '<|im_start|>',
    '<|im_end|>',
    '<end_of_utterance>',
    '<fake_token_around_image>',
    '<global-img>',
    *(f'<row_{row}_col_{column}>' for row in range(1, 7) for column in range(1, 7)),
    '<image>',
    '<video>',
    '<|vision_start|>',
    '<|vision_end|>',
    '<|image_pad|>',
    '<|video_pad|>',
    '<img>',
    '</img>',
    '<IMG_CONTEXT>',
    '<think>',
    '</think>',
]


TEXT = {
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'num_key_value_heads': 1,
    'max_position_embeddings': 2048,
}


VISION = {
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
    'image_size': 64,
    'patch_size': 16,
}


SIZE = {'height': 64, 'width': 64}


# The conversations, with the words and marks that each kind was trained on.
_CONTENT = (
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
)


def template(before: str, image: str, after: str, turn: str) -> str:
    """Return a template: what comes before, for, and after a message, and the model's turn."""
    return (
        '{% for message in messages %}'
        + before
        + _CONTENT.replace('IMAGE', image)
        + after
        + '{% endfor %}{% if add_generation_prompt %}'
        + turn
        + '{% endif %}'
    )


SMOLVLM = '<|im_start|>' + template('User: ', '<image>', '<end_of_utterance>\n', 'Assistant:')


VICUNA = template('USER: ', '<image>\n', ' ', 'ASSISTANT:')


def chatml(image: str) -> str:
    """Return the conversation of the Qwen models and of those that are built on them."""
    before = "<|im_start|>{{ message['role'] }}\n"
    return template(before, image, '<|im_end|>\n', '<|im_start|>assistant\n')


def tokenizer(size: int = 460, *, words: Iterable[str] = (), **options: Any) -> Any:
    """Return a byte-level tokenizer with the marks of all kinds.

    Args:
        size: Beyond what was trained there are tokens that can only be read, for models of a
            published size.
        words: What becomes one token each: words behind a space, or with a capital.
        options: For the tokenizer.
    """
    vocab, merges = bytes_and_merges(460, SPECIAL)
    # Letter by letter from the front, before all other merges.
    longer: dict[tuple[str, str], None] = {}
    for word in words:
        letters = word.replace(' ', 'Ġ')
        longer |= {(letters[:end], letters[end]): None for end in range(1, len(letters))}
    for pair in longer:
        vocab.setdefault(''.join(pair), len(vocab))
    merges = [*longer, *(pair for pair in merges if pair not in longer)]
    vocab |= {f'Ġw{index}': index for index in range(len(vocab), size)}
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        additional_special_tokens=SPECIAL[3:],
        **{'pad_token': '<|endoftext|>', 'eos_token': '<|im_end|>', **options},
    )


def text_config(tokens: Any, kind: str, **options: Any) -> dict[str, Any]:
    """Return the config of a language model for a tokenizer."""
    marks = {'eos_token_id': tokens.eos_token_id, 'pad_token_id': tokens.pad_token_id}
    return {'model_type': kind, 'vocab_size': len(tokens), **marks, **TEXT, **options}
