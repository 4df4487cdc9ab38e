"""Asking a question answerer what boxes cannot tell, and holding its answer against them."""

from collections.abc import Sequence
from dataclasses import dataclass
import enum

from vlm_ros.grounding.agreement import matching_choice, number_of, yes_no_of
from vlm_ros.grounding.claims import check_claims
from vlm_ros.grounding.sightings import Observer
from vlm_ros.grounding.silent import Silent
from vlm_ros.grounding.tallies import joined, Tally
from vlm_ros.inflection import with_article
from vlm_ros.language.meaning import Kind, Question
from vlm_ros.results import Answer, Detections, Status
from vlm_ros.tasks import QuestionAnswerer

YES_NO = ('yes', 'no')
WAY_OUT = "ask with require_evidence=false to take the model's word"
OWN_WORD = "no box supports this: it is the model's own word"


class Guard(enum.Enum):
    """What an answer must stand up to."""

    OFF = 'off'
    """Nothing: the answerer's own word counts, and nothing is looked for."""
    CLAIMS = 'claims'
    """What is taken for granted is looked for, and what is claimed is held against boxes."""
    EVIDENCE = 'evidence'
    """That, and a box must support the answer."""


def unsure(message: str, shown: Detections | None = None) -> Answer:
    """Make an answer that there is none."""
    return Answer(Status.UNSURE, evidence=shown or Detections(), message=message)


@dataclass(frozen=True)
class Asker:
    """Asks one question about one image.

    Attributes:
        answerer: Whom.
        observer: Has the image, its boxes and the ticket.
        question: What the text means.
        text: The question in words.
        choices: What the caller allows for an answer; empty for anything.
        guard: What an answer must stand up to.
    """

    answerer: QuestionAnswerer
    observer: Observer
    question: Question
    text: str
    choices: tuple[str, ...]
    guard: Guard

    def own_word(self) -> Answer:
        """Ask, and take what is said."""
        told = self._told(self.choices or self._closed())
        own = self.observer.to_image(told.evidence)
        if told.status is not Status.OK:
            return Answer(told.status, evidence=own, message=told.message)
        text = self._as_asked(told.text)
        if text is None:
            return unsure(no_choice(told.text, self.choices), own)
        return Answer(Status.OK, text, told.confidence, own, _original(text, told))

    def ask(
        self,
        reason: str,
        shown: Detections,
        *,
        tallies: Sequence[Tally] = (),
        maybe: Detections | None = None,
        looked: bool = False,
        at_most: float = 1.0,
        choices: Sequence[str] = (),
    ) -> Answer:
        """Ask, and hold the answer against boxes.

        Args:
            reason: Why boxes cannot tell.
            shown: The boxes that the question is about.
            tallies: For a count, what the boxes allow.
            maybe: Weak boxes, which count as evidence where the answerer says the same.
            looked: Whether a look that found nothing supports a `no` or a `0`.
            at_most: How sure it is that what the question takes for granted is there.
            choices: What to choose from where the caller gives no choices.
        """
        told = self._told(self.choices or tuple(choices) or self._closed())
        own = self.observer.to_image(told.evidence)
        if told.status is not Status.OK:
            # The answerer misses what boxes show: then nobody can tell.
            status = Status.UNSURE if len(shown) else told.status
            message = (reason if status is Status.UNSURE else '') or told.message
            return Answer(status, evidence=joined([own, shown]), message=message)
        text = self._as_asked(told.text)
        if text is None:
            return unsure(no_choice(told.text, self.choices), shown)
        check = check_claims(told.text, self.question, self.text, self.observer, tallies)
        if check.objection:
            return unsure(
                f'the answer was {text!r}, but {check.objection}', joined([shown, check.evidence])
            )
        denied = yes_no_of(text) is False or text == '0' or text.startswith('there is no ')
        if maybe is not None and not denied:
            shown = joined([shown, maybe])
        shown = joined([own, shown, check.evidence])
        message = _original(text, told)
        if not len(shown) and not (looked and denied):
            if self.guard is Guard.EVIDENCE:
                return unsure(f'the answer was {text!r}, but no box supports it; {WAY_OUT}')
            message = f'{message}; {OWN_WORD}' if message else OWN_WORD
        return Answer(Status.OK, text, min(told.confidence, at_most), shown, message)

    def in_view(self, name: str) -> tuple[bool | None, float]:
        """Ask whether something is there, by a question that is scored; None for no saying."""
        self.observer.ticket.check()
        told = self.answerer.answer(
            self.observer.region,
            f'Is there {with_article(name)} in the image?',
            choices=YES_NO,
            ticket=Silent(self.observer.ticket),
        )
        if told.status in (Status.NOT_IN_VIEW, Status.NOTHING_FOUND):
            return False, told.confidence
        return (yes_no_of(told.text), told.confidence) if told.text else (None, 0.0)

    def _told(self, choices: Sequence[str]) -> Answer:
        self.observer.ticket.check()
        return self.answerer.answer(
            self.observer.region, self.text, choices=tuple(choices), ticket=self.observer.ticket
        )

    def _closed(self) -> tuple[str, ...]:
        """Return what a closed question is scored by, so that nothing has to be written."""
        return YES_NO if self.question.yes_no else self.question.options

    def _as_asked(self, text: str) -> str | None:
        """Return an answer in the words that were asked for; None where it is no choice."""
        if self.choices:
            return matching_choice(text, self.choices)
        if self.question.yes_no and (said := yes_no_of(text)) is not None:
            return YES_NO[0] if said else YES_NO[1]
        if self.question.kind is Kind.COUNT and len(text.split()) == 1:
            number = number_of(text) if len(self.question.things) == 1 else None
            return text if number is None else str(number)
        return text


def no_choice(text: str, choices: Sequence[str]) -> str:
    """Say that an answer is none of the choices."""
    return f'the answer is {text!r}, which is none of the choices: {", ".join(choices)}'


def _original(text: str, told: Answer) -> str:
    return told.message if text == told.text else told.text
