"""SAM 3."""

from pathlib import Path
from typing import Any

import torch
from transformers import Sam3Config, Sam3ImageProcessor, Sam3Model

from tiny._tokenizers import clip_tokenizer

SIDE_PX = 56
WIDTH = {'hidden_size': 32, 'num_attention_heads': 2, 'intermediate_size': 64}
BACKBONE = {
    'model_type': 'sam3_vit_model',
    **WIDTH,
    'num_hidden_layers': 2,
    'image_size': SIDE_PX,
    'patch_size': 14,
    'window_size': 2,
    'global_attn_indexes': [1],
    'pretrain_image_size': 28,
}
VISION = {
    'model_type': 'sam3_vision_model',
    'backbone_config': BACKBONE,
    'fpn_hidden_size': 32,
    'backbone_feature_sizes': [[16, 16], [8, 8], [4, 4]],
}
TEXT = {
    'model_type': 'clip_text_model',
    **WIDTH,
    'num_hidden_layers': 2,
    'projection_dim': 32,
    'max_position_embeddings': 32,
}
QUERIES = 12


def save(folder: Path) -> dict[str, Any]:
    """Write a model of 16 patches and 12 queries."""
    layers = {**WIDTH, 'num_layers': 2, 'dropout': 0.0}
    config = Sam3Config(
        vision_config=VISION,
        text_config=TEXT,
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, 'num_queries': QUERIES},
        mask_decoder_config={'hidden_size': 32, 'num_attention_heads': 2},
    )
    model = Sam3Model(config)
    _liven(model)
    model.save_pretrained(folder)
    size = {'height': SIDE_PX, 'width': SIDE_PX}
    Sam3ImageProcessor(size=size, mask_size=size).save_pretrained(folder)
    clip_tokenizer(32).save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: scores, boxes and masks."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.5 if 'text_encoder' in name else 0.2)
