"""Captions by CoCa (arXiv 2205.01917), token by token.

open_clip's own `generate` cannot be ended while it runs, and it refuses to run beside transformers
5, which no longer has the beam search that it imports.
"""

from collections.abc import Sequence
import math
from typing import Any

import torch

from vlm_ros.errors import ModelError
from vlm_ros.results import Caption
from vlm_ros.tasks import Ticket

MIN_TOKENS = 5
"""No caption ends before it has as many, the one that begins it included; open_clip's."""


def caption_greedily(
    model: Any,
    tokenizer: Any,
    pixels: torch.Tensor,
    begin: Sequence[int],
    *,
    max_tokens: int,
    ticket: Ticket,
) -> Caption:
    """Write a caption, the most probable token each time.

    Args:
        model: A `CoCa` of open_clip.
        tokenizer: CLIP's.
        pixels: `(1, 3, H, W)`, as the model takes it.
        begin: The tokens that it begins with.
        max_tokens: It is cut off there, `begin` and an end included.
        ticket: Looked at before every token; gets the text so far.

    Returns:
        The caption, with the geometric mean of the probabilities of its tokens as its score.

    Raises:
        InterruptedWork: The ticket ended first.
        ModelError: The model wrote nothing, or something that is not a number.
    """
    ticket.check()
    seen = model(pixels)
    tokens, text = list(begin), ''
    log_probabilities: list[float] = []
    while len(tokens) < max_tokens - 1:
        ticket.check()
        row = _next_row(model, pixels, seen, tokens)
        if len(tokens) < MIN_TOKENS:
            row[tokenizer.eot_token_id] = -math.inf
        chances = row.log_softmax(0)
        chosen = int(chances.argmax())
        log_probabilities.append(float(chances[chosen]))
        if chosen in (tokenizer.eot_token_id, model.pad_id):
            break
        tokens.append(chosen)
        text = tokenizer.decode(tokens[1:]).strip()
        ticket.report_partial(text)
    score = math.exp(sum(log_probabilities) / len(log_probabilities))
    if not text or not math.isfinite(score):
        raise ModelError('the model wrote no caption; use dtype=float32')
    return Caption(text, score)


def _next_row(
    model: Any, pixels: torch.Tensor, seen: dict[str, torch.Tensor], tokens: Sequence[int]
) -> torch.Tensor:
    """Return the logits of what may come next, one a word of the vocabulary."""
    output = model(
        pixels,
        torch.tensor([tokens], device=pixels.device),
        image_latent=seen['image_features'],
        image_embs=seen['image_embs'],
        output_labels=False,
    )
    row: torch.Tensor = output['logits'][0, -1].float()
    return row
