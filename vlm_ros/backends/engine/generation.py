"""Text out of a generating model: greedy, streamed, and ended by the caller's ticket."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
import math
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from vlm_ros.errors import InterruptedWork, ModelError
from vlm_ros.tasks import Ticket

UNFINISHED = '\ufffd'
"""What a tokenizer of bytes decodes a character to of which bytes are missing yet."""


@dataclass(frozen=True)
class Generated:
    """What a model wrote.

    Attributes:
        text: Without the prompt, and without white space at its ends.
        confidence: Geometric mean of the probabilities of the tokens, the end's included; in
            [0, 1]. It tells sure texts from unsure ones of one model, not how often it is right.
        is_complete: Whether the model ended the text itself; otherwise it was cut off.
        tokens: Their ids, the end's included.
        log_probabilities: One a token, natural logarithm.
    """

    text: str
    confidence: float
    is_complete: bool
    tokens: tuple[int, ...] = ()
    log_probabilities: tuple[float, ...] = ()


def generate(
    model: Any,
    tokenizer: Any,
    inputs: Mapping[str, Any],
    *,
    ticket: Ticket,
    max_new_tokens: int,
    ends: Collection[int] | None = None,
    skip_special_tokens: bool = True,
) -> Generated:
    """Let a model write greedily, one token after the other.

    Args:
        model: Has the `generate` of transformers; decoder-only or encoder-decoder.
        tokenizer: Decodes what it writes.
        inputs: Of one prompt, and whatever else its `generate` takes.
        ticket: Looked at after every token; gets the text so far.
        max_new_tokens: The text is cut off there; at least 1.
        ends: Tokens that end a text; None for those of the model's generation config.
        skip_special_tokens: Leave special tokens out of the text.

    Raises:
        InterruptedWork: The ticket ended first.
        ModelError: The model wrote something that is not a number.
    """
    (generated,) = generate_batch(
        model,
        tokenizer,
        {
            **inputs,
            'streamer': PartialText(tokenizer, ticket, skip_special_tokens=skip_special_tokens),
        },
        ticket=ticket,
        max_new_tokens=max_new_tokens,
        ends=ends,
        skip_special_tokens=skip_special_tokens,
    )
    return generated


def generate_batch(
    model: Any,
    tokenizer: Any,
    inputs: Mapping[str, Any],
    *,
    ticket: Ticket,
    max_new_tokens: int,
    ends: Collection[int] | None = None,
    skip_special_tokens: bool = True,
) -> tuple[Generated, ...]:
    """Let a model answer several prompts at once, as `generate` does for one.

    Args:
        model: As for `generate`.
        tokenizer: As for `generate`.
        inputs: Of B prompts of one length, those that are shorter padded on the left.
        ticket: Looked at after every token; gets no partial texts.
        max_new_tokens: As for `generate`, of each prompt.
        ends: As for `generate`.
        skip_special_tokens: As for `generate`.

    Raises:
        InterruptedWork: The ticket ended first.
        ModelError: The model wrote something that is not a number.
    """
    ends = end_tokens(model) if ends is None else ends
    output = model.generate(
        **inputs,
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        return_dict_in_generate=True,
        output_logits=True,
        stopping_criteria=StoppingCriteriaList([TicketStopping(ticket)]),
    )
    ticket.check()
    # Some models return the prompt before it and some do not; there is one step of logits a token.
    tokens = output.sequences[:, -len(output.logits) :]
    chosen = _log_probabilities(output.logits, tokens)
    return tuple(
        _generated(tokenizer, row, probabilities, ends, max_new_tokens, skip_special_tokens)
        for row, probabilities in zip(tokens.tolist(), chosen.tolist(), strict=True)
    )


def _generated(
    tokenizer: Any,
    tokens: list[int],
    log_probabilities: list[float],
    ends: Collection[int],
    max_new_tokens: int,
    skip_special_tokens: bool,
) -> Generated:
    # In a batch, padding follows the end of a text.
    is_ended = False
    for count, token in enumerate(tokens, 1):
        if token in ends:
            tokens, log_probabilities, is_ended = tokens[:count], log_probabilities[:count], True
            break
    if not all(map(math.isfinite, log_probabilities)):
        raise ModelError('the model computed NaN; use dtype=float32')
    text = tokenizer.decode(
        tokens[:-1] if is_ended else tokens, skip_special_tokens=skip_special_tokens
    )
    return Generated(
        text.strip(),
        math.exp(sum(log_probabilities) / len(log_probabilities)),
        is_ended or len(tokens) < max_new_tokens,
        tuple(tokens),
        tuple(log_probabilities),
    )


def end_tokens(model: Any) -> tuple[int, ...]:
    """Return the ids that end a text of the model."""
    ends = model.generation_config.eos_token_id
    if ends is None:
        return ()
    return tuple(ends) if isinstance(ends, list | tuple) else (int(ends),)


class TicketStopping(StoppingCriteria):
    """Makes `generate` return after the token during which the ticket ended.

    The caller then calls `ticket.check()`, which raises.
    """

    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Say of each sequence `(B, L)` whether it is done, `(B,)` bool."""
        try:
            self._ticket.check()
        except InterruptedWork:
            return torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


class PartialText(BaseStreamer):
    """Hands the text so far to the ticket, whenever there is more of it."""

    def __init__(self, tokenizer: Any, ticket: Ticket, *, skip_special_tokens: bool) -> None:
        self._tokenizer = tokenizer
        self._ticket = ticket
        self._skip_special_tokens = skip_special_tokens
        self._tokens: list[int] = []
        self._is_prompt = True
        self._told = ''

    def put(self, value: torch.Tensor) -> None:
        """Take the prompt, which comes first, or a token."""
        if self._is_prompt:
            self._is_prompt = False
            return
        self._tokens += value.flatten().tolist()
        text = self._tokenizer.decode(
            self._tokens, skip_special_tokens=self._skip_special_tokens
        ).strip()
        if text != self._told and not text.endswith(UNFINISHED):
            self._told = text
            self._ticket.report_partial(text)

    def end(self) -> None:
        """Take notice of the end."""


def _log_probabilities(logits: tuple[torch.Tensor, ...], tokens: torch.Tensor) -> torch.Tensor:
    """Return those of chosen tokens `(B, L)` under L steps of logits `(B, V)`."""
    steps = [
        step.float().log_softmax(-1).gather(1, tokens[:, index : index + 1])
        for index, step in enumerate(logits)
    ]
    return torch.cat(steps, dim=1)
