"""What an answer claims about the scene, held against boxes.

Things, numbers and positions are claims: `a dog is left of the car`, `two cups`. An answer is read
sentence by sentence as a question is; what is not understood claims nothing that boxes could deny.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import re

from vlm_ros import lexicon
from vlm_ros.grounding import evidence
from vlm_ros.grounding.agreement import claimed_names, number_of
from vlm_ros.grounding.colour_claims import colours_in, object_to
from vlm_ros.grounding.reasons import amount
from vlm_ros.grounding.sightings import Observer, Presence
from vlm_ros.grounding.tallies import joined, Tally, tally
from vlm_ros.inflection import join_names
from vlm_ros.language.clauses import Condition, read_condition, Thing
from vlm_ros.language.meaning import Kind, Question
from vlm_ros.language.questions import parse
from vlm_ros.language.wording import plain_text
from vlm_ros.phrases import MAX_TEXT_CHARACTERS, noun_phrases
from vlm_ros.results import Detections

MAX_CLAIMS = 20
_SENTENCE_END = re.compile(r'[.!?;\n]+(?:\s|$)')
_NO_CLAIMS = lexicon.ABSTRACT | lexicon.SCENES | lexicon.IMAGE_WORDS
_PRONOUN = re.compile(r'^(?:it|he|she|they|that|this)(?: is| are|)(?: |$)')


@dataclass(frozen=True)
class Check:
    """What boxes say about the claims of an answer.

    Attributes:
        objection: What they have against it, in one line; empty for nothing.
        evidence: The boxes of what it claims.
    """

    objection: str = ''
    evidence: Detections = field(default_factory=Detections)


@dataclass(frozen=True)
class _Claim:
    thing: Thing
    condition: Condition


def check_claims(
    text: str, question: Question, asked: str, observer: Observer, tallies: Sequence[Tally] = ()
) -> Check:
    """Hold an answer against boxes, with one look for all that it names.

    Args:
        text: The answer.
        question: What it answers.
        asked: The question's own words: what they name is no claim of the answer.
        observer: Looks.
        tallies: For a count, what the boxes allow.
    """
    number = number_of(text) if len(tallies) == 1 else None
    if number is not None and not tallies[0].low <= number <= tallies[0].high:
        return Check(f'boxes show {tallies[0].low} to {tallies[0].high}')
    if len(text) > MAX_TEXT_CHARACTERS:
        text = text[:MAX_TEXT_CHARACTERS]
    known = [phrase.head for phrase in noun_phrases(asked)]
    names = claimed_names(text, known)[:MAX_CLAIMS]
    claims = _claims(text, question)[:MAX_CLAIMS]
    spoken_of = [
        thing.name for claim in claims for thing in (claim.thing, *claim.condition.references)
    ]
    coloured = _coloured(text)
    sightings = observer.look((*names, *spoken_of, *coloured))
    absent = [name for name in names if sightings[name].presence is Presence.ABSENT]
    if absent:
        return Check(f'there is {join_names([f"no {name}" for name in absent])} in view')
    for claim in claims:
        counted = tally(claim.thing, claim.condition, sightings, observer.resolution_wh)
        # Only where boxes show the thing and what it stands to: else there is no other version.
        references = [sightings[r.name].found for r in claim.condition.references]
        if not len(counted.sighting.found) or not all(len(found) for found in references):
            continue
        finding = evidence.exists(claim.thing, claim.condition, counted)
        if finding.truth is False:
            return Check(_contradiction(claim, counted), finding.evidence)
    for name, words in coloured.items():
        found = sightings[name].found
        if name not in observer.seen_earlier:  # else its box is in the pixels of another frame
            objection = object_to(observer.image, found, words)
            if objection:
                return Check(objection, found)
    claimed = (*names, *(claim.thing.name for claim in claims))
    return Check('', joined([sightings[name].found for name in claimed]))


def _coloured(text: str) -> dict[str, tuple[str, ...]]:
    """Return the colours that an answer says things have, by their names."""
    phrases = noun_phrases(text)[:MAX_CLAIMS]
    if any(phrase.determiner == 'no' for phrase in phrases):
        return {}
    said = {phrase.head: colours_in(' '.join(phrase.attributes)) for phrase in phrases}
    return {name: words for name, words in said.items() if words and name not in _NO_CLAIMS}


def _contradiction(claim: _Claim, counted: Tally) -> str:
    found = len(counted.sighting.found)
    seen = amount(found, claim.thing.name)
    if claim.condition.empty:
        return f'boxes show {seen}'
    said = 'not ' if not claim.condition.negated else ''
    return f'boxes show {seen} {said}{claim.condition.text}'


def _claims(text: str, question: Question) -> list[_Claim]:
    """Read what an answer says of numbers and positions."""
    claims = []
    for sentence in _SENTENCE_END.split(text)[:MAX_CLAIMS]:
        if not sentence.strip():
            continue
        read = parse(sentence)
        if read.kind is Kind.EXISTENCE and read.english and not read.either:
            claims += [
                _Claim(thing, _of_question(read.condition, question)) for thing in read.things
            ]
        elif question.kind is Kind.LOCATION and len(question.things) == 1:
            condition = read_condition(_PRONOUN.sub('', plain_text(sentence)))
            claims.append(_Claim(replace(question.things[0], attributes=()), condition))
    return [claim for claim in claims if _can_be_denied(claim)]


def _of_question(condition: Condition, question: Question) -> Condition:
    """Return what is said of a thing; `a dog`, where one is asked for, is left of the car."""
    if condition == Condition() and question.kind is Kind.INVENTORY:
        return question.condition
    return condition


def _can_be_denied(claim: _Claim) -> bool:
    thing, condition = claim.thing, claim.condition
    names = [thing.name, *(reference.name for reference in condition.references)]
    if thing.generic or condition.unchecked or not _NO_CLAIMS.isdisjoint(names):
        return False
    placed = condition.place is not None or condition.relation is not None
    return placed or (thing.low, thing.high) != (1, None)
