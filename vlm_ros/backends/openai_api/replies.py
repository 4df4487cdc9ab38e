"""What a server answers, piece by piece or at once."""

from dataclasses import dataclass, field
import math
import re
from typing import Any

from vlm_ros.backends.openai_api.troubles import RubbishError

MAX_CHARACTERS = 100_000
"""Of one answer; a server that ignores `max_tokens` would go on for ever."""
# What would make a terminal do things; tabs and line feeds may stay.
_CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f-\x9f]')
_THOUGHTS = re.compile(r'\A.*?</think>', re.DOTALL)


@dataclass(frozen=True)
class Token:
    """One token of an answer, with what the model thought of others in its place.

    Attributes:
        text: The token.
        logprob: The natural logarithm of its probability.
        alternatives: The most probable tokens in its place, mostly itself among them, and their
            logarithms.
    """

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Reply:
    """An answer of a server.

    Attributes:
        text: What the model said, without its thoughts and without spaces around it.
        finish: Why it ended: `stop`, `length`, `content_filter`.
        refusal: Why it refuses; empty where it does not.
        tokens: What it was made of; empty where the server does not tell.
        fingerprint: Which version of the server said it; empty where it does not tell.
    """

    text: str
    finish: str = 'stop'
    refusal: str = ''
    tokens: tuple[Token, ...] = ()
    fingerprint: str = ''

    @property
    def was_cut(self) -> bool:
        """Whether the answer stopped at `max_tokens`."""
        return self.finish == 'length'

    @property
    def probability(self) -> float | None:
        """The mean probability of its tokens, in [0, 1]; None where the server does not tell."""
        if not self.tokens:
            return None
        mean = sum(token.logprob for token in self.tokens) / len(self.tokens)
        return min(1.0, math.exp(min(0.0, mean)))


@dataclass
class Listening:
    """Puts an answer together."""

    text: str = ''
    refusal: str = ''
    finish: str = ''
    fingerprint: str = ''
    tokens: list[Token] = field(default_factory=list)
    heard_anything: bool = False

    def take(self, piece: Any) -> str:
        """Take a chunk, or a whole completion, and return the text that is new in it.

        The client does not check what it parses, so nothing is taken for granted here.

        Raises:
            RubbishError: It is neither.
        """
        choices = getattr(piece, 'choices', None)
        if not isinstance(choices, list):
            raise RubbishError('JSON that is no completion')
        self.fingerprint = _text(piece, 'system_fingerprint') or self.fingerprint
        if not choices:
            return ''  # the counts of tokens, or Azure's filter
        self.heard_anything = True
        choice = choices[0]
        said = getattr(choice, 'delta', None) or getattr(choice, 'message', None)
        new = _text(said, 'content')
        self.text = (self.text + new)[:MAX_CHARACTERS]
        self.refusal += _text(said, 'refusal')
        self.finish = _text(choice, 'finish_reason') or self.finish
        scores = getattr(getattr(choice, 'logprobs', None), 'content', None)
        self.tokens += [_token(score) for score in scores or () if _is_score(score)]
        return new

    @property
    def said(self) -> str:
        """The text so far, without thoughts and what would make a terminal do things."""
        if '</think>' in self.text:
            text = _THOUGHTS.sub('', self.text)
        else:
            text = '' if self.text.lstrip().startswith('<think>') else self.text
        return _CONTROL.sub('', text).strip()

    @property
    def is_too_long(self) -> bool:
        """Whether the server does not come to an end."""
        return len(self.text) >= MAX_CHARACTERS

    def reply(self) -> Reply:
        """Return the answer."""
        return Reply(
            self.said,
            self.finish,
            _CONTROL.sub('', self.refusal).strip(),
            tuple(self.tokens),
            self.fingerprint,
        )


def _text(holder: object, name: str) -> str:
    value = getattr(holder, name, None)
    return value if isinstance(value, str) else ''


def _is_score(score: Any) -> bool:
    value = getattr(score, 'logprob', None)
    return isinstance(value, (int, float)) and not math.isnan(value)


def _token(score: Any) -> Token:
    others = (other for other in getattr(score, 'top_logprobs', None) or () if _is_score(other))
    return Token(
        _text(score, 'token'),
        float(score.logprob),
        tuple((_text(other, 'token'), float(other.logprob)) for other in others),
    )
