"""Models of open_clip, as the folders of hub repositories that are made for it."""

from copy import deepcopy
import json
from pathlib import Path
from typing import Any

import open_clip
from safetensors.torch import save_file
import torch

from tiny._trained_tokenizers import gemma

POSITIONS = 32
TEXT = {'context_length': POSITIONS, 'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 2}
VISION = {'image_size': 64, 'layers': 2, 'width': 64, 'head_width': 32, 'patch_size': 16}
CLIP = {'embed_dim': 32, 'vision_cfg': VISION, 'text_cfg': TEXT}
COCA = {
    'embed_dim': 32,
    'vision_cfg': {
        **VISION,
        'attentional_pool': True,
        'attn_pooler_heads': 2,
        'output_tokens': True,
    },
    'text_cfg': {**TEXT, 'embed_cls': True, 'output_tokens': True},
    'multimodal_cfg': {**TEXT, 'attn_pooler_heads': 2},
    'custom_text': True,
}
SIGLIP2 = {
    'embed_dim': 64,
    'init_logit_bias': -1,
    'custom_text': True,
    'vision_cfg': {
        'image_size': 160,
        'timm_model_name': 'test_vit',
        'timm_pool': 'map',
        'timm_proj': 'none',
    },
    'text_cfg': {
        **TEXT,
        'vocab_size': 300,
        'hf_tokenizer_name': 'timm/ViT-B-16-SigLIP2',
        'tokenizer_kwargs': {'clean': 'canonicalize'},
        'no_causal_mask': True,
        'proj_bias': True,
        'pool_type': 'last',
    },
}


def timm_model(name: str, *, side_px: int, pool: str) -> dict[str, Any]:
    """Return a model with a vision tower of timm, as EVA, MobileCLIP 2 and PE-Core have."""
    vision = {'image_size': side_px, 'timm_model_name': name, 'timm_pool': pool}
    return {
        'embed_dim': 32,
        'custom_text': True,
        'vision_cfg': {**vision, 'timm_proj': None},
        'text_cfg': TEXT,
    }


MODELS = {
    'clip': (CLIP, {}),
    'coca': (COCA, {}),
    'siglip2': (
        SIGLIP2,
        {
            'mean': [0.5, 0.5, 0.5],
            'std': [0.5, 0.5, 0.5],
            'interpolation': 'bicubic',
            'resize_mode': 'squash',
        },
    ),
    # The smallest towers of those that are published.
    'eva02': (timm_model('eva02_tiny_patch14_224', side_px=224, pool='token'), {}),
    'mobileclip2': (
        timm_model('fastvit_mci0', side_px=256, pool='avg'),
        {'mean': [0, 0, 0], 'std': [1, 1, 1], 'interpolation': 'bilinear'},
    ),
    'pe_core': (
        timm_model('vit_pe_core_tiny_patch16_384', side_px=384, pool='map'),
        {'mean': [0.5] * 3, 'std': [0.5] * 3, 'resize_mode': 'squash'},
    ),
}
"""What the configuration says of the model, and of its preprocessing."""


def save(folder: Path, kind: str = 'coca') -> dict[str, Any]:
    """Write one of the `MODELS`."""
    config, preprocessing = MODELS[kind]
    settings = deepcopy(config)
    is_custom = settings.pop('custom_text', False)
    model_class = open_clip.CustomTextCLIP if is_custom else open_clip.CLIP
    model = (open_clip.CoCa if kind == 'coca' else model_class)(**settings)
    if kind in ('clip', 'coca', 'siglip2'):
        _liven(model)
    save_file(model.state_dict(), folder / 'open_clip_model.safetensors')
    described = {'model_cfg': config, 'preprocess_cfg': preprocessing}
    (folder / 'open_clip_config.json').write_text(json.dumps(described), encoding='utf-8')
    if kind == 'siglip2':
        gemma(POSITIONS, lowers=False).save_pretrained(folder)
    return {'dtype': 'float32', 'max_tokens': 10}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: places, scores, words."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                # Else every word of a caption is the one before it.
                parameter.normal_(std=1.0 if 'positional' in name else 0.2)
