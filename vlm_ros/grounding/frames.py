"""One question on several frames of a camera, oldest first.

Whether something was so is asked of each frame (`moments`); of how many there were, the greatest
number at once counts. How things compare is told where all frames that show them agree. Where
something is or what it is like is told of the newest frame that shows it. All else goes to a model
that takes several frames, or is asked of the newest that shows what is taken for granted. The
boxes of an answer are in the pixels of the frame that its message names, or else of the newest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlm_ros.grounding import moments
from vlm_ros.grounding.agreement import matching_choice, number_of
from vlm_ros.grounding.answering import answer
from vlm_ros.grounding.asking import Guard, unsure
from vlm_ros.grounding.case import Case
from vlm_ros.grounding.moments import MakeCase, MAX_ASKED_FRAMES, NOT_THERE
from vlm_ros.grounding.sightings import Observer
from vlm_ros.inflection import join_names
from vlm_ros.language.meaning import Kind, Question
from vlm_ros.results import Answer, Status
from vlm_ros.tasks import FramesAnswerer, Image, QuestionAnswerer, Ticket

MAX_FRAMES = 32
ONE_FRAME = 'asked of the newest frame only, as this model takes one'


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
    together = None if frames_answerer is None else _AllFrames(frames_answerer, observers)

    def ask() -> Answer:
        if together is None and guard is not Guard.OFF:
            return _newest_that_shows(observers, make_case, answerer, ONE_FRAME)
        newest.earlier = tuple(observers[:-1])
        newest.ticket = ticket
        told = answer(make_case(newest, together or answerer))
        if together is None and answerer is not None and told.status is Status.OK:
            return _noted(told, ONE_FRAME)
        return _noted(told, _frames_of(newest, told, len(observers)))

    unguarded = guard is Guard.OFF and answerer is not None
    if unguarded or question.kind in (Kind.OPEN, Kind.REFUSED) or not question.english:
        told = ask()
    elif question.kind is Kind.EXISTENCE:
        told = moments.exists(question, observers, make_case, answerer, together)
    elif question.kind is Kind.COUNT and len(question.things) == 1:
        told = _count(observers, make_case, None if together else answerer) or ask()
    elif question.kind in (Kind.COUNT, Kind.COMPARISON):
        told = _alike(observers, make_case) or _newest_that_shows(observers, make_case, answerer)
    else:
        told = _newest_that_shows(observers, make_case, answerer)
    if told.status is Status.OK:
        ticket.report_partial(told.text)
    return told


def _count(
    observers: Sequence[Observer], make_case: MakeCase, answerer: QuestionAnswerer | None
) -> Answer | None:
    """Say the greatest number at once; None where no frame tells, or it is no choice."""
    told: dict[int, tuple[Answer, float]] = {}
    choices: tuple[str, ...] = ()
    for number, observer in enumerate(observers, 1):
        case = make_case(observer, None)
        choices, case.choices = case.choices, ()
        told[number] = _counted(case)
    open_ = [number for number in reversed(told) if told[number][0].status is Status.UNSURE]
    for number in open_[:MAX_ASKED_FRAMES] if answerer is not None else ():
        case = make_case(observers[number - 1], answerer)
        case.choices = ()
        told[number] = _counted(case)
    counted = [
        (count, number, each)
        for number, (each, _) in told.items()
        if each.status is Status.OK and (count := number_of(each.text)) is not None
    ]
    if not counted:
        gone = all(each.status in NOT_THERE for each, _ in told.values())
        return told[len(observers)][0] if gone else None
    count, number, best = max(counted, key=lambda each: each[:2])
    more = [str(number) for number, (_, most) in told.items() if most > count]
    if more:
        least = f'at least {count}, as in frame {number} of {len(observers)}'
        return unsure(f'{least}; there may be more in frame {", ".join(more)}', best.evidence)
    note = f'the most at once, in frame {number} of {len(observers)}'
    if len(counted) < len(told):
        note += f'; {len(told) - len(counted)} of them do not tell'
    text = matching_choice(best.text, choices) if choices else best.text
    return _noted(replace(best, text=text), note) if text else None


def _counted(case: Case) -> tuple[Answer, float]:
    """Count in one frame; where that is left open, say how many there may be."""
    told = answer(case)
    if told.status is not Status.UNSURE:
        return told, 0.0
    named = [thing for thing in case.question.things if not thing.generic]
    return told, max((case.tally(thing).high for thing in named), default=float('inf'))


def _alike(observers: Sequence[Observer], make_case: MakeCase) -> Answer | None:
    """Say what all frames say that show anything of it; None where boxes tell of none."""
    told = [(n, answer(make_case(one, None))) for n, one in enumerate(observers, 1)]
    decided = [(n, each) for n, each in told if each.status is Status.OK]
    shown = [(n, each) for n, each in decided if len(each.evidence)] or decided
    if not shown:
        return None
    number, newest = shown[-1]
    if len({each.text for _, each in shown}) > 1:
        older = next((n, each.text) for n, each in reversed(shown) if each.text != newest.text)
        differs = f'{newest.text!r} in frame {number}, {older[1]!r} in frame {older[0]}'
        return unsure(f'it differs from frame to frame: {differs} of {len(observers)}')
    note = '' if number == len(observers) else f'in frame {number} of {len(observers)}'
    open_ = sum(each.status is Status.UNSURE for _, each in told)
    if open_:
        note = f'{note or "in the newest"}; {open_} of {len(observers)} frames do not tell'
    return _noted(newest, note)


def _newest_that_shows(
    observers: Sequence[Observer],
    make_case: MakeCase,
    answerer: QuestionAnswerer | None,
    note_on_newest: str = '',
) -> Answer:
    first: Answer | None = None
    for number, observer in reversed(list(enumerate(observers, 1))):
        told = answer(make_case(observer, answerer))
        if told.status not in NOT_THERE:
            note = f'in frame {number} of {len(observers)}, not in those after it'
            if first is None:
                note = note_on_newest if told.status is Status.OK else ''
            return _noted(told, note)
        first = first or told
    assert first is not None
    return replace(first, message=f'{first.message}, in none of {len(observers)} frames')


def _frames_of(newest: Observer, told: Answer, count: int) -> str:
    """Name the frames whose boxes are shown, where they are not of the newest."""
    shown = {label.casefold() for label in told.evidence.labels}
    seen = [(name, n) for name, n in newest.seen_earlier.items() if name in shown]
    if not seen:
        return ''
    return (
        f'{join_names([f"the {name} is in frame {number}" for name, number in seen])} of {count}'
    )


def _noted(told: Answer, note: str) -> Answer:
    if not note:
        return told
    return replace(told, message=f'{told.message}; {note}' if told.message else note)
