"""Whether a statement about one image, or about a pair of them, holds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vlm_ros import lexicon
from vlm_ros.grounding import pairs
from vlm_ros.grounding.answering import answer
from vlm_ros.grounding.case import Case
from vlm_ros.grounding.comparison import compare
from vlm_ros.grounding.evidence import count_confidence, Finding
from vlm_ros.grounding.pairs import LEFT, More, Of, parse_pair, Part, RIGHT
from vlm_ros.grounding.tallies import joined, Tally
from vlm_ros.inflection import with_article
from vlm_ros.language.meaning import Comparison, Kind, Question
from vlm_ros.language.questions import parse
from vlm_ros.language.wording import plain_text
from vlm_ros.results import Detections, Status, Truth, Verdict
from vlm_ros.spatial import all_of, any_of

NO_STATEMENT = 'this asks for something; give a statement that can be true or false'
NOT_UNDERSTOOD = 'cannot tell: boxes do not show what is said of the two images'
MakeCase = Callable[[int, str, Question], Case]
"""Makes a case of one of the images, of a question in words and of what it means."""


def verify_one(statement: str, make_case: Callable[[str, Question], Case]) -> Verdict:
    """Tell whether a statement about one image holds."""
    question = parse(statement)
    asks = (Kind.COUNT, Kind.LOCATION, Kind.INVENTORY, Kind.ATTRIBUTE)
    which = question.kind is Kind.COMPARISON and not question.yes_no
    if question.kind in asks or which or question.options:
        return Verdict(Truth.UNKNOWN, status=Status.UNSURE, message=NO_STATEMENT)
    told = answer(make_case(_as_question(statement), question.as_yes_no()))
    truth = {'yes': Truth.TRUE, 'no': Truth.FALSE}.get(told.text, Truth.UNKNOWN)
    if told.status is Status.OK and truth is Truth.UNKNOWN:
        message = f'the answer was {told.text!r}, which is neither yes nor no'
        return Verdict(truth, 0.0, told.evidence, Status.UNSURE, message)
    return Verdict(truth, told.confidence, told.evidence, told.status, told.message)


def _as_question(statement: str) -> str:
    if statement.split(' ', 1)[0].casefold() in lexicon.AUXILIARIES:
        return statement
    return f'Is it true that {statement.rstrip(" .!?")}?'


@dataclass
class PairCase:
    """One statement about a pair of images, and what each of them shows of it.

    Attributes:
        statement: The statement.
        make_case: Makes a case of one of the images.
    """

    statement: str
    make_case: MakeCase

    def __post_init__(self) -> None:
        self._shown: dict[int, list[Detections]] = {LEFT: [], RIGHT: []}
        self._reason = ''

    def verify(self) -> Verdict:
        """Tell whether the statement holds, image by image."""
        plain = plain_text(self.statement)
        read = parse_pair(plain)
        if isinstance(read, More):
            truth, confidence = self._compare(read)
        else:
            truth, confidence = self._judge_all(read) if read is not None else (None, 0.0)
        left, right = (joined(self._shown[side]) for side in (LEFT, RIGHT))
        if truth is None:
            message = self._reason or NOT_UNDERSTOOD
            return Verdict(Truth.UNKNOWN, 0.0, left, Status.UNSURE, message, right)
        return Verdict(
            Truth.TRUE if truth else Truth.FALSE, confidence, left, other_evidence=right
        )

    def _judge_all(self, parts: Sequence[Part]) -> tuple[bool | None, float]:
        if parts[-1].of is not Of.OTHER:
            return _both([self._judge(part) for part in parts])
        # One image shows a dog and the other a cat: whichever is the one.
        ways = [
            _both(
                [self._judge(replace(part, of=of)) for part, of in zip(parts, sides, strict=True)]
            )
            for sides in ((Of.LEFT, Of.RIGHT), (Of.RIGHT, Of.LEFT))
        ]
        truth = any_of([truth for truth, _ in ways])
        deciding = [sure for holds, sure in ways if holds is truth]
        return truth, max(deciding) if truth else min(deciding)

    def _judge(self, part: Part) -> tuple[bool | None, float]:
        if part.of is Of.TOGETHER:
            return self._count_together(part.text)
        truth, confidence = pairs.holds(part.of, lambda side: self._find(side, part.text))
        if truth is None and not self._reason:
            self._reason = _AMBIGUOUS.get(part.of, '')
        return (not truth if part.denied and truth is not None else truth), confidence

    def _find(self, side: int, text: str) -> Finding:
        verdict = verify_one(text, lambda words, meant: self.make_case(side, words, meant))
        self._shown[side].append(verdict.evidence)
        if verdict.truth is Truth.UNKNOWN:
            self._reason = self._reason or f'in the {_name(side)} image: {verdict.message}'
            return Finding(None, reason=verdict.message)
        return Finding(verdict.truth is Truth.TRUE, verdict.confidence, verdict.evidence)

    def _tallies(self, question: Question) -> list[list[Tally]] | None:
        """Count the things of a question in each image; None where one cannot be looked at."""
        rows = []
        for side in (LEFT, RIGHT):
            case = self.make_case(side, self.statement, question)
            failure = case.prepare()
            if failure is not None:
                self._reason = self._reason or f'in the {_name(side)} image: {failure.message}'
                return None
            row = [case.tally(thing) for thing in case.question.things]
            self._shown[side] += [counted.sure for counted in row]
            rows.append(row)
        return rows

    def _count_together(self, text: str) -> tuple[bool | None, float]:
        """Tell whether there are as many things as are said to be, in both images together."""
        question = parse(text)
        things = question.things
        countable = question.kind is Kind.EXISTENCE and not question.either
        if not countable or any(thing.generic or thing.presupposed for thing in things):
            return None, 0.0
        rows = self._tallies(question)
        if rows is None:
            return None, 0.0
        truths = []
        for thing, counted in zip(things, zip(*rows, strict=True), strict=True):
            low, high = sum(t.low for t in counted), sum(t.high for t in counted)
            most = float('inf') if thing.high is None else thing.high
            fits = True if low >= thing.low and high <= most else None
            truths.append(False if high < thing.low or low > most else fits)
        truth = all_of(truths)
        if truth is None:
            self._reason = self._reason or 'cannot tell: there may be more, or fewer, of them'
            return None, 0.0
        return truth, min(count_confidence(counted) for row in rows for counted in row)

    def _compare(self, more: More) -> tuple[bool | None, float]:
        question = parse(f'how many {more.name} are there?')
        if question.kind is not Kind.COUNT or len(question.things) != 1:
            return None, 0.0
        rows = self._tallies(question)
        if rows is None:
            return None, 0.0
        first = LEFT if more.first is None else more.first
        compared = compare(Comparison('count', more.operator), rows[first][0], rows[1 - first][0])
        operators = [more.operator]
        if more.first is None and more.operator != '==':
            operators = ['<', '>']
        truth = any_of([compared.holds(operator) for operator in operators])
        if more.first is None and more.operator != '==' and 0 not in compared.orders:
            truth = True
        if more.operator == '==' and not any(row[0].high for row in rows):
            self._reason = f'neither image shows {with_article(rows[0][0].sighting.name)}'
            return None, 0.0
        self._reason = self._reason or compared.reason
        return truth, compared.confidence if truth is not None else 0.0


def agreed(boxes: Verdict, told: Verdict) -> Verdict:
    """Put together what boxes and a model say of a pair; where they differ, nobody knows."""
    if boxes.truth is Truth.UNKNOWN or told.truth is Truth.UNKNOWN:
        best = boxes if told.truth is Truth.UNKNOWN else told
        return replace(best, evidence=boxes.evidence, other_evidence=boxes.other_evidence)
    if boxes.truth is told.truth:
        return replace(boxes, confidence=max(boxes.confidence, told.confidence))
    message = f'the model says {told.truth.name}, but boxes show that it is {boxes.truth.name}'
    return replace(
        boxes, truth=Truth.UNKNOWN, confidence=0.0, status=Status.UNSURE, message=message
    )


_AMBIGUOUS = {
    Of.ONE: 'both images show it, and one was spoken of',
    Of.UNCLEAR: 'it holds of one image, and both were spoken of: say `neither` or `at least one`',
}


def _both(rows: Sequence[tuple[bool | None, float]]) -> tuple[bool | None, float]:
    """Join by `and`, with how sure each is."""
    truth = all_of([holds for holds, _ in rows])
    deciding = [sure for holds, sure in rows if holds is truth and holds is not None]
    return truth, min(deciding, default=0.0) if truth else max(deciding, default=0.0)


def _name(side: int) -> str:
    return ('left', 'right')[side]
