"""The things that a text speaks of, and how many of them there must be.

Works on text as `wording.plain_text` makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.chunker import chunk, Phrase


@dataclass(frozen=True)
class Thing:
    """Something that a text speaks of.

    Attributes:
        name: The name to look for, in the singular.
        described: The name with all that is said of it, such as `red car`, `glass of water`.
        presupposed: Whether the text takes for granted that it is there.
        low: The least number there must be for a yes.
        high: The most; None for no limit.
        plural: Whether the text speaks of several.
        bare: Whether it stands without an article or number in the singular, as `fire` in
            `on fire`, so that it may be no thing at all.
        shorter: The name without its last words, where those may be an unknown verb or adjective
            that was taken for a part of it (`door ajar`); empty where they cannot.
        attributes: The describing words that `described` puts before the name: `red`.
    """

    name: str
    described: str
    presupposed: bool = False
    low: int = 1
    high: int | None = None
    plural: bool = False
    bare: bool = False
    shorter: str = ''
    attributes: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether its name is all that is said of it, so that a detector can tell."""
        return self.described == self.name

    @property
    def generic(self) -> bool:
        """Whether anything would be one."""
        return self.name.rsplit(' ', 1)[-1] in lexicon.GENERIC_NAMES


class Things(NamedTuple):
    """Things in a row; `either` when they are joined by `or`."""

    things: tuple[Thing, ...]
    either: bool


UNSEEN = lexicon.ABSTRACT | lexicon.SCENES | lexicon.IMAGE_WORDS
"""What names nothing that has a box."""

_JOINERS = frozenset({'and', 'or', ',', '&', 'plus', 'nor'})
_LEADING = (
    _JOINERS
    | lexicon.DETERMINERS
    | lexicon.COLLECTIVES
    | frozenset(
        'both either neither none exactly only just precisely at least most than of about'.split()
    )
)
_BOUND = re.compile(
    r'(?P<bound>at least|no (?:less|fewer) than|at most|no more than|more than|less than'
    r'|fewer than|exactly|only|just|precisely)? ?(?P<number>\S+)$'
)
_UNBOUND = frozenset(
    'another enough less fewer more much many most about hundreds dozens number only just'
    ' exactly'.split()
)
_NEGLIGIBLE = frozenset('single visible certain various'.split())
_OF_ALL = frozenset('all both each every'.split())


def read_things(text: str) -> Things | None:
    """Read a text that is nothing but things in a row; None when it is not."""
    things: list[Thing] = []
    joiners: set[str] = set()
    end = 0
    for phrase in chunk(text):
        lead = text[end : phrase.start].split()
        end = phrase.end
        if things and lead == ['of']:
            things[-1] = _with_contents(things[-1], phrase)
            continue
        if not _LEADING.issuperset(lead) and not _are_numbers(lead):
            return None
        if bool(things) != bool(_JOINERS.intersection(lead)):
            return None  # `the cup a mug`, `two or three cups`
        thing = _thing(phrase, [word for word in lead if word not in _JOINERS - {'nor'}])
        if thing is None:
            return None
        things.append(thing)
        joiners.update(_JOINERS.intersection(lead))
    if not things or text[end:].strip(' ,') or joiners >= {'and', 'or'}:
        return None
    return Things(tuple(things), 'or' in joiners)


def _are_numbers(lead: Sequence[str]) -> bool:
    return all(word in _LEADING or lexicon.number_value(word) is not None for word in lead)


def _with_contents(thing: Thing, contents: Phrase) -> Thing:
    return Thing(**{**vars(thing), 'described': f'{thing.described} of {contents.name}'})


def _thing(phrase: Phrase, lead: Sequence[str]) -> Thing | None:
    """Make a thing of a phrase and the words before it; None when they limit it some other way."""
    share = _share(lead)
    presupposed = is_definite(phrase)
    if share is None:
        bounds = _bounds(lead, phrase.plural)
    elif _OF_ALL.isdisjoint(share):
        bounds, presupposed = _bounds_of_share(lead, share), False
    else:
        bounds = _bounds(share, phrase.plural)
    if bounds is None:
        return None
    return Thing(
        name=phrase.head,
        described=described(phrase),
        presupposed=presupposed,
        low=bounds[0],
        high=bounds[1],
        plural=phrase.plural or not {'each', 'every'}.isdisjoint(lead),
        bare=not (phrase.determiner or phrase.plural),
        shorter=shorter_name(phrase),
        attributes=attributes_of(phrase),
    )


def _share(lead: Sequence[str]) -> Sequence[str] | None:
    """Return `two` of `two of the cars`; None where the words are not about some out of all."""
    if 'of' not in lead:
        return None
    share = lead[: lead.index('of')]
    counting = share and share[-1] not in lexicon.COLLECTIVES
    return share if counting else None


def _bounds_of_share(lead: Sequence[str], share: Sequence[str]) -> tuple[int, int | None] | None:
    """Return how many out of all there must be; None for `most` and for `two of the three`."""
    inside = lead[len(share) + 1 :]
    if not lexicon.DEFINITES.issuperset(inside):
        return None
    if not {'none', 'neither'}.isdisjoint(share):
        return 0, 0
    return (1, None) if list(share) == ['one'] else _bounds(share, plural=True)


def thing_of(phrase: Phrase) -> Thing:
    """Make a thing of a phrase that a text takes for granted."""
    return Thing(
        phrase.head,
        described(phrase),
        presupposed=True,
        plural=phrase.plural,
        shorter=shorter_name(phrase),
        attributes=attributes_of(phrase),
    )


def is_seen(thing: Thing) -> bool:
    """Tell whether a thing has a box to look for: the sky, the price and `a thing` have none."""
    return thing.name not in UNSEEN and not thing.generic


def shorter_name(phrase: Phrase) -> str:
    """Return a name without its last words where those may belong to what follows it."""
    first, _, more = phrase.head.partition(' ')
    return first if more else ''


def described(phrase: Phrase) -> str:
    """Return the attributes and the head, without attributes that anything in view has."""
    return ' '.join((*attributes_of(phrase), phrase.head))


def attributes_of(phrase: Phrase) -> tuple[str, ...]:
    """Return the describing words one by one, `light blue` in one, without negligible ones."""
    attributes: list[str] = []
    for word in phrase.attributes:
        if attributes and attributes[-1] in lexicon.SHADES and word in lexicon.COLOURS:
            attributes[-1] += f' {word}'
        elif word not in _NEGLIGIBLE:
            attributes.append(word)
    return tuple(attributes)


def is_definite(phrase: Phrase) -> bool:
    """Tell whether a phrase takes its thing for granted: `the`, `my`, `all`, somebody's."""
    words = set(phrase.determiner.split())
    return bool(words & (lexicon.DEFINITES | {"'s", 'all', 'both', 'each', 'every'}))


def _bounds(lead: Sequence[str], plural: bool) -> tuple[int, int | None] | None:
    """Return the least and the most that words such as `at least two` allow."""
    words = [word for word in lead if word not in lexicon.DEFINITES | {'all', 'any', 'some'}]
    if words[1:] and words[0] == 'no' and words[-2:-1] == ['than']:
        pass  # `no more than three`
    elif not {'no', 'neither', 'nor', 'zero', '0'}.isdisjoint(words):
        return 0, 0
    if 'both' in words:
        return (2, 2) if plural else (1, None)
    if words[:2] in (['a', 'couple'], ['a', 'pair']) or words == ['couple', 'of']:
        return 2, None
    if 'several' in words or 'few' in words:
        return 2, None
    match = _BOUND.search(' '.join(words))
    number = lexicon.number_value(match['number']) if match else None
    if match is None or number is None:
        return None if _UNBOUND.intersection(words) else (1, None)  # `only a cup`, `many cups`
    limits: dict[str | None, tuple[int, int | None]] = {
        'at least': (number, None),
        'no less than': (number, None),
        'no fewer than': (number, None),
        'more than': (number + 1, None),
        'at most': (0, number),
        'no more than': (0, number),
        'less than': (0, max(0, number - 1)),
        'fewer than': (0, max(0, number - 1)),
    }
    return limits.get(match['bound'], (number, number))


def split_subject(text: str) -> tuple[Things, str] | None:
    """Split a text into the things at its beginning and the rest."""
    ends = [phrase.end for phrase in chunk(text)]
    for end in reversed(ends[:8]):
        things = read_things(text[:end])
        if things is not None:
            rest = text[end:]
            return None if rest.startswith("'s") else (things, rest.strip(' ,'))
    return None
