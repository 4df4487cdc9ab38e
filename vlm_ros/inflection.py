"""Singular and plural of nouns, and the small phrases that are made of them."""

from collections.abc import Sequence
import functools
from typing import Any

from vlm_ros import lexicon

_ALWAYS_PLURAL = frozenset(
    'scissors trousers jeans shorts pants leggings tights pyjamas pajamas sunglasses'
    ' eyeglasses spectacles goggles binoculars headphones earphones tweezers pliers'
    ' tongs shears clothes stairs overalls'.split()
)
_SAME = frozenset(
    'sheep fish deer moose bison shrimp salmon trout aircraft spacecraft hovercraft'
    ' series species offspring'.split()
)
_UNCOUNTED = frozenset(
    'water grass snow ice sand smoke fire food bread rice coffee tea milk juice'
    ' furniture luggage baggage traffic clothing equipment trash garbage rubbish'
    ' litter mud dirt money jewelry jewellery news gravel wood metal plastic paper'
    ' cutlery fruit cheese butter sky fog rain hair stuff'.split()
)
# Words in -s that are singular and that a rule for plurals would cut.
_SINGULAR_IN_S = frozenset(
    'bus minibus trolleybus omnibus gas canvas atlas lens chaos thermos cosmos tennis'
    ' iris chassis trellis pelvis axis ibis debris oasis basis clematis crisis news'
    ' christmas pancreas mantis tripos bias alias asparagus rhinoceros this is was has'
    ' does its yes us always paris mars texas'.split()
)
_PLURAL_IN_US = frozenset('menus emus gurus tutus haikus gnus plateaus bureaus chateaus'.split())
_IRREGULAR = {'persons': 'person', 'passersby': 'passerby', 'axes': 'axe', 'media': 'medium'}
_NUMBER_WORDS = tuple(lexicon.NUMBERS)


@functools.cache
def _engine() -> Any:
    # Importing inflect takes up to two seconds, so only a caller that needs it waits for it.
    import inflect

    return inflect.engine()


def preload() -> None:
    """Load now what the first singular or plural would wait for, up to two seconds."""
    _engine()


@functools.lru_cache(maxsize=4096)
def singular(noun: str) -> str:
    """Return the singular of a noun or of a compound, whose last word counts.

    What is singular already, is not English, or has no singular (`scissors`) comes back unchanged.
    """
    *front, last = noun.split(' ')
    return ' '.join((*front, _singular_word(last)))


def _singular_word(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if not (word.isascii() and word.replace('-', '').isalpha() and len(word) > 2):
        return word
    if word in _ALWAYS_PLURAL | _SAME | _UNCOUNTED | _SINGULAR_IN_S:
        return word
    if word.endswith('ss') or (word.endswith('us') and word not in _PLURAL_IN_US):
        return word
    found = _engine().singular_noun(word)
    return found if isinstance(found, str) else word


@functools.lru_cache(maxsize=4096)
def plural(noun: str) -> str:
    """Return the plural of a noun or of a compound; a plural comes back unchanged."""
    *front, last = noun.split(' ')
    if last and _singular_word(last) == last and last not in _ALWAYS_PLURAL | _SAME | _UNCOUNTED:
        last = str(_engine().plural_noun(last))
    return ' '.join((*front, last))


def with_article(noun: str) -> str:
    """Put `a` or `an` before a singular noun; `scissors` and `water` take none."""
    last = noun.rsplit(' ', 1)[-1]
    if not last or last in _ALWAYS_PLURAL | _UNCOUNTED or _singular_word(last) != last:
        return noun
    return str(_engine().a(noun))


def count_phrase(count: int, noun: str) -> str:
    """Say how many: `no dogs`, `one dog`, `three dogs`; digits from thirteen on.

    Raises:
        ValueError: `count` is negative.
    """
    if count < 0:
        raise ValueError(f'there cannot be {count} of anything')
    word = 'no' if count == 0 else _NUMBER_WORDS[count] if count <= 12 else str(count)
    return f'{word} {singular(noun) if count == 1 else plural(noun)}'


def join_names(names: Sequence[str], conjunction: str = 'and') -> str:
    """Join names as a sentence does: `a dog`, `a dog and a cat`, `a dog, a cat and a bus`."""
    if len(names) < 2:
        return ''.join(names)
    return f'{", ".join(names[:-1])} {conjunction} {names[-1]}'
