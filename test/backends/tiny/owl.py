"""OWL-ViT and OWLv2."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
)

from tiny._tokenizers import clip_tokenizer

SIDE_PX = 96
TEXT = {
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'max_position_embeddings': 16,
}
VISION = {
    'hidden_size': 48,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'image_size': SIDE_PX,
    'patch_size': 16,
}


MODELS = {'owlvit': OwlViTForObjectDetection, 'owlv2': Owlv2ForObjectDetection}


def save(folder: Path, kind: str = 'owlvit') -> dict[str, Any]:
    """Write a model of 36 patches."""
    config_class, model_class, processor_class = {
        'owlvit': (OwlViTConfig, OwlViTForObjectDetection, OwlViTImageProcessor),
        'owlv2': (Owlv2Config, Owlv2ForObjectDetection, Owlv2ImageProcessor),
    }[kind]
    model = model_class(config_class(text_config=TEXT, vision_config=VISION, projection_dim=32))
    _liven(model)
    model.save_pretrained(folder)
    size = {'height': SIDE_PX, 'width': SIDE_PX}
    processor_class(size=size, crop_size=size).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: scores, labels and boxes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.3 if 'head' in name else 0.15)
        model.class_head.logit_scale.bias.fill_(4.0)
        model.class_head.logit_scale.weight.mul_(0.1)
        model.class_head.logit_shift.weight.mul_(0.02)
