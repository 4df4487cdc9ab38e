"""Whether something held at some moment of several frames, or at each of them.

`There was a dog` is true of frames where one shows a dog; `there was no dog` and `at most two
dogs` where each of them is so; `two dogs` where two are the most at once. A question of more parts
can be meant of one moment (a dog and a cat at once) or part by part (a dog first, then a cat):
where that makes a difference, nobody can tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vlm_ros.grounding.answering import answer, find, find_each, say_truth, truth_of
from vlm_ros.grounding.asking import unsure
from vlm_ros.grounding.case import Case
from vlm_ros.grounding.evidence import Finding
from vlm_ros.grounding.sentences import alternatives
from vlm_ros.grounding.sightings import Observer
from vlm_ros.language.clauses import Thing
from vlm_ros.language.meaning import Question
from vlm_ros.results import Answer, Status
from vlm_ros.spatial import all_of, any_of
from vlm_ros.tasks import QuestionAnswerer

MAX_ASKED_FRAMES = 4
"""A model that takes one image is asked about no more frames than this, the newest first."""
NEVER_AT_ONCE = 'each of it was seen, but never at once'
NOT_THERE = (Status.NOT_IN_VIEW, Status.NOTHING_FOUND)
MakeCase = Callable[[Observer, QuestionAnswerer | None], Case]
"""Makes a case of a frame and of who may be asked about it."""


@dataclass(frozen=True)
class _Moment:
    """What boxes show of one frame.

    Attributes:
        number: Of the frame, from 1.
        case: The question on it.
        whole: What holds of it in all.
        parts: What holds of each part of the question.
        failure: Why boxes say nothing of it; None where they do.
    """

    number: int
    case: Case
    whole: Finding
    parts: tuple[Finding, ...]
    failure: Answer | None = None


@dataclass(frozen=True)
class _Part:
    """A thing with a bound that must be kept in each of the frames, or be reached in one."""

    thing: int
    low: int
    high: int | None
    in_each: bool


def exists(
    question: Question,
    observers: Sequence[Observer],
    make_case: MakeCase,
    answerer: QuestionAnswerer | None,
    together: QuestionAnswerer | None,
) -> Answer:
    """Answer a yes/no question about several frames.

    Args:
        question: What is asked.
        observers: Of each frame, oldest first.
        make_case: Makes a case of a frame.
        answerer: Is asked about single frames that boxes leave open; None for nobody.
        together: Is asked about all frames at once instead; None where nobody takes them.
    """
    parts = _parts(question)
    in_each = all(part.in_each for part in parts)
    one_scope = in_each or not any(part.in_each for part in parts)
    enough = one_scope and not (in_each and question.either) and not _all_are_meant(question)
    moments: list[_Moment] = []
    for number, observer in reversed(list(enumerate(observers, 1))):
        moment = _moment(number, make_case(observer, None), parts)
        moments.append(moment)
        # One dog is enough for a yes to `a dog`, and for a no to `no dog`.
        if enough and moment.failure is None and moment.whole.truth is (not in_each):
            return _say(moment, not in_each, moment.whole.confidence, len(observers))
    return _over_all(question, parts, moments, make_case, answerer, together)


def _over_all(
    question: Question,
    parts: Sequence[_Part],
    moments: Sequence[_Moment],
    make_case: MakeCase,
    answerer: QuestionAnswerer | None,
    together: QuestionAnswerer | None,
) -> Answer:
    shown = [one for one in moments if one.failure is None or one.failure.status not in NOT_THERE]
    if not shown:
        failure = moments[0].failure
        assert failure is not None
        return failure
    in_each = all(part.in_each for part in parts)
    each = [
        _quantified([one.parts[i] for one in shown], part.in_each) for i, part in enumerate(parts)
    ]
    join = any_of if question.either else all_of
    by_parts = join([truth for truth, _ in each])
    at_once, confidence = _quantified(
        [one.whole for one in shown], in_each or _all_are_meant(question)
    )
    if by_parts is None or at_once is None:
        return _asked(question, parts, shown, make_case, answerer, together, len(moments))
    if by_parts is not at_once:
        numbers = ', '.join(str(one.number) for one in reversed(shown) if one.whole.truth)
        when = f'it is so only in frame {numbers} of {len(moments)}'
        return unsure(f'cannot tell which moment is meant: {when if numbers else NEVER_AT_ONCE}')
    if len(parts) > 1 and at_once:
        confidence = min([confidence, *(sure for truth, sure in each if truth)])
    deciding = [one for one in shown if one.whole.truth is at_once]
    if in_each is at_once:  # all frames decide: the one that is least sure is shown
        seen = [one for one in deciding if len(one.whole.evidence)]
        deciding = sorted(seen or deciding, key=lambda one: one.whole.confidence)
    of_all = len(shown) if in_each is at_once else 0
    return _say(deciding[0], at_once, confidence, len(moments), of_all)


def _parts(question: Question) -> list[_Part]:
    parts = []
    for index, thing in enumerate(question.things):
        if thing.presupposed:
            denied = question.condition.negated or thing.high == 0
            parts.append(_Part(index, thing.low, thing.high, denied))
            continue
        if thing.high is None or thing.low > 0:
            parts.append(_Part(index, thing.low, None, False))
        if thing.high is not None:
            parts.append(_Part(index, 0, thing.high, True))
    return parts


def _all_are_meant(question: Question) -> bool:
    """Tell whether `all dogs are on the left` is asked, which may be meant of each moment."""
    return not question.negated and all(t.presupposed and t.plural for t in question.things)


def _moment(number: int, case: Case, parts: Sequence[_Part]) -> _Moment:
    failure = case.prepare()
    if failure is not None:
        nothing = Finding(None, reason=failure.message, evidence=failure.evidence)
        return _Moment(number, case, nothing, (nothing,) * len(parts), failure)
    things = case.question.things
    bound = [_bound(things[part.thing], part) for part in parts]
    return _Moment(number, case, find(case), tuple(find_each(case, bound)))


def _bound(thing: Thing, part: _Part) -> Thing:
    return replace(thing, low=part.low, high=part.high)


def _quantified(findings: Sequence[Finding], in_each: bool) -> tuple[bool | None, float]:
    """Say whether something holds of one frame, or of each, and how sure that is."""
    truths = [finding.truth for finding in findings]
    truth = all_of(truths) if in_each else any_of(truths)
    if truth is None:
        return None, 0.0
    deciding = [finding.confidence for finding in findings if finding.truth is truth]
    return truth, min(deciding) if in_each is truth else deciding[0]


def _say(moment: _Moment, truth: bool, confidence: float, count: int, of_all: int = 0) -> Answer:
    """Answer by one frame, or by so many of them, which are all that show what is asked about."""
    if not of_all:
        note = f'last seen in frame {moment.number} of {count}'
    elif not truth and moment.case.question.condition.negated and len(moment.whole.evidence):
        note = f'and otherwise in none of {count} frames'
    elif not truth or all(thing.high == 0 for thing in moment.case.question.things):
        note = f'seen in none of {count} frames'
    elif of_all < count:
        note = f'so in {of_all} of {count} frames, and in none is it otherwise'
    else:
        note = f'so in each of the {count} frames'
    told = say_truth(moment.case, truth, confidence, moment.whole.evidence, note)
    return _noted(told, _boxes_of(moment, told, count) if of_all else '')


def _asked(
    question: Question,
    parts: Sequence[_Part],
    shown: Sequence[_Moment],
    make_case: MakeCase,
    answerer: QuestionAnswerer | None,
    together: QuestionAnswerer | None,
    count: int,
) -> Answer:
    """Ask about the frames that boxes leave open."""
    open_ = [one for one in shown if one.whole.truth is None] or list(shown)
    newest = open_[0]
    if together is not None:
        case = newest.case
        case.answerer = together
        choices = alternatives(case.question) or ()
        told = case.ask(newest.whole.reason, newest.whole.evidence, choices=choices)
        return _noted(told, _boxes_of(newest, told, count))
    if answerer is None:
        told = newest.failure or unsure(newest.whole.reason, newest.whole.evidence)
        return _noted(told, _boxes_of(newest, told, count))
    in_each = all(part.in_each for part in parts)
    answers = []
    for one in open_[:MAX_ASKED_FRAMES]:
        case = make_case(one.case.observer, answerer)
        told = answer(case)
        truth = truth_of(case, told)
        if len(parts) == 1 and truth is (not in_each):
            return _noted(told, f'so in frame {one.number} of {count}, which the model saw')
        answers.append((truth, told, one))
    left = len(open_) - len(answers)
    doubts = [(told, one) for truth, told, one in answers if truth is not in_each]
    if len(parts) > 1 or doubts or left:
        told, one = doubts[0] if doubts else answers[0][1:]
        if told.status is Status.OK:
            asked = f'the model was asked about {len(answers)} of {len(open_)} frames'
            told = unsure(f'the answer was {told.text!r}, but {asked} that boxes leave open')
        return _noted(told, _boxes_of(one, told, count))
    _, told, one = min(answers, key=lambda each: each[1].confidence)
    sure = [each.whole.confidence for each in shown if each.whole.truth is in_each]
    told = replace(told, confidence=min([told.confidence, *sure]))
    return _noted(told, f'of {count} frames, {len(open_)} by what the model saw')


def _boxes_of(moment: _Moment, told: Answer, count: int) -> str:
    """Name the frame whose boxes are shown, where it is not the newest."""
    if moment.number == count or not len(told.evidence):
        return ''
    return f'its boxes are those of frame {moment.number} of {count}'


def _noted(told: Answer, note: str) -> Answer:
    if not note:
        return told
    return replace(told, message=f'{told.message}; {note}' if told.message else note)
