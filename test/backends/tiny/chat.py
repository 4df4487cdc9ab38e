"""Chat models: each kind's own classes, processor and conversation at tiny size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessor,
    GotOcr2ImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessor,
    SmolVLMProcessor,
    SmolVLMVideoProcessor,
)

from tiny._chat import chatml, SIZE, SMOLVLM, text_config, tokenizer, VICUNA, VISION
from tiny._chat_gemma import gemma3, gemma4, paligemma
from tiny._chat_qwen import qwen2_5_vl, qwen2_vl, qwen3_5, qwen3_vl


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


def llava_next(folder: Path) -> Any:
    """LLaVA-NeXT: 16 patches a tile, and a new line after each row of them."""
    tokens = tokenizer(eos_token='</s>', bos_token='<s>')
    shapes = [[64, 128], [128, 64], [128, 128]]
    LlavaNextProcessor(
        LlavaNextImageProcessor(
            size={'shortest_edge': 64}, crop_size=SIZE, image_grid_pinpoints=shapes
        ),
        tokens,
        patch_size=16,
        vision_feature_select_strategy='default',
        num_additional_image_tokens=1,
        chat_template=VICUNA,
    ).save_pretrained(folder)
    return LlavaNextForConditionalGeneration(
        LlavaNextConfig(
            vision_config={'model_type': 'clip_vision_model', **VISION, 'num_hidden_layers': 2},
            text_config=text_config(tokens, 'mistral', sliding_window=None),
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            image_grid_pinpoints=shapes,
        )
    )


def llava_onevision(folder: Path) -> Any:
    """LLaVA-OneVision: as NeXT, with SigLIP and Qwen2."""
    tokens = tokenizer()
    shapes = [[64 * rows, 64 * columns] for rows in (1, 2) for columns in (1, 2)]
    LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=SIZE, image_grid_pinpoints=shapes),
        tokens,
        LlavaOnevisionVideoProcessor(size=SIZE),
        num_image_tokens=16,
        vision_feature_select_strategy='full',
        chat_template=chatml('<image>'),
    ).save_pretrained(folder)
    return LlavaOnevisionForConditionalGeneration(
        LlavaOnevisionConfig(
            vision_config={
                'model_type': 'siglip_vision_model',
                **VISION,
                'num_hidden_layers': 2,
                'vision_use_head': False,
            },
            text_config=text_config(tokens, 'qwen2'),
            image_token_id=tokens.convert_tokens_to_ids('<image>'),
            video_token_id=tokens.convert_tokens_to_ids('<video>'),
            image_grid_pinpoints=shapes,
        )
    )


def internvl(folder: Path) -> Any:
    """InternVL: 4 tokens a tile of 64 pixels."""
    tokens = tokenizer(
        extra_special_tokens={
            'start_image_token': '<img>',
            'end_image_token': '</img>',
            'context_image_token': '<IMG_CONTEXT>',
            'video_token': '<video>',
        }
    )
    InternVLProcessor(
        GotOcr2ImageProcessor(size=SIZE, crop_to_patches=True, max_patches=4),
        tokens,
        InternVLVideoProcessor(size=SIZE),
        image_seq_length=4,
        chat_template=chatml('<IMG_CONTEXT>\n'),
    ).save_pretrained(folder)
    return InternVLForConditionalGeneration(
        InternVLConfig(
            vision_config={**VISION, 'image_size': [64, 64], 'patch_size': [16, 16]},
            text_config=text_config(tokens, 'qwen2'),
            image_token_id=tokens.convert_tokens_to_ids('<IMG_CONTEXT>'),
            image_seq_length=4,
        )
    )


KINDS: dict[str, Callable[[Path], Any]] = {
    'smolvlm': smolvlm,
    'idefics3': idefics3,
    'llava': llava,
    'llava_next': llava_next,
    'llava_onevision': llava_onevision,
    'qwen2_vl': qwen2_vl,
    'qwen2_5_vl': qwen2_5_vl,
    'qwen3_vl': qwen3_vl,
    'qwen3_5': qwen3_5,
    'internvl': internvl,
    'paligemma': paligemma,
    'gemma3': gemma3,
    'gemma4': gemma4,
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
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                # Small words, so that what layers make of the context counts; the smallest where
                # input and output share their weights and a word would bring itself forth.
                is_shared = model.config.tie_word_embeddings
                words = 0.01 if is_shared else 0.05
                parameter.normal_(std=words if 'embed_tokens' in name else 0.3)
