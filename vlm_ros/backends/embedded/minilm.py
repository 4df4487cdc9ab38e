"""Sentence embeddings from MiniLM.

all-MiniLM-L6-v2 is a BERT encoder of 6 layers (https://arxiv.org/abs/1810.04805, distilled as in
https://arxiv.org/abs/2002.10957) whose token outputs are averaged and normalized, as
https://arxiv.org/abs/1908.10084 does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file
import torch
from torch.nn import functional

from vlm_ros.backends.engine.torchvision import import_torchvision
from vlm_ros.boxes import FloatArray

DIMENSIONS = 384
LAYERS = 6
MAX_TOKENS = 64
"""Longer texts are cut: a name with its definition has about 20 tokens."""
BATCH = 64


class MiniLm:
    """The encoder with its tokenizer.

    Args:
        weights: `model.safetensors`.
        tokenizer: `tokenizer.json`.
    """

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        import_torchvision()
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        config = BertConfig(
            hidden_size=DIMENSIONS,
            num_hidden_layers=LAYERS,
            num_attention_heads=12,
            intermediate_size=4 * DIMENSIONS,
        )
        self._encoder = BertModel(config)
        self._encoder.train(False)
        state = load_file(weights)
        del state['embeddings.position_ids']  # 0, 1, 2, ...: saved by older releases only
        self._encoder.load_state_dict(state)
        make_tokenizer: Any = PreTrainedTokenizerFast  # untyped in the library
        self._tokenizer = make_tokenizer(
            tokenizer_file=str(tokenizer), pad_token='[PAD]', unk_token='[UNK]'
        )

    def knows(self, text: str) -> bool:
        """Tell whether any part of a text is in the model's word pieces."""
        tokens = self._tokenizer.tokenize(text)
        return any(token != self._tokenizer.unk_token for token in tokens)

    def encode(self, texts: Sequence[str], check: Callable[[], None] = lambda: None) -> FloatArray:
        """Return unit vectors `(N, 384)`, one a text; `check` may end the work between batches."""
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        # Texts of like length together: every text of a batch is padded to its longest.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                check()
                chosen = order[start : start + BATCH]
                vectors[chosen] = self._encode([texts[i] for i in chosen]).numpy()
        return vectors

    def _encode(self, texts: list[str]) -> torch.Tensor:
        tokens = self._tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors='pt'
        )
        hidden = self._encoder(tokens['input_ids'], tokens['attention_mask']).last_hidden_state
        return functional.normalize((hidden * tokens['attention_mask'][..., None]).sum(1), dim=1)
