"""BLIP with one head or another."""

from pathlib import Path
from typing import Any

from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipForImageTextRetrieval,
    BlipForQuestionAnswering,
    BlipImageProcessor,
    BlipProcessor,
)

from tiny._lively import enliven
from tiny._trained import bert_tokenizer

SIDE_PX = 48
HEADS = {
    'caption': BlipForConditionalGeneration,
    'answer': BlipForQuestionAnswering,
    'match': BlipForImageTextRetrieval,
}


def save(folder: Path, head: str = 'answer') -> dict[str, Any]:
    """Write a model of 9 patches."""
    tokenizer = bert_tokenizer()
    words = len(tokenizer)
    config = BlipConfig(
        text_config={
            'vocab_size': words + 2,  # [DEC] and [ENC], which the tokenizer does not know
            'hidden_size': 48,  # the decoder of answers attends to the encoder of questions
            'intermediate_size': 64,
            'num_hidden_layers': 2,
            'num_attention_heads': 2,
            'max_position_embeddings': 48,
            'bos_token_id': words,
            'pad_token_id': tokenizer.pad_token_id,
            'sep_token_id': tokenizer.sep_token_id,
        },
        vision_config={
            'hidden_size': 48,
            'intermediate_size': 64,
            'num_hidden_layers': 2,
            'num_attention_heads': 2,
            'image_size': SIDE_PX,
            'patch_size': 16,
        },
        image_text_hidden_size=24,
    )
    model = HEADS[head](config)
    enliven(model)
    model.save_pretrained(folder)
    size = {'height': SIDE_PX, 'width': SIDE_PX}
    BlipProcessor(BlipImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return {'dtype': 'float32', 'max_new_tokens': 8, 'threads': 1}
