"""What a statement says of a pair of images, as in NLVR2 (arXiv 1811.00491).

`parse_pair` reads which of the images a statement speaks of (`the left image`, `both images`, `one
of the images`, `more ... than in the right image`) and leaves what it says of them to
`questions.parse`. What fits no pattern is understood by nobody here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import enum
import itertools
import re

from vlm_ros.grounding.evidence import Finding
from vlm_ros.spatial import all_of

LEFT, RIGHT = 0, 1
_IMAGE = r'(?:image|picture|photo|photograph|frame|view|camera)'
_SHOWS = (
    r'(?:shows?|contains?|has|have|depicts?|features?|includes?|displays?|sees?'
    r'|(?:is|are) (?:of|showing)|with)'
)


class Of(enum.Enum):
    """Of how many of the two images something is said."""

    LEFT = 'left'
    RIGHT = 'right'
    BOTH = 'both'
    NEITHER = 'neither'
    EXACTLY_ONE = 'exactly one'
    ONE = 'one'
    """One of them: of two, nobody knows whether that is meant."""
    ANY = 'any'
    TOGETHER = 'together'
    """Of both of them as if they were one."""


@dataclass(frozen=True)
class Part:
    """A part of a statement: what is said, and of which images."""

    of: Of
    text: str


@dataclass(frozen=True)
class More:
    """A statement that one image holds more, fewer or as many of something as the other.

    Attributes:
        name: What is counted, as text.
        first: The image that is compared.
        operator: `>`, `<` or `==`.
    """

    name: str
    first: int
    operator: str


_SUBJECTS: tuple[tuple[Of, str], ...] = (
    (Of.LEFT, rf'the (?:left(?:most|-hand)?|first) {_IMAGE}|the {_IMAGE} on the left'),
    (Of.RIGHT, rf'the (?:right(?:most|-hand)?|second) {_IMAGE}|the {_IMAGE} on the right'),
    (
        Of.BOTH,
        rf'(?:both|each|every|all)(?: of)?(?: the)?(?: two)? {_IMAGE}s?|each one|both of them',
    ),
    (Of.NEITHER, rf'(?:neither|none|no)(?: of the(?: two)?)? {_IMAGE}s?'),
    (
        Of.EXACTLY_ONE,
        rf'(?:exactly|only|just) (?:one|a single)(?: of the(?: two)?)? {_IMAGE}s?',
    ),
    (
        Of.ANY,
        rf'at least one(?: of the(?: two)?)? {_IMAGE}s?|(?:either|any)(?: of the)? {_IMAGE}s?',
    ),
    (Of.ONE, rf'one(?: of the(?: two)?)? {_IMAGE}s?|an? {_IMAGE}'),
    (
        Of.TOGETHER,
        rf'the (?:two |pair of )?{_IMAGE}s(?: together)?',
    ),
)
_FORMS: tuple[tuple[re.Pattern[str], Of], ...] = tuple(
    (re.compile(pattern), of)
    for of, words in _SUBJECTS
    for pattern in (
        # `the left image shows a dog`, `both images have exactly two cups`
        rf'^(?:{words}) {_SHOWS} (?P<rest>.+)$',
        # `in the left image , a dog is left of a cat`, `in both images there is a dog`
        rf'^(?:in|on|of) (?:{words}) ?,? (?P<rest>.+)$',
        # `there is exactly one image with a cat`
        rf'^there (?:is|are) (?:{words}) (?:{_SHOWS}|(?:that|which) {_SHOWS}) (?P<rest>.+)$',
        # `there are two dogs in the left image`
        rf'^(?P<rest>.+) (?:in|on|of) (?:{words})$',
    )
)
_MORE = re.compile(
    r'^(?:there (?:are|is) )?(?P<operator>more|fewer|less|as many|the same number of)'
    r' (?P<name>.+?)(?: (?:in|on) (?P<first>.+?))? (?:than|as)(?: (?:in|on))? (?P<second>.+)$'
)
_MORE_SHOWN = re.compile(
    rf'^(?P<first>.+?) {_SHOWS} (?P<operator>more|fewer|less|as many|the same number of)'
    r' (?P<name>.+?) (?:than|as)(?: in)? (?P<second>.+)$'
)
_SIDES = {of: re.compile(rf'^(?:{words})$') for of, words in _SUBJECTS[:2]}
_MAX_JOINS = 8
_JOIN = re.compile(r'(?: ,)?(?: and| while| but| whereas)(?= )| ,')


def parse_pair(plain: str) -> tuple[Part, ...] | More | None:
    """Read what a statement says of which image; None where no image is named.

    Args:
        plain: As `wording.plain_text` makes it.
    """
    more = _read_more(plain)
    if more is not None:
        return more
    for match in itertools.islice(_JOIN.finditer(plain), _MAX_JOINS):
        first, second = (
            _read_part(plain[: match.start()].strip(' ,')),
            _read_part(plain[match.end() :].strip(' ,')),
        )
        if first is not None and second is not None:
            return first, second
    part = _read_part(plain)
    return None if part is None else (part,)


def _read_part(plain: str) -> Part | None:
    for pattern, of in _FORMS:
        match = pattern.match(plain)
        if match:
            return Part(of, match['rest'].strip(' ,'))
    return None


def _read_more(plain: str) -> More | None:
    for pattern in (_MORE, _MORE_SHOWN):
        match = pattern.match(plain)
        if match is None:
            continue
        first, second = _side(match['first'] or ''), _side(match['second'])
        if second is None or (first is None and match['first']) or first == second:
            continue
        words = match['operator']
        operator = '>' if words == 'more' else '<' if words in ('fewer', 'less') else '=='
        return More(match['name'], 1 - second if first is None else first, operator)
    return None


def _side(text: str) -> int | None:
    for of, pattern in _SIDES.items():
        if pattern.match(text):
            return LEFT if of is Of.LEFT else RIGHT
    return None


def holds(of: Of, find: Callable[[int], Finding]) -> tuple[bool | None, float, Sequence[int]]:
    """Tell whether something is true of as many of the images as is said.

    Args:
        of: Of how many.
        find: Says whether it is true of one of them.

    Returns:
        The truth, how sure it is, and the images it rests on.
    """
    if of in (Of.LEFT, Of.RIGHT):
        side = LEFT if of is Of.LEFT else RIGHT
        finding = find(side)
        return finding.truth, finding.confidence, (side,)
    findings = [find(LEFT), find(RIGHT)]
    truths = [finding.truth for finding in findings]
    truth = _quantified(of, truths)
    if truth is None:
        return None, 0.0, (LEFT, RIGHT)
    return truth, min(f.confidence for f in findings if f.truth is not None), (LEFT, RIGHT)


def _quantified(of: Of, truths: Sequence[bool | None]) -> bool | None:
    if of is Of.BOTH:
        return all_of(truths)
    if of is Of.NEITHER:
        return all_of([None if truth is None else not truth for truth in truths])
    if of is Of.ANY:
        return True if True in truths else None if None in truths else False
    if None in truths:
        return False if of is Of.EXACTLY_ONE and truths.count(True) > 1 else None
    count = truths.count(True)
    if of is Of.ONE and count > 1:
        return None
    return count == 1
