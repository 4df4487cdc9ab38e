"""Whether things are as described: `red`, `open`, `wearing a hat`.

Three may judge, and the first that can tell does: a question answerer, asked yes or no about a
picture of the one thing; a model that compares regions with words, by contrast, because only the
order of its similarities means something; and, for colours, the pixels. What none of them can
tell stays undecided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vlm_ros.boxes import FloatArray
from vlm_ros.grounding import colours
from vlm_ros.grounding.agreement import matching_choice, yes_no_of
from vlm_ros.grounding.sightings import Observer
from vlm_ros.grounding.silent import Silent
from vlm_ros.inflection import with_article
from vlm_ros.results import Detections, Status
from vlm_ros.spatial import Box
from vlm_ros.tasks import Image, QuestionAnswerer, RegionMatcher

MAX_ASKED = 12
"""The answerer is asked about the best boxes only: each is a run of the model."""
_MARGIN = 0.1
"""What is shown around a box, as a part of its sides: a hat may stick out of it."""
_CLEAR_LEAD = 0.5
"""By how many standard deviations of its rivals' similarities a word must lead them."""
_CONTRASTS = tuple(
    tuple(line.split())
    for line in (
        'open closed',
        'empty full',
        'wet dry',
        'clean dirty',
        'young old',
        'male female',
        'lit dark',
        'broken intact',
        'round square',
        'wooden metal plastic glass leather stone paper',
        'sitting standing lying walking running',
        'sleeping awake',
        'striped spotted plain',
    )
)
"""What a thing is instead, where it is not as described."""


@dataclass(frozen=True)
class Opinion:
    """What somebody thinks of one box.

    Attributes:
        truth: Whether the attribute holds; None where nobody can tell.
        confidence: How sure that is, in [0, 1], not calibrated; 0 where nobody can tell.
        text: The value that was asked for: `red`; empty where none was, or nobody can tell.
    """

    truth: bool | None = None
    confidence: float = 0.0
    text: str = ''

    @property
    def decided(self) -> bool:
        """Whether somebody could tell."""
        return self.truth is not None or bool(self.text)


UNDECIDED = Opinion()


class Judge:
    """Judges attributes of what boxes hold.

    A model that knows nothing but names says so by an attribute `tells_attributes` that is False,
    and is not asked.

    Args:
        answerer: Asked first; None for nobody.
        matcher: Asked next; None for nobody.
    """

    def __init__(
        self, answerer: QuestionAnswerer | None = None, matcher: RegionMatcher | None = None
    ) -> None:
        self._answerer = answerer if getattr(answerer, 'tells_attributes', True) else None
        self._matcher = matcher if getattr(matcher, 'tells_attributes', True) else None

    def holds(self, observer: Observer, boxes: Detections, attribute: str) -> tuple[Opinion, ...]:
        """Say of each box whether an attribute holds.

        Args:
            observer: Has the image and the ticket.
            boxes: With the things' names as labels.
            attribute: A word before the name: `red`, `wooden`.
        """
        return self._first_decided(
            boxes,
            lambda index: self._asked_and_seen(observer, boxes, index, attribute),
            lambda index: self._compared(observer, boxes, index, attribute),
            lambda index: _coloured(observer.image, boxes.xyxy[index], attribute),
        )

    def does(self, observer: Observer, boxes: Detections, clause: str) -> tuple[Opinion, ...]:
        """Say of each box whether a clause holds, such as `wearing a hat`, `with a red bag`."""
        return self._first_decided(
            boxes,
            lambda index: self._asked(
                observer, boxes, index, f'Is this {with_article(boxes.labels[index])} {clause}?'
            ),
        )

    def value(self, observer: Observer, box: Detections, kind: str = 'colour') -> Opinion:
        """Say what an attribute of one box is; `text` holds it.

        Args:
            observer: Has the image and the ticket.
            box: One box, with the thing's name as its label.
            kind: What is asked for; other than `colour` only the answerer can tell.
        """
        is_colour = kind in ('colour', 'color')
        choices = colours.TERMS if is_colour else ()
        found = self._told(observer, box, 0, f'What {kind} is the {box.labels[0]}?', choices)
        if found.decided or not is_colour:
            return found
        similarities = self._similarities(observer, box, 0, _phrases(box.labels[0], choices))
        if similarities is not None:
            lead, weights = _lead(similarities)
            best = int(similarities.argmax())
            return Opinion(None, weights[best], choices[best]) if lead else UNDECIDED
        shares = colours.shares(observer.image, box.xyxy[0])
        text = colours.dominant(shares)
        return Opinion(None, float(shares[choices.index(text)]), text) if text else UNDECIDED

    def _first_decided(
        self, boxes: Detections, *judges: Callable[[int], Opinion | None]
    ) -> tuple[Opinion, ...]:
        opinions = []
        for index in range(len(boxes)):
            said = (judge(index) for judge in judges)
            first = next((each for each in said if each is None or each.decided), None)
            opinions.append(first or UNDECIDED)
        return tuple(opinions)

    def _asked(self, observer: Observer, boxes: Detections, index: int, question: str) -> Opinion:
        said = self._told(observer, boxes, index, question, ('yes', 'no'))
        return Opinion(yes_no_of(said.text), said.confidence) if said.decided else UNDECIDED

    def _asked_and_seen(
        self, observer: Observer, boxes: Detections, index: int, attribute: str
    ) -> Opinion | None:
        """Ask whether an attribute holds; None where it is a colour that pixels clearly deny."""
        question = f'Is the {boxes.labels[index]} {attribute}?'
        said = self._asked(observer, boxes, index, question)
        if not said.decided or not colours.terms_meant(attribute):
            return said
        seen = _coloured(observer.image, boxes.xyxy[index], attribute)
        return said if seen.truth in (None, said.truth) else None

    def _told(
        self,
        observer: Observer,
        boxes: Detections,
        index: int,
        question: str,
        choices: Sequence[str],
    ) -> Opinion:
        """Ask the answerer about one box; the text is one of the choices where there are any."""
        if self._answerer is None or index >= MAX_ASKED:
            return UNDECIDED
        observer.ticket.check()
        told = self._answerer.answer(
            _crop(observer.image, boxes.xyxy[index]),
            question,
            choices=tuple(choices),
            ticket=Silent(observer.ticket),
        )
        text = matching_choice(told.text, choices) if choices else told.text
        if told.status is not Status.OK or not text:
            return UNDECIDED
        return Opinion(None, told.confidence, text)

    def _compared(
        self, observer: Observer, boxes: Detections, index: int, attribute: str
    ) -> Opinion:
        """Hold a box against the attribute and against what it would be instead."""
        name = boxes.labels[index]
        rivals = [word for word in _rivals(attribute) if word != attribute]
        others = _phrases(name, rivals) if rivals else (with_article(name),)
        phrases = (with_article(f'{attribute} {name}'), *others)
        similarities = self._similarities(observer, boxes, index, phrases)
        if similarities is None:
            return UNDECIDED
        lead, weights = _lead(similarities)
        best = int(similarities.argmax())
        if not lead:
            return UNDECIDED
        return Opinion(best == 0, weights[0] if best == 0 else 1 - weights[0])

    def _similarities(
        self, observer: Observer, boxes: Detections, index: int, phrases: Sequence[str]
    ) -> FloatArray | None:
        if self._matcher is None:
            return None
        row: FloatArray = self._matcher.match_regions(
            observer.image, boxes.xyxy[index : index + 1], phrases, ticket=observer.ticket
        )[0]
        return row


def _phrases(name: str, words: Sequence[str]) -> tuple[str, ...]:
    return tuple(with_article(f'{word} {name}') for word in words)


def _rivals(attribute: str) -> tuple[str, ...]:
    if colours.terms_meant(attribute):
        return tuple(term for term in colours.TERMS if term not in colours.terms_meant(attribute))
    return next((group for group in _CONTRASTS if attribute in group), ())


def _lead(similarities: FloatArray) -> tuple[bool, list[float]]:
    """Tell whether one similarity is clearly the greatest, and share 1 out by their order.

    Measured in their own spread, because one model's similarities lie within a hundredth of each
    other and another's do not.
    """
    spread = float(similarities.std())
    if spread <= 1e-6:
        return False, [1 / len(similarities)] * len(similarities)
    standard = (similarities - similarities.max()) / spread
    weights = np.exp(standard.astype(np.float64))
    lead = -float(np.sort(standard)[-2])
    return lead >= _CLEAR_LEAD, (weights / weights.sum()).tolist()


def _coloured(image: Image, box: Box, attribute: str) -> Opinion:
    truth, confidence = colours.is_coloured(colours.shares(image, box), attribute)
    return Opinion(truth, confidence)


def _crop(image: Image, box: Box) -> Image:
    height, width = image.shape[:2]
    margin_x, margin_y = _MARGIN * (box[2] - box[0]), _MARGIN * (box[3] - box[1])
    left, top = max(0, int(box[0] - margin_x)), max(0, int(box[1] - margin_y))
    right = min(width, max(left + 1, int(np.ceil(box[2] + margin_x))))
    bottom = min(height, max(top + 1, int(np.ceil(box[3] + margin_y))))
    left, top = min(left, width - 1), min(top, height - 1)
    return np.ascontiguousarray(image[top:bottom, left:right])
