"""The parts of a question or a statement: the things it speaks of and what it says of them.

Everything here works on text as `wording.plain_text` makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import re
from typing import NamedTuple

from vlm_ros import lexicon
from vlm_ros.grounding.spatial import Place, place_named, Relation
from vlm_ros.inflection import join_names
from vlm_ros.phrases import noun_phrases, Phrase


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


@dataclass(frozen=True)
class Condition:
    """What is said of things.

    Attributes:
        place: The part of the picture that they are in.
        relation: How they stand to the references.
        references: What the relation refers to.
        unchecked: The words of a condition that boxes cannot show; empty where there is none.
        negated: Whether it is said not to hold.
        attributes: The same as `unchecked`, one by one, where it is nothing but attributes that
            each of the things has by itself (`red`, `open`, `sleeping`); else empty. All of them
            must hold.
    """

    place: Place | None = None
    relation: Relation | None = None
    references: tuple[Thing, ...] = ()
    unchecked: str = ''
    negated: bool = False
    attributes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The condition in words, without its negation."""
        if self.relation is None:
            return self.unchecked or (self.place.text if self.place else '')
        references = join_names([f'the {thing.described}' for thing in self.references])
        return f'{self.relation.value} {references}'

    @property
    def empty(self) -> bool:
        """Whether nothing is said."""
        return self.place is None and self.relation is None and not self.unchecked


_JOINERS = frozenset({'and', 'or', ',', '&', 'plus', 'nor'})
_LEADING = (
    _JOINERS
    | lexicon.DETERMINERS
    | lexicon.COLLECTIVES
    | frozenset(
        'both either neither exactly only just precisely at least most than of about'.split()
    )
)
_BOUND = re.compile(
    r'(?P<bound>at least|at most|more than|less than|fewer than|exactly|only|just|precisely)?'
    r' ?(?P<number>\S+)$'
)
_UNBOUND = frozenset(
    'another enough less fewer more much many most about hundreds dozens number only just'
    ' exactly'.split()
)
_NEGLIGIBLE = frozenset('single visible certain various'.split())


def read_things(text: str) -> Things | None:
    """Read a text that is nothing but things in a row; None when it is not."""
    things: list[Thing] = []
    either = False
    end = 0
    for phrase in noun_phrases(text):
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
        either = either or 'or' in lead
    if not things or text[end:].strip(' ,'):
        return None
    return Things(tuple(things), either)


def _are_numbers(lead: Sequence[str]) -> bool:
    return all(word in _LEADING or lexicon.number_value(word) is not None for word in lead)


def _with_contents(thing: Thing, contents: Phrase) -> Thing:
    return Thing(**{**vars(thing), 'described': f'{thing.described} of {contents.name}'})


def _thing(phrase: Phrase, lead: Sequence[str]) -> Thing | None:
    """Make a thing of a phrase and the words before it; None when they limit it some other way."""
    bounds = _bounds(lead, phrase.plural)
    if bounds is None:
        return None
    return Thing(
        name=phrase.head,
        described=described(phrase),
        presupposed=is_definite(phrase),
        low=bounds[0],
        high=bounds[1],
        plural=phrase.plural,
        bare=not (phrase.determiner or phrase.plural),
        shorter=shorter_name(phrase),
    )


def shorter_name(phrase: Phrase) -> str:
    """Return a name without its last words where those may belong to what follows it."""
    first, _, more = phrase.head.partition(' ')
    return first if more else ''


def described(phrase: Phrase) -> str:
    """Return the attributes and the head, without attributes that anything in view has."""
    attributes = [word for word in phrase.attributes if word not in _NEGLIGIBLE]
    return ' '.join((*attributes, phrase.head))


def is_definite(phrase: Phrase) -> bool:
    """Tell whether a phrase takes its thing for granted: `the`, `my`, `all`, somebody's."""
    words = set(phrase.determiner.split())
    return bool(words & (lexicon.DEFINITES | {"'s", 'all', 'both', 'each', 'every'}))


def _bounds(lead: Sequence[str], plural: bool) -> tuple[int, int | None] | None:
    """Return the least and the most that words such as `at least two` allow."""
    words = [word for word in lead if word not in lexicon.DEFINITES | {'all', 'any', 'some'}]
    if not {'no', 'neither', 'nor', 'zero', '0'}.isdisjoint(words):
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
        'more than': (number + 1, None),
        'at most': (0, number),
        'less than': (0, max(0, number - 1)),
        'fewer than': (0, max(0, number - 1)),
    }
    return limits.get(match['bound'], (number, number))


def split_subject(text: str) -> tuple[Things, str] | None:
    """Split a text into the things at its beginning and the rest."""
    ends = [phrase.end for phrase in noun_phrases(text)]
    for end in reversed(ends[:8]):
        things = read_things(text[:end])
        if things is not None:
            rest = text[end:]
            return None if rest.startswith("'s") else (things, rest.strip(' ,'))
    return None


def _beside(side: str) -> str:
    return (
        r'(?:(?:to|on|at|towards?) )?(?:the |its )?(?:far |immediate )?'
        rf'{side}(?:[ -]hand)?(?: side)? (?:of|from)'
    )


_RELATIONS = {
    Relation.LEFT_OF: _beside('left'),
    Relation.RIGHT_OF: _beside('right'),
    Relation.IN_FRONT_OF: r'(?:directly |right )?in front of|ahead of|before',
    Relation.BEHIND: r'(?:directly |right )?behind|in back of|at the back of',
    Relation.ON: r'on (?:the )?top of|on the surface of|upon|atop|on',
    Relation.UNDER: r'(?:directly |right )?(?:underneath|under|beneath)',
    Relation.ABOVE: r'(?:directly |right )?above|over|higher than',
    Relation.BELOW: r'(?:directly |right )?below|lower than',
    Relation.BETWEEN: r'in between|between',
    Relation.IN: r'inside of|inside|within|in',
    Relation.NEAR: r'(?:right )?(?:next to|near to|near|beside|close to|alongside|adjacent to|by)',
}
_RELATION = re.compile(
    f'(?:{"|".join(f"(?P<{relation.name}>{words})" for relation, words in _RELATIONS.items())})'
    r' (?P<reference>.+)$'
)
_PLACE = re.compile(
    r'(?:(?:somewhere )?(?:on|in|at|to) (?:the )?)?(?:very |far |extreme )?'
    r'(?P<words>(?:(?:upper|lower|top|bottom|left-hand|right-hand|left|right|middle|center|centre'
    r'|central)[ -]?)+)(?:hand ?)?(?:side|half|part|corner|edge|third|portion|area|region|end)?$'
)
# What nobody can do without the thing; whether it is done, boxes do not show.
_CONTACT = re.compile(
    r'(?:wearing|wears?|holding|holds?|carrying|carries|carry|riding|rides?|pushing|push(?:es)?'
    r'|pulling|pulls?|driving|with|using|eating|kicking|throwing|touching|hugging|walking with'
    r'|(?:sitting|standing|lying|leaning|sleeping|parked|stopped|walking|waiting)'
    r' (?:on|in|at|by|near|behind|under|next to|in front of|against|beside)) (?P<reference>.+)$'
)
_NEUTRAL = re.compile(
    r'^(?:,|and|that|which|who|is|are|was|were|located|situated|placed|positioned|found|visible'
    r'|seen|shown|somewhere|currently|now|still|also|directly|anywhere|present)(?= |$) ?'
)


def read_condition(text: str) -> Condition:
    """Read what is said of things: a place, a relation, or words that boxes cannot show."""
    rest = text.strip(' ,')
    while match := _NEUTRAL.match(rest):
        rest = rest[match.end() :]
    if rest.startswith('not '):
        denied = read_condition(rest[4:])
        return Condition(unchecked=rest) if denied.empty else replace(denied, negated=True)
    if not rest or rest in ('there', 'here'):
        return Condition()
    if (match := _PLACE.match(rest)) and (
        place := place_named(match['words'].replace('-', ' ').split())
    ):
        return Condition(place=place)
    if match := _RELATION.match(rest):
        relation = next(relation for relation in _RELATIONS if match[relation.name])
        references = read_things(match['reference'])
        if references is not None and not references.either and _can_refer(references.things):
            return Condition(relation=relation, references=references.things)
    if match := _CONTACT.match(rest):
        held = read_things(match['reference'])
        if held is not None and not held.either and _can_refer(held.things):
            return Condition(references=held.things, unchecked=rest)
    return Condition(unchecked=rest)


def _can_refer(references: Sequence[Thing]) -> bool:
    return all(
        thing.name not in lexicon.SCENES | lexicon.ABSTRACT and not thing.generic and thing.low > 0
        for thing in references
    )
