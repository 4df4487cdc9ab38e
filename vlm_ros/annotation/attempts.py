"""Which chunk is whose, and what to do when its worker is gone."""

from collections import Counter, deque
from collections.abc import Sequence

from vlm_ros.annotation.chunks import Chunk
from vlm_ros.errors import ModelError

ATTEMPTS = 3
"""So often a chunk is begun at most: a memory that is full once is not always full."""


class Attempts:
    """Hands out chunks, each until it is done, and gives up on what ends every worker.

    Args:
        chunks: What there is to do, in order.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._waiting = deque(chunks)
        self._begun: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def next(self) -> Chunk | None:
        """Return a chunk to begin; None where there is none left."""
        if not self._waiting:
            return None
        chunk = self._waiting.popleft()
        self._begun[chunk.number] += 1
        return chunk

    def lost(self, chunk: Chunk, why: str) -> None:
        """Take a chunk back, to be begun again before all others.

        Raises:
            ModelError: It was begun too often.
        """
        if self._begun[chunk.number] >= ATTEMPTS:
            raise ModelError(
                f'chunk {chunk.number} of {chunk.source} ended {ATTEMPTS} workers, the last one '
                f'{why}; what is done is kept, and the same command goes on. If memory is short, '
                'use fewer workers'
            )
        self._waiting.appendleft(chunk)
