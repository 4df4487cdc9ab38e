"""What a question or a statement about an image asks for.

`parse` reads English by patterns: an opening tells the kind (`how many`, `where is`, `is there`),
noun phrases tell the things, and what is left over is a condition that boxes can show (a relation,
a part of the picture) or one that they cannot (`open`, `wearing a hat`). A text that fits no
pattern, or says more than the pattern takes up, is open: only the things it takes for granted are
known. Nothing is guessed, so an unknown way of asking makes an open question, not a wrong one.
"""

from collections.abc import Callable
from dataclasses import replace
import re

from vlm_ros.language import comparison_forms
from vlm_ros.language.coverage import overlooks
from vlm_ros.language.forms import (
    attribute,
    count,
    does,
    existence,
    inventory,
    location,
    names,
    open_question,
    predication,
    statement,
    this_is,
)
from vlm_ros.language.meaning import Comparison, Kind, Question
from vlm_ros.language.refusals import disregards_image, is_unseen
from vlm_ros.language.windows import take_window
from vlm_ros.language.wording import (
    Core,
    core_of,
    EYES,
    IMAGE,
    is_english,
    plain_text,
    SEE,
    SHOW,
    THE,
)
from vlm_ros.phrases import MAX_TEXT_CHARACTERS

__all__ = ['Comparison', 'Kind', 'Question', 'parse']


def parse(text: str) -> Question:
    """Read what a question or a statement asks for; what is not understood is open.

    A text of more than `MAX_TEXT_CHARACTERS`, which is answered nowhere, is open unread.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        return Question(Kind.OPEN)
    plain, window_s, lasting = take_window(plain_text(text))
    if disregards_image(text, plain):
        return Question(Kind.REFUSED)
    if not is_english(plain):
        return Question(Kind.OPEN, english=False, window_s=window_s)
    core = core_of(plain)
    if is_unseen(text, plain, core.text):
        return Question(Kind.REFUSED, unseen=True)
    # What is said of all of a time is not shown by a moment of it.
    question = open_question(core) if lasting else _read(core)
    return replace(question, window_s=window_s)


def _read(core: Core) -> Question:
    for pattern, read in _FORMS:
        match = pattern.match(core.text)
        question = read(match, core.in_view) if match else None
        if question is not None:
            return open_question(core) if overlooks(core.text, question) else question
    return open_question(core)


_Reader = Callable[[re.Match[str], bool], Question | None]


def _form(pattern: str, read: _Reader) -> tuple[re.Pattern[str], _Reader]:
    return re.compile(f'^{pattern}$'), read


_GENERIC = (
    r'(?:all )?(?:the )?(?:different )?(?:(?:kinds?|types?) of )?(?:objects?|things?|items?)'
)
_ASPECT = r'(?P<aspect>colou?rs?|shapes?|sizes?|materials?)'
_NOT_ALL = r'(?!all |every |each |both )'
_MADE = r'(?: made (?:up )?(?:out )?(?:of|from|in|with))'
_WHAT = rf'(?P<who>what|who|which)(?: else)?(?: {_GENERIC})?'
# In order: the first that matches and whose reader finds its way decides.
_FORMS = (
    *(_form(pattern, comparison_forms.counts) for pattern in comparison_forms.COUNTS),
    *(_form(pattern, comparison_forms.sizes) for pattern in comparison_forms.SIZES),
    _form(
        r'(?:(?:is|are|was|were) (?:not )?there|(?:has|have) (?:not )?there been)'
        r'(?: still| also| currently| even| not)* (?P<rest>.+)',
        existence,
    ),
    _form(
        r'there (?:is|are|was|were|has been|have been|seems? to be|appears? to be|exists?)'
        r'(?: still| also)*'
        r'(?P<not> not)?(?: still| also)* (?P<rest>.+)',
        existence,
    ),
    _form(
        rf'(?:do|does|did|can|could) (?:not )?{EYES}(?: not| actually| really| still| also)*'
        rf' {SEE} (?P<rest>.+)',
        existence,
    ),
    _form(r'(?:could|might|may|can|would) there (?:not )?be (?P<rest>.+)', existence),
    _form(r'(?:do|does) (?:not )?(?P<rest>.+)', does),
    _form(rf'(?:has|have) {EYES} (?:seen|found|spotted|detected|noticed) (?P<rest>.+)', existence),
    _form(rf'{EYES}(?: can| could| do| does)?(?P<not> not)? {SEE}s? (?P<rest>.+)', existence),
    _form(rf'{THE} {IMAGE} (?:does |do )?(?P<not>not )?{SHOW} (?P<rest>.+)', existence),
    _form(rf'(?:does|do|did) {THE} {IMAGE} (?:not )?{SHOW} (?P<rest>.+)', existence),
    _form(rf'(?:is|are) (?:this|that|it|these) (?:an? )?{IMAGE}s? of (?P<rest>.+)', this_is),
    _form(
        rf'(?:this|that|it|these) (?:is|are) (?P<not>not )?(?:an? )?{IMAGE}s? of (?P<rest>.+)',
        this_is,
    ),
    _form(
        r'(?:is|are) (?:not )?(?:this|that|it|these|those|they) (?P<rest>(?:an?|any|some) .+)',
        this_is,
    ),
    _form(r'are (?:not )?(?:these|those|they) (?P<rest>.+)', this_is),
    _form(
        r'(?:what|which) (?:is|are) (?:it|this|that|they|these|those) , (?P<rest>.+ or .+)',
        this_is,
    ),
    _form(
        r'(?:this|that|it|these|those|they) (?:is|are) (?P<not>not )?(?P<rest>(?:an?|some) .+)',
        this_is,
    ),
    _form(r'(?:is there )?any (?:signs?|traces?|evidence) of (?P<rest>.+)', existence),
    _form(
        r'(?:how many(?: of)?|what is the (?:total |exact )?(?:number|count|amount) of'
        r'|(?:the )?(?:total )?(?:number|count) of|count(?: up)?(?: all)?(?: of)?'
        r'|what number of) (?P<rest>.+)',
        count,
    ),
    _form(
        rf'where (?:exactly )?(?:(?:can|could|do|did|would|should) {EYES} {SEE}|is|are|was|were)'
        r' (?P<rest>.+?)(?: (?:located|situated|positioned|placed|visible|exactly|to be found))*',
        location,
    ),
    _form(r'where (?P<rest>.+) (?:is|are)', location),
    _form(
        r'(?:in|on|at|to) (?:which|what) (?:part|corner|area|half|third|side|region|direction'
        r'|position|location|place) (?:is|are) (?P<rest>.+?)(?: located)?',
        location,
    ),
    _form(r'(?:what|which) side (?:is|are) (?P<rest>.+) on', location),
    _form(r'(?:what is )?the (?:location|position|whereabouts|place) of (?P<rest>.+)', location),
    _form(
        r'(?:find|locate|show(?: me)?|point (?:to|at|out)|search for|look for) (?P<rest>.+)',
        location,
    ),
    _form(rf'(?:what|which) {_ASPECT} (?:is|are|was|were) (?P<rest>.+?){_MADE}?', attribute),
    _form(rf'(?:what|which) {_ASPECT} (?:does|do|did) (?P<rest>.+) have', attribute),
    _form(rf'(?:what|which) {_ASPECT} (?P<rest>.+) (?:is|are|was|were)', attribute),
    _form(rf'(?:what (?:is|are|was|were) )?the {_ASPECT} of (?P<rest>.+)', attribute),
    _form(rf'what (?:is|are|was|were) (?P<rest>.+){_MADE}', attribute),
    _form(rf'{_WHAT} (?:do|does|can|could|did|have|has) {EYES} {SEE}(?P<rest> .+)?', inventory),
    _form(rf'{_WHAT} (?:can|could) be seen(?P<rest> .+)?', inventory),
    _form(rf'{_WHAT} does (?:{THE} {IMAGE}|this|it) {SHOW}', inventory),
    _form(rf'what is (?:in )?{THE} {IMAGE} (?:of|about)', inventory),
    _form(
        rf'{_WHAT} (?:is|are)'
        r'(?: there| visible| present| shown| seen| the (?:object|thing|item)s?)*(?P<rest> .+)?',
        inventory,
    ),
    _form(r'what (?:is|are) (?:this|that|it|these|those)', inventory),
    _form(rf'(?:what )?{EYES} (?:can )?{SEE}', inventory),
    _form(
        r'(?:describe|list|name|report|enumerate)(?: me)?(?: everything| what)?'
        rf'(?: {THE})?(?: {IMAGE}| {_GENERIC})?'
        rf'(?: {EYES} (?:can )?{SEE}| is there| there is)?(?P<rest> .+)?',
        inventory,
    ),
    _form(rf'(?:is|are|was|were) (?:not {_NOT_ALL})?(?P<rest>.+)', predication),
    _form(r'(?:has|have) (?P<rest>.+ been(?: .+)?)', predication),
    _form(r'(?P<rest>.+ (?:is|are|was|were|has been|have been)(?: .+)?)', statement),
    _form(r'(?P<rest>.+)', names),
)
