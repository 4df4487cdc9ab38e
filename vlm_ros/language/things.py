"""The things that a text speaks of, and how many of them there must be.

Works on text as `wording.plain_text` makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.chunker import chunk, Phrase
from vlm_ros.language.bounds import bounds_of, bounds_of_share, share_of


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
_NEGLIGIBLE = frozenset('single visible certain various'.split())
_DETERMINER = '|'.join(sorted(lexicon.DETERMINERS))
_GOES_ON = re.compile(rf"'s|[ ,]*\b(?:and|or|nor|plus|&)(?= |$)|[ ,]*, ?(?:{_DETERMINER})\b")
_OF_ALL = frozenset('all both each every'.split())


def read_things(text: str) -> Things | None:
    """Read a text that is nothing but things in a row; None when it is not."""
    things: list[Thing] = []
    leads: list[list[str]] = []
    joiners: set[str] = set()
    end = 0
    phrases = chunk(text)
    for phrase in phrases:
        lead = text[end : phrase.start].split()
        end = phrase.end
        if things and lead == ['of']:
            things[-1] = _with_contents(things[-1], phrase)
            continue
        if not _LEADING.issuperset(lead) and not _are_numbers(lead):
            return None
        if bool(things) != bool(_JOINERS.intersection(lead)):
            return None  # `the cup a mug`, `two or three cups`
        leads.append([word for word in lead if word not in _JOINERS - {'nor'}])
        pair = not things and lead[:1] == ['both'] and 'of' not in lead and len(phrases) > 1
        thing = _thing(phrase, leads[-1][1:] if pair else leads[-1])
        if thing is None:
            return None
        if pair:  # `both dogs and cats` are not two dogs
            thing = replace(thing, presupposed=not lexicon.DEFINITES.isdisjoint(lead))
        things.append(thing)
        joiners.update(_JOINERS.intersection(lead))
    if not things or text[end:].strip(' ,') or joiners >= {'and', 'or'}:
        return None
    if leads[0][:1] == ['both'] and len(things) > 2:
        return None
    if joiners <= {'and', 'or'} and any(
        thing.attributes and not (lead or following.attributes)
        for thing, following, lead in zip(things, things[1:], leads[1:], strict=False)
    ):
        return None  # `red cars and buses`: nobody knows what colour the buses have
    return _shared(things, leads, 'or' in joiners)


def _shared(
    things: Sequence[Thing], leads: Sequence[Sequence[str]], either: bool
) -> Things | None:
    """Say of things without words of their own what those before say of the first.

    `no dogs or cats` denies both, `every dog and cat` takes both for granted. Of `two dogs or
    cats` nobody knows how many cats there must be: None.
    """
    shared: list[Thing] = []
    for thing, lead in zip(things, leads, strict=True):
        before = shared[-1] if shared else thing
        if not shared or lead:
            shared.append(thing)
        elif before.high == 0:
            shared.append(replace(thing, presupposed=before.presupposed, low=0, high=0))
        elif (before.low, before.high) != (1, None):
            return None
        else:
            plural = thing.plural or (before.plural and before.presupposed)
            shared.append(replace(thing, presupposed=before.presupposed, plural=plural))
    denied = [thing.high == 0 for thing in shared]
    if either and any(denied):
        return Things(tuple(shared), False) if all(denied) and not any(leads[1:]) else None
    return Things(tuple(shared), either)


def _are_numbers(lead: Sequence[str]) -> bool:
    return all(word in _LEADING or lexicon.number_value(word) is not None for word in lead)


def _with_contents(thing: Thing, contents: Phrase) -> Thing:
    return Thing(**{**vars(thing), 'described': f'{thing.described} of {contents.name}'})


def _thing(phrase: Phrase, lead: Sequence[str]) -> Thing | None:
    """Make a thing of a phrase and the words before it; None when they limit it some other way."""
    share = share_of(lead)
    presupposed = is_definite(phrase)
    if share is None:
        bounds = bounds_of(lead, phrase.plural)
    elif _OF_ALL.isdisjoint(share):
        bounds, presupposed = bounds_of_share(lead, share), False
    else:
        bounds = bounds_of(share, phrase.plural)
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


def split_subject(text: str) -> tuple[Things, str] | None:
    """Split a text into the things at its beginning and the rest; None where those go on in it."""
    phrases = chunk(text)
    for phrase in reversed(phrases[:8]):
        things = read_things(text[: phrase.end])
        if things is not None:
            rest = text[phrase.end :]
            return None if _GOES_ON.match(rest) else (things, rest.strip(' ,'))
    return None
