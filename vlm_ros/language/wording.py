"""The wording of a question around what it asks: courtesies, `in the picture`, `can you tell me`.

Also which texts are no English.
"""

import re
from typing import NamedTuple
import unicodedata

from vlm_ros import lexicon
from vlm_ros.tokens import tokens

_IS_BEFORE = frozenset(
    'what where who there it that this here how he she when why which everything something'.split()
)
_WRITTEN_OUT = {"'re": 'are', "'m": 'am', "'ve": 'have', "'ll": 'will', "'d": 'would'}
_EITHER = re.compile(r'\band/or\b|/', re.IGNORECASE)
_MEANT = (
    (re.compile(r'\b(?:anyone|anybody|someone|somebody)\b'), 'a person'),
    (re.compile(r'\b(?:nobody|no one|no-one)\b'), 'no person'),
    (re.compile(r'\b(?:everyone|everybody)(?: else)?\b'), 'the people'),
    (re.compile(r'\b(?:anything|something)\b'), 'a thing'),
    (re.compile(r'\bno longer\b'), 'not'),
    (re.compile(r'(?<=\bwearing )glasses\b'), 'eyeglasses'),
    (re.compile(r'\bnothing\b'), 'no thing'),
    (
        re.compile(
            r'\b(there (?:(?:is|are|was|were) )?(?:no|any)) (?:signs?|traces?|evidence|hints?) of'
            r'(?: an?| any| the)?\b'
        ),
        r'\1',
    ),
)


def plain_text(text: str) -> str:
    """Write a text in lower case, contractions in full, every other mark as a comma."""
    written: list[str] = []
    # Full-width letters are letters, and what is invisible hides no word.
    text = ''.join(
        c for c in unicodedata.normalize('NFKC', text) if unicodedata.category(c) != 'Cf'
    )
    words = tokens(_EITHER.sub(' or ', text))
    for index, token in enumerate(words):
        if token.after_mark and written:
            written.append(',')
        following = words[index + 1].word if index + 1 < len(words) else ''
        if token.word == "'s" and written:
            verb = written[-1] in _IS_BEFORE or _follows_is(following)
            if verb:
                written.append('is')
            else:
                written[-1] += "'s"
        else:
            written.append(_WRITTEN_OUT.get(token.word, token.word))
    plain = ' '.join(written)
    for pattern, replacement in _MEANT:
        plain = pattern.sub(replacement, plain)
    return plain


def _follows_is(word: str) -> bool:
    # `the cat's on the sofa`, but `the cat's red collar`.
    return (
        word in lexicon.PREPOSITIONS
        or word in lexicon.ARTICLES | lexicon.DEFINITES | {'not'}
        or (lexicon.is_participle(word) and word.endswith('ing'))
    )


IMAGE = (
    r'(?:picture|image|photo|photograph|scene|view|frame|video|camera (?:image|view|feed|picture)'
    r'|feed|shot|screenshot|snapshot|field of view|room|area|environment|surroundings|workspace'
    r'|vicinity)'
)
"""Words for the picture as a whole, as a pattern."""
THE = r'(?:the|this|that|your|my|our|its|these|those)'
"""What introduces what is known."""
EYES = r'(?:you|i|we|the robot|the camera|the model|they|one)'
"""Who looks."""
SEE = (
    r'(?:see|seen|spot|spotted|detect|detected|notice|noticed|recogni[sz]e|make out|identify'
    r'|observe|observed|perceive|have|find|found|locate|view)'
)
SHOW = r'(?:show|contain|depict|include|have|has|display|feature)s?'
# What says only that the picture is meant.
_VIEW = re.compile(
    rf'\b(?:(?:in|on|of|from|within|inside|at|to|through|for) {THE} (?:current |whole |entire '
    rf'|given |same )?{IMAGE}s?|in (?:sight|view|shot|frame)|in front of (?:you|me|us|the camera'
    r'|the robot)|ahead of (?:you|me|us|the robot)|(?:right )?now|at the moment|at present'
    r'|currently|at all|(?:over |right )?here|around (?:you|us|me)|please|anywhere|for me'
    r'|nearby$|around$|any ?more$|any longer|on camera|at this (?:moment|time)|yes or no|in total'
    r'|altogether|overall'
    r'|in (?:full |great |more )?detail|briefly|or not$'
    r'|in (?:an?|one|two|three|a few) (?:short |single )?(?:words?|sentences?))\b'
)
_COURTESIES = (
    r'please|hey|hi|hello|ok|okay|so|well|and|now|then|robot|excuse me|thanks|question|never mind'
    r'|forget (?:about )?(?:it|that)(?= ,)'
)
_ASKS = (
    r'tell me'
    r'|let me know|say|answer(?: with)?(?: only)?|do you think'
    r'|do you know(?= (?:if|whether|what|which|who|where|when|why|how|that)\b)|would you say'
    r'|i wonder|i am wondering|(?:can|could|would|will) you (?:tell|inform) (?:me|us)|look and'
    r'|make sure'
    r'|(?:can|could|would|will) you(?= (?:count|locate|point|show|describe|list|check|find out'
    r'|say)\b)'
    r'|(?:i|we) (?:want|need|would like) to (?:know|find out|see)'
    r'|(?:check|verify|confirm|determine|find out|see|look|examine)(?= (?:if|whether|that)\b)'
    r'|i (?:think|believe|guess|suppose|assume)|it (?:looks like|seems|appears|looks as if)'
    r'|is it (?:true|the case|correct|right|possible)(?= that\b)|it is true(?= that\b)'
    rf'|(?:do|does|did|can|could) (?:not )?{EYES} {SEE}'
    r'(?= (?:what|who|where|how|which|if|whether|that) )'
    r'|according to the (?:image|picture|photo)|based on the (?:image|picture|photo)'
)
_OPENERS = re.compile(rf'^(?:{_COURTESIES}|(?P<asks>{_ASKS}))(?: |$)')
# `isn't there?`, `right?` after a statement.
_TAG = re.compile(
    r' ,(?: (?:is|are|do|does|can|was|were|has|have)(?: not)? (?:it|there|he|she|they|you|that)'
    r'| right| correct| ok| okay| yes| no| true| or)$'
)
_EMBEDDED = re.compile(r'^(?:if|whether|that) ')
# Grammar words of other languages in Latin script that are no English words.
_FOREIGN = frozenset(
    'der das ist ein eine einen wo und nicht gibt es wie viele sind welche farbe auf'
    ' dem den le la les un une est que el los las una hay donde dónde qué quel quelle'
    ' où il combien cuántos cuantos en et y de del dov dove quanti sono che è het een'
    ' hoeveel waar zijn er onde há está esta quantos o um uma gdzie jest co ile nerede'
    ' var kaç hvor er en et mange finns var hur många missä onko montako mitä sur dans'
    ' vois vedi ves siehst du voyez'.split()
) - frozenset({'a'})

# Those that are English words as well, so that they tell nothing.
_SHARED = frozenset(
    'a an in on is was am so me no he as to do i we be all at or it of by my'.split()
)


class Core(NamedTuple):
    """What is left of a text without the words around it.

    Attributes:
        text: The rest, as `plain_text`.
        in_view: Whether `in the picture` or the like was taken off.
        embedded: Whether it was a clause after `whether` or `if`.
    """

    text: str
    in_view: bool
    embedded: bool


def core_of(plain: str) -> Core:
    """Take off what only says that somebody asks, or that the picture is meant."""
    stripped = _VIEW.sub(' ', plain)
    rest = _tidy(_TAG.sub('', _tidy(stripped)))
    asks = False
    while match := _OPENERS.match(rest):
        asks = asks or match['asks'] is not None
        rest = _tidy(rest[match.end() :])
    embedded = _EMBEDDED.match(rest)
    if embedded and (asks or embedded[0] != 'if '):  # `if there is a dog, ...` is no question
        return Core(rest[embedded.end() :], stripped != plain, embedded=True)
    return Core(rest, stripped != plain, embedded=False)


def is_english(plain: str) -> bool:
    """Tell whether a text reads as English: Latin letters and no other language's grammar."""
    words = plain.replace(',', ' ').split()
    if not all(lexicon.is_latin(word) for word in words):
        return False
    known = (lexicon.BREAKS | lexicon.DETERMINERS) - _FOREIGN - _SHARED
    return _FOREIGN.isdisjoint(words) or not known.isdisjoint(words)


def _tidy(text: str) -> str:
    return ' '.join(text.split()).strip(' ,')
