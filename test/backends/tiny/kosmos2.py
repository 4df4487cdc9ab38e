"""Kosmos-2, whose 1024 patch tokens outnumber the words."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPImageProcessor,
    Kosmos2Config,
    Kosmos2ForConditionalGeneration,
    Kosmos2Processor,
)

from tiny._lively import enliven
from tiny._trained import xlmr_tokenizer

SIDE_PX = 32
QUERIES = 4


def save(folder: Path) -> dict[str, Any]:
    """Write a model of 4 patches."""
    tokenizer = xlmr_tokenizer(QUERIES)
    size = {'height': SIDE_PX, 'width': SIDE_PX}
    processor = Kosmos2Processor(CLIPImageProcessor(size=size, crop_size=size), tokenizer)
    config = Kosmos2Config(
        text_config={
            'vocab_size': len(tokenizer),
            'max_position_embeddings': 96,
            'embed_dim': 32,
            'layers': 2,
            'ffn_dim': 64,
            'attention_heads': 2,
            'pad_token_id': tokenizer.pad_token_id,
            'bos_token_id': tokenizer.bos_token_id,
            'eos_token_id': tokenizer.eos_token_id,
        },
        vision_config={
            'hidden_size': 32,
            'intermediate_size': 64,
            'num_hidden_layers': 2,
            'num_attention_heads': 2,
            'image_size': SIDE_PX,
            'patch_size': 16,
        },
        latent_query_num=QUERIES,
    )
    model = Kosmos2ForConditionalGeneration(config)
    enliven(model, words=0.4)
    with torch.no_grad():  # the places of words have no weights, and are small
        model.text_model.model.embed_tokens.weight.mul_(0.2)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return {'dtype': 'float32', 'max_new_tokens': 8, 'threads': 1}
