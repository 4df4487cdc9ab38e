"""VisualBERT with one head or another, and regions for it."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from transformers import (
    VisualBertConfig,
    VisualBertForQuestionAnswering,
    VisualBertForVisualReasoning,
)

from tiny._lively import enliven
from tiny._trained import bert_tokenizer

ANSWERS = ('yes', 'no', '2', 'red', 'tennis court')
HEADS = {'answer': VisualBertForQuestionAnswering, 'verify': VisualBertForVisualReasoning}
WIDTH = 12


def regions(image: np.ndarray) -> np.ndarray:
    """Return the four rows of a very small image."""
    return cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA).reshape(4, WIDTH) / 64


def save(folder: Path, head: str = 'answer', *, named: bool = True) -> dict[str, Any]:
    """Write a model; one that is not `named` keeps its answers' names to itself."""
    tokenizer = bert_tokenizer()
    count = len(ANSWERS) if head == 'answer' else 2
    names = {'id2label': dict(enumerate(ANSWERS))} if named and head == 'answer' else {}
    config = VisualBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        visual_embedding_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=40,
        pad_token_id=tokenizer.pad_token_id,
        **(names or {'num_labels': count}),
    )
    model = HEADS[head](config)
    enliven(model, words=0.3, places=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {'dtype': 'float32', 'threads': 1, 'features': 'tiny.visual_bert:regions'}
