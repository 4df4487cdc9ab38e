"""What each way of asking means.

Each reader takes the parts of a pattern of `questions` and gives None where they are not what they
seem, so that the next pattern is tried.
"""

from collections.abc import Sequence
from dataclasses import replace
import re

from vlm_ros import lexicon
from vlm_ros.chunker import chunk, Phrase
from vlm_ros.language.clauses import Condition, read_attributes, read_condition
from vlm_ros.language.meaning import Kind, Question
from vlm_ros.language.things import (
    is_definite,
    is_seen,
    read_things,
    split_subject,
    Thing,
    thing_of,
    UNSEEN,
)
from vlm_ros.language.wording import Core, EYES, IMAGE, SEE, SHOW, THE

MAX_NAME_WORDS = 3
"""A longer name that no article introduces is no name but something that was not understood."""


def existence(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `a dog`, `two cups and a plate`, `a cup on the table`, `a red car on the left`."""
    split = split_subject(match['rest'])
    if split is None or any(thing.name in lexicon.ABSTRACT for thing in split[0].things):
        return None
    (things, either), rest = split
    # To ask for the dog is not to take it for granted.
    things = tuple(replace(thing, presupposed=False, shorter='') for thing in things)
    condition = read_condition(rest)
    if _ANOTHER_CLAUSE.match(rest) or (condition.negated and _SCOPED.search(condition.unchecked)):
        return None
    question = Question(Kind.EXISTENCE, things, either, condition, yes_no=True)
    return _denied(question, match.groupdict().get('not'))


# `there is a dog and the bus is red`, `no more dogs than cats`
_ANOTHER_CLAUSE = re.compile(r'(?:but|than|is|are|was|were|has|have|had|does|do|did|can|will)\b')
# What turns the rest of a predicate round, or leaves open how much of it is denied.
_DENYING = re.compile(r'\b(?:no|not|never|none|nor|neither|hardly|barely|but)\b')
_SCOPED = re.compile(r'\b(?:and|but|all|both|every|each|only)\b|,')


def _denied(question: Question, negation: str | None) -> Question | None:
    """Turn `there is not a dog` into `there are no dogs`; other negations stay open."""
    if not negation:
        return question
    thing = question.things[0]
    if len(question.things) == 1 and (thing.low, thing.high) == (1, None):
        return replace(question, things=(replace(thing, low=0, high=0),))
    return None


def this_is(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `is it a cat or a dog`, `is this a picture of a dog`."""
    question = existence(match, in_view)
    if question is None or question.negated or not question.either:
        return question
    return replace(question, kind=Kind.CHOICE, yes_no=False)


def does(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `does anybody wear a helmet`; what else somebody may do stays open."""
    question = statement(match, False)
    return question if question is not None and question.condition.references else None


def names(match: re.Match[str], in_view: bool) -> Question | None:
    """Read a text without a finite verb: `dogs`, `a cup on a table`, `a man riding a horse`."""
    words = match['rest'].split()
    if words[0] in ('than', 'of', 'about') or _SHOWN.match(match['rest']):
        return None
    question = existence(match, in_view)
    if question is None or question.things[0].generic:
        return None
    if not _CLAUSE_WORDS.isdisjoint(words) or (len(words) == 1 and words[0] in lexicon.VERBS):
        return None
    if any(map(_is_babble, question.things)):
        return None
    if not question.condition.unchecked:
        return question
    doing = question.condition.unchecked.split(' ', 1)[0]
    described = lexicon.is_participle(doing) or doing in lexicon.PREPOSITIONS
    return question if words[0] in lexicon.DETERMINERS or described else None


_SHOWN = re.compile(rf'{THE} {IMAGE}s? {SHOW} ')
_CLAUSE_WORDS = lexicon.AUXILIARIES | {'all', 'each', 'every', 'both'}


def _is_babble(thing: Thing) -> bool:
    words = thing.name.split()
    return len(set(words)) < len(words) or (thing.bare and len(words) > MAX_NAME_WORDS)


_COUNT_TAIL = re.compile(
    r'^(?:that )?(?:(?:are|is|were)(?: there| present| visible| shown| seen)?'
    rf'|(?:do|can|did|could|have|has) {EYES} {SEE}|(?:can|could) be seen|have been(?: seen)?'
    r'|there (?:are|is|were|have been))(?: |$)'
)
# `do you need`, `and where are they`, `more than cats`, `is the man holding up`.
_OTHER_CLAUSE = re.compile(
    r'^(?:do|does|did|has|have|can|could|will|would|should|am|and|but|or|more|fewer|less|than|the'
    r'|this|that|my|your|his|her|its|our|their|an?)\b'
)


# There are half as many pairs of shoes as shoes.
_PLURALITY = re.compile(
    rf'(?:\w+ )?(?:{"|".join(lexicon.COLLECTIVES - {"piece", "pieces", "number"})}) of '
)


def count(match: re.Match[str], in_view: bool) -> Question | None:
    """Read what follows `how many`."""
    split = split_subject(match['rest'])
    if split is None or _PLURALITY.match(match['rest']):
        return None
    (things, _), rest = split
    rest = _COUNT_TAIL.sub('', rest)
    if _OTHER_CLAUSE.match(rest) or not all(map(is_seen, things)):
        return None
    things = tuple(replace(thing, presupposed=False) for thing in things)
    return Question(Kind.COUNT, things, condition=read_condition(rest))


def location(match: re.Match[str], in_view: bool) -> Question | None:
    """Read what follows `where is`."""
    things = read_things(match['rest'])
    if things is None or things.either:
        return None
    if any(thing.name in lexicon.ABSTRACT or thing.generic for thing in things.things):
        return None
    named = (replace(thing, presupposed=True, shorter='') for thing in things.things)
    return Question(Kind.LOCATION, tuple(named))


def inventory(match: re.Match[str], in_view: bool) -> Question | None:
    """Read the rest of `what is on the table`, `who is there`."""
    parts = match.groupdict()
    things = (Thing('person', 'person', plural=True),) if parts.get('who') == 'who' else ()
    condition = read_condition(parts.get('rest') or '')
    if condition.unchecked or condition.negated:
        return None
    references = tuple(replace(thing, presupposed=True) for thing in condition.references)
    return Question(Kind.INVENTORY, things, condition=replace(condition, references=references))


def attribute(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `what colour is the car`, `what is the table made of`."""
    aspect = match.groupdict().get('aspect') or 'material'
    split = split_subject(match['rest'])
    if split is None or split[0].either or re.match(r'(?:is|are|was|were|has)(?: |$)', split[1]):
        return None
    things, condition = split[0].things, read_condition(split[1])
    if condition.unchecked or condition.negated:
        return None
    if not all(thing.presupposed and is_seen(thing) and _is_whole(thing) for thing in things):
        return None
    aspect = aspect.removesuffix('s').replace('color', 'colour')
    return Question(Kind.ATTRIBUTE, things, condition=condition, attribute=aspect)


def _is_whole(thing: Thing) -> bool:
    """Tell whether it is not the shirt of a man."""
    return thing.described.endswith(thing.name)


def predication(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `is the cup left of the laptop`, `is the door open`, `is the car red or blue`."""
    split = _subject(match['rest'], in_view)
    if split is None:
        return None
    things, either, rest = split
    if ' or ' in rest:
        return _alternatives(things, rest)
    return _said_of(things, either, rest)


def statement(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `the door is open`; what leaves a choice (`is red or blue`) stays open."""
    split = _subject(match['rest'], in_view)
    return None if split is None or ' or ' in split[2] else _said_of(*split)


def _subject(text: str, in_view: bool) -> tuple[tuple[Thing, ...], bool, str] | None:
    split = split_subject(text)
    if split is None or any(thing.name in UNSEEN for thing in split[0].things):
        return None
    (things, either), rest = split
    if rest or in_view:
        return things, either, rest
    # Without words of a predicate, as in `is the door ajar`, one has gone into the name: which
    # one is plain only where it is a colour, as in `is the car orange`.
    front, _, last = text.rpartition(' ')
    again = split_subject(front) if last in lexicon.COLOURS else None
    return (*again[0], last) if again is not None and not again[1] else None


def _said_of(things: tuple[Thing, ...], either: bool, rest: str) -> Question | None:
    stated = re.match(r'(?:is|are|was|were|been|has been|have been)(?: |$)', rest)
    rest = rest[stated.end() :] if stated else rest
    negation = re.match(r'not(?: |$)', rest)
    rest = rest[negation.end() :] if negation else rest
    condition = read_condition(rest)
    if _DENYING.search(condition.unchecked) or (negation and _SCOPED.search(condition.unchecked)):
        return None
    if condition == Condition():
        if negation and not all(thing.presupposed for thing in things):
            return None  # `some dogs are not visible`
        things = tuple(replace(thing, presupposed=False) for thing in things)
    elif condition.unchecked in _GONE:
        return None if negation else _gone(things)
    elif negation:
        condition = replace(condition, negated=True)
        return Question(Kind.EXISTENCE, things, either, condition, yes_no=True)
    question = Question(Kind.EXISTENCE, things, either, condition, yes_no=True)
    return _denied(question, negation and negation.group())


_GONE = ('gone', 'missing', 'absent')


def _gone(things: tuple[Thing, ...]) -> Question | None:
    """Turn `the dog is gone` into `there is no dog`; that one of several is stays open."""
    if len(things) > 1 or not things[0].presupposed:
        return None
    thing = replace(things[0], presupposed=False, low=0, high=0)
    return Question(Kind.EXISTENCE, (thing,), yes_no=True)


def _alternatives(things: tuple[Thing, ...], rest: str) -> Question | None:
    """Read `on the left or on the right`, `red, yellow or green`."""
    parts = re.split(r' , or | or | , ', rest)
    if all(read_condition(part).place is not None for part in parts):
        return Question(Kind.LOCATION, things)
    single = len(things) == 1 and things[0].presupposed
    if single and all(len(read_attributes(part)) == 1 for part in parts):
        return Question(Kind.CHOICE, things, options=tuple(parts))
    return None


_YES_NO = re.compile(
    r'^(?:is|are|was|were|am|do|does|did|has|have|can|could|will|would|should|may|might) '
)


def open_question(core: Core) -> Question:
    """Keep of a text that fits no form only what it takes for granted."""
    yes_no = core.embedded or bool(_YES_NO.match(core.text))
    return Question(Kind.OPEN, _granted(core.text), yes_no=yes_no and ' or ' not in core.text)


def _granted(text: str) -> tuple[Thing, ...]:
    phrases: list[Phrase] = []
    granted = False
    for phrase in chunk(text):
        owned = phrase.determiner == "'s"
        granted = granted if owned else _is_granted(phrase, text)  # a man's hat, the man's hat
        own = phrase.head in lexicon.BODY_PARTS and phrase.determiner in lexicon.POSSESSIVES
        if granted and not own:
            phrases.append(phrase)
    return _once([thing for thing in map(thing_of, phrases) if is_seen(thing)])


def _is_granted(phrase: Phrase, text: str) -> bool:
    """Tell whether a text takes a phrase's thing for granted: `the cup`, `which cup`, `Tom's`."""
    owner = text[phrase.end :].startswith("'s") and not phrase.determiner
    asked = text[: phrase.start].endswith(('which ', 'whose '))
    return owner or asked or is_definite(phrase)


def _once(things: Sequence[Thing]) -> tuple[Thing, ...]:
    by_name: dict[str, Thing] = {}
    for thing in things:
        by_name.setdefault(thing.name, thing)
    return tuple(by_name.values())
