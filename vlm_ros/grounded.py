"""Answers that rest on what was looked for.

A language model tells the colour of a car that is not there. Here what a question takes for
granted is looked for first (its presuppositions, as in P. F. Strawson, On Referring, Mind 59,
1950), what boxes can decide is decided by them, and only the rest goes to a question answerer,
whose answer is held against the boxes. What nobody can tell is said to be so.
"""

from collections.abc import Sequence

from vlm_ros import lexicon
from vlm_ros.errors import QuestionError
from vlm_ros.grounding import referring
from vlm_ros.grounding.attributes import Judge
from vlm_ros.grounding.case import Case, Silent
from vlm_ros.grounding.inventory import EVERYDAY
from vlm_ros.grounding.questions import Kind, parse
from vlm_ros.grounding.sightings import Observer
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.results import Answer, Reference, Status, Truth, Verdict
from vlm_ros.tasks import Detector, Image, QuestionAnswerer, Ticket

MAX_CHOICES = 100


class GroundedAnswerer:
    """Answers questions and checks statements with a detector, a question answerer, or both.

    What can be asked, and who answers:

    * **existence** (`is there a dog?`, `are there two cups and a laptop?`, `any people?`): the
      detector; `yes` or `no`, and `UNSURE` for a score between its two bars. To ask for a thing is
      not to take it for granted, so an absent one is a `no` and never `NOT_IN_VIEW`.
    * **count** (`how many people are there?`): the detector, in digits. None is `0` with status
      OK: a number was asked for, the look was made, and 0 is what it found.
    * **position** (`where is the cat?`, `is the cup left of the laptop?`, `what is on the
      table?`): the detector, as far as boxes can tell; see `grounding.spatial`.
    * **inventory** (`what do you see?`): the detector, out of `vocabulary`.
    * **all else** (`is the door open?`, `what colour is the car?`): the question answerer, once
      what the question takes for granted (the door, the car) has been found. Without a question
      answerer, `UNSURE` says what was found and what cannot be told.

    What a question takes for granted and is not there makes `NOT_IN_VIEW`; what the detector has
    no way to look for makes `UNSURE`, unless the question answerer says that it is there. An
    attribute (`the red car`) is never taken for true because its noun was found.

    An answer of the question answerer becomes `UNSURE`, with both versions in the message, where
    it names things that are not in view or a number that the boxes rule out.

    Args:
        detector: Finds what questions name; None to leave that to the question answerer.
        answerer: Answers what boxes cannot; None to abstain there.
        vocabulary: What to look for when a question leaves it open; None for `EVERYDAY`.
        score_threshold: From which score on a thing is there, in [0, 1]; None for the detector's
            own. See `sightings.Observer` for the lower bar.

    Raises:
        ValueError: There is neither a detector nor a question answerer.
    """

    def __init__(
        self,
        detector: Detector | None,
        answerer: QuestionAnswerer | None = None,
        *,
        vocabulary: Vocabulary | None = None,
        score_threshold: float | None = None,
    ) -> None:
        if detector is None and answerer is None:
            raise ValueError('grounded answering needs a detector or a question answerer')
        self._detector = detector
        self._answerer = answerer
        self._vocabulary = vocabulary or EVERYDAY
        self._score_threshold = score_threshold

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        region_xyxy: Sequence[float] | None = None,
        require_evidence: bool = False,
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer a question about an image.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            question: In English; other languages go to the question answerer as they are.
            choices: The answer is one of these, or there is none.
            region_xyxy: Only what has its centre in this box counts; pixels of the image.
            require_evidence: No answer without a box that supports it. That the detector looked
                and found nothing supports a `no` or a `0`.
            ticket: The caller's deadline and cancel, checked between looks.

        Returns:
            OK with a text; NOT_IN_VIEW, NOTHING_FOUND or UNSURE with a message. The confidence is
            that of the least sure box it hangs on; of a `no`, 1 less the best score that a box
            can have had without being reported. Neither is a calibrated probability.

        Raises:
            QuestionError: The question is blank or too long, a choice is blank or repeated, or the
                region does not lie in the image.
        """
        check_text(question, 'question')
        case = Case(
            text=question.strip(),
            question=parse(question),
            observer=self._observer(image, region_xyxy, ticket),
            answerer=self._answerer,
            vocabulary=self._vocabulary,
            choices=_checked_choices(choices),
            require_evidence=require_evidence,
        )
        return case.answer()

    def verify(self, image: Image, statement: str, *, ticket: Ticket | None = None) -> Verdict:
        """Tell whether a statement about an image holds.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            statement: Such as `a person is left of the car` or `no people are in view`.
            ticket: The caller's deadline and cancel.

        Returns:
            TRUE or FALSE with status OK; else UNKNOWN, with NOT_IN_VIEW where something that the
            statement takes for granted is not there, and UNSURE where nobody can tell.

        Raises:
            QuestionError: The statement is blank or too long.
        """
        check_text(statement, 'statement')
        text = statement.strip()
        question = parse(text)
        if question.kind in (Kind.COUNT, Kind.LOCATION, Kind.INVENTORY):
            message = 'this asks for something; give a statement that can be true or false'
            return Verdict(Truth.UNKNOWN, status=Status.UNSURE, message=message)
        case = Case(
            text=_as_question(text),
            question=question.as_yes_no(),
            observer=self._observer(image, None, ticket, silent=True),
            answerer=self._answerer,
            vocabulary=self._vocabulary,
            choices=('yes', 'no'),
        )
        answer = case.answer()
        truth = {'yes': Truth.TRUE, 'no': Truth.FALSE}.get(answer.text, Truth.UNKNOWN)
        return Verdict(truth, answer.confidence, answer.evidence, answer.status, answer.message)

    def locate(
        self,
        image: Image,
        expression: str,
        *,
        region_xyxy: Sequence[float] | None = None,
        ticket: Ticket | None = None,
    ) -> Reference:
        """Find the one object that an expression refers to; see `grounding.referring`.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            expression: Such as `the second person from the left`.
            region_xyxy: Only what has its centre in this box counts; pixels of the image.
            ticket: The caller's deadline and cancel.

        Raises:
            QuestionError: The expression is blank or too long, or the region does not lie in the
                image.
        """
        observer = self._observer(image, region_xyxy, ticket)
        return referring.locate(expression, observer, Judge(self._answerer))

    def _observer(
        self,
        image: Image,
        region_xyxy: Sequence[float] | None,
        ticket: Ticket | None,
        silent: bool = False,
    ) -> Observer:
        ticket = ticket or Ticket()
        return Observer(
            self._detector,
            image,
            region_xyxy=region_xyxy,
            score_threshold=self._score_threshold,
            ticket=Silent(ticket) if silent else ticket,
        )


def _as_question(statement: str) -> str:
    if statement.split(' ', 1)[0].casefold() in lexicon.AUXILIARIES:
        return statement
    return f'Is it true that {statement.rstrip(" .!?")}?'


def _checked_choices(choices: Sequence[str]) -> tuple[str, ...]:
    stripped = tuple(choice.strip() for choice in choices)
    if len(stripped) > MAX_CHOICES:
        raise QuestionError(f'there are {len(stripped)} choices; at most {MAX_CHOICES} are taken')
    folded = [choice.casefold() for choice in stripped]
    if not all(folded):
        raise QuestionError('a choice is blank; remove it')
    if len(set(folded)) < len(folded):
        raise QuestionError('a choice is given twice; remove one')
    return stripped
