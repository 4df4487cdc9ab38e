"""SAM and SAM 2."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    Sam2Config,
    Sam2ImageProcessor,
    Sam2Model,
    SamConfig,
    SamImageProcessor,
    SamModel,
)

SIDE_PX = 64
MODELS = {'sam': SamModel, 'sam2': Sam2Model}
PROMPTS = {'hidden_size': 32, 'image_size': SIDE_PX, 'patch_size': 16, 'mask_input_channels': 4}
DECODER = {
    'hidden_size': 32,
    'mlp_dim': 32,
    'num_attention_heads': 2,
    'iou_head_hidden_dim': 16,
    'num_hidden_layers': 1,
}
VISION = {
    'hidden_size': 32,
    'output_channels': 32,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'image_size': SIDE_PX,
    'patch_size': 16,
    'window_size': 2,
    'global_attn_indexes': [1],
    'num_pos_feats': 16,
    'mlp_dim': 32,
}
HIERA = {
    'model_type': 'sam2_hiera_det_model',
    'hidden_size': 8,
    'image_size': [SIDE_PX, SIDE_PX],
    'blocks_per_stage': [1, 1, 2, 1],
    'embed_dim_per_stage': [8, 16, 32, 64],
    'num_attention_heads_per_stage': [1, 1, 1, 1],
    'window_size_per_stage': [4, 4, 2, 2],
    'global_attention_blocks': [3],
    'window_positional_embedding_background_size': [2, 2],
}
VISION_2 = {
    'model_type': 'sam2_vision_model',
    'backbone_config': HIERA,
    'backbone_channel_list': [64, 32, 16, 8],
    'backbone_feature_sizes': [[16, 16], [8, 8], [4, 4]],
    'fpn_hidden_size': 32,
}


def save(folder: Path, kind: str = 'sam2') -> dict[str, Any]:
    """Write a model of 16 patches."""
    if kind == 'sam':
        config: Any = SamConfig(
            vision_config=VISION, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
        )
        processor: Any = SamImageProcessor(
            size={'longest_edge': SIDE_PX},
            pad_size={'height': SIDE_PX, 'width': SIDE_PX},
            mask_size={'longest_edge': SIDE_PX // 4},
        )
    else:
        config = Sam2Config(
            vision_config=VISION_2, prompt_encoder_config=PROMPTS, mask_decoder_config=DECODER
        )
        processor = Sam2ImageProcessor(size={'height': SIDE_PX, 'width': SIDE_PX})
    model = MODELS[kind](config)
    _liven(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: masks, and their scores."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.5 if 'decoder' in name else 0.2)
            elif name.endswith('iou_prediction_head.proj_out.bias'):
                parameter.fill_(0.5)
            if 'iou_prediction_head.proj_out.weight' in name:
                parameter.mul_(0.1)
