"""One question on one image: what it names, whether that is there, and who may be asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from vlm_ros.grounding import reasons, tallies
from vlm_ros.grounding.agreement import matching_choice, yes_no_of
from vlm_ros.grounding.asking import Asker, Guard, no_choice, unsure
from vlm_ros.grounding.attributes import Judge, Opinion
from vlm_ros.grounding.colour_claims import colours_in, object_to
from vlm_ros.grounding.inventory import Around, look_around
from vlm_ros.grounding.sightings import Observer, Presence, Sighting
from vlm_ros.grounding.tallies import joined, Tally
from vlm_ros.inflection import join_names, with_article
from vlm_ros.language.clauses import Thing
from vlm_ros.language.meaning import Kind, Question
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.spatial import all_of
from vlm_ros.tasks import QuestionAnswerer

MAX_ASKED = 4
"""For more things than this in one question the answerer is not asked whether they are there, and
of more boxes than this not whether they are as described: that would take longer than answers."""
MAX_JUDGED = 30
"""Of a larger crowd nobody is asked anything."""
_ASKED_WHOLE = (Kind.OPEN, Kind.ATTRIBUTE)
"""Here the answerer hears the whole question, with its attributes, in one call."""


def as_said(confidence: float, by_boxes: bool) -> float:
    """Return a confidence as it is."""
    return confidence


@dataclass
class Case:
    """One question on one image.

    Attributes:
        text: The question as the answerer is asked it.
        question: What it means; once prepared, attributes that were judged belong to the names.
        observer: Looks for names in the image, and holds the ticket.
        answerer: Answers what boxes cannot; None for nobody.
        judge: Says of boxes whether they are as described.
        vocabulary: What to look for where the question leaves it open.
        choices: What the answer must be one of; empty for anything.
        guard: What an answer must stand up to.
        calibrate: Makes a confidence one that can be relied on; told whether boxes decided.
        sightings: The looks so far, by name.
    """

    text: str
    question: Question
    observer: Observer
    answerer: QuestionAnswerer | None
    judge: Judge
    vocabulary: Vocabulary
    choices: tuple[str, ...] = ()
    guard: Guard = Guard.EVIDENCE
    calibrate: Callable[[float, bool], float] = as_said
    sightings: dict[str, Sighting] = field(default_factory=dict)
    _surely_there: float = 1.0

    @property
    def unrecognized(self) -> list[str]:
        """The names that nobody could look for."""
        return [name for name, seen in self.sightings.items() if not seen.recognized]

    def prepare(self) -> Answer | None:
        """Look for all that the question names.

        Returns:
            Why there is no answer where something that it takes for granted is not there, or
            where nobody can tell; None where it can be answered.
        """
        named = self._named()
        names = [thing.name for thing in named]
        names += [thing.shorter for thing in named if thing.shorter]
        self.sightings = self.observer.look(names)
        failure = self._failure([thing for thing in named if thing.presupposed])
        if failure is not None or (self.answerer and self.question.kind in _ASKED_WHOLE):
            return failure
        question = self.question
        references = tuple(map(self._described, question.condition.references))
        self.question = replace(
            question,
            things=tuple(map(self._described, question.things)),
            condition=replace(question.condition, references=references),
        )
        new = [thing for thing in self._named() if thing.presupposed and thing not in named]
        return self._failure(new)

    def _named(self) -> list[Thing]:
        named = (*self.question.things, *self.question.condition.references)
        return [thing for thing in named if not thing.generic]

    def _described(self, thing: Thing) -> Thing:
        """Make the attributes of a thing a part of its name where somebody can judge them."""
        words = ' '.join((*thing.attributes, thing.name))
        if not thing.attributes or thing.generic or thing.described != words:
            return thing
        sighting = self.sightings[thing.name]
        opinions = self.opinions(sighting.found, thing.attributes)
        if all(opinion.truth is None for opinion in opinions):
            return thing
        self.sightings[words] = sighting.split(
            words, [o.truth for o in opinions], [o.confidence for o in opinions]
        )
        return replace(thing, name=words, attributes=(), shorter='')

    def opinions(self, boxes: Detections, attributes: Sequence[str]) -> list[Opinion]:
        """Say of each box whether it has all of the attributes."""
        if len(boxes) > (MAX_ASKED if self.answerer else MAX_JUDGED):
            return [Opinion()] * len(boxes)
        if not len(boxes):
            return []
        rows = [self.judge.holds(self.observer, boxes, attribute) for attribute in attributes]
        return [_opinion_of_all(each) for each in zip(*rows, strict=True)]

    def _failure(self, presupposed: Sequence[Thing]) -> Answer | None:
        """Say what the question takes for granted and is not there, or cannot be looked for."""
        presence = {thing.name: self.sightings[thing.name].presence for thing in presupposed}
        found = joined(
            [
                part
                for n in presence
                for part in (self.sightings[n].found, self.sightings[n].others)
            ]
        )
        for thing in presupposed:
            if thing.shorter and presence[thing.name] is Presence.ABSENT:
                part = self.sightings[thing.shorter].presence
                if part in (Presence.PRESENT, Presence.DOUBTFUL):
                    presence[thing.name] = part
        absent = [name for name, seen in presence.items() if seen is Presence.ABSENT]
        doubtful = [
            name
            for name, seen in presence.items()
            if seen in (Presence.DOUBTFUL, Presence.UNRECOGNIZED)
        ]
        if absent:
            return self.not_in_view(absent, found)
        if len(doubtful) <= MAX_ASKED and self.answerer is not None:
            told = {name: self.asker(self.answerer).in_view(name) for name in doubtful}
            absent = [name for name, (in_view, _) in told.items() if in_view is False]
            if absent:
                looked = all(self.sightings[name].recognized for name in absent)
                return self.not_in_view(absent, found, '' if looked else ', the model says')
            doubtful = [name for name, (in_view, _) in told.items() if in_view is None]
            self._surely_there = min([1.0, *(sure for _, sure in told.values())])
        unseen = [name for name in doubtful if not self.sightings[name].recognized]
        if unseen:
            return unsure(reasons.cannot_recognize(unseen), found)
        if doubtful:
            maybe = join_names([with_article(name) for name in doubtful], 'or')
            return unsure(f'cannot tell: there may be {maybe} in view', found)
        return None

    def not_in_view(self, names: Sequence[str], found: Detections, source: str = '') -> Answer:
        """Say that something is not there."""
        missing = join_names([f'no {name}' for name in names])
        where = 'view' if self.observer.region_xyxy is None else 'the region'
        message = f'there is {missing} in {where}{source}'
        return Answer(Status.NOT_IN_VIEW, evidence=found, message=message)

    def tally(self, thing: Thing) -> Tally:
        """Sort the boxes of a thing by whether the question's condition holds for them."""
        return tallies.tally(
            thing,
            self.question.condition,
            self.sightings,
            self.observer.resolution_wh,
            self.opinions,
        )

    def references(self) -> Detections:
        """Return the boxes of what the condition refers to."""
        return joined([self.sightings[r.name].found for r in self.question.condition.references])

    def look_around(self, names: Sequence[str]) -> Around:
        """Find which of many things fulfil the condition."""
        return look_around(
            self.observer, names, self.question.condition, self.sightings, self.opinions
        )

    def say(self, text: str, confidence: float, shown: Detections, message: str = '') -> Answer:
        """Answer with what boxes decided; where that is none of the choices, ask."""
        if self.choices:
            choice = matching_choice(text, self.choices)
            if choice is None:
                return self.ask(no_choice(text, self.choices), shown)
            text = choice
        self.observer.ticket.report_partial(text)
        return Answer(Status.OK, text, self.calibrate(confidence, True), shown, message)

    def ask(
        self,
        reason: str,
        shown: Detections,
        tallies: Sequence[Tally] = (),
        choices: Sequence[str] = (),
    ) -> Answer:
        """Ask the answerer what boxes cannot tell; see `Asker.ask`."""
        if self.answerer is None:
            return unsure(reason, shown)
        taken = [self.sightings[t.name].found for t in self.question.things if t.presupposed]
        sure = [float(found.scores.max()) for found in taken if len(found)]
        answer = self.asker(self.answerer).ask(
            reason,
            shown,
            tallies=tallies,
            maybe=joined([self.sightings[thing.name].doubtful for thing in self._named()]),
            looked=bool(self.sightings) and not self.unrecognized,
            at_most=min([self._surely_there, *sure]),
            choices=choices,
        )
        if answer.status is not Status.OK:
            return answer
        objection = self._pixels_against(answer.text)
        opposite = self.question.kind is Kind.EXISTENCE and self.question.negated
        if opposite and not self.choices and yes_no_of(answer.text) is not None:
            objection = 'to a question for the opposite that may mean either'
        if objection:
            message = f'the answer was {answer.text!r}, but {objection}'
            return unsure(message, answer.evidence)
        return replace(answer, confidence=self.calibrate(answer.confidence, False))

    def _pixels_against(self, text: str) -> str:
        """Say what pixels have against a colour that the answerer told."""
        question, image = self.question, self.observer.image
        if question.attribute == 'colour' or question.options:
            tallies = [self.tally(thing) for thing in question.things if not thing.generic]
            boxes = joined([part for t in tallies for part in (t.sure, t.undecided)])
            every = question.things[0].plural
            return object_to(image, boxes, colours_in(text), every=every)
        if question.kind is not Kind.EXISTENCE or question.negated or len(question.things) != 1:
            return ''
        (thing,) = question.things
        attributes = question.condition.attributes or thing.attributes
        said = yes_no_of(text)
        if thing.generic or said is None or len(attributes) != 1:
            return ''
        return object_to(
            image,
            self.sightings[thing.name].found,
            colours_in(attributes[0]),
            affirmed=said,
            every=thing.presupposed and thing.plural,
        )

    def asker(self, answerer: QuestionAnswerer) -> Asker:
        """Return what asks the answerer."""
        return Asker(answerer, self.observer, self.question, self.text, self.choices, self.guard)


def _opinion_of_all(opinions: Sequence[Opinion]) -> Opinion:
    truth = all_of([opinion.truth for opinion in opinions])
    deciding = [opinion.confidence for opinion in opinions if opinion.truth is truth]
    if truth is None:
        return Opinion()
    return Opinion(truth, min(deciding) if truth else max(deciding))
