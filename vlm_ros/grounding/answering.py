"""An answer to each kind of question: by boxes where they can tell, else by the answerer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from vlm_ros.grounding import evidence, reasons
from vlm_ros.grounding.agreement import yes_no_of
from vlm_ros.grounding.asking import Guard, unsure
from vlm_ros.grounding.case import Case
from vlm_ros.grounding.comparison import compare
from vlm_ros.grounding.evidence import Finding
from vlm_ros.grounding.inventory import list_things
from vlm_ros.grounding.reasons import amount
from vlm_ros.grounding.sentences import alternatives, tell
from vlm_ros.grounding.sightings import Presence
from vlm_ros.grounding.tallies import joined
from vlm_ros.inflection import join_names, with_article
from vlm_ros.language.clauses import Thing
from vlm_ros.language.meaning import Kind
from vlm_ros.phrases import noun_phrases
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.spatial import place_of

IN_THE_PICTURE = 'by the {measure} in the picture, where what is near looks larger'


def answer(case: Case) -> Answer:
    """Look for what the question names, decide what boxes can, and ask for the rest."""
    if case.question.kind is Kind.REFUSED and not case.question.unseen:
        return unsure('cannot tell: this is no question about what is in the image')
    if case.guard is Guard.OFF and case.answerer is not None:
        told = case.asker(case.answerer).own_word()
        sure = case.calibrate(told.confidence, False) if told.status is Status.OK else 0.0
        return replace(told, confidence=sure)
    if case.question.kind is Kind.REFUSED:
        return unsure('cannot tell: no image shows that')
    if not case.question.english:
        return case.ask('cannot tell: only English is understood', Detections())
    failure = case.prepare()
    if failure is not None:
        return failure
    if case.question.kind in _NAMED and any(thing.generic for thing in case.question.things):
        return case.ask('cannot tell which object is meant; name it', case.references())
    return _ANSWERS[case.question.kind](case)


def find(case: Case) -> Finding:
    """Say what boxes tell about a prepared question that yes or no answers."""
    return evidence.combined(find_each(case, case.question.things), case.question.either)


def find_each(case: Case, things: Sequence[Thing]) -> list[Finding]:
    """Say of each of some things whether there are as many as are asked for."""
    return [
        _find_anything(case, thing)
        if thing.generic
        else evidence.exists(thing, case.question.condition, case.tally(thing))
        for thing in things
    ]


def truth_of(case: Case, told: Answer) -> bool | None:
    """Say whether an answer to a yes/no question says yes; None where it says neither."""
    if told.status is not Status.OK:
        return None
    said = yes_no_of(told.text)
    scored = alternatives(case.question)
    if said is None and scored is not None and told.text in scored:
        return told.text == scored[0]
    return said


def _answer_existence(case: Case) -> Answer:
    finding = find(case)
    shown = joined([finding.evidence, case.references()])
    if finding.truth is None:
        unseen = case.unrecognized
        reason = reasons.cannot_recognize(unseen) if unseen else finding.reason
        return case.ask(reason, shown, choices=alternatives(case.question) or ())
    return say_truth(case, finding.truth, finding.confidence, shown)


def say_truth(
    case: Case, truth: bool, confidence: float, shown: Detections, message: str = ''
) -> Answer:
    """Answer yes or no, or in a sentence where a bare yes would mean either."""
    text = 'yes' if truth else 'no'
    if case.question.negated and not case.choices:
        tallies = [None if t.generic else case.tally(t) for t in case.question.things]
        text = tell(case.question, tallies)
    return case.say(text, confidence, shown, message)


def _find_anything(case: Case, thing: Thing) -> Finding:
    """Say whether there is `a thing`, `no thing`, or `all things` are so, out of the vocabulary.

    Whatever is not in the vocabulary may still be there: never a no to `a thing`, and never a yes
    to `all things`.
    """
    around = case.look_around(case.vocabulary.names)
    seen = joined([around.sure, around.possible, around.failing])
    if not thing.presupposed:
        if len(around.sure) and (thing.low, thing.high) in ((1, None), (0, 0)):
            return Finding(thing.low == 1, float(around.sure.scores.max()), around.sure)
        reason = around.reason
        if len(around.sure):
            things = list_things(around.sure)
            reason = f'cannot tell: there may be more than {things}'
        return Finding(None, 0.0, joined([around.sure, around.possible]), reason)
    if len(around.failing) and (thing.low, thing.high, thing.plural) == (1, None, True):
        return Finding(False, float(around.failing.scores.max()), around.failing)
    if len(seen) == 1 and thing.low == 1 and not thing.plural and not len(around.possible):
        return Finding(bool(len(around.sure)), float(seen.scores.max()), seen)
    reason = around.reason
    if len(seen):
        reason = f'there {reasons.are(len(seen))} {list_things(seen)} in view, and there may be'
        reason += ' more' if thing.plural else ' more; it is not clear which is meant'
    return Finding(None, 0.0, seen, reason)


def _answer_choice(case: Case) -> Answer:
    if case.question.options:
        return _answer_option(case)
    things = case.question.things
    findings = [evidence.exists(t, case.question.condition, case.tally(t)) for t in things]
    present = [t for t, each in zip(things, findings, strict=True) if each.truth]
    absent = [t for t, each in zip(things, findings, strict=True) if each.truth is False]
    found = joined([case.sightings[thing.name].found for thing in things])
    if all(case.sightings[t.name].presence is Presence.ABSENT for t in things):
        return case.not_in_view([thing.name for thing in things], found)
    names = [with_article(thing.described) for thing in things]
    if case.unrecognized:
        return case.ask(reasons.cannot_recognize(case.unrecognized), found, choices=names)
    one = len(present) == 1 and len(absent) == len(things) - 1
    if not one or not case.question.condition.empty:
        return case.ask(
            f'cannot tell which it is: {join_names(names, "or")}', found, choices=names
        )
    shown = case.sightings[present[0].name].found
    text = with_article(present[0].name)
    if present[0].low > 1:
        text = amount(len(shown), present[0].name)
    return case.say(text, float(shown.scores.max()), shown)


def _candidates(case: Case) -> Detections:
    """Return the boxes that the question may mean: those its condition does not rule out."""
    tallies = [case.tally(thing) for thing in case.question.things]
    return joined([part for tally in tallies for part in (tally.sure, tally.undecided)])


def _answer_option(case: Case) -> Answer:
    options, boxes = case.question.options, _candidates(case)
    reason = f'cannot tell whether {_are(case)} {join_names(options, "or")}'
    if case.answerer is not None or not len(boxes):
        return case.ask(reason, boxes, choices=options)
    rows = [case.opinions(boxes, (option,)) for option in options]
    chosen = []
    for opinions in zip(*rows, strict=True):
        fitting = [
            (option, opinion.confidence)
            for option, opinion in zip(options, opinions, strict=True)
            if opinion.truth
        ]
        chosen.append(fitting[0] if len(fitting) == 1 else None)
    return _say_values(case, boxes, chosen, reason)


def _answer_attribute(case: Case) -> Answer:
    boxes = _candidates(case)
    seen = join_names([with_article(thing.name) for thing in case.question.things])
    reason = f'there is {seen} in view, but this model cannot answer that question'
    if case.answerer is not None or not len(boxes):
        return case.ask(reason, boxes)
    opinions = [
        case.judge.value(case.observer, boxes[index], case.question.attribute)
        for index in range(len(boxes))
    ]
    values = [(opinion.text, opinion.confidence) if opinion.text else None for opinion in opinions]
    return _say_values(case, boxes, values, reason)


def _say_values(
    case: Case, boxes: Detections, values: Sequence[tuple[str, float] | None], reason: str
) -> Answer:
    """Answer with the value of each box; `the car` has one, where there are two cars as well."""
    known = [value for value in values if value is not None]
    if len(known) < len(boxes):
        return unsure(reason, boxes)
    texts = list(dict.fromkeys(text for text, _ in known))
    several = case.question.things[0].plural or len(case.question.things) > 1
    if len(texts) > 1 and not several:
        counts = Counter(text for text, _ in known)
        each = join_names([f'{reasons.number_word(n)} {text}' for text, n in counts.items()])
        are = f'there are {amount(len(boxes), boxes.labels[0])} in view, {each}'
        return unsure(f'{are}; it is not clear which is meant', boxes)
    confidence = min([*(sure for _, sure in known), float(boxes.scores.min())])
    return case.say(join_names(texts), confidence, boxes)


def _are(case: Case) -> str:
    things = case.question.things
    are = 'are' if things[0].plural or len(things) > 1 else 'is'
    return f'{join_names([f"the {thing.name}" for thing in things])} {are}'


def _answer_comparison(case: Case) -> Answer:
    comparison, things = case.question.comparison, case.question.things
    if comparison is None or len(things) != 2:
        return _answer_open(case)
    by_size = comparison.measure != 'count'
    absent = [t.name for t in things if case.sightings[t.name].presence is Presence.ABSENT]
    # Of nothing there are as many as of nothing else, but nobody means that.
    alike = comparison.operator == '==' or not case.question.yes_no
    if absent and (by_size or (alike and len(absent) == len(things))):
        return case.not_in_view(absent, joined([case.sightings[t.name].found for t in things]))
    tallies = [case.tally(thing) for thing in things]
    compared = compare(comparison, *tallies)
    shown = joined([compared.evidence, case.references()])
    names = [thing.name for thing in things]
    message = IN_THE_PICTURE.format(measure=comparison.measure) if by_size else ''
    truth = compared.holds(comparison.operator)
    if case.question.yes_no and truth is not None:
        return say_truth(case, truth, compared.confidence, shown, message)
    if compared.order is None:
        return case.ask(compared.reason, shown, choices=() if case.question.yes_no else names)
    if compared.order == 0:
        return unsure(f'neither: there are as many of {names[0]} as of {names[1]}', shown)
    wanted = names[0 if truth else 1]
    return case.say(f'the {wanted}', compared.confidence, shown, message)


def _answer_count(case: Case) -> Answer:
    tallies = [case.tally(thing) for thing in case.question.things]
    shown = joined([counted.sure for counted in tallies])
    for thing, counted in zip(case.question.things, tallies, strict=True):
        # Weak boxes beside sure ones only lower the confidence; alone they leave it open.
        if not counted.known or len(counted.undecided) or (len(counted.weak) and not counted.low):
            shown = joined([shown, counted.undecided, case.references()])
            reason = reasons.cannot_recognize([thing.name])
            if counted.known:
                reason = reasons.why_open(thing, case.question.condition, counted)
            return case.ask(reason, shown, tallies)
    texts = [amount(c.low, t.name) for t, c in zip(case.question.things, tallies, strict=True)]
    text = str(tallies[0].low) if len(tallies) == 1 else join_names(texts)
    confidence = min(map(evidence.count_confidence, tallies))
    return case.say(text, confidence, joined([shown, case.references()]))


def _answer_location(case: Case) -> Answer:
    things = case.question.things
    found = {thing.name: case.sightings[thing.name].found for thing in things}
    shown = joined(list(found.values()))
    places = {name: _places(case, boxes) for name, boxes in found.items()}
    for thing in things:
        if not thing.plain or not len(found[thing.name]):
            reason = reasons.cannot_describe(thing, len(found[thing.name]))
            return case.ask(f'{reason}; {places[thing.name]}'.rstrip('; '), shown)
    texts = [f'the {name} {place}' for name, place in places.items()]
    text = next(iter(places.values())) if len(places) == 1 else join_names(texts)
    return case.say(text, min(float(b.scores.max()) for b in found.values()), shown)


def _places(case: Case, found: Detections) -> str:
    counts = Counter(place_of(box, case.observer.resolution_wh).text for box in found.xyxy)
    if len(found) < 2:
        return next(iter(counts), '')
    return join_names([f'{reasons.number_word(n)} {place}' for place, n in counts.items()])


def _answer_inventory(case: Case) -> Answer:
    named = [thing.name for thing in case.question.things] or _names_of_choices(case)
    around = case.look_around(named or case.vocabulary.names)
    if len(around.sure):
        shown = joined([around.sure, case.references()])
        return case.say(list_things(around.sure), float(around.sure.scores.min()), shown)
    shown = joined([around.possible, case.references()])
    # A name that was asked for and cannot be looked for may be what is there.
    open_end = len(around.possible) or around.looked_for < max(1, len(named))
    if open_end or case.answerer is not None:
        return case.ask(around.reason, shown)
    message = around.reason.removeprefix('cannot tell: ')
    return Answer(Status.NOTHING_FOUND, evidence=shown, message=message)


def _names_of_choices(case: Case) -> list[str]:
    """Return what the choices name; nothing unless each names one thing."""
    phrases = [noun_phrases(choice) for choice in case.choices]
    if any(len(found) != 1 for found in phrases):
        return []
    return [found[0].head for found in phrases]


def _answer_open(case: Case) -> Answer:
    names = [name for thing in case.question.things for name in (thing.name, thing.shorter)]
    found = {name: case.sightings[name].found for name in names if name in case.sightings}
    seen = [with_article(name) for name, boxes in found.items() if len(boxes)]
    reason = 'this model cannot answer that question'
    if seen:
        reason = f'there is {join_names(seen)} in view, but {reason}'
    return case.ask(reason, joined(list(found.values())))


_NAMED = frozenset({Kind.CHOICE, Kind.COUNT, Kind.ATTRIBUTE, Kind.COMPARISON, Kind.LOCATION})
"""Kinds that something without a name has no answer to."""
_ANSWERS = {
    Kind.EXISTENCE: _answer_existence,
    Kind.CHOICE: _answer_choice,
    Kind.COUNT: _answer_count,
    Kind.ATTRIBUTE: _answer_attribute,
    Kind.COMPARISON: _answer_comparison,
    Kind.LOCATION: _answer_location,
    Kind.INVENTORY: _answer_inventory,
    Kind.OPEN: _answer_open,
}
