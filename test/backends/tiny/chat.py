"""Chat models: each kind's own classes, processor and conversation at tiny size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    Qwen2Tokenizer,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
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


def _template(before: str, image: str, after: str, turn: str) -> str:
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


SMOLVLM = '<|im_start|>' + _template('User: ', '<image>', '<end_of_utterance>\n', 'Assistant:')
VICUNA = _template('USER: ', '<image>\n', ' ', 'ASSISTANT:')


def chatml(image: str) -> str:
    """Return the conversation of the Qwen models and of those that are built on them."""
    before = "<|im_start|>{{ message['role'] }}\n"
    return _template(before, image, '<|im_end|>\n', '<|im_start|>assistant\n')


def tokenizer(**options: Any) -> Any:
    """Return a byte-level tokenizer with the marks of all kinds."""
    vocab, merges = bytes_and_merges(460, SPECIAL)
    return Qwen2Tokenizer(
        vocab=vocab,
        merges=merges,
        additional_special_tokens=SPECIAL[3:],
        **{'pad_token': '<|endoftext|>', 'eos_token': '<|im_end|>', **options},
    )


def text_config(tokens: Any, kind: str, **options: Any) -> dict[str, Any]:
    """Return the config of a language model for a tokenizer."""
    return {'model_type': kind, 'vocab_size': len(tokens), **TEXT, **options}


def smolvlm(folder: Path) -> Any:
    """SmolVLM: 16 tokens a tile of 64 pixels."""
    tokens = tokenizer(eos_token='<end_of_utterance>')
    tiles = {'size': {'longest_edge': 256}, 'max_image_size': {'longest_edge': 64}}
    SmolVLMProcessor(
        SmolVLMImageProcessor(**tiles),
        tokens,
        SmolVLMVideoProcessor(**tiles),
        image_seq_len=16,
        chat_template=SMOLVLM,
    ).save_pretrained(folder)
    return SmolVLMForConditionalGeneration(
        SmolVLMConfig(
            vision_config={**VISION, 'patch_size': 8},
            text_config=text_config(tokens, 'llama'),
            scale_factor=2,
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            pad_token_id=tokens.pad_token_id,
        )
    )


def idefics3(folder: Path) -> Any:
    """Idefics 3: as SmolVLM, which came out of it."""
    tokens = tokenizer(eos_token='<end_of_utterance>')
    Idefics3Processor(
        Idefics3ImageProcessor(size={'longest_edge': 256}, max_image_size={'longest_edge': 64}),
        tokens,
        image_seq_len=16,
        chat_template=SMOLVLM,
    ).save_pretrained(folder)
    return Idefics3ForConditionalGeneration(
        Idefics3Config(
            vision_config={**VISION, 'patch_size': 8},
            text_config=text_config(tokens, 'llama'),
            scale_factor=2,
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            pad_token_id=tokens.pad_token_id,
        )
    )


def llava(folder: Path) -> Any:
    """LLaVA 1.5: 16 patches of CLIP's vision tower."""
    tokens = tokenizer(eos_token='</s>', bos_token='<s>')
    LlavaProcessor(
        CLIPImageProcessor(size={'shortest_edge': 64}, crop_size=SIZE),
        tokens,
        patch_size=16,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    ).save_pretrained(folder)
    return LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config={'model_type': 'clip_vision_model', **VISION, 'num_hidden_layers': 2},
            text_config=text_config(tokens, 'llama'),
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
        )
    )


KINDS: dict[str, Callable[[Path], Any]] = {
    'smolvlm': smolvlm,
    'idefics3': idefics3,
    'llava': llava,
}


def save(folder: Path, kind: str = 'smolvlm') -> dict[str, Any]:
    """Write a model of some kind."""
    model = KINDS[kind](folder)
    _liven(model)
    model.save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike, so that texts differ by image."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3)
