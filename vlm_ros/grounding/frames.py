"""One question on several frames of a camera, oldest first.

Whether something was there is asked of each frame, the newest first; of how many there were, the
greatest number at once counts. Where something is or what it is like is told of the newest frame
that shows it. All else goes to a model that takes several frames, or is asked of the newest. The
boxes of an answer are in the pixels of the frame that its message names, or else of the newest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vlm_ros.grounding.agreement import matching_choice
from vlm_ros.grounding.answering import answer, find, say_truth
from vlm_ros.grounding.asking import Guard
from vlm_ros.grounding.case import Case
from vlm_ros.grounding.evidence import Finding
from vlm_ros.grounding.sightings import Observer
from vlm_ros.language.meaning import Kind, Question
from vlm_ros.results import Answer, Status
from vlm_ros.tasks import FramesAnswerer, Image, QuestionAnswerer, Ticket

MAX_FRAMES = 32
ONE_FRAME = 'asked of the newest frame only, as this model takes one'
_NOT_THERE = (Status.NOT_IN_VIEW, Status.NOTHING_FOUND)
MakeCase = Callable[[Observer, QuestionAnswerer | None], Case]
"""Makes a case of a frame and of who may be asked about it."""


@dataclass(frozen=True)
class _AllFrames:
    """Asks about all frames at once, in the seat of who is asked about one."""

    answerer: FramesAnswerer
    observers: Sequence[Observer]

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        regions = [observer.region for observer in self.observers]
        return self.answerer.answer_frames(regions, question, choices=choices, ticket=ticket)


def answer_frames(
    question: Question,
    observers: Sequence[Observer],
    make_case: MakeCase,
    answerer: QuestionAnswerer | None,
    frames_answerer: FramesAnswerer | None,
    guard: Guard,
    ticket: Ticket,
) -> Answer:
    """Answer a question about several frames.

    Args:
        question: What is asked.
        observers: Of each frame, oldest first; each with a silent ticket.
        make_case: Makes a case of a frame.
        answerer: May be asked about one frame.
        frames_answerer: May be asked about all of them.
        guard: What an answer must stand up to.
        ticket: The caller's.
    """
    newest = observers[-1]
    asked: QuestionAnswerer | None = answerer
    if frames_answerer is not None:
        asked = _AllFrames(frames_answerer, observers)

    def ask() -> Answer:
        newest.earlier = tuple(observers[:-1])
        newest.ticket = ticket
        told = answer(make_case(newest, asked))
        took_one = asked is not None and frames_answerer is None
        return _noted(told, ONE_FRAME) if took_one and told.status is Status.OK else told

    unguarded = guard is Guard.OFF and asked is not None
    if unguarded or question.kind in (Kind.OPEN, Kind.REFUSED) or not question.english:
        return ask()
    if question.kind is Kind.EXISTENCE:
        told = _existence(question, observers, make_case, asked)
    elif question.kind is Kind.COUNT and len(question.things) == 1:
        told = _count(observers, make_case)
    else:
        told = _newest_that_shows(observers, make_case, answerer)
    if told is None:
        return ask()
    if told.status is Status.OK:
        ticket.report_partial(told.text)
    return told


def _existence(
    question: Question,
    observers: Sequence[Observer],
    make_case: MakeCase,
    asked: QuestionAnswerer | None,
) -> Answer | None:
    """Say whether it held in any frame, or of what is denied, in all; None where to ask."""
    # `is there no dog?`: one frame with a dog makes it false, as one makes `a dog` true.
    deciding = not question.negated
    failures: list[Answer] = []
    undecided: list[tuple[Case, Finding]] = []
    denied: list[tuple[Case, Finding]] = []
    for number, observer in reversed(list(enumerate(observers, 1))):
        case = make_case(observer, None)
        failure = case.prepare()
        if failure is not None:
            failures.append(failure)
            continue
        finding = find(case)
        if finding.truth is deciding:
            note = f'last seen in frame {number} of {len(observers)}'
            return say_truth(case, deciding, finding.confidence, finding.evidence, note)
        (undecided if finding.truth is None else denied).append((case, finding))
    if undecided:
        case, finding = undecided[0]
        case.answerer = asked
        return case.ask(finding.reason, finding.evidence)
    unsure = [failure for failure in failures if failure.status not in _NOT_THERE]
    if unsure:
        return None if asked is not None else unsure[0]
    if not denied:
        return failures[0]
    case, finding = min(denied, key=lambda each: each[1].confidence)
    note = f'seen in none of {len(observers)} frames'
    return say_truth(case, not deciding, finding.confidence, finding.evidence, note)


def _count(observers: Sequence[Observer], make_case: MakeCase) -> Answer | None:
    """Say the greatest number at once; None where no frame tells, or it is no choice."""
    told = []
    for number, observer in enumerate(observers, 1):
        case = make_case(observer, None)
        choices, case.choices = case.choices, ()
        told.append((number, answer(case)))
    counted = [(int(each.text), number, each) for number, each in told if each.status is Status.OK]
    if not counted:
        gone = all(each.status in _NOT_THERE for _, each in told)
        return told[-1][1] if gone else None
    _, number, best = max(counted, key=lambda each: each[:2])
    note = f'the most at once, in frame {number} of {len(observers)}'
    if len(counted) < len(told):
        note += f'; {len(told) - len(counted)} of them do not tell'
    text = matching_choice(best.text, choices) if choices else best.text
    return _noted(replace(best, text=text), note) if text else None


def _newest_that_shows(
    observers: Sequence[Observer], make_case: MakeCase, answerer: QuestionAnswerer | None
) -> Answer:
    first: Answer | None = None
    for number, observer in reversed(list(enumerate(observers, 1))):
        told = answer(make_case(observer, answerer))
        if told.status not in _NOT_THERE:
            note = f'in frame {number} of {len(observers)}, not in those after it'
            return told if first is None else _noted(told, note)
        first = first or told
    assert first is not None
    return replace(first, message=f'{first.message}, in none of {len(observers)} frames')


def _noted(told: Answer, note: str) -> Answer:
    return replace(told, message=f'{told.message}; {note}' if told.message else note)
