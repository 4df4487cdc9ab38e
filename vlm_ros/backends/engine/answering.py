"""From what a model writes, or how likely it finds a text, to captions and answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from vlm_ros.backends.engine.generation import Generated
from vlm_ros.errors import QuestionError
from vlm_ros.language.questions import parse
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Caption, Status, Truth, Verdict
from vlm_ros.tasks import Ticket

YES_NO = ('yes', 'no')
BATCH = 16
"""Texts in one forward; the ticket is looked at between them."""
NO_WORDS = 'the model ended without a word'
IGNORED = -100
"""The label of a position that does not count, as in torch's losses."""


def answer_by(
    question: str,
    choices: Sequence[str],
    ticket: Ticket,
    *,
    score: Callable[[Sequence[str]], torch.Tensor],
    write: Callable[[], Generated],
) -> Answer:
    """Answer by comparing the choices, or yes and no, where the question is a closed one.

    A closed question takes one forward instead of a token after the other, and its confidence is
    a probability: of all that was to choose from.

    Args:
        question: Has been checked.
        choices: What the answer must be one of; empty for anything.
        ticket: Looked at between the steps.
        score: Returns the log-likelihoods `(C,)` of texts as the answer.
        write: Returns what the model says by itself.
    """
    if not choices and parse(question).yes_no:
        choices = YES_NO
    if not choices:
        return said(write())
    likelihoods = in_batches(choices, score, ticket)
    shares = likelihoods.float().softmax(0)
    best = int(shares.argmax())
    return Answer(Status.OK, choices[best], min(float(shares[best]), 1.0))


def in_batches(
    texts: Sequence[str], work: Callable[[Sequence[str]], torch.Tensor], ticket: Ticket
) -> torch.Tensor:
    """Return what `work` makes of the texts, `BATCH` at a time, one row a text."""
    made = []
    for start in range(0, len(texts), BATCH):
        ticket.check()
        made.append(work(texts[start : start + BATCH]))
    return torch.cat(made)


def check_choices(choices: Sequence[str]) -> tuple[str, ...]:
    """Return the choices without white space at their ends.

    Raises:
        QuestionError: One is blank.
    """
    stripped = tuple(choice.strip() for choice in choices)
    if not all(stripped):
        raise QuestionError('a choice is blank; remove it')
    return stripped


def check_texts(texts: Sequence[str]) -> list[str]:
    """Return texts to match or encode.

    Raises:
        QuestionError: There is none, or one is empty or too long.
    """
    if not texts:
        raise QuestionError('there is no text; give at least one')
    for text in texts:
        check_text(text, 'text')
    return list(texts)


def tokenize(
    tokenizer: Any, texts: Sequence[str], *, limit: int, device: torch.device, **options: Any
) -> Any:
    """Return the tokens of texts, padded to the longest; none is cut off.

    Args:
        tokenizer: One of transformers.
        texts: At least one.
        limit: The most tokens that the model takes.
        device: Where to.
        options: More for the tokenizer.

    Raises:
        QuestionError: A text has more tokens than the model takes.
    """
    tokens = tokenizer(list(texts), padding=True, return_tensors='pt', **options).to(device)
    for text, length in zip(texts, tokens['attention_mask'].sum(1).tolist(), strict=True):
        if length > limit:
            raise QuestionError(
                f'the text {text[:30]!r}... has {length} tokens; this model reads {limit}'
            )
    return tokens


def spell(
    tokenizer: Any, texts: Sequence[str], *, end: int, device: torch.device, before: str = ''
) -> torch.Tensor:
    """Return the tokens `(C, L)` of possible answers, each with its end, then `IGNORED`.

    Args:
        tokenizer: One of transformers.
        texts: C texts.
        end: The token that ends an answer.
        device: Where to.
        before: What stands before an answer, such as the space that some tokenizers make a part
            of a word.
    """
    rows = [
        tokenizer(before + text, add_special_tokens=False)['input_ids'] + [end] for text in texts
    ]
    length = max(map(len, rows))
    padded = [row + [IGNORED] * (length - len(row)) for row in rows]
    return torch.tensor(padded, device=device)


def log_likelihoods(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the log-likelihoods `(C,)` of texts.

    Args:
        logits: `(C, L, V)`, of the tokens at each place.
        labels: `(C, L)`, the tokens that are there, or `IGNORED`.
    """
    chosen = labels.clamp(min=0)[..., None]
    found = logits.float().log_softmax(-1).gather(-1, chosen)[..., 0]
    return found.masked_fill(labels == IGNORED, 0).sum(1)


def said(generated: Generated) -> Answer:
    """Return what a model wrote as an answer."""
    if not generated.text:
        return Answer(Status.UNSURE, message=NO_WORDS)
    return Answer(Status.OK, generated.text, generated.confidence)


def captioned(generated: Generated) -> Caption:
    """Return what a model wrote as a caption."""
    if not generated.text:
        return Caption('nothing', 0.0, Status.UNSURE, NO_WORDS)
    return Caption(generated.text, generated.confidence)


def answer_of_labels(
    scores: torch.Tensor, labels: Mapping[int, str], choices: Sequence[str] = ()
) -> Answer:
    """Return the best of the answers that a model has a score for.

    Choices restrict them. One that the model has no answer for cannot be chosen; the message
    names it, because the confidence knows nothing of it.

    Args:
        scores: `(N,)` in [0, 1].
        labels: The N answers.
        choices: As the caller spells them; empty for all.
    """
    if not choices:
        best = int(scores.argmax())
        return Answer(Status.OK, labels[best], float(scores[best]))
    known = {label.casefold(): index for index, label in labels.items()}
    found = {choice: known[choice.casefold()] for choice in choices if choice.casefold() in known}
    missing = ', '.join(choice for choice in choices if choice not in found)
    message = f'the model has no such answer as: {missing}' if missing else ''
    if not found:
        return Answer(Status.UNSURE, message=message)
    chosen = max(found, key=lambda choice: float(scores[found[choice]]))
    return Answer(Status.OK, chosen, float(scores[found[chosen]]), message=message)


def verdict_of(shares: torch.Tensor, labels: Mapping[int, str]) -> Verdict:
    """Return the verdict of a head with two labels, of which one is called true.

    Args:
        shares: `(2,)`, probabilities.
        labels: What they are of; where neither is called true, the second is, as in NLVR2.
    """
    true = next((i for i, label in labels.items() if label.casefold() == 'true'), 1)
    share = min(float(shares[true]), 1.0)
    if share >= 0.5:
        return Verdict(Truth.TRUE, share)
    return Verdict(Truth.FALSE, 1 - share)
