"""Questions with a few possible answers: one token decides, where the server tells its scores.

A label (`yes`, or a letter for each choice) is all that is asked for, and the probabilities of the
labels as the first token are compared: one step of the model instead of a sentence, and a measure
of how sure it is. VQAScore (arXiv 2404.01291) takes the probability of *yes* the same way. It is
shared out among the labels and not calibrated: a model may well be sure and wrong.
"""

from collections.abc import Sequence
import math
import re
import string

from vlm_ros.backends.openai_api.replies import Reply, Token
from vlm_ros.tokens import tokens

YES_NO = ('yes', 'no')
ALTERNATIVES = 20
"""The most that OpenAI tells of one token."""
MAX_LETTERED = 10
"""With two spellings each (`A`, ` A`), so many fit into the alternatives."""
LEAST_SHARE = 0.5
"""The least probability of all labels together; below it the model was about to say something
else."""
_ASKING = frozenset(
    'is are was were am do does did has have had can could will would shall should may might'
    ' must'.split()
)
_EDGES = string.whitespace + string.punctuation + '▁Ġ。、！？'


def is_yes_no(question: str) -> bool:
    """Tell whether a question asks for a yes or a no: `Is it open?`, not `Is it red or blue?`."""
    words = [token.word for token in tokens(question)]
    return bool(words) and words[0] in _ASKING and 'or' not in words


def labels_of(options: Sequence[str]) -> tuple[str, ...]:
    """Return what one token each stands for the options; empty where there are too many."""
    if tuple(options) == YES_NO:
        return YES_NO
    return tuple(string.ascii_uppercase[: len(options)]) if len(options) <= MAX_LETTERED else ()


def prompt_label(question: str, options: Sequence[str], labels: Sequence[str]) -> str:
    """Ask for a label only."""
    if tuple(labels) == YES_NO:
        return f'{question}\nAnswer with one word, yes or no.'
    lines = (f'{label}. {option}' for label, option in zip(labels, options, strict=True))
    return '\n'.join((question, *lines, 'Answer with the letter of the right choice only.'))


def prompt_words(question: str, options: Sequence[str]) -> str:
    """Ask for one of the options in its own words."""
    return f'{question}\nAnswer with exactly one of these and nothing else: {", ".join(options)}.'


def decide(reply: Reply, labels: Sequence[str]) -> tuple[int, float | None] | None:
    """Find the label that a reply of one token stands for.

    Returns:
        Its index, and its part of the probability of all labels, in [0, 1], or None where the
        server tells no probabilities. None where the model was about to say something else,
        refuses, or finds two labels equally good.
    """
    if reply.refusal or reply.finish == 'content_filter':
        return None
    if reply.tokens:
        return _best(reply.tokens[0], labels)
    word = reply.text.strip(_EDGES).casefold()
    index = next((i for i, label in enumerate(labels) if label.casefold() == word), None)
    return None if index is None else (index, None)


def _best(token: Token, labels: Sequence[str]) -> tuple[int, float] | None:
    shares = [0.0] * len(labels)
    folded = [label.casefold() for label in labels]
    for text, logprob in token.alternatives or ((token.text, token.logprob),):
        word = text.strip(_EDGES).casefold()
        if word in folded:
            shares[folded.index(word)] += math.exp(min(0.0, logprob))
    total, best = sum(shares), max(shares)
    if total < LEAST_SHARE or shares.count(best) > 1:
        return None
    return shares.index(best), best / total


def read_words(reply: Reply, options: Sequence[str]) -> int | None:
    """Return the index of the option that the answer is; None where it is none.

    Case, spaces and punctuation around it are looked through. Of a yes or no, a sentence may
    follow: `Yes, there is a cat.`
    """
    said = _folded(reply.text)
    found = next((i for i, option in enumerate(options) if _folded(option) == said), None)
    if found is None and tuple(options) == YES_NO:
        first = re.match(r'(yes|no)\b', said)
        return YES_NO.index(first.group(1)) if first else None
    return found


def _folded(text: str) -> str:
    return ' '.join(text.casefold().split()).strip(_EDGES)
