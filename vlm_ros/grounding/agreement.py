"""Whether the text of an answer is one of the choices, a yes, a number, and what it claims."""

from collections.abc import Callable, Sequence
import re

from vlm_ros import lexicon
from vlm_ros.language.wording import plain_text
from vlm_ros.phrases import noun_phrases, singular

_YES = frozenset('yes yeah yep true correct right affirmative y'.split())
_NO = frozenset('no nope false incorrect wrong negative n'.split())
_EMPTY_WORDS = (
    lexicon.ARTICLES
    | lexicon.DEFINITES
    | frozenset('it is are there in on at side corner one of and'.split())
)
_SAME_WORDS = {
    'upper': 'top', 'lower': 'bottom', 'middle': 'centre', 'center': 'centre', 'central': 'centre',
    'none': '0', 'no': '0', 'nothing': '0', 'gray': 'grey', 'left-hand': 'left',
    'right-hand': 'right',
}  # fmt: skip
_NO_CLAIMS = lexicon.ABSTRACT | lexicon.SCENES | lexicon.GENERIC_NAMES


def yes_no_of(text: str) -> bool | None:
    """Return whether an answer says yes or no; None when it says neither."""
    word = re.split(r'[\s,.;:!?]+', text.strip().casefold(), maxsplit=1)[0]
    if word in _YES:
        return True
    return False if word in _NO else None


def number_of(text: str) -> int | None:
    """Return the one number that an answer names, in digits or words; None for none or several."""
    words = plain_text(text).split()
    if words and words[0] in ('none', 'no', 'nobody'):
        return 0
    numbers = [value for word in words if (value := lexicon.number_value(word)) is not None]
    return numbers[0] if len(numbers) == 1 else None


def matching_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the one choice that an answer means; None where no choice, or more than one, fits.

    The same text fits best; then yes and no by any of their words, numbers in digits or words,
    and choices whose words are all in the answer (`left` for `on the left`).
    """
    folded = _folded(text)
    tests: tuple[Callable[[str], bool], ...] = (
        lambda choice: _folded(choice) == folded,
        lambda choice: _same(yes_no_of(choice), yes_no_of(text)) and len(choice.split()) == 1,
        lambda choice: _words(choice) == _words(text),
        lambda choice: _same(number_of(choice), number_of(text)),
        lambda choice: _names_choice(_words(text), _words(choice)),
    )
    for fits in tests:
        fitting = [choice for choice in choices if fits(choice)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def claimed_names(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names of things that an answer brings up itself: `a dog` in `a dog is on it`.

    Only phrases with an article or a number count: `red` or `tennis` are no claims about what is
    in view. Names in `known`, those the question spoke of already, are left out.
    """
    names = []
    for phrase in noun_phrases(text):
        words = phrase.determiner.split()
        counted = any(lexicon.number_value(word) is not None for word in words)
        claimed = counted or not lexicon.ARTICLES.isdisjoint(words)
        if claimed and phrase.head not in _NO_CLAIMS and phrase.head not in known:
            names.append(phrase.head)
    return tuple(dict.fromkeys(names))


def _folded(text: str) -> str:
    return ' '.join(text.casefold().split()).strip('.!? ')


def _names_choice(words: frozenset[str], choice: frozenset[str]) -> bool:
    # `not open` names neither open nor closed.
    return bool(choice) and choice <= words and ('not' in words) == ('not' in choice)


def _same(value: object, other: object) -> bool:
    return value is not None and value == other


def _words(text: str) -> frozenset[str]:
    words = [_SAME_WORDS.get(word, word) for word in plain_text(text).split()]
    values = [lexicon.number_value(word) for word in words]
    return frozenset(
        singular(word) if value is None else str(value)
        for word, value in zip(words, values, strict=True)
        if word not in _EMPTY_WORDS and word != ','
    )
