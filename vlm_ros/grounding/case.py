"""One question on one image, from what it names to an answer."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from vlm_ros.grounding import evidence
from vlm_ros.grounding.agreement import claimed_names, matching_choice, number_of, yes_no_of
from vlm_ros.grounding.clauses import Thing
from vlm_ros.grounding.evidence import amount, Finding, joined, Tally
from vlm_ros.grounding.inventory import Around, list_things, look_around
from vlm_ros.grounding.questions import Kind, Question
from vlm_ros.grounding.sightings import Observer, Presence, Sighting
from vlm_ros.grounding.spatial import place_of
from vlm_ros.inflection import join_names, with_article
from vlm_ros.phrases import noun_phrases, Vocabulary
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.tasks import QuestionAnswerer, Ticket

MAX_ASKED = 4
"""For more things than this in one question the answerer is not asked whether they are there."""
MAX_CLAIMS = 20


class Silent(Ticket):
    """The same hold on the work, without partial output: for work the caller does not see."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__()
        self._ticket = ticket

    def cancel(self, reason: str = 'the caller cancelled the request') -> None:
        """Take the work back."""
        self._ticket.cancel(reason)

    @property
    def deadline_s(self) -> float | None:
        """When the work is no longer wanted."""
        return self._ticket.deadline_s

    @property
    def is_cancelled(self) -> bool:
        """Whether the caller took the work back."""
        return self._ticket.is_cancelled

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the deadline."""
        return self._ticket.remaining_s

    def check(self) -> None:
        """Go on, or end the work."""
        self._ticket.check()

    def sleep(self, duration_s: float) -> None:
        """Wait, ending early as `check()` does."""
        self._ticket.sleep(duration_s)


@dataclass
class Case:
    """One question on one image.

    Attributes:
        text: The question as the answerer is asked it.
        question: What it means.
        observer: Looks for names in the image, and holds the ticket.
        answerer: Answers what boxes cannot; None for nobody.
        vocabulary: What to look for where the question leaves it open.
        choices: What the answer must be one of; empty for anything.
        require_evidence: Whether an answer without boxes is none.
    """

    text: str
    question: Question
    observer: Observer
    answerer: QuestionAnswerer | None
    vocabulary: Vocabulary
    choices: tuple[str, ...] = ()
    require_evidence: bool = False
    _sightings: dict[str, Sighting] = field(default_factory=dict)

    def answer(self) -> Answer:
        """Look for what the question names, decide what boxes can, and ask for the rest."""
        if self.question.kind is Kind.REFUSED:
            return _unsure('cannot tell: this is no question about what is in the image')
        if not self.question.english:
            return self._ask('cannot tell: only English is understood', Detections())
        named = [*self.question.things, *self.question.condition.references]
        named = [thing for thing in named if not thing.generic]
        names = [thing.name for thing in named] + [
            thing.shorter for thing in named if thing.shorter
        ]
        self._sightings = self.observer.look(names)
        failure = self._presupposition_failure([thing for thing in named if thing.presupposed])
        if failure is not None:
            return failure
        return {
            Kind.EXISTENCE: self._answer_existence,
            Kind.CHOICE: self._answer_choice,
            Kind.COUNT: self._answer_count,
            Kind.LOCATION: self._answer_location,
            Kind.INVENTORY: self._answer_inventory,
            Kind.OPEN: self._answer_open,
        }[self.question.kind]()

    def _presupposition_failure(self, presupposed: Sequence[Thing]) -> Answer | None:
        """Say what the question takes for granted and is not there, or cannot be looked for."""
        presence = {thing.name: self._sightings[thing.name].presence for thing in presupposed}
        found = joined([self._sightings[name].found for name in presence])
        for thing in presupposed:
            if thing.shorter and presence[thing.name] is Presence.ABSENT:
                part = self._sightings[thing.shorter].presence
                if part in (Presence.PRESENT, Presence.DOUBTFUL):
                    presence[thing.name] = part
        absent = [name for name, seen in presence.items() if seen is Presence.ABSENT]
        doubtful = [
            name
            for name, seen in presence.items()
            if seen in (Presence.DOUBTFUL, Presence.UNRECOGNIZED)
        ]
        if not absent and len(doubtful) <= MAX_ASKED:
            told = {name: self._told_in_view(name) for name in doubtful}
            absent = [name for name, in_view in told.items() if in_view is False]
            doubtful = [name for name, in_view in told.items() if in_view is None]
        if absent:
            return self._not_in_view(absent, found)
        unrecognized = [name for name in doubtful if not self._sightings[name].recognized]
        if unrecognized:
            return _unsure(evidence.cannot_recognize(unrecognized), found)
        if doubtful:
            maybe = join_names([with_article(name) for name in doubtful], 'or')
            return _unsure(f'cannot tell: there may be {maybe} in view', found)
        return None

    def _not_in_view(self, names: Sequence[str], found: Detections) -> Answer:
        missing = join_names([f'no {name}' for name in names])
        where = 'view' if self.observer.region_xyxy is None else 'the region'
        message = f'there is {missing} in {where}'
        return Answer(Status.NOT_IN_VIEW, evidence=found, message=message)

    def _told_in_view(self, name: str) -> bool | None:
        """Ask the answerer whether something is there; None where it does not say."""
        if self.answerer is None or self.require_evidence:
            return None
        self.observer.ticket.check()
        told = self.answerer.answer(
            self.observer.region,
            f'Is there {with_article(name)} in the image?',
            choices=('yes', 'no'),
            ticket=Silent(self.observer.ticket),
        )
        if told.status in (Status.NOT_IN_VIEW, Status.NOTHING_FOUND):
            return False
        return yes_no_of(told.text)

    def _tally(self, thing: Thing) -> Tally:
        return evidence.tally(
            thing, self.question.condition, self._sightings, self.observer.resolution_wh
        )

    def _references(self) -> Detections:
        return joined([self._sightings[r.name].found for r in self.question.condition.references])

    def _answer_existence(self) -> Answer:
        question = self.question
        findings = [
            self._find_anything(thing)
            if thing.generic
            else evidence.exists(thing, question.condition, self._tally(thing))
            for thing in question.things
        ]
        finding = evidence.combined(findings, question.either)
        shown = joined([finding.evidence, self._references()])
        if finding.truth is None:
            unseen = [name for name, seen in self._sightings.items() if not seen.recognized]
            return self._ask(
                evidence.cannot_recognize(unseen) if unseen else finding.reason, shown
            )
        if question.negated and not self.choices:
            # A bare yes to `is there no dog?` would mean either.
            return self._say(self._spelled_out(bool(finding.truth)), finding.confidence, shown)
        return self._say('yes' if finding.truth else 'no', finding.confidence, shown)

    def _spelled_out(self, truth: bool) -> str:
        """Answer a question for the opposite of something in a sentence."""
        things, condition = self.question.things, self.question.condition
        if condition.negated:
            subject = join_names([f'the {thing.name}' for thing in things])
            are = 'are' if len(things) > 1 or things[0].plural else 'is'
            return f'{subject} {are} {"not " if truth else ""}{condition.text}'
        where = condition.text or 'in view'
        if any(thing.generic for thing in things):
            return f'there is something {where}'  # nothing is never said to be there
        counts = [(self._tally(thing).low, thing.name) for thing in things]
        names = [amount(count, name) if count else f'no {name}' for count, name in counts]
        return f'there {"are" if counts[0][0] > 1 else "is"} {join_names(names)} {where}'

    def _find_anything(self, thing: Thing) -> Finding:
        """Say whether there is `a thing`, or `no thing`, out of the vocabulary."""
        around = self._look_around(self.vocabulary.names)
        if len(around.sure) and (thing.low, thing.high) in ((1, None), (0, 0)):
            return Finding(thing.low == 1, float(around.sure.scores.max()), around.sure)
        # Whatever is not in the vocabulary may still be there: never a no.
        return Finding(None, 0.0, around.possible, around.reason)

    def _answer_choice(self) -> Answer:
        things = self.question.things
        present = [t for t in things if self._sightings[t.name].presence is Presence.PRESENT]
        absent = [t for t in things if self._sightings[t.name].presence is Presence.ABSENT]
        found = joined([self._sightings[thing.name].found for thing in present])
        if len(absent) == len(things):
            return self._not_in_view([thing.name for thing in things], found)
        unseen = [name for name, seen in self._sightings.items() if not seen.recognized]
        if unseen:
            return self._ask(evidence.cannot_recognize(unseen), found)
        one = len(present) == 1 and len(absent) == len(things) - 1
        if not one or not present[0].plain or not self.question.condition.empty:
            names = join_names([with_article(thing.described) for thing in things], 'or')
            return self._ask(f'cannot tell which it is: {names}', found)
        return self._say(with_article(present[0].name), float(found.scores.max()), found)

    def _answer_count(self) -> Answer:
        tallies = [self._tally(thing) for thing in self.question.things]
        shown = joined([counted.sure for counted in tallies])
        for thing, counted in zip(self.question.things, tallies, strict=True):
            # Weak boxes beside sure ones only lower the confidence; alone they leave it open.
            if (
                not counted.known
                or len(counted.undecided)
                or (len(counted.weak) and not counted.low)
            ):
                finding = evidence.exists(
                    replace(thing, low=1, high=0), self.question.condition, counted
                )
                shown = joined([shown, counted.undecided, self._references()])
                return self._ask(finding.reason, shown, tallies)
        texts = [amount(c.low, t.name) for t, c in zip(self.question.things, tallies, strict=True)]
        text = str(tallies[0].low) if len(tallies) == 1 else join_names(texts)
        return self._say(
            text, min(map(evidence.count_confidence, tallies)), joined([shown, self._references()])
        )

    def _answer_location(self) -> Answer:
        things = self.question.things
        found = {thing.name: self._sightings[thing.name].found for thing in things}
        shown = joined(list(found.values()))
        places = {name: self._places(boxes) for name, boxes in found.items()}
        for thing in things:
            if not thing.plain or not len(found[thing.name]):
                reason = evidence.cannot_describe(thing, len(found[thing.name]))
                return self._ask(f'{reason}; {places[thing.name]}'.rstrip('; '), shown)
        texts = [f'the {name} {place}' for name, place in places.items()]
        text = next(iter(places.values())) if len(places) == 1 else join_names(texts)
        return self._say(text, min(float(b.scores.max()) for b in found.values()), shown)

    def _places(self, found: Detections) -> str:
        counts = Counter(place_of(box, self.observer.resolution_wh).text for box in found.xyxy)
        if len(found) < 2:
            return next(iter(counts), '')
        return join_names([f'{evidence.number_word(n)} {place}' for place, n in counts.items()])

    def _look_around(self, names: Sequence[str]) -> Around:
        return look_around(self.observer, names, self.question.condition, self._sightings)

    def _answer_inventory(self) -> Answer:
        named = [thing.name for thing in self.question.things] or self._names_of_choices()
        around = self._look_around(named or self.vocabulary.names)
        if len(around.sure):
            shown = joined([around.sure, self._references()])
            return self._say(list_things(around.sure), float(around.sure.scores.min()), shown)
        shown = joined([around.possible, self._references()])
        # A name that was asked for and cannot be looked for may be what is there.
        open_end = len(around.possible) or around.looked_for < max(1, len(named))
        if open_end or self.answerer is not None:
            return self._ask(around.reason, shown)
        message = around.reason.removeprefix('cannot tell: ')
        return Answer(Status.NOTHING_FOUND, evidence=shown, message=message)

    def _names_of_choices(self) -> list[str]:
        """Return what the choices name; nothing unless each names one thing."""
        phrases = [noun_phrases(choice) for choice in self.choices]
        if any(len(found) != 1 for found in phrases):
            return []
        return [found[0].head for found in phrases]

    def _answer_open(self) -> Answer:
        names = [name for thing in self.question.things for name in (thing.name, thing.shorter)]
        found = {name: self._sightings[name].found for name in names if name}
        seen = [with_article(name) for name, boxes in found.items() if len(boxes)]
        reason = 'this model cannot answer that question'
        if seen:
            reason = f'there is {join_names(seen)} in view, but {reason}'
        return self._ask(reason, joined(list(found.values())))

    def _say(self, text: str, confidence: float, shown: Detections) -> Answer:
        """Answer with what boxes decided; where that is none of the choices, ask."""
        if self.choices:
            choice = matching_choice(text, self.choices)
            if choice is None:
                return self._ask(self._no_choice(text), shown)
            text = choice
        self.observer.ticket.report_partial(text)
        return Answer(Status.OK, text, confidence, shown)

    def _no_choice(self, text: str) -> str:
        return f'the answer is {text!r}, which is none of the choices: {", ".join(self.choices)}'

    def _ask(self, reason: str, shown: Detections, tallies: Sequence[Tally] = ()) -> Answer:
        """Ask the answerer what boxes cannot tell, and hold its answer against them.

        Args:
            reason: Why boxes cannot tell.
            shown: The boxes the question is about.
            tallies: For a count, what the boxes allow.
        """
        if self.answerer is None:
            return _unsure(reason, shown)
        self.observer.ticket.check()
        told = self.answerer.answer(
            self.observer.region, self.text, choices=self.choices, ticket=self.observer.ticket
        )
        own = self.observer.to_image(told.evidence)
        if told.status is not Status.OK:
            # The answerer misses what boxes show: then nobody can tell.
            status = Status.UNSURE if len(shown) else told.status
            message = (reason if status is Status.UNSURE else '') or told.message
            return Answer(status, evidence=joined([own, shown]), message=message)
        text = told.text
        if self.choices:
            choice = matching_choice(text, self.choices)
            if choice is None:
                return _unsure(self._no_choice(text), shown)
            text = choice
        elif self.question.yes_no and (said := yes_no_of(text)) is not None:
            text = 'yes' if said else 'no'
        objection, claimed = self._objection(told.text, tallies)
        if objection:
            return _unsure(f'the answer was {text!r}, but {objection}', shown)
        shown = joined([own, shown, claimed])
        if self.require_evidence and not len(shown):
            return _unsure(f'the answer was {text!r}, but no box supports it')
        taken = [self._sightings[t.name].found for t in self.question.things if t.presupposed]
        confidence = min(
            [told.confidence, *(float(found.scores.max()) for found in taken if len(found))]
        )
        message = '' if text == told.text else told.text
        return Answer(Status.OK, text, confidence, shown, message)

    def _objection(self, text: str, tallies: Sequence[Tally]) -> tuple[str, Detections]:
        """Say what boxes have against an answer; empty for nothing, with the boxes for it."""
        number = number_of(text) if len(tallies) == 1 else None
        if number is not None and not tallies[0].low <= number <= tallies[0].high:
            return f'boxes show {tallies[0].low} to {tallies[0].high}', Detections()
        known = [phrase.head for phrase in noun_phrases(self.text)]
        claims = claimed_names(text, known)[:MAX_CLAIMS]
        sightings = self.observer.look(claims)
        absent = [name for name in claims if sightings[name].presence is Presence.ABSENT]
        if absent:
            missing = join_names([f'no {name}' for name in absent])
            return f'there is {missing} in view', Detections()
        return '', joined([sighting.found for sighting in sightings.values()])


def _unsure(message: str, shown: Detections | None = None) -> Answer:
    return Answer(Status.UNSURE, evidence=shown or Detections(), message=message)
