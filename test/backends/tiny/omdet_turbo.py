"""OmDet-Turbo, with a backbone of timm as the published one has."""

from pathlib import Path
from typing import Any

import torch
from transformers import DetrImageProcessor, OmDetTurboConfig, OmDetTurboForObjectDetection

from tiny._tokenizers import clip_tokenizer

SIDE_PX = 96
QUERIES = 20
TEXT = {
    'model_type': 'clip_text_model',
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'max_position_embeddings': 24,
    'projection_dim': 32,
}
VISION = {'model_type': 'timm_backbone', 'backbone': 'test_resnet', 'out_indices': [2, 3, 4]}
SIZES = {
    'image_size': SIDE_PX,
    'text_projection_in_dim': 32,
    'text_projection_out_dim': 32,
    'class_embed_dim': 32,
    'task_encoder_hidden_dim': 32,
    'encoder_in_channels': [48, 192, 96],
    'encoder_hidden_dim': 64,
    'vision_features_channels': [64, 64, 64],
    'encoder_attention_heads': 2,
    'encoder_dim_feedforward': 64,
    'decoder_hidden_dim': 64,
    'decoder_num_heads': 2,
    'decoder_num_layers': 2,
    'decoder_dim_feedforward': 64,
    'num_queries': QUERIES,
    'apply_layernorm_after_vision_backbone': False,
}
BYTES_MEAN, BYTES_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def save(folder: Path) -> dict[str, Any]:
    """Write a model of 20 queries."""
    config = OmDetTurboConfig(text_config=TEXT, backbone_config=VISION, **SIZES)
    model = OmDetTurboForObjectDetection(config)
    _liven(model)
    model.save_pretrained(folder)
    DetrImageProcessor(
        size={'height': SIDE_PX, 'width': SIDE_PX},
        do_rescale=False,
        do_pad=False,
        image_mean=BYTES_MEAN,
        image_std=BYTES_STD,
    ).save_pretrained(folder)
    clip_tokenizer(24).save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: scores of names, and boxes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and 'vision_backbone' not in name:
                parameter.normal_(std=1.0 if 'language_backbone' in name else 0.15)
            if 'bbox_head' in name and name.endswith('layers.2.bias'):
                parameter.copy_(torch.tensor([0.0, 0.0, 0.6, 0.6]))
