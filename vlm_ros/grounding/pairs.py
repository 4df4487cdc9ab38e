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
from vlm_ros.spatial import all_of, unanimous

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
    OTHER = 'other'
    """The one that is left after `ONE`."""
    ANY = 'any'
    UNCLEAR = 'both, or one of them'
    """What is denied of both: nobody knows whether it is denied of each."""
    TOGETHER = 'together'
    """Of both of them as if they were one."""


@dataclass(frozen=True)
class Part:
    """A part of a statement.

    Attributes:
        of: Of which images something is said.
        text: What is said.
        denied: Whether it is said not to hold: `but not in the right image`.
    """

    of: Of
    text: str
    denied: bool = False


@dataclass(frozen=True)
class More:
    """A statement that one image holds more, fewer or as many of something as the other.

    Attributes:
        name: What is counted, as text.
        first: The image that is compared; None for either of them.
        operator: `>`, `<` or `==`.
    """

    name: str
    first: int | None
    operator: str


_SUBJECTS: tuple[tuple[Of, str], ...] = (
    (
        Of.LEFT,
        rf'the (?:left(?:most|-hand)?|first) (?:{_IMAGE}|one)|the (?:{_IMAGE}|one) on the left',
    ),
    (
        Of.RIGHT,
        rf'the (?:right(?:most|-hand)?|second) (?:{_IMAGE}|one)|the (?:{_IMAGE}|one) on the right',
    ),
    (Of.OTHER, rf'the other(?: {_IMAGE}| one)?'),
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
_SIDES = {
    of: re.compile(rf'^(?:{words})$')
    for of, words in _SUBJECTS
    if of in (Of.LEFT, Of.RIGHT, Of.OTHER, Of.ONE)
}
# `but not in the right image`, `and the other does not`: of what was said of the one before.
_SAME_AGAIN = tuple(
    (re.compile(pattern), of)
    for of, words in _SUBJECTS
    for pattern in (
        rf'^(?P<not>not )?(?:in|on|of) (?:{words})$',
        rf'^(?:{words}) (?:does|do|is|has|have)(?P<not> not)?$',
    )
)
_EITHER = re.compile(rf'\b(?:either|any)(?: of the)? {_IMAGE}s?')
_DENIAL = re.compile(r'\b(?:no|not|none|nobody|nothing|never|neither|nor|without)\b')
_DENIES = re.compile(r'(?:there (?:is|are|was|were) )?(?:no|not|nobody|nothing)\b')
_MENTION = re.compile(r'\b(?:images?|pictures?|photos?|photographs?|frames?)\b')
_SIDE = re.compile(
    rf'\b(?:left|right|first|second|other|both|either|each|neither) {_IMAGE}s?\b'
    r'|\bthe (?:other|(?:left|right|first|second) one)\b'
)
_LOGIC = re.compile(r'\b(?:if|unless|only if|whether|or (?:in|on) )\b')
_MAX_JOINS = 8
_JOIN = re.compile(r'(?: ,)?(?: and| while| but| whereas)(?= )| ,')


def parse_pair(plain: str) -> tuple[Part, ...] | More | None:
    """Read what a statement says of which image.

    Args:
        plain: As `wording.plain_text` makes it.

    Returns:
        The parts, of both images together where none is named; None where it is not understood.
    """
    if _LOGIC.search(plain):
        return None
    more = _read_more(plain)
    if more is not None:
        return more
    for match in itertools.islice(_JOIN.finditer(plain), _MAX_JOINS):
        first = _read_part(plain[: match.start()].strip(' ,'))
        rest = plain[match.end() :].strip(' ,')
        second = _read_again(rest, first) or _read_part(rest) if first is not None else None
        if first is not None and second is not None:
            # `the other` is nobody's without the one.
            return (first, second) if (second.of is Of.OTHER) <= (first.of is Of.ONE) else None
    part = _read_part(plain)
    if part is None and not _MENTION.search(plain):
        part = Part(Of.TOGETHER, plain)
    return None if part is None or part.of is Of.OTHER else (part,)


def _read_part(plain: str) -> Part | None:
    for pattern, of in _FORMS:
        match = pattern.match(plain)
        if match:
            rest = match['rest'].strip(' ,')
            meant = _under_denial(of, match) if _DENIAL.search(rest) else of
            # `the dog in the left image is left of the cat in the right image`
            return None if meant is None or _SIDE.search(rest) else Part(meant, rest)
    return None


def _under_denial(of: Of, match: re.Match[str]) -> Of | None:
    """Return of which images a denial is: `no dog in either image` is of both."""
    start, end = match.span('rest')
    either = _EITHER.search(match.string[:start] + match.string[end:])
    if start:  # `both images show no dog`
        return Of.UNCLEAR if either else of
    if either:
        return Of.BOTH if _DENIES.match(match['rest']) else Of.UNCLEAR
    if of is Of.BOTH:
        return Of.UNCLEAR
    return None if of in (Of.NEITHER, Of.EXACTLY_ONE) else of


def _read_again(plain: str, first: Part | None) -> Part | None:
    for pattern, of in _SAME_AGAIN:
        match = pattern.match(plain)
        if match and first is not None:
            return Part(of, first.text, denied=bool(match['not']))
    return None


def _read_more(plain: str) -> More | None:
    for pattern in (_MORE, _MORE_SHOWN):
        match = pattern.match(plain)
        if match is None:
            continue
        first, second = _side(match['first'] or ''), _side(match['second'])
        if match['first'] is None:
            first = {Of.LEFT: Of.RIGHT, Of.RIGHT: Of.LEFT}.get(second) if second else None
        if (first, second) not in _COMPARED:
            continue
        words = match['operator']
        operator = '>' if words == 'more' else '<' if words in ('fewer', 'less') else '=='
        sides = {Of.LEFT: LEFT, Of.RIGHT: RIGHT}
        return More(match['name'], sides.get(first) if first else None, operator)
    return None


_COMPARED = frozenset(
    {
        (Of.LEFT, Of.RIGHT),
        (Of.RIGHT, Of.LEFT),
        (Of.LEFT, Of.OTHER),
        (Of.RIGHT, Of.OTHER),
        (Of.ONE, Of.OTHER),
    }
)


def _side(text: str) -> Of | None:
    return next((of for of, pattern in _SIDES.items() if pattern.match(text)), None)


def holds(of: Of, find: Callable[[int], Finding]) -> tuple[bool | None, float]:
    """Tell whether something is true of as many of the images as is said.

    Args:
        of: Of how many.
        find: Says whether it is true of one of them.

    Returns:
        The truth, and how sure it is.
    """
    if of in (Of.LEFT, Of.RIGHT):
        side = LEFT if of is Of.LEFT else RIGHT
        finding = find(side)
        return finding.truth, finding.confidence
    findings = [find(LEFT), find(RIGHT)]
    truths = [finding.truth for finding in findings]
    truth = _quantified(of, truths)
    if truth is None:
        return None, 0.0
    return truth, min(f.confidence for f in findings if f.truth is not None)


def _quantified(of: Of, truths: Sequence[bool | None]) -> bool | None:
    if of is Of.BOTH:
        return all_of(truths)
    if of is Of.NEITHER:
        return all_of([None if truth is None else not truth for truth in truths])
    if of is Of.ANY:
        return True if True in truths else None if None in truths else False
    if of is Of.UNCLEAR:
        return unanimous(truths)
    if None in truths:
        return False if of is Of.EXACTLY_ONE and truths.count(True) > 1 else None
    count = truths.count(True)
    if of is Of.ONE and count > 1:
        return None
    return count == 1
