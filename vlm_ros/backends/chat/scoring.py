"""Closed questions: one forward tells how probable each label is, and nothing is written.

Labels are scored in full, not by letters A, B, C in front of them: small models prefer letters
whatever they stand for (arXiv 2309.03882). A label's probability is that of writing it under the
constraint to write one of the labels: wherever labels part, the next tokens that some label allows
share out 1, and where they do not part nothing is lost, so a long label is no worse off than a
short one (unlike a plain sum of log-probabilities). Each label counts in the spellings that models
begin an answer with: `yes`, `Yes`, and either behind a space.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch

from vlm_ros.backends.chat.reading import Prefix, Reader
from vlm_ros.boxes import FloatArray
from vlm_ros.tasks import Ticket

YES_NO = ('yes', 'no')
MAX_ROWS = 16
"""Rows of one forward; the ticket is looked at between forwards."""
Tokens = tuple[int, ...]


class Labels:
    """Labels as a tree of tokens.

    Args:
        tokenizer: Of the model.
        labels: At least one.
        ends: Tokens that end an answer.

    Attributes:
        labels: The same labels.
        branchings: The tokens before each place where spellings part; the first is no token.
    """

    def __init__(self, tokenizer: Any, labels: Sequence[str], ends: Collection[int]) -> None:
        self.labels = tuple(labels)
        self._ends = tuple(ends)
        self._spellings = [_spellings(tokenizer, label) for label in labels]
        following: dict[Tokens, set[int | None]] = {}
        for spelling in (each for spellings in self._spellings for each in spellings):
            for index, token in enumerate(spelling):
                following.setdefault(spelling[:index], set()).add(token)
        for spelling in (each for spellings in self._spellings for each in spellings):
            if ends and spelling in following:  # one label goes on where another one ends
                following[spelling].add(None)
        self._following = {
            begun: sorted(tokens, key=lambda token: -1 if token is None else token)
            for begun, tokens in following.items()
            if len(tokens) > 1
        }
        self.branchings: list[Tokens] = sorted(self._following, key=len) or [()]

    def log_probabilities(self, logits: torch.Tensor) -> FloatArray:
        """Return how probable each label is, natural logarithm, `(L,)`; they sum to 1.

        Args:
            logits: `(K, V)` of the next token at each of the K branchings.
        """
        shares: dict[Tokens, dict[int | None, float]] = {}
        for begun, row in zip(self.branchings, logits, strict=True):
            tokens = self._following.get(begun, [])
            if tokens:
                values = torch.stack([self._logit(row, token) for token in tokens])
                shares[begun] = dict(zip(tokens, values.log_softmax(0).tolist(), strict=True))
        totals = []
        for spellings in self._spellings:
            logs = [self._log_share(spelling, shares) for spelling in spellings]
            totals.append(np.logaddexp.reduce(logs))
        return np.asarray(totals - np.logaddexp.reduce(totals), np.float32)

    def _logit(self, row: torch.Tensor, token: int | None) -> torch.Tensor:
        return row[token] if token is not None else row[list(self._ends)].logsumexp(0)

    def _log_share(self, spelling: Tokens, shares: dict[Tokens, dict[int | None, float]]) -> float:
        total = 0.0
        for index, token in enumerate(spelling):
            total += shares.get(spelling[:index], {}).get(token, 0.0)
        return total + shares.get(spelling, {}).get(None, 0.0)


def score(
    reader: Reader,
    prefix: Prefix,
    prompts: Sequence[str],
    labels: Labels,
    ticket: Ticket,
) -> FloatArray:
    """Return how probable each label is as the answer to each prompt.

    Returns:
        `(N, L)` natural logarithms, for N prompts and L labels; a row sums to 1.
    """
    rows = [
        (*reader.tail(prefix, prompt), *begun) for prompt in prompts for begun in labels.branchings
    ]
    logits = []
    for start in range(0, len(rows), MAX_ROWS):
        ticket.check()
        logits.append(reader.next_logits(prefix, rows[start : start + MAX_ROWS]))
    ticket.check()
    groups = torch.split(torch.cat(logits), len(labels.branchings))
    return np.stack([labels.log_probabilities(group) for group in groups])


def calibrated(log_probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return probabilities `(..., L)` that sum to 1, softened or sharpened by a temperature.

    Args:
        log_probabilities: `(..., L)`, up to a constant a row.
        temperature: As in temperature scaling (arXiv 1706.04599): above 1 for a model that is too
            sure of itself; it never changes which label is best.
    """
    scaled = log_probabilities / temperature
    scaled = scaled - scaled.max(axis=-1, keepdims=True)
    shares = np.exp(scaled)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True), np.float32)


def _spellings(tokenizer: Any, label: str) -> tuple[Tokens, ...]:
    found: dict[Tokens, None] = {}
    for text in (label, label[:1].upper() + label[1:]):
        for spelling in (text, f' {text}'):
            tokens = tuple(tokenizer(spelling, add_special_tokens=False)['input_ids'])
            # A token for the space alone would begin every label, and tell none apart.
            if tokens and tokenizer.decode(tokens[:1]).strip():
                found[tokens] = None
    return tuple(found) or (tuple(tokenizer(label, add_special_tokens=False)['input_ids']),)
