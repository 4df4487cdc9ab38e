"""BridgeTower with one head or another."""

from pathlib import Path
from typing import Any

from transformers import (
    BridgeTowerConfig,
    BridgeTowerForContrastiveLearning,
    BridgeTowerForImageAndTextRetrieval,
    BridgeTowerForMaskedLM,
    BridgeTowerImageProcessor,
    BridgeTowerProcessor,
)

from tiny._lively import enliven
from tiny._trained import bart_tokenizer

SIDE_PX = 32
PLACES = 16
HEADS = {
    'match': BridgeTowerForImageAndTextRetrieval,
    'encode': BridgeTowerForContrastiveLearning,
    'words': BridgeTowerForMaskedLM,
}


def save(folder: Path, head: str = 'match') -> dict[str, Any]:
    """Write a model of 4 patches."""
    tokenizer = bart_tokenizer(model_max_length=48)
    config = BridgeTowerConfig(
        hidden_size=128,  # the vision tower has a head for every 64
        num_attention_heads=2,
        num_hidden_layers=2,
        text_config={
            'vocab_size': len(tokenizer),
            'hidden_size': 128,
            'intermediate_size': 64,
            'num_hidden_layers': 3,
            'num_attention_heads': 2,
            'max_position_embeddings': 50,
            'pad_token_id': tokenizer.pad_token_id,
            'bos_token_id': tokenizer.bos_token_id,
            'eos_token_id': tokenizer.eos_token_id,
        },
        vision_config={
            'hidden_size': 128,
            'num_hidden_layers': 3,
            'image_size': SIDE_PX,
            'patch_size': 16,
        },
        contrastive_hidden_size=PLACES,
        logit_scale_init_value=2.65,
    )
    model = HEADS[head](config)
    enliven(model, words=0.15, places=0.5)
    model.save_pretrained(folder)
    side = {'shortest_edge': SIDE_PX}
    images = BridgeTowerImageProcessor(size=side, crop_size=side, size_divisor=16)
    BridgeTowerProcessor(images, tokenizer).save_pretrained(folder)
    return {'dtype': 'float32', 'threads': 1}
