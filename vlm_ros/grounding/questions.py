"""What a question or a statement about an image asks for.

`parse` reads English by patterns: an opening tells the kind (`how many`, `where is`, `is there`),
noun phrases tell the things, and what is left over is a condition that boxes can show (a relation,
a part of the picture) or one that they cannot (`open`, `wearing a hat`). A text that fits no
pattern is open: only the things it takes for granted are known. Nothing is guessed, so an unknown
way of asking makes an open question, not a wrong one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
import enum
import re

from vlm_ros import lexicon
from vlm_ros.grounding.clauses import (
    Condition,
    described,
    is_definite,
    read_condition,
    read_things,
    shorter_name,
    split_subject,
    Thing,
)
from vlm_ros.grounding.wording import (
    core_of,
    disregards_image,
    IMAGE,
    is_english,
    plain_text,
    THE,
)
from vlm_ros.phrases import noun_phrases, Phrase


class Kind(enum.Enum):
    """What sort of answer is asked for."""

    EXISTENCE = 'existence'
    """Yes or no: is something there, at a place, so many times."""
    CHOICE = 'choice'
    """Which of the things it is, or which of the options: `is it a cat or a dog?`."""
    COUNT = 'count'
    ATTRIBUTE = 'attribute'
    """What an attribute of the things is: `what colour is the car?`."""
    COMPARISON = 'comparison'
    """How two things compare: `are there more dogs than cats?`."""
    LOCATION = 'location'
    INVENTORY = 'inventory'
    """What is there, in all or at a place."""
    OPEN = 'open'
    """Anything else."""
    REFUSED = 'refused'
    """An order to disregard the image, or a question that no image answers."""


@dataclass(frozen=True)
class Comparison:
    """How the first thing is said to compare with the second.

    Attributes:
        measure: `count`, `size`, `width` or `height`.
        operator: `>`, `<` or `==`; where it is asked which, the one wanted is the one of which it
            holds.
    """

    measure: str
    operator: str


@dataclass(frozen=True)
class Question:
    """What a text asks for.

    Attributes:
        kind: What sort of answer.
        things: What it asks about; for an open question, all that it names.
        either: Whether one of the things is enough for a yes.
        condition: What is said of the things.
        yes_no: Whether yes or no answers it; a comparison without it asks which.
        english: Whether the text reads as English at all.
        attribute: What is asked of the things: `colour`, `size`, `material`, `shape`; only for
            `ATTRIBUTE`.
        options: The values that a choice is between, `red` and `blue` in `is the car red or
            blue?`; empty where it is between the things.
        comparison: How the two things compare; only for `COMPARISON`.
        window_s: How far back the question reaches, as in `in the last 5 seconds`; 0 for the
            image alone.
        unseen: Whether it is refused because no image can show the answer (`what time is it in
            Tokyo?`), rather than because it orders one. Whoever answers without a guard may pass
            it on.
    """

    kind: Kind
    things: tuple[Thing, ...] = ()
    either: bool = False
    condition: Condition = field(default_factory=Condition)
    yes_no: bool = False
    english: bool = True
    attribute: str = ''
    options: tuple[str, ...] = ()
    comparison: Comparison | None = None
    window_s: float = 0.0
    unseen: bool = False

    @property
    def negated(self) -> bool:
        """Whether it asks for the opposite of something, so that yes and no would mislead."""
        return self.condition.negated or any(thing.high == 0 for thing in self.things)

    def as_yes_no(self) -> 'Question':
        """Read the question as a statement that holds or does not."""
        kind = Kind.EXISTENCE if self.kind is Kind.CHOICE else self.kind
        return replace(self, kind=kind, yes_no=True)


_YES_NO = re.compile(
    r'^(?:is|are|was|were|am|do|does|did|has|have|can|could|will|would|should|may|might) '
)
_SEE = (
    r'(?:see|spot|detect|notice|recognize|recognise|make out|identify|observe|perceive|have|find'
    r'|locate|view)'
)
_EYES = r'(?:you|i|we|the robot|the camera|the model|they|one)'
_SHOW = r'(?:show|contain|depict|include|have|has|display|feature)s?'
_GENERIC = (
    r'(?:all )?(?:the )?(?:different )?(?:(?:kinds?|types?) of )?(?:objects?|things?|items?)'
)


def parse(text: str) -> Question:
    """Read what a question or a statement asks for; what is not understood is open."""
    plain = plain_text(text)
    if not is_english(plain):
        return Question(Kind.OPEN, english=False)
    if disregards_image(plain):
        return Question(Kind.REFUSED)
    return _parse_plain(plain)


def _parse_plain(plain: str) -> Question:
    core = core_of(plain)
    for pattern, read in _FORMS:
        match = pattern.match(core.text)
        question = read(match, core.in_view) if match else None
        if question is not None:
            return question
    yes_no = core.embedded or bool(_YES_NO.match(core.text))
    return _open(core.text, yes_no=yes_no and ' or ' not in core.text)


def _existence(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `a dog`, `two cups and a plate`, `a cup on the table`, `a red car on the left`."""
    split = split_subject(match['rest'])
    if split is None or any(thing.name in lexicon.ABSTRACT for thing in split[0].things):
        return None
    (things, either), rest = split
    # To ask for the dog is not to take it for granted.
    things = tuple(replace(thing, presupposed=False, shorter='') for thing in things)
    question = Question(Kind.EXISTENCE, things, either, read_condition(rest), yes_no=True)
    return _denied(question, match.groupdict().get('not'))


def _denied(question: Question, negation: str | None) -> Question | None:
    """Turn `there is not a dog` into `there are no dogs`; other negations stay open."""
    if not negation:
        return question
    if len(question.things) == 1 and question.things[0].low == 1:
        return replace(question, things=(replace(question.things[0], low=0, high=0),))
    return None


def _see(match: re.Match[str], in_view: bool) -> Question | None:
    if re.match(r'(?:what|who|where|how|which|if|whether|that) ', match['rest']):
        return _parse_plain(match['rest'])
    return _existence(match, in_view)


def _this_is(match: re.Match[str], in_view: bool) -> Question | None:
    question = _existence(match, in_view)
    if question is None or question.negated or not question.either:
        return question
    return replace(question, kind=Kind.CHOICE, yes_no=False)


def _does(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `does anybody wear a helmet`; what else somebody may do stays open."""
    question = _predication(match, False)
    return question if question is not None and question.condition.references else None


def _names(match: re.Match[str], in_view: bool) -> Question | None:
    """Read a text without a finite verb: `dogs`, `a cup on a table`, `a man riding a horse`."""
    question = _existence(match, in_view)
    if question is None:
        return None
    words = match['rest'].split()
    if question.things[0].generic:
        return None
    if not _CLAUSE_WORDS.isdisjoint(words) or (len(words) == 1 and words[0] in lexicon.VERBS):
        return None
    if not question.condition.unchecked:
        return question
    doing = question.condition.unchecked.split(' ', 1)[0]
    described = lexicon.is_participle(doing) or doing in lexicon.PREPOSITIONS
    return question if words[0] in lexicon.DETERMINERS or described else None


_CLAUSE_WORDS = lexicon.AUXILIARIES | {'all', 'each', 'every', 'both'}


_COUNT_TAIL = re.compile(
    r'^(?:that )?(?:(?:are|is|were)(?: there| present| visible| shown| seen)?'
    rf'|(?:do|can|did|could) {_EYES} {_SEE}|(?:can|could) be seen|there are|there is)(?: |$)'
)
_OTHER_CLAUSE = re.compile(r'^(?:do|does|did|has|have|can|could|will|would|should|am|and how)\b')


def _count(match: re.Match[str], in_view: bool) -> Question | None:
    split = split_subject(match['rest'])
    if split is None:
        return None
    (things, _), rest = split
    rest = _COUNT_TAIL.sub('', rest)
    if _OTHER_CLAUSE.match(rest):
        return None
    if any(thing.generic or thing.name in _UNSEEN for thing in things):
        return None
    things = tuple(replace(thing, presupposed=False) for thing in things)
    return Question(Kind.COUNT, things, condition=read_condition(rest))


def _location(match: re.Match[str], in_view: bool) -> Question | None:
    things = read_things(match['rest'])
    if things is None or any(thing.name in lexicon.ABSTRACT for thing in things.things):
        return None
    if any(thing.generic for thing in things.things):
        return None
    named = (replace(thing, presupposed=True, shorter='') for thing in things.things)
    return Question(Kind.LOCATION, tuple(named))


def _inventory(match: re.Match[str], in_view: bool) -> Question | None:
    parts = match.groupdict()
    things = (Thing('person', 'person', plural=True),) if parts.get('who') == 'who' else ()
    condition = read_condition(parts.get('rest') or '')
    if condition.unchecked:
        return None
    references = tuple(replace(thing, presupposed=True) for thing in condition.references)
    return Question(Kind.INVENTORY, things, condition=replace(condition, references=references))


def _predication(match: re.Match[str], in_view: bool) -> Question | None:
    """Read `is the cup left of the laptop`, `the door is open`, `is the dog in view`."""
    split = split_subject(match['rest'])
    if split is None or any(thing.name in _UNSEEN for thing in split[0].things):
        return None
    (things, either), rest = split
    stated = re.match(r'(?:is|are|was|were)(?: |$)', rest)
    # Without words of a predicate, as in `is the door ajar`, one has gone into the name.
    if not rest and not in_view:
        return None
    rest = rest[stated.end() :] if stated else rest
    negation = re.match(r'not(?: |$)', rest)
    rest = rest[negation.end() :] if negation else rest
    if ' or ' in rest:
        parts = [read_condition(part) for part in rest.split(' or ')]
        places = all(part.place is not None for part in parts)
        return Question(Kind.LOCATION, things) if places and not negation else None
    condition = read_condition(rest)
    if condition == Condition():
        things = tuple(replace(thing, presupposed=False) for thing in things)
    elif negation:
        condition = replace(condition, negated=True)
        return Question(Kind.EXISTENCE, things, either, condition, yes_no=True)
    question = Question(Kind.EXISTENCE, things, either, condition, yes_no=True)
    return _denied(question, negation and negation.group())


_UNSEEN = lexicon.ABSTRACT | lexicon.SCENES | lexicon.IMAGE_WORDS


def _is_granted(phrase: Phrase, text: str) -> bool:
    """Tell whether a text takes a phrase's thing for granted: `the cup`, `which cup`, `Tom's`."""
    owner = text[phrase.end :].startswith("'s") and not phrase.determiner
    asked = text[: phrase.start].endswith(('which ', 'whose '))
    return owner or asked or is_definite(phrase)


def _open(rest: str, yes_no: bool) -> Question:
    """Keep of a text that fits no form only what it takes for granted."""
    things: dict[str, Thing] = {}
    granted = False
    for phrase in noun_phrases(rest):
        owned = phrase.determiner == "'s"
        granted = granted if owned else _is_granted(phrase, rest)  # a man's hat, the man's hat
        if granted and phrase.head not in _UNSEEN:
            thing = Thing(
                phrase.head,
                described(phrase),
                presupposed=True,
                plural=phrase.plural,
                shorter=shorter_name(phrase),
            )
            if not thing.generic:
                things.setdefault(phrase.head, thing)
    return Question(Kind.OPEN, tuple(things.values()), yes_no=yes_no)


_Reader = Callable[[re.Match[str], bool], Question | None]


def _form(pattern: str, read: _Reader) -> tuple[re.Pattern[str], _Reader]:
    return re.compile(f'^{pattern}$'), read


_WHAT = rf'(?P<who>what|who|which)(?: else)?(?: {_GENERIC})?'
# In order: the first that matches and whose reader finds its way decides.
_FORMS = (
    _form(
        r'(?:is|are|was|were) (?:not )?there(?: still| also| currently| even| not)* (?P<rest>.+)',
        _existence,
    ),
    _form(
        r'there (?:is|are|was|were|seems? to be|appears? to be|exists?)(?: still| also)*'
        r'(?P<not> not)?(?: still| also)* (?P<rest>.+)',
        _existence,
    ),
    _form(
        rf'(?:do|does|did|can|could) (?:not )?{_EYES}(?: not| actually| really| still| also)*'
        rf' {_SEE} (?P<rest>.+)',
        _see,
    ),
    _form(r'(?:could|might|may|can|would) there (?:not )?be (?P<rest>.+)', _existence),
    _form(r'(?:do|does) (?:not )?(?P<rest>.+)', _does),
    _form(rf'(?:has|have) {_EYES} (?:seen|found|spotted|detected|noticed) (?P<rest>.+)', _see),
    _form(rf'{_EYES}(?: can| could| do| does)?(?P<not> not)? {_SEE}s? (?P<rest>.+)', _existence),
    _form(rf'{THE} {IMAGE} (?:does |do )?(?P<not>not )?{_SHOW} (?P<rest>.+)', _existence),
    _form(rf'(?:does|do|did) {THE} {IMAGE} (?:not )?{_SHOW} (?P<rest>.+)', _existence),
    _form(rf'(?:is|are) (?:this|that|it|these) (?:an? )?{IMAGE}s? of (?P<rest>.+)', _this_is),
    _form(
        rf'(?:this|that|it|these) (?:is|are) (?P<not>not )?(?:an? )?{IMAGE}s? of (?P<rest>.+)',
        _this_is,
    ),
    _form(
        r'(?:is|are) (?:not )?(?:this|that|it|these|those|they) (?P<rest>(?:an?|any|some) .+)',
        _this_is,
    ),
    _form(r'are (?:not )?(?:these|those|they) (?P<rest>.+)', _this_is),
    _form(
        r'(?:this|that|it|these|those|they) (?:is|are) (?P<not>not )?(?P<rest>(?:an?|some) .+)',
        _this_is,
    ),
    _form(r'(?:is there )?any (?:signs?|traces?|evidence) of (?P<rest>.+)', _existence),
    _form(
        r'(?:how many(?: of)?|what is the (?:total |exact )?(?:number|count|amount) of'
        r'|(?:the )?(?:total )?(?:number|count) of|count(?: up)?(?: all)?(?: of)?'
        r'|what number of) (?P<rest>.+)',
        _count,
    ),
    _form(
        rf'where (?:(?:can|could|do|did|would|should) {_EYES} {_SEE}|is|are|was|were)'
        r' (?P<rest>.+?)(?: (?:located|situated|positioned|placed|visible|exactly|to be found))*',
        _location,
    ),
    _form(r'where (?P<rest>.+) (?:is|are)', _location),
    _form(
        r'(?:in|on|at|to) (?:which|what) (?:part|corner|area|half|third|side|region|direction'
        r'|position|location|place) (?:is|are) (?P<rest>.+?)(?: located)?',
        _location,
    ),
    _form(r'(?:what|which) side (?:is|are) (?P<rest>.+) on', _location),
    _form(r'(?:what is )?the (?:location|position|whereabouts|place) of (?P<rest>.+)', _location),
    _form(
        r'(?:find|locate|show(?: me)?|point (?:to|at|out)|search for|look for) (?P<rest>.+)',
        _location,
    ),
    _form(rf'{_WHAT} (?:do|does|can|could|did) {_EYES} {_SEE}(?P<rest> .+)?', _inventory),
    _form(rf'{_WHAT} (?:can|could) be seen(?P<rest> .+)?', _inventory),
    _form(rf'{_WHAT} does (?:{THE} {IMAGE}|this|it) {_SHOW}', _inventory),
    _form(rf'what is (?:in )?{THE} {IMAGE} (?:of|about)', _inventory),
    _form(
        rf'{_WHAT} (?:is|are)'
        r'(?: there| visible| present| shown| seen| the (?:object|thing|item)s?)*(?P<rest> .+)?',
        _inventory,
    ),
    _form(r'what (?:is|are) (?:this|that|it|these|those)', _inventory),
    _form(rf'(?:what )?{_EYES} (?:can )?{_SEE}', _inventory),
    _form(
        r'(?:describe|list|name|report|enumerate)(?: me)?(?: everything| what)?'
        rf'(?: {THE})?(?: {IMAGE}| {_GENERIC})?'
        rf'(?: {_EYES} (?:can )?{_SEE}| is there| there is)?(?P<rest> .+)?',
        _inventory,
    ),
    _form(r'(?:is|are|was|were) (?:not )?(?P<rest>.+)', _predication),
    _form(r'(?P<rest>.+ (?:is|are|was|were)(?: .+)?)', _predication),
    _form(r'(?P<rest>.+)', _names),
)
