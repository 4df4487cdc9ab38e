"""Who answers the queries: with the guard, without it, and without looking at all."""

from collections.abc import Sequence
from dataclasses import replace
import re
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks._meaning import Ask, truth
from benchmarks._questions import Query
from benchmarks._scenes import Scene, Thing
from benchmarks._scoring import Outcome
from vlm_ros.boxes import FloatArray, iou
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.agreement import matching_choice, number_of, yes_no_of
from vlm_ros.grounding.colours import shares, TERMS
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Answer, Detections, Reference, Status, Truth, Verdict
from vlm_ros.tasks import Detector, Image, QuestionAnswerer, Ticket

FOUND_IOU = 0.5
"""From this overlap on the right thing was pointed at, as usual for referring expressions."""
TRUTHS = {Truth.TRUE: 'yes', Truth.FALSE: 'no', Truth.UNKNOWN: ''}
ANYTHING = 0.05
"""Score down to which a guess takes whatever looks most like the thing."""


class Reply(NamedTuple):
    """What was said, whoever said it."""

    status: Status
    text: str = ''
    confidence: float = 0.0
    box: FloatArray | None = None
    message: str = ''


class Asked(Protocol):
    """Somebody who can be asked."""

    def ask(self, image: Image, query: Query) -> Reply:
        """Answer one query."""


class Guarded:
    """Grounded answering."""

    def __init__(self, answerer: GroundedAnswerer) -> None:
        self._answerer = answerer

    def ask(self, image: Image, query: Query) -> Reply:
        """Ask, verify or locate, as the query's form wants."""
        if query.form == 'expression':
            return _from_reference(self._answerer.locate(image, query.text))
        if query.form == 'statement':
            return _from_verdict(self._answerer.verify([image], query.text))
        return _from_answer(self._answerer.answer(image, query.text))


class Unguarded:
    """A question answerer's own word."""

    def __init__(self, answerer: QuestionAnswerer) -> None:
        self._answerer = answerer

    def ask(self, image: Image, query: Query) -> Reply:
        """Ask; a statement as a yes/no question. It cannot point at anything."""
        if query.form == 'expression':
            return Reply(Status.UNSURE, message='an answerer in words points at nothing')
        if query.form == 'statement':
            text = f'Is it true that {query.text.rstrip(".")}?'
            return _from_answer(self._answerer.answer(image, text, choices=('yes', 'no')))
        return _from_answer(self._answerer.answer(image, query.text))


class Remembering:
    """A detector that looks at each scene once, for all the names of a set together.

    What one name finds does not depend on the others in any backend with a vocabulary, so it only
    saves the time of looking again for every query and everybody who is asked.

    Args:
        detector: Looks.
        sets: Names that come together.
    """

    def __init__(self, detector: Detector, sets: Sequence[Sequence[str]]) -> None:
        self._detector = detector
        self._vocabularies = [Vocabulary(tuple(dict.fromkeys(names))) for names in sets]
        self._seen: dict[tuple[int, str], tuple[Image, Detections]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names."""
        known = [v for v in self._vocabularies if set(v.names).issuperset(vocabulary.names)]
        if not known:
            return self._detector.detect(
                image, vocabulary, score_threshold=score_threshold, ticket=ticket
            )
        key = id(image), known[0].vocabulary_id
        if key not in self._seen:  # the image is kept, so that its id stays its own
            found = self._detector.detect(image, known[0], score_threshold=ANYTHING)
            self._seen[key] = image, found
        found = self._seen[key][1]
        if score_threshold is None:
            score_threshold = getattr(self._detector, 'score_threshold', 0.5)
        wanted = np.isin(np.array(found.labels, object), vocabulary.names)
        return replace(
            found[wanted & (found.scores >= score_threshold)],
            unrecognized=tuple(n for n in vocabulary.names if n in found.unrecognized),
        )


class Guess:
    """A detector's boxes taken at their word: what reaches its threshold is all there is.

    It is told what the question means, so that no question is lost to its wording. Where the
    question takes something for granted it does so too: it speaks of the box that looks most like
    the thing, however little, and without any box says what is most often true.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def ask(self, image: Image, query: Query) -> Reply:
        """Answer, whatever there is."""
        meaning = query.meaning
        boxes = self._detector.detect(
            image, Vocabulary(tuple(dict.fromkeys(meaning.names))), score_threshold=ANYTHING
        )
        sure = boxes[boxes.scores >= getattr(self._detector, 'score_threshold', 0.5)]
        presumes = meaning.ask not in (
            Ask.EXISTS, Ask.AMOUNTS, Ask.COUNT, Ask.MORE, Ask.FEWER, Ask.WHICH,
        )  # fmt: skip
        for name in dict.fromkeys(meaning.names) if presumes else ():
            if name not in sure.labels:
                best = [index for index, label in enumerate(boxes.labels) if label == name][:1]
                sure = _joined(sure, boxes[best])
        colours = any(meaning.words) and meaning.ask in (Ask.AMOUNTS, Ask.IS_COLOUR)
        colours = colours or meaning.ask is Ask.COLOUR
        things = [
            Thing(label, box, _colour(image, box) if colours else '')
            for label, box in zip(sure.labels, sure.xyxy, strict=True)
        ]
        confidence = float(sure.scores.min()) if len(sure) else 1 - ANYTHING
        if meaning.ask is Ask.LOCATE:
            if not things:
                return Reply(Status.UNSURE, message='no box at all')
            return Reply(Status.OK, '', float(sure.scores[0]), things[0].xyxy)
        height, width = image.shape[:2]
        text = truth(meaning, things, (width, height))
        return Reply(Status.OK, text or _usual(meaning.ask, meaning.names), confidence)


class Blind:
    """Says what is most likely to be said, without looking: words without eyes.

    It stands for the worst of language models, the one that takes every question's word for what
    is there, so that the guard's part can be measured without the weights of a real one.
    """

    confidence = 0.9

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer from the words alone."""
        text = question.casefold()
        if choices:
            said = choices[0]
        elif match := re.search(r'([a-z ]+?) or (?:an? |the )?[a-z ]+\?', text):
            said = match[1].rsplit(' a ', 1)[-1].rsplit('the ', 1)[-1].strip()
        elif text.startswith('how many') or 'number' in text:
            said = '2'
        elif re.match(r'(what|which) colou?r|what is the colou?r', text):
            said = 'white'
        elif text.startswith('where'):
            said = 'on the left'
        else:
            said = 'yes'
        return Answer(Status.OK, said, self.confidence)


def judged(query: Query, reply: Reply, scene: Scene) -> Outcome:
    """Hold a reply against the truth."""
    not_in_view = reply.status is Status.NOT_IN_VIEW
    answered = reply.status in (Status.OK, Status.NOT_IN_VIEW, Status.NOTHING_FOUND)
    said = _normalized(query, reply) if reply.status is Status.OK else ''
    if query.form == 'expression':
        right = _points_at(query, reply)
        made_up = reply.status is Status.OK
    elif not query.expected:
        right = not_in_view
        made_up = reply.status is Status.OK and said != 'no'
    else:
        # `No` to whether there is one, and `there is none in view`, say the same.
        right = said == query.expected or (query.expected == 'no' and not_in_view)
        made_up = reply.status is Status.OK and said == 'yes'
    return Outcome(
        query.type,
        right,
        answered,
        reply.confidence,
        query.about_absent,
        query.about_absent and made_up,
        not_in_view,
        reply.status is Status.OK,
        (scene.seed + 1, query.pair) if query.pair else (0, 0),
    )


def _points_at(query: Query, reply: Reply) -> bool:
    if query.box is None:
        return reply.status is Status.NOT_IN_VIEW
    if reply.box is None:
        return False
    return bool(iou(reply.box[None], query.box[None])[0, 0] >= FOUND_IOU)


def _normalized(query: Query, reply: Reply) -> str:
    """Reduce what was said to what can be compared; empty where it says none or several."""
    text = reply.text.casefold()
    ask = query.meaning.ask
    if ask is Ask.COUNT:
        number = number_of(text)
        return '' if number is None else str(number)
    options: Sequence[str] = ()
    if ask is Ask.COLOUR:
        options = TERMS
    elif ask is Ask.WHERE:
        options = ('left', 'right')
    elif ask in (Ask.WHICH, Ask.WHICH_LARGER):
        return matching_choice(text, query.meaning.names) or ''
    if options:
        said = [word for word in re.findall(r'[a-z]+', text) if word in options]
        return said[0] if len(set(said)) == 1 else ''
    said_so = yes_no_of(text)
    return '' if said_so is None else ('yes' if said_so else 'no')


def _usual(ask: Ask, names: Sequence[str]) -> str:
    return {Ask.COLOUR: 'white', Ask.WHERE: 'left', Ask.WHICH: names[0]}.get(ask, 'no')


def _colour(image: Image, box: FloatArray) -> str:
    return TERMS[int(shares(image, box).argmax())]


def _joined(one: Detections, more: Detections) -> Detections:
    return replace(
        one,
        xyxy=np.concatenate([one.xyxy, more.xyxy]),
        scores=np.concatenate([one.scores, more.scores]),
        labels=(*one.labels, *more.labels),
    )


def _from_answer(answer: Answer) -> Reply:
    return Reply(answer.status, answer.text, answer.confidence, message=answer.message)


def _from_verdict(verdict: Verdict) -> Reply:
    return Reply(
        verdict.status, TRUTHS[verdict.truth], verdict.confidence, message=verdict.message
    )


def _from_reference(found: Reference) -> Reply:
    box = found.detection.xyxy[0] if len(found.detection) else None
    return Reply(found.status, '', found.confidence, box, found.message)
