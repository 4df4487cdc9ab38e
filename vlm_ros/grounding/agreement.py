"""Whether the text of an answer is one of the choices, a yes, a number, and what it claims."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import itertools
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


# No choice and no number: whoever says so has not answered.
_NO_ANSWER = re.compile(
    r'^(?:i have )?no (?:idea|clue|way|answer|opinion|information|telling|comment)\b|^no one knows'
    r'|^(?:yes (?:and|or) no|true or false)\b'
)
_OTHER = re.compile(
    r'^(?:none|neither|all|both|any|one) of (?:these|those|the (?:above|choices|options|others?)'
    r')\b'
)
_DENIALS = frozenset({'not', '0', 'neither', 'nor', 'never', 'without'})
_VAGUE = frozenset(
    'not about around approximately roughly almost nearly some maybe perhaps'.split()
)
_BOUNDS = (
    (r'(?:at least|no (?:less|fewer) than) #', 0, None),
    (r'# (?:[a-z]+ )?(?:or|and) (?:more|above|over)', 0, None),
    (r'(?:more than|over|above) #', 1, None),
    (r'(?:at most|no more than|up to|not more than) #', None, 0),
    (r'# (?:[a-z]+ )?or (?:less|fewer|under|below)', None, 0),
    (r'(?:less than|fewer than|under|below) #', None, -1),
)
"""The words around a number, and what they add to it for the least and for the most."""
_JOINTS = lexicon.PREPOSITIONS | {'and', ',', 'but'}
_BOUND_WORDS = frozenset(
    'at least most no less fewer more than over above up to under below or exactly only just'
    ' between from'.split()
)


@dataclass(frozen=True)
class Amount:
    """The numbers that a text allows: from `low` to `high`, None for no limit."""

    low: int
    high: int | None

    def includes(self, other: 'Amount') -> bool:
        """Tell whether every number that the other allows is allowed."""
        if other.low < self.low:
            return False
        return self.high is None or (other.high is not None and other.high <= self.high)


def yes_no_of(text: str) -> bool | None:
    """Return whether an answer says yes or no; None when it says neither."""
    if _NO_ANSWER.match(plain_text(text)):
        return None
    word = re.split(r'[\s,.;:!?]+', text.strip().casefold(), maxsplit=1)[0]
    if word in _YES:
        return True
    return False if word in _NO else None


def amount_of(text: str) -> Amount | None:
    """Return how many a text speaks of: `3`, `no dogs`, `more than two`, `2 to 4`; else None."""
    text = re.sub(r'(\d)\s*-\s*(?=\d)', r'\1 to ', text.replace('–', '-'))
    plain = plain_text(re.sub(r'(\d)\s*\+', r'\1 or more ', text))
    if _NO_ANSWER.match(plain) or _OTHER.match(plain):
        return None
    counted, numbers = _counted(plain.split())
    words = set(counted.split())
    if not numbers:
        return Amount(0, 0) if plain.split(' ')[0] in ('none', 'no', 'nobody') else None
    if len(numbers) == 2 and re.search('(?:between # and|# to) #', counted):
        return Amount(*numbers) if numbers[0] < numbers[1] else None
    for pattern, least, most in _BOUNDS:
        if len(numbers) == 1 and re.search(pattern, counted):
            low = 0 if least is None else numbers[0] + least
            return Amount(low, None if most is None else numbers[0] + most)
    exact = len(numbers) == 1 and _VAGUE.isdisjoint(words)
    return Amount(numbers[0], numbers[0]) if exact else None


def _counted(words: Sequence[str]) -> tuple[str, list[int]]:
    """Put `#` for each number of a text, and return the numbers."""
    written: list[str] = []
    numbers: list[int] = []
    for counts, row in itertools.groupby(
        words, lambda word: lexicon.number_value(word) is not None
    ):
        run = list(row)
        number = lexicon.number_of(run) if counts else None
        numbers += [number] if number is not None else []
        written += run if number is None else ['#']
    return ' '.join(written), numbers


def number_of(text: str) -> int | None:
    """Return the one number that an answer names, in digits or words; None for none or several.

    Bounds (`more than two`) and guesses (`about ten`) name no number.
    """
    amount = amount_of(text)
    return amount.low if amount is not None and amount.low == amount.high else None


def matching_choice(text: str, choices: Sequence[str]) -> str | None:
    """Return the one choice that an answer means; None where no choice, or more than one, fits.

    The same text fits best; then yes and no by any of their words, numbers in digits or words,
    the limits that a number keeps to (`more than 2`), and choices whose words are all in the
    answer (`left` for `on the left`).
    """
    folded, words, amount = _folded(text), _words(text), amount_of(text)
    tests: tuple[Callable[[str], bool], ...] = (
        lambda choice: _folded(choice) == folded,
        lambda choice: _same(_one_word(choice, choices), yes_no_of(text)),
        lambda choice: _words(choice) == words and not _is_other(choice),
        lambda choice: _same(amount_of(choice), amount) and _same_things(choice, text),
        lambda choice: _allows(amount_of(choice), amount) and _same_things(choice, text),
        lambda choice: _names_choice(words, _words(choice)) and not _is_other(choice),
    )
    for fits in tests:
        fitting = [choice for choice in choices if fits(choice)]
        if fitting:
            return fitting[0] if len(fitting) == 1 else None
    return None


def _is_other(choice: str) -> bool:
    return _OTHER.match(plain_text(choice)) is not None


def _one_word(choice: str, choices: Sequence[str]) -> bool | None:
    """Return what a choice of one word says; `right` may be the opposite of left."""
    word = _folded(choice)
    if word == 'right' and not {'wrong', 'incorrect'}.intersection(map(_folded, choices)):
        return None
    return yes_no_of(choice) if len(word.split()) == 1 else None


def _allows(limits: Amount | None, amount: Amount | None) -> bool:
    return limits is not None and amount is not None and limits.includes(amount)


def _same_things(choice: str, text: str) -> bool:
    """Tell whether two amounts may be of the same: `two cats` are not `two dogs`."""
    things, others = _counted_things(choice), _counted_things(text)
    return not things or not others or not things.isdisjoint(others)


def _counted_things(text: str) -> frozenset[str]:
    """Return the words that a number is said of: `dog` in `two dogs and a cat`."""
    after = _counted(plain_text(text).split())[0].partition('#')[2] or text
    counted = itertools.takewhile(lambda word: word not in _JOINTS, plain_text(after).split())
    things = _words(' '.join(counted)) - _BOUND_WORDS
    return frozenset(word for word in things if not word.isdecimal())


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
    # `not open` names neither open nor closed, `no dog` no dog.
    if not choice or any(word.isdecimal() and word != '0' for word in choice):
        return False  # `2` is not named by `more than 2`
    return choice <= words and _DENIALS.isdisjoint(words) == _DENIALS.isdisjoint(choice)


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
