"""ViLT with one head or another."""

from pathlib import Path
from typing import Any

from transformers import (
    ViltConfig,
    ViltForImageAndTextRetrieval,
    ViltForImagesAndTextClassification,
    ViltForQuestionAnswering,
    ViltImageProcessor,
    ViltProcessor,
)

from tiny._lively import enliven
from tiny._trained import bert_tokenizer

SIDE_PX = 48
ANSWERS = ('yes', 'no', '2', 'red', 'tennis court', 'on table')
HEADS = {
    'answer': ViltForQuestionAnswering,
    'match': ViltForImageAndTextRetrieval,
    'verify': ViltForImagesAndTextClassification,
}


def save(folder: Path, head: str = 'answer') -> dict[str, Any]:
    """Write a model of up to 15 patches."""
    tokenizer = bert_tokenizer(model_max_length=40)
    labels = ANSWERS if head == 'answer' else ('False', 'True')
    config = ViltConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        image_size=SIDE_PX,
        patch_size=16,
        num_images=2 if head == 'verify' else -1,
        modality_type_vocab_size=3 if head == 'verify' else 2,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        pad_token_id=tokenizer.pad_token_id,
    )
    model = HEADS[head](config)
    enliven(model, places=0.5)
    model.save_pretrained(folder)
    images = ViltImageProcessor(size={'shortest_edge': SIDE_PX}, size_divisor=16)
    ViltProcessor(images, tokenizer).save_pretrained(folder)
    return {'dtype': 'float32', 'threads': 1}
