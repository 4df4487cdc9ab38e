"""Sentence embeddings from MiniLM.

all-MiniLM-L6-v2 is a BERT encoder of 6 layers (https://arxiv.org/abs/1810.04805, distilled as in
https://arxiv.org/abs/2002.10957) whose token outputs are averaged and normalized, as
https://arxiv.org/abs/1908.10084 does. The encoder is written out here because importing the
library that has it takes longer than everything else this backend loads.
"""

from collections.abc import Callable, Sequence
import contextlib
import hashlib
import os
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from tokenizers import Tokenizer
import torch
from torch.nn import functional

from vlm_ros.backends.embedded.assets import MINILM
from vlm_ros.backends.weights import cache_folder
from vlm_ros.boxes import FloatArray

DIMENSIONS = 384
HEADS = 12
LAYERS = 6
LAYER_NORM_EPSILON = 1e-12
MAX_TOKENS = 64
"""Longer texts are cut: a name with its definition has about 20 tokens."""
BATCH = 64
UNKNOWN_TOKEN = '[UNK]'


class MiniLm:
    """The encoder with its tokenizer.

    Args:
        weights: `model.safetensors`.
        tokenizer: `tokenizer.json`.
    """

    def __init__(self, weights: Path, tokenizer: Path) -> None:
        self._weights = load_file(weights)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.enable_padding()

    def knows(self, text: str) -> bool:
        """Tell whether any part of a text is in the model's word pieces."""
        tokens = self._tokenizer.encode(text, add_special_tokens=False).tokens
        return any(token != UNKNOWN_TOKEN for token in tokens)

    def encode(self, texts: Sequence[str], check: Callable[[], None] = lambda: None) -> FloatArray:
        """Return unit vectors `(N, 384)`, one a text; `check` is called between batches."""
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        # Texts of like length together: every text of a batch is padded to its longest.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                check()
                chosen = order[start : start + BATCH]
                vectors[chosen] = self._encode([texts[i] for i in chosen]).numpy()
        return vectors

    def _encode(self, texts: Sequence[str]) -> torch.Tensor:
        encoded = self._tokenizer.encode_batch(texts)
        ids = torch.tensor([item.ids for item in encoded])
        mask = torch.tensor([item.attention_mask for item in encoded], dtype=torch.bool)
        weights = self._weights
        hidden = (
            weights['embeddings.word_embeddings.weight'][ids]
            + weights['embeddings.position_embeddings.weight'][: ids.shape[1]]
            + weights['embeddings.token_type_embeddings.weight'][0]
        )
        hidden = self._norm(hidden, 'embeddings')
        for layer in range(LAYERS):
            hidden = self._layer(hidden, mask, f'encoder.layer.{layer}')
        summed = (hidden * mask[..., None]).sum(1)
        return functional.normalize(summed, dim=1)

    def _layer(self, hidden: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
        queries, keys, values = (
            self._linear(hidden, f'{name}.attention.self.{part}')
            .view(*hidden.shape[:2], HEADS, -1)
            .transpose(1, 2)
            for part in ('query', 'key', 'value')
        )
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask[:, None, None]
        )
        mixed = self._linear(mixed.transpose(1, 2).flatten(2), f'{name}.attention.output.dense')
        hidden = self._norm(hidden + mixed, f'{name}.attention.output')
        inner = functional.gelu(self._linear(hidden, f'{name}.intermediate.dense'))
        return self._norm(hidden + self._linear(inner, f'{name}.output.dense'), f'{name}.output')

    def _linear(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(
            hidden, self._weights[f'{name}.weight'], self._weights[f'{name}.bias']
        )

    def _norm(self, hidden: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(
            hidden,
            (DIMENSIONS,),
            self._weights[f'{name}.LayerNorm.weight'],
            self._weights[f'{name}.LayerNorm.bias'],
            LAYER_NORM_EPSILON,
        )


def remembered(minilm: MiniLm, texts: Sequence[str]) -> FloatArray:
    """Encode texts that are always the same, once: the next process reads a file.

    The file's name holds what it depends on. One that is damaged or cannot be written only costs
    the encoding again.
    """
    key = hashlib.sha256('\n'.join((MINILM.sha256, *texts)).encode()).hexdigest()[:16]
    path = cache_folder() / 'derived' / f'{key}.npy'
    with contextlib.suppress(OSError, ValueError, EOFError):
        vectors = np.load(path, allow_pickle=False)
        if vectors.shape == (len(texts), DIMENSIONS) and vectors.dtype == np.float32:
            return np.asarray(vectors, np.float32)
    vectors = minilm.encode(texts)
    temporary = path.with_name(f'{path.name}.{os.getpid()}.tmp')
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open('wb') as file:
            np.save(file, vectors)
        temporary.replace(path)
    return vectors
