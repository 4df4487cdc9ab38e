"""CLIPSeg."""

from pathlib import Path
from typing import Any

import torch
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, ViTImageProcessor

from tiny._tokenizers import clip_tokenizer

SIDE_PX = 64
TEXT = {
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'max_position_embeddings': 16,
}
VISION = {
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 5,
    'num_attention_heads': 2,
    'image_size': SIDE_PX,
    'patch_size': 8,
}
DECODER = {
    'projection_dim': 32,
    'extract_layers': [0, 2, 3],
    'reduce_dim': 16,
    'decoder_num_attention_heads': 2,
    'decoder_intermediate_size': 32,
}


def save(folder: Path) -> dict[str, Any]:
    """Write a model of 64 patches, whose decoder needs four layers of five."""
    config = CLIPSegConfig(text_config=TEXT, vision_config=VISION, **DECODER)
    model = CLIPSegForImageSegmentation(config)
    _liven(model)
    model.save_pretrained(folder)
    ViTImageProcessor(size={'height': SIDE_PX, 'width': SIDE_PX}).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: probabilities of pixels and names."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                decides = 'film' in name or 'text_model' in name
                parameter.normal_(std=1.0 if decides else 0.2)
            elif 'transposed_convolution' in name:
                parameter.fill_(-0.5)
