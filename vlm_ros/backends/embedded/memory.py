"""Embeddings of texts that are always the same, kept from one process to the next."""

from collections.abc import Sequence
import contextlib
import hashlib
import os

import numpy as np

from vlm_ros.backends.embedded.assets import MINILM
from vlm_ros.backends.embedded.minilm import DIMENSIONS, MiniLm
from vlm_ros.backends.weights import cache_folder
from vlm_ros.boxes import FloatArray


def remembered(minilm: MiniLm, texts: Sequence[str]) -> FloatArray:
    """Encode texts once: unit vectors `(N, 384)`, which the next process reads from a file.

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
