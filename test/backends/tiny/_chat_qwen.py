"""The Qwen models at tiny size, with their processors."""

from pathlib import Path
from typing import Any

from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from tiny._chat import chatml, text_config, tokenizer

QWEN_VISION = {
    'depth': 2,
    'hidden_size': 32,
    'intermediate_size': 48,
    'num_heads': 2,
    'spatial_merge_size': 2,
    'out_hidden_size': 32,
}


QWEN_IMAGE = chatml('<|vision_start|><|image_pad|><|vision_end|>')


MROPE = {'rope_type': 'default', 'rope_theta': 10000.0, 'mrope_section': [2, 3, 3]}


def _qwen_tokens(tokens: Any) -> dict[str, int]:
    return {
        f'{name}_token_id': tokens.convert_tokens_to_ids(f'<|{mark}|>')
        for name, mark in (
            ('image', 'image_pad'),
            ('video', 'video_pad'),
            ('vision_start', 'vision_start'),
            ('vision_end', 'vision_end'),
        )
    }


def _qwen_images(patch_size: int) -> Any:
    return Qwen2VLImageProcessor(
        size={'shortest_edge': 16 * patch_size**2, 'longest_edge': 256 * patch_size**2},
        patch_size=patch_size,
    )


def qwen2_vl(folder: Path) -> Any:
    """Qwen2-VL: one token for four patches of 14 pixels."""
    tokens = tokenizer()
    Qwen2VLProcessor(
        _qwen_images(14), tokens, Qwen2VLVideoProcessor(), chat_template=QWEN_IMAGE
    ).save_pretrained(folder)
    vision = {'depth': 2, 'embed_dim': 32, 'num_heads': 2, 'mlp_ratio': 2, 'hidden_size': 32}
    return Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(
            vision_config=vision,
            text_config=text_config(tokens, 'qwen2_vl_text', rope_parameters=MROPE),
            **_qwen_tokens(tokens),
        )
    )


def qwen2_5_vl(folder: Path) -> Any:
    """Qwen2.5-VL: one token for four patches of 14 pixels."""
    tokens = tokenizer()
    Qwen2_5_VLProcessor(
        _qwen_images(14), tokens, Qwen2VLVideoProcessor(), chat_template=QWEN_IMAGE
    ).save_pretrained(folder)
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            vision_config={**QWEN_VISION, 'window_size': 56, 'fullatt_block_indexes': [1]},
            text_config=text_config(tokens, 'qwen2_5_vl_text', rope_parameters=MROPE),
            **_qwen_tokens(tokens),
        )
    )


def qwen3_vl(folder: Path) -> Any:
    """Qwen3-VL: one token for four patches of 16 pixels, and features for several layers."""
    tokens = tokenizer()
    Qwen3VLProcessor(
        _qwen_images(16), tokens, Qwen3VLVideoProcessor(), chat_template=QWEN_IMAGE
    ).save_pretrained(folder)
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            vision_config={
                **QWEN_VISION,
                'num_position_embeddings': 16,
                'deepstack_visual_indexes': [0],
            },
            text_config=text_config(tokens, 'qwen3_vl_text', head_dim=16, rope_parameters=MROPE),
            **_qwen_tokens(tokens),
        )
    )


def qwen3_5(folder: Path) -> Any:
    """Qwen3.5: linear attention in one layer of two, and a template that may think."""
    tokens = tokenizer()
    thinks = (
        '{% if enable_thinking is defined and enable_thinking is false %}'
        "{{ '<think>\n\n</think>\n\n' }}{% else %}{{ '<think>\n' }}{% endif %}"
    )
    last = QWEN_IMAGE.rindex('{% endif %}')
    template = QWEN_IMAGE[:last] + thinks + QWEN_IMAGE[last:]
    Qwen3VLProcessor(
        _qwen_images(16), tokens, Qwen3VLVideoProcessor(), chat_template=template
    ).save_pretrained(folder)
    return Qwen3_5ForConditionalGeneration(
        Qwen3_5Config(
            vision_config={**QWEN_VISION, 'num_position_embeddings': 16},
            text_config=text_config(
                tokens,
                'qwen3_5_text',
                head_dim=16,
                layer_types=['linear_attention', 'full_attention'],
                linear_key_head_dim=8,
                linear_value_head_dim=8,
                linear_num_key_heads=2,
                linear_num_value_heads=2,
                rope_parameters={**MROPE, 'partial_rotary_factor': 1.0},
            ),
            **_qwen_tokens(tokens),
        )
    )
