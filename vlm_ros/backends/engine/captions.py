"""Names and phrases as tokens of one text, for detectors that read all of them at once.

Detectors that fuse text and image score every token for every box. Which tokens make a name is
known here, so nothing has to be decoded from the scores: the library's way, which joins whatever
tokens score well, answers `cat dog` where two names do, and `cup` where half of one does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray

END = '.'
"""What ends a name in a caption; the model reads what stands between two of them by itself."""
ENDS = '.?'
"""Both marks that do; in a name they would break it into two."""
FRAME_TOKENS = 3
"""Of a caption: its first token, its last, and the mark at its end."""


@dataclass(frozen=True, eq=False)
class Caption:
    """A text that is read in one pass, with the things it names.

    Attributes:
        ids: T token ids.
        spans: `(N, 2)`, for each thing its first token and the one after its last; they ascend,
            do not overlap and end before the last token.
        indices: N, which of the caller's things they are.
    """

    ids: tuple[int, ...]
    spans: npt.NDArray[np.intp]
    indices: tuple[int, ...]

    def scores(self, tokens: FloatArray, *, text_threshold: float = 0.0) -> FloatArray:
        """Return how well each box goes with each thing: the best of the thing's tokens.

        Args:
            tokens: `(Q, T or more)` in [0, 1], how well Q boxes go with the tokens.
            text_threshold: A thing of which one token scores less scores 0.

        Returns:
            `(Q, N)`.
        """
        edges = self.spans.ravel()
        best: FloatArray = np.maximum.reduceat(tokens, edges, axis=1)[:, ::2]
        if text_threshold <= 0:
            return best
        worst = np.minimum.reduceat(tokens, edges, axis=1)[:, ::2]
        return np.where(worst >= text_threshold, best, np.float32(0))


def caption_names(
    tokenizer: Any, names: Sequence[str], *, max_tokens: int
) -> tuple[tuple[Caption, ...], tuple[str, ...]]:
    """Write names into as few captions as hold them, such as `cat. coffee cup. person.`.

    Args:
        tokenizer: Of the BERT kind.
        names: In any spelling; they are read in lower case, as the models were trained.
        max_tokens: Of a caption.

    Returns:
        The captions, and the names that cannot be read: too long for one, of no word, or of
        nothing but characters that the tokenizer does not know.
    """
    readings = tokenizer([_readable(name) for name in names], add_special_tokens=False)
    parts: list[list[int]] = [[]]
    tokens = FRAME_TOKENS - 1
    unreadable = []
    for index, ids in enumerate(readings['input_ids']):
        if not set(ids) - {tokenizer.unk_token_id} or len(ids) > max_tokens - FRAME_TOKENS:
            unreadable.append(names[index])
            continue
        if tokens + len(ids) + 1 > max_tokens:
            parts.append([])
            tokens = FRAME_TOKENS - 1
        parts[-1].append(index)
        tokens += len(ids) + 1
    written = [_join(tokenizer, readings['input_ids'], part) for part in parts if part]
    return tuple(written), tuple(unreadable)


def caption_sentence(
    tokenizer: Any, text: str, spans: Sequence[tuple[int, int]], *, max_tokens: int
) -> Caption:
    """Take a sentence as it is, with the phrases in it.

    Args:
        tokenizer: Of the BERT kind, one that tells where its tokens come from.
        text: The sentence.
        spans: `(start, end)` characters of the phrases; they ascend and do not overlap.
        max_tokens: Of the caption. What is longer is cut off, and phrases with it: those are
            missing in `indices`, as are phrases that the tokenizer cannot read.
    """
    reading = tokenizer(_lower(text), add_special_tokens=False, return_offsets_mapping=True)
    room = max_tokens - FRAME_TOKENS
    ids, places = reading['input_ids'][:room], reading['offset_mapping'][:room]
    end = tokenizer.convert_tokens_to_ids(END)
    ids = [tokenizer.cls_token_id, *ids, *([end] if ids[-1:] != [end] else [])]
    found, indices = [], []
    for index, (start, stop) in enumerate(spans):
        own = [1 + i for i, (first, last) in enumerate(places) if first < stop and last > start]
        whole = own and places[own[-1] - 1][1] >= stop
        if whole and set(ids[own[0] : own[-1] + 1]) - {tokenizer.unk_token_id}:
            found.append((own[0], own[-1] + 1))
            indices.append(index)
    return Caption((*ids, tokenizer.sep_token_id), _spans(found), tuple(indices))


def _join(tokenizer: Any, readings: Sequence[Sequence[int]], part: Sequence[int]) -> Caption:
    end = tokenizer.convert_tokens_to_ids(END)
    ids, spans = [tokenizer.cls_token_id], []
    for index in part:
        spans.append((len(ids), len(ids) + len(readings[index])))
        ids += [*readings[index], end]
    return Caption((*ids, tokenizer.sep_token_id), _spans(spans), tuple(part))


def _readable(name: str) -> str:
    return _lower(name).translate({ord(mark): ' ' for mark in ENDS})


def _lower(text: str) -> str:
    """Lower the case and keep every character in its place: some have two for lower case."""
    return ''.join(low if len(low := letter.lower()) == 1 else letter for letter in text)


def _spans(spans: Sequence[tuple[int, int]]) -> npt.NDArray[np.intp]:
    return np.array(spans, np.intp).reshape(-1, 2)
