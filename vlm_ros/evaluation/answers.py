"""Answers to questions: VQA v2, GQA and questions of yes or no."""

from collections.abc import Sequence
from dataclasses import dataclass
import re

import numpy as np

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import (
    ANSWERED,
    check_lengths,
    Coverage,
    mean,
    ratio,
    Score,
    Values,
)
from vlm_ros.evaluation.vqa_words import normalize
from vlm_ros.results import Status

FULL_AGREEMENT = 3
"""People who have to agree with an answer for it to count fully."""

_NEGATIVE = re.compile(r"\b(no|not|none|nothing|nobody|never)\b|n't\b")


@dataclass(frozen=True)
class Reply:
    """What a model said to a question.

    Attributes:
        text: The answer; not looked at where the status says that there is none.
        status: OK or NOTHING_FOUND for an answer, UNSURE or NOT_IN_VIEW for an abstention,
            anything else for a failure.
    """

    text: str
    status: Status = Status.OK


@dataclass(frozen=True, eq=False)
class YesNoScore:
    """How questions of yes or no were answered, as POPE reports it (arXiv 2305.10355).

    All are in [0, 1], over the questions that got a yes or a no; NaN where there is none to take
    it over. `yes` is the positive class.

    Attributes:
        accuracy: The part answered rightly.
        precision: Of the answers yes, the part that is right.
        recall: Of the questions whose answer is yes, the part answered so.
        f1: The harmonic mean of both.
        yes_ratio: The part of the answers that is yes: the bias, where the truth is balanced.
        true_yes_ratio: The same of the truth, over the same questions.
        coverage: An answer that is neither yes nor no is counted as a failure.
        values: `(N,)` float64: 1 where right, 0 where wrong, NaN where not answered.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float
    yes_ratio: float
    true_yes_ratio: float
    coverage: Coverage
    values: Values


def vqa_accuracy(replies: Sequence[Reply], answers: Sequence[Sequence[str]]) -> Score:
    """Score answers as the VQA challenge does (arXiv 1505.00468; v2: arXiv 1612.00837).

    An answer that at least three of the other nine people gave is right, one that n of them gave
    counts n / 3, averaged over leaving out each of the ten. Answers are normalized before they
    are compared, unless all people gave the same one: the reference implementation compares the
    bare text then, and so does this.

    Args:
        replies: N of them.
        answers: What people answered to each of the N questions; ten in the data set.

    Raises:
        InputError: The lengths differ, or a question has no answer.
    """
    check_lengths(replies=replies, answers=answers)
    for number, given in enumerate(answers):
        if not given:
            raise InputError(f'question {number} has no answer to compare with; leave it out')
    values = [_agreement(r.text, given) for r, given in zip(replies, answers, strict=True)]
    return Score.of(np.array(values, float), [reply.status for reply in replies])


def exact_match(replies: Sequence[Reply], answers: Sequence[str]) -> Score:
    """Score one answer a question, letter for letter but for case and outer space.

    This is the accuracy of GQA (arXiv 1902.09506), whose answers are single lower-case words.

    Raises:
        InputError: The lengths differ.
    """
    check_lengths(replies=replies, answers=answers)
    values = [
        float(_plain(reply.text) == _plain(answer))
        for reply, answer in zip(replies, answers, strict=True)
    ]
    return Score.of(np.array(values, float), [reply.status for reply in replies])


def yes_no(replies: Sequence[Reply], truths: Sequence[bool]) -> YesNoScore:
    """Score answers to questions of yes or no, such as POPE's `Is there a dog in the image?`.

    POPE takes every answer without a negative for a yes, so that `I cannot tell` raises the yes
    ratio; here only what `read_yes_no` reads is an answer. Both agree on plain answers.

    Raises:
        InputError: The lengths differ.
    """
    check_lengths(replies=replies, truths=truths)
    said = [read_yes_no(reply.text) if reply.status in ANSWERED else None for reply in replies]
    statuses = [
        Status.FAILED if reply.status in ANSWERED and word is None else reply.status
        for reply, word in zip(replies, said, strict=True)
    ]
    pairs = [(word, truth) for word, truth in zip(said, truths, strict=True) if word is not None]
    hits = sum(word and truth for word, truth in pairs)
    yeses, true_yeses = sum(word for word, _ in pairs), sum(truth for _, truth in pairs)
    values = np.array(
        [
            np.nan if word is None else float(word == truth)
            for word, truth in zip(said, truths, strict=True)
        ],
        float,
    )
    return YesNoScore(
        accuracy=mean(values),
        precision=ratio(hits, yeses),
        recall=ratio(hits, true_yeses),
        f1=ratio(2 * hits, yeses + true_yeses),
        yes_ratio=ratio(yeses, len(pairs)),
        true_yes_ratio=ratio(true_yeses, len(pairs)),
        coverage=Coverage.of(statuses),
        values=values,
    )


def read_yes_no(text: str) -> bool | None:
    """Read a yes or a no off an answer; None where it is neither.

    A first word yes or no decides; else a negative in the first sentence is a no.
    """
    sentence = text.strip().lower().replace('’', "'").split('.')[0]
    first = re.match(r'(yes|no)\b', sentence)
    if first:
        return first[1] == 'yes'
    return False if denies(sentence) else None


def denies(text: str) -> bool:
    """Say whether there is a negative in a text."""
    return bool(_NEGATIVE.search(text.lower().replace('’', "'")))


def _agreement(answer: str, given: Sequence[str]) -> float:
    people = [_one_line(text) for text in given]
    text = _one_line(answer)
    if len(set(people)) > 1:
        people, text = [normalize(person) for person in people], normalize(text)
    same = people.count(text)
    others = [same - (person == text) for person in people]
    return sum(min(1.0, count / FULL_AGREEMENT) for count in others) / len(others)


def _one_line(text: str) -> str:
    return text.replace('\n', ' ').replace('\t', ' ').strip()


def _plain(text: str) -> str:
    return text.strip().lower()
