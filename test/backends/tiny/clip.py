"""CLIP and its kin in transformers: each type of model that the backend `clip` runs."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AlignConfig,
    AlignModel,
    AltCLIPConfig,
    AltCLIPModel,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessor,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    EfficientNetImageProcessor,
    FlavaConfig,
    FlavaForPreTraining,
    FlavaImageProcessor,
    MetaClip2Config,
    MetaClip2Model,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from tiny._tokenizers import clip_tokenizer
from tiny._trained import bert_tokenizer
from tiny._trained_tokenizers import gemma, unigram

SIDE_PX = 64
POSITIONS = 24
TOWER = {
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
}
TEXT = {**TOWER, 'max_position_embeddings': POSITIONS}
VISION = {**TOWER, 'image_size': SIDE_PX, 'patch_size': 16}
SQUARE = {'height': SIDE_PX, 'width': SIDE_PX}
CROPPING = {'size': {'shortest_edge': SIDE_PX}, 'crop_size': SQUARE}
MODELS = {
    'align': AlignModel,
    'altclip': AltCLIPModel,
    'chinese_clip': ChineseCLIPModel,
    'clip': CLIPModel,
    'flava': FlavaForPreTraining,
    'metaclip_2': MetaClip2Model,
    'siglip': SiglipModel,
    'siglip2': Siglip2Model,
}
"""The classes that know how the library itself scores texts."""


def save(folder: Path, kind: str = 'siglip') -> dict[str, Any]:
    """Write a model of one of the `MODELS`."""
    config, processor, tokenizer = globals()[f'_{kind}']()
    model = MODELS[kind](config)
    _liven(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {'dtype': 'float32'}


def _clip() -> Any:
    ids = {'bos_token_id': 49406, 'eos_token_id': 49407, 'pad_token_id': 0}
    config = CLIPConfig(text_config={**TEXT, **ids}, vision_config=VISION, projection_dim=32)
    return config, CLIPImageProcessor(**CROPPING), clip_tokenizer(POSITIONS)


def _siglip() -> Any:
    # SigLIP 2 of a fixed resolution: SigLIP's classes, and Gemma's own tokenizer.
    tokenizer = gemma(POSITIONS, lowers=False)
    text = {**TEXT, 'vocab_size': len(tokenizer), 'projection_size': 32}
    config = SiglipConfig(text_config=text, vision_config=VISION)
    return config, SiglipImageProcessor(size=SQUARE), tokenizer


def _siglip2() -> Any:
    tokenizer = gemma(POSITIONS, lowers=True)
    text = {**TEXT, 'vocab_size': len(tokenizer), 'projection_size': 32}
    vision = {**TOWER, 'num_patches': 16, 'patch_size': 16}
    config = Siglip2Config(text_config=text, vision_config=vision)
    return config, Siglip2ImageProcessor(patch_size=16, max_num_patches=16), tokenizer


def _metaclip_2() -> Any:
    tokenizer = unigram(POSITIONS)
    text = {**TEXT, 'vocab_size': len(tokenizer), 'pad_token_id': 1, 'eos_token_id': 2}
    config = MetaClip2Config(text_config=text, vision_config=VISION, projection_dim=32)
    return config, CLIPImageProcessor(**CROPPING), tokenizer


def _align() -> Any:
    tokenizer = bert_tokenizer(model_max_length=POSITIONS)
    vision = {
        'image_size': SIDE_PX,
        'width_coefficient': 0.25,
        'depth_coefficient': 0.2,
        'hidden_dim': 32,
        'kernel_sizes': [3, 5],
        'in_channels': [32, 16],
        'out_channels': [16, 128],
        'depthwise_padding': [],
        'strides': [1, 2],
        'num_block_repeats': [1, 1],
        'expand_ratios': [1, 4],
    }
    config = AlignConfig(
        text_config={**TEXT, 'vocab_size': len(tokenizer)},
        vision_config=vision,
        projection_dim=32,
    )
    # As the published model's: enlarged first, values from -1 to 1, no mean.
    processor = EfficientNetImageProcessor(
        size={'height': 80, 'width': 76},
        crop_size=SQUARE,
        do_center_crop=True,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    )
    return config, processor, tokenizer


def _flava() -> Any:
    tokenizer = bert_tokenizer(model_max_length=POSITIONS)
    config = FlavaConfig(
        image_config=VISION,
        text_config={**TEXT, 'vocab_size': len(tokenizer)},
        multimodal_config=TOWER,
        image_codebook_config={'num_blocks_per_group': 1, 'hidden_size': 8, 'vocab_size': 64},
        hidden_size=32,
        projection_dim=32,
    )
    return config, FlavaImageProcessor(size=SQUARE, crop_size=SQUARE), tokenizer


def _altclip() -> Any:
    tokenizer = unigram(POSITIONS - 2)
    text = {**TEXT, 'vocab_size': len(tokenizer), 'project_dim': 32}
    config = AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=32)
    return config, CLIPImageProcessor(**CROPPING), tokenizer


def _chinese_clip() -> Any:
    tokenizer = bert_tokenizer(model_max_length=POSITIONS)
    config = ChineseCLIPConfig(
        text_config={**TEXT, 'vocab_size': len(tokenizer)},
        vision_config=VISION,
        projection_dim=32,
    )
    return config, ChineseCLIPImageProcessor(**CROPPING), tokenizer


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: places, and so scores."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith('logit_scale'):
                parameter.fill_(2.0 if hasattr(model, 'logit_bias') else 3.5)
            elif name.endswith('logit_bias'):
                parameter.fill_(-1.0)
            elif name.endswith('temperature'):
                parameter.fill_(0.03)
            elif parameter.ndim > 1:
                parameter.normal_(std=0.2)
