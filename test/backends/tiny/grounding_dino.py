"""Grounding DINO and MM Grounding DINO."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
)

from tiny._wordpiece import bert_tokenizer, VOCABULARY_SIZE

SHORTEST_PX, LONGEST_PX = 64, 96
MAX_TOKENS = 48
QUERIES = 20
VISION = {
    'model_type': 'swin',
    'image_size': 64,
    'embed_dim': 16,
    'depths': [1, 1, 1, 1],
    'num_heads': [1, 2, 2, 2],
    'window_size': 4,
    'out_indices': [2, 3, 4],
}
TEXT = {
    'model_type': 'bert',
    'vocab_size': VOCABULARY_SIZE,
    'hidden_size': 32,
    'num_hidden_layers': 1,
    'num_attention_heads': 2,
    'intermediate_size': 32,
}
SIZES = {
    'd_model': 64,
    'encoder_layers': 1,
    'decoder_layers': 2,
    'encoder_attention_heads': 4,
    'decoder_attention_heads': 4,
    'encoder_ffn_dim': 64,
    'decoder_ffn_dim': 64,
    'num_queries': QUERIES,
    'max_text_len': MAX_TOKENS,
}
MODELS = {
    'grounding-dino': (GroundingDinoConfig, GroundingDinoForObjectDetection),
    'mm-grounding-dino': (MMGroundingDinoConfig, MMGroundingDinoForObjectDetection),
}


def save(folder: Path, kind: str = 'grounding-dino') -> dict[str, Any]:
    """Write a model of 20 queries that reads 48 tokens at once."""
    config_class, model_class = MODELS[kind]
    model = model_class(config_class(backbone_config=VISION, text_config=TEXT, **SIZES))
    _liven(model)
    model.save_pretrained(folder)
    size = {'shortest_edge': SHORTEST_PX, 'longest_edge': LONGEST_PX}
    GroundingDinoImageProcessor(size=size).save_pretrained(folder)
    bert_tokenizer().save_pretrained(folder)
    return {'dtype': 'float32'}


def _liven(model: torch.nn.Module) -> None:
    """Spread what a fresh initialization makes all alike: scores of tokens, and boxes."""
    scale = 0.15 if isinstance(model, GroundingDinoForObjectDetection) else 2.0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.15)
            if 'text_param' in name or 'vision_param' in name:
                parameter.fill_(0.5)
            if 'layers.2.bias' in name and 'bbox_embed' in name:
                parameter.copy_(torch.tensor([0.0, 0.0, 0.4, 0.4]))
            if 'class_embed' in name:
                parameter.fill_(0.0)
        model.model.decoder.layer_norm.weight.fill_(scale)
