"""Answers to questions whose answer is yes or no, a number or a colour, and to statements."""

from collections.abc import Sequence
import re

import numpy as np

from vlm_ros import lexicon
from vlm_ros.data.truths.items import Question, Statement
from vlm_ros.data.truths.replies import ReplyRecord
from vlm_ros.evaluation.answers import denies, read_yes_no
from vlm_ros.evaluation.coverage import ANSWERED, Score
from vlm_ros.results import Status

_WORD = re.compile(r'\d+|[a-z]+')


def judge(replies: Sequence[ReplyRecord], items: Sequence[Question | Statement]) -> Score:
    """Score replies, each right or wrong.

    A reply to a question of yes or no, or to a statement, that is neither counts as a failure, as
    in `answers.yes_no`. An open question is answered rightly where the reply names the number, or
    the colour, and no other.

    Args:
        replies: One for each item, in their order.
        items: As `read_known_questions` gives them.
    """
    values = [_value(reply.text, item) for reply, item in zip(replies, items, strict=True)]
    statuses = [
        Status.FAILED if reply.status in ANSWERED and value is None else reply.status
        for reply, value in zip(replies, values, strict=True)
    ]
    known = np.array([np.nan if value is None else value for value in values], float)
    return Score.of(known, statuses)


def read_truth(text: str) -> bool | None:
    """Read off a reply whether a statement holds; None where it says neither.

    The first word decides: true or yes, false or no.
    """
    first = re.match(r'\W*(true|yes|false|no)\b', text.lower())
    return first[1] in ('true', 'yes') if first else None


def _value(text: str, item: Question | Statement) -> bool | None:
    if isinstance(item, Statement):
        held = read_truth(text)
        return None if held is None else held == item.holds
    (label,) = item.answers
    if label in ('yes', 'no'):
        closed = read_yes_no(text)
        return None if closed is None else closed == (label == 'yes')
    if not text.strip():
        return None
    found = _numbers(text) if label.isdecimal() else _colours(text)
    return found == {label} and not denies(text)


def _numbers(text: str) -> set[str]:
    values = (lexicon.number_value(word) for word in _WORD.findall(text.lower()))
    return {str(value) for value in values if value is not None}


def _colours(text: str) -> set[str]:
    words = (word.replace('gray', 'grey') for word in _WORD.findall(text.lower()))
    return {word for word in words if word in lexicon.COLOURS}
