"""Answers that rest on what was looked for.

A language model tells the colour of a car that is not there. Here what a question takes for
granted is looked for first (its presuppositions, as in P. F. Strawson, On Referring, Mind 59,
1950), what boxes can decide is decided by them, and only the rest goes to a question answerer,
whose answer is held against the boxes. What nobody can tell is said to be so.
"""

from collections.abc import Sequence
from dataclasses import replace

from vlm_ros.errors import InputError, ModelError, QuestionError
from vlm_ros.grounding import referring
from vlm_ros.grounding.answering import answer
from vlm_ros.grounding.asking import Guard
from vlm_ros.grounding.attributes import Judge
from vlm_ros.grounding.calibration import calibrated, Curves, FITTED
from vlm_ros.grounding.case import Case
from vlm_ros.grounding.frames import answer_frames, MAX_FRAMES
from vlm_ros.grounding.grounders import GroundingDetector
from vlm_ros.grounding.inventory import EVERYDAY
from vlm_ros.grounding.sightings import Observer
from vlm_ros.grounding.silent import Silent
from vlm_ros.grounding.statements import agreed, PairCase, verify_one
from vlm_ros.language.meaning import Question
from vlm_ros.language.questions import parse
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.results import Answer, Reference, Status, Truth, Verdict
from vlm_ros.tasks import (
    Detector,
    FramesAnswerer,
    Image,
    PhraseGrounder,
    QuestionAnswerer,
    RegionMatcher,
    StatementVerifier,
    Ticket,
)

MAX_CHOICES = 100
STATEMENT = 'statement'
"""The kind that confidences of verdicts are calibrated as."""


class GroundedAnswerer:
    """Answers questions and checks statements with a detector, a question answerer, or both.

    `docs/answers.md` says who answers what, and what a confidence means.

    What a question takes for granted and is not there makes `NOT_IN_VIEW`; what the detector has
    no way to look for makes `UNSURE`, unless the question answerer says that it is there. An
    attribute (`the red car`) is never taken for true because its noun was found.

    An answer of the question answerer becomes `UNSURE`, with both versions in the message, where
    it names things that are not in view, or a number or a position that boxes rule out.

    Args:
        detector: Finds what questions name; a model that only grounds phrases will do. None to
            leave that to the question answerer.
        answerer: Answers what boxes cannot; None to abstain there.
        matcher: Compares what is in boxes with words, for attributes; None for pixels alone.
        verifier: Checks statements about a pair of images beside the boxes; None for boxes alone.
        vocabulary: What to look for when a question leaves it open; None for `EVERYDAY`.
        score_threshold: From which score on a thing is there, in [0, 1]; None for the detector's
            own. See `sightings.Observer` for the lower bar.
        curves: What makes confidences shares of right answers; empty to leave them as they are.

    Raises:
        ValueError: There is neither a detector nor a question answerer nor a verifier.
    """

    def __init__(
        self,
        detector: Detector | PhraseGrounder | None,
        answerer: QuestionAnswerer | None = None,
        *,
        matcher: RegionMatcher | None = None,
        verifier: StatementVerifier | None = None,
        vocabulary: Vocabulary | None = None,
        score_threshold: float | None = None,
        curves: Curves = FITTED,
    ) -> None:
        if detector is None and answerer is None and verifier is None:
            raise ValueError('grounded answering needs a detector or a question answerer')
        if detector is not None and not isinstance(detector, Detector):
            detector = GroundingDetector(detector)
        self._detector: Detector | None = detector
        self._answerer = answerer
        self._judge = Judge(answerer, matcher)
        self._own_judge = Judge(None, matcher)
        self._verifier = verifier
        self._vocabulary = vocabulary or EVERYDAY
        self._score_threshold = score_threshold
        self._curves = curves

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        region_xyxy: Sequence[float] | None = None,
        require_evidence: bool = True,
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer a question about an image.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            question: In English; other languages go to the question answerer as they are.
            choices: The answer is one of these, or there is none.
            region_xyxy: Only what has its centre in this box counts; pixels of the image.
            require_evidence: Whether the guard is on: what the question takes for granted is
                looked for, what the answer claims is held against boxes, and there is no answer
                without a box that supports it. (That the detector looked and found nothing
                supports a `no` or a `0`.) Off, the question answerer's own word is the answer;
                where there is no question answerer, boxes answer as ever.
            ticket: The caller's deadline and cancel, checked between looks.

        Returns:
            OK with a text; NOT_IN_VIEW, NOTHING_FOUND or UNSURE with a message.

        Raises:
            QuestionError: The question is blank or too long, a choice is blank or repeated, or the
                region does not lie in the image.
        """
        return self.answer_frames(
            [image],
            question,
            choices=choices,
            region_xyxy=region_xyxy,
            require_evidence=require_evidence,
            ticket=ticket,
        )

    def answer_frames(
        self,
        images: Sequence[Image],
        question: str,
        *,
        choices: Sequence[str] = (),
        region_xyxy: Sequence[float] | None = None,
        require_evidence: bool = True,
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer a question about several frames of one camera.

        Something is there where any frame shows it; of a count, the greatest number at once is
        told. The message says which frame that was: the boxes are in its pixels.

        Args:
            images: `(H, W, 3)` uint8 RGB each, oldest first.
            question: As for `answer`.
            choices: As for `answer`.
            region_xyxy: As for `answer`, in each of the frames.
            require_evidence: As for `answer`.
            ticket: As for `answer`.

        Raises:
            InputError: There is no image, or more than `MAX_FRAMES`.
            QuestionError: As for `answer`.
        """
        if not 1 <= len(images) <= MAX_FRAMES:
            raise InputError(f'there are {len(images)} images; from 1 to {MAX_FRAMES} are taken')
        check_text(question, 'question')
        options = _checked_choices(choices)
        ticket = ticket or Ticket()
        text, meant = question.strip(), parse(question)
        guard = Guard.EVIDENCE if require_evidence else Guard.OFF

        def make_case(observer: Observer, answerer: QuestionAnswerer | None) -> Case:
            return self._case(text, meant, observer, answerer, options, guard)

        if len(images) == 1:
            observer = self._observer(images[0], region_xyxy, ticket)
            told = answer(make_case(observer, self._answerer))
            return _of_one_image(told, meant.window_s)
        return answer_frames(
            meant,
            [self._observer(image, region_xyxy, Silent(ticket)) for image in images],
            make_case,
            self._answerer,
            self._answerer if isinstance(self._answerer, FramesAnswerer) else None,
            guard,
            ticket,
        )

    def verify(
        self, images: Sequence[Image], statement: str, *, ticket: Ticket | None = None
    ) -> Verdict:
        """Tell whether a statement about one image, or about a pair of them, holds.

        Args:
            images: One or two, `(H, W, 3)` uint8 RGB each; of two, the left one first.
            statement: Such as `a person is left of the car` or `no people are in view`; of a pair,
                `both images show a car`, `there are two dogs in the left image`.
            ticket: The caller's deadline and cancel.

        Returns:
            TRUE or FALSE with status OK; else UNKNOWN, with NOT_IN_VIEW where something that the
            statement takes for granted is not there, and UNSURE where nobody can tell. A verdict
            that is the model's own word, without a box, says so in its message.

        Raises:
            InputError: There are fewer or more images than one or two.
            QuestionError: The statement is blank or too long.
        """
        if not 1 <= len(images) <= 2:
            raise InputError(f'a statement is about one image or two, and there are {len(images)}')
        check_text(statement, 'statement')
        text = statement.strip()
        ticket = ticket or Ticket()
        observers = [self._observer(image, None, Silent(ticket)) for image in images]

        def make_case(side: int, words: str, meant: Question) -> Case:
            return self._case(
                words,
                meant,
                observers[side],
                self._answerer,
                ('yes', 'no'),
                Guard.CLAIMS,
                kind=STATEMENT,
            )

        if len(images) == 1:
            if self._detector is None and self._answerer is None:
                return self._told(images, text, ticket)
            return verify_one(text, lambda words, meant: make_case(0, words, meant))
        verdict = PairCase(text, make_case).verify()
        if self._verifier is None or getattr(self._verifier, 'max_images', 2) < 2:
            return verdict
        return agreed(verdict, self._told(images, text, ticket))

    def locate(
        self,
        image: Image,
        expression: str,
        *,
        region_xyxy: Sequence[float] | None = None,
        ticket: Ticket | None = None,
    ) -> Reference:
        """Find the one object that a referring expression means.

        Args:
            image: `(H, W, 3)` uint8 RGB.
            expression: Such as `the second person from the left`.
            region_xyxy: Only what has its centre in this box counts; pixels of the image.
            ticket: The caller's deadline and cancel.

        Raises:
            QuestionError: The expression is blank or too long, or the region does not lie in the
                image.
        """
        observer = self._observer(image, region_xyxy, Silent(ticket or Ticket()))
        return referring.locate(expression, observer, self._judge, vocabulary=self._vocabulary)

    def _told(self, images: Sequence[Image], statement: str, ticket: Ticket) -> Verdict:
        """Ask the verifier, which may take no more or no fewer than two images."""
        assert self._verifier is not None
        ticket.check()
        try:
            told = self._verifier.verify(images, statement, ticket=Silent(ticket))
        except QuestionError:
            raise
        except InputError as error:
            return Verdict(Truth.UNKNOWN, status=Status.UNSURE, message=str(error))
        confidence = 0.0
        if told.truth is not Truth.UNKNOWN:
            confidence = self._calibrated(told.confidence, STATEMENT, self._verifier)
        return Verdict(
            told.truth,
            confidence,
            told.evidence,
            told.status,
            told.message,
            told.other_evidence,
        )

    def _case(
        self,
        text: str,
        meant: Question,
        observer: Observer,
        answerer: QuestionAnswerer | None,
        choices: tuple[str, ...],
        guard: Guard,
        kind: str = '',
    ) -> Case:
        return Case(
            text=text,
            question=meant,
            observer=observer,
            answerer=answerer,
            judge=self._judge if answerer is not None else self._own_judge,
            vocabulary=self._vocabulary,
            choices=choices,
            guard=guard,
            calibrate=lambda confidence, by_boxes: self._calibrated(
                confidence,
                kind or meant.kind.value,
                self._detector if by_boxes else self._answerer,
            ),
        )

    def _calibrated(self, confidence: float, kind: str, model: object) -> float:
        try:
            backend = str(getattr(model, 'model_id', ''))
        except ModelError:  # a lent detector that is being replaced; its answer is made already
            return confidence
        return calibrated(confidence, kind, backend, self._curves)

    def _observer(
        self, image: Image, region_xyxy: Sequence[float] | None, ticket: Ticket
    ) -> Observer:
        return Observer(
            self._detector,
            image,
            region_xyxy=region_xyxy,
            score_threshold=self._score_threshold,
            ticket=ticket,
        )


def _of_one_image(told: Answer, window_s: float) -> Answer:
    """Say so where an answer about the last few seconds rests on one image."""
    if not window_s:
        return told
    note = f'one image was looked at, though the last {window_s:g} s are asked about'
    return replace(told, message=f'{told.message}; {note}' if told.message else note)


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
