"""What a question or a statement says of the things that it speaks of.

Works on text as `wording.plain_text` makes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import re

from vlm_ros import lexicon
from vlm_ros.chunker import chunk
from vlm_ros.inflection import join_names
from vlm_ros.language.things import (
    is_definite,
    is_seen,
    read_things,
    Thing,
    thing_of,
    Things,
)
from vlm_ros.spatial import Place, place_named, Relation

__all__ = ['Condition', 'Thing', 'Things', 'read_attributes', 'read_condition']


@dataclass(frozen=True)
class Condition:
    """What is said of things.

    Attributes:
        place: The part of the picture that they are in.
        relation: How they stand to the references.
        references: What the relation refers to; without one, what the condition takes for
            granted or cannot hold without.
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


def _beside(side: str) -> str:
    return (
        r'(?:(?:to|on|at|towards?) )?(?:the |its )?(?:far |immediate )?'
        rf'{side}(?:[ -]hand)?(?: side)? (?:of|from)'
    )


_RELATIONS = {
    Relation.LEFT_OF: _beside('left'),
    Relation.RIGHT_OF: _beside('right'),
    Relation.IN_FRONT_OF: r'(?:directly |right )?in front of|ahead of',
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
# `held by the child`: so is the one who does it.
_PASSIVE = re.compile(r'(?:(?:being|been) )?(?P<verb>[a-z]+) by (?P<reference>.+)$')
_NEUTRAL = re.compile(
    r'^(?:,|and|that|which|who|is|are|was|were|located|situated|placed|positioned|found|visible'
    r'|seen|shown|somewhere|currently|now|still|also|directly|anywhere|present)(?= |$) ?'
)

_DENIAL = re.compile(r'(?:no|not|never|none|nor|neither)\b')


def read_condition(text: str) -> Condition:
    """Read what is said of things: a place, a relation, or words that boxes cannot show."""
    rest = _without_neutral(text)
    if rest.startswith('not '):
        denied = _without_neutral(rest[4:])
        condition = Condition() if _DENIAL.match(denied) else _read(denied)
        return Condition(unchecked=rest) if condition.empty else replace(condition, negated=True)
    return _read(rest)


def _without_neutral(text: str) -> str:
    rest = text.strip(' ,')
    while match := _NEUTRAL.match(rest):
        rest = rest[match.end() :]
    return rest


def _read(rest: str) -> Condition:
    if not rest or rest in ('there', 'here'):
        return Condition()
    # `people are left`, `the answer is right` are about no place.
    if (
        (match := _PLACE.match(rest))
        and rest not in ('left', 'right')
        and (place := place_named(match['words'].replace('-', ' ').split()))
    ):
        return Condition(place=place)
    if match := _RELATION.match(rest):
        relation = next(relation for relation in _RELATIONS if match[relation.name])
        references = read_things(match['reference'])
        counts = {(1, None)} | ({(2, 2)} if relation is Relation.BETWEEN else set())
        if (
            references is not None
            and not references.either
            and _can_refer(references.things)
            and counts.issuperset((thing.low, thing.high) for thing in references.things)
        ):
            return Condition(relation=relation, references=references.things)
    match = _CONTACT.match(rest) or _PASSIVE.match(rest)
    if match and (match.lastgroup != 'verb' or _is_done(match['verb'])):
        held = read_things(match['reference'])
        if held is not None and not held.either and _can_refer(held.things):
            return Condition(references=held.things, unchecked=rest)
    return Condition(references=_granted(rest), unchecked=rest, attributes=read_attributes(rest))


def read_attributes(text: str) -> tuple[str, ...]:
    """Read `red`, `dark red`, `red and shiny`; empty where a text is anything else as well."""
    attributes: list[str] = []
    for part in re.split(r' , and | and | , ', text):
        shade, _, word = part.rpartition(' ')
        plain = word in lexicon.DESCRIBING and not shade
        if not plain and not (shade in lexicon.SHADES and word in lexicon.COLOURS):
            return ()
        attributes.append(part)
    # Of `black and white` neither holds alone.
    colours = sum(attribute.split(' ')[-1] in lexicon.COLOURS for attribute in attributes)
    return tuple(attributes) if colours < 2 else ()


def _is_done(verb: str) -> bool:
    return verb in lexicon.VERBS or lexicon.is_participle(verb)


def _granted(text: str) -> tuple[Thing, ...]:
    """Return what words that boxes cannot show take for granted, as `looking at the dog` does."""
    if 'without' in text.split():
        return ()
    phrases = [phrase for phrase in chunk(text) if is_definite(phrase)]
    phrases = [phrase for phrase in phrases if phrase.head not in lexicon.BODY_PARTS]
    return tuple(thing for thing in map(thing_of, phrases) if is_seen(thing))


def _can_refer(references: Sequence[Thing]) -> bool:
    return all(
        thing.name not in lexicon.SCENES | lexicon.ABSTRACT and not thing.generic and thing.low > 0
        for thing in references
    )
