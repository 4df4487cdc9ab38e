"""Words put together to the parts of a text that name things.

A chunker of one pass over the words: grammar words, verbs and punctuation end a phrase,
determiners begin one, and what is left between them is a name with its attributes. What words can
be is known from the lists of `lexicon` and, where there are any, from the tags of `tagging`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
import unicodedata

from vlm_ros import lexicon
from vlm_ros.inflection import singular
from vlm_ros.tagging import Tag
from vlm_ros.tokens import Token, tokens

MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True)
class Phrase:
    """A part of a text that names something, without its article or number.

    Attributes:
        text: The phrase as the text has it; `text == source[start:end]`.
        start: Its first character in the source.
        end: The character after its last.
        head: What is named, in the singular and in lower case, such as `traffic light`: a name
            that a `Vocabulary` takes.
        attributes: The describing words before the head, in lower case, such as `red`.
        determiner: What came before the phrase, in lower case: `the`, `a`, `the two`, `no`, `'s`
            for somebody's; empty where nothing did.
        plural: Whether the phrase names several.
    """

    text: str
    start: int
    end: int
    head: str
    attributes: tuple[str, ...] = ()
    determiner: str = ''
    plural: bool = False

    @property
    def name(self) -> str:
        """The attributes and the head: `red traffic light`."""
        return ' '.join((*self.attributes, self.head))

    @property
    def span(self) -> tuple[int, int]:
        """`(start, end)` characters in the source, end exclusive."""
        return self.start, self.end


Tags = Mapping[int, Tag]
"""The tags of words, by where the words end in the text."""
_NO_TAGS: Tags = {}
_ONLY_ATTRIBUTES = lexicon.ATTRIBUTES - lexicon.NOUNS_TOO
# `a muddy road`; what ends otherwise and is on no list mostly tells a kind, as in `solar panel`.
_DESCRIPTIVE = ('y', 'ed', 'en', 'ful', 'less', 'ous', 'ing', 'able', 'ible', 'ive')


def chunk(text: str, tags: Tags = _NO_TAGS) -> tuple[Phrase, ...]:
    """Find the parts of a text that name things, in their order; see `phrases.noun_phrases`."""
    return tuple(_phrases(text, tokens(text), tags))


def _phrases(text: str, words: Sequence[Token], tags: Tags) -> Iterator[Phrase]:
    run: list[Token] = []
    determiners: list[str] = []
    before = ''
    for index, token in enumerate(words):
        role = _role(words, index, run, determiners, before, tags)
        if token.after_mark or role in ('break', 'determiner', 'alone') or _is_alone(run):
            yield from _phrase(text, run, determiners, before, tags)
            if run or token.after_mark or role == 'break':
                determiners = ["'s"] if run and token.word == "'s" else []
            run = []
        if role == 'determiner':
            determiners.append(token.word)
        elif role == 'break':
            before = token.word
        else:
            run.append(token)
    yield from _phrase(text, run, determiners, before, tags)


def _is_alone(run: Sequence[Token]) -> bool:
    return len(run) == 1 and not lexicon.is_latin(run[0].word)


def _role(
    words: Sequence[Token],
    index: int,
    run: Sequence[Token],
    determiners: Sequence[str],
    before: str,
    tags: Tags,
) -> str:
    """Tell what a word does: `name`, `determiner`, `break`, or `alone` for a name by itself."""
    word = words[index].word
    following = _following(words, index)
    if not lexicon.is_latin(word):
        return 'alone'
    if word in lexicon.DETERMINERS or lexicon.number_value(word) is not None:
        return 'determiner'
    if _is_compound(word, following) or (run and _is_compound(run[-1].word, word)):
        return 'name'
    names_next = bool(following) and not _ends_name(following)
    if word in lexicon.POSITIONS:
        return 'name' if names_next and not _is_hand_side(words, index) else 'break'
    if word == 'hand' and index and _is_hand_side(words, index - 1):
        return 'break'
    tag = tags.get(words[index].end)
    if word in lexicon.BREAKS or lexicon.is_adverb(word) or (tag is not None and tag.adverb):
        return 'break'
    if word in lexicon.COLLECTIVES and following == 'of':
        return 'break'
    if following == 'than' and run and word.endswith('er'):
        return 'break'  # `the car redder than the bus`
    if word in lexicon.IMAGE_WORDS and not names_next and not run:
        previous = words[index - 1].word if index else ''
        about_image = previous in ('in', 'of', *lexicon.DEFINITES) and following != 'on'
        return 'break' if about_image else 'name'
    if run and before in lexicon.MODALS and word in lexicon.VERBS:
        return 'break'  # `can the robot pass`, though `the bus pass` is a name
    # Of `bus stop` and `wrist watch` the tagger makes sentences.
    noun_too = word in lexicon.AMBIGUOUS_VERBS
    if noun_too and tag is not None and tag.finite and run and following:
        return 'break'
    if tag is not None and not noun_too and (tag.verb or lexicon.is_participle(word)):
        return 'break' if _is_tagged_verb(tag, run, determiners, names_next) else 'name'
    if _is_verb(words, index, run, determiners, names_next):
        return 'break'
    return 'name'


def _is_tagged_verb(
    tag: Tag, run: Sequence[Token], determiners: Sequence[str], names_next: bool
) -> bool:
    if tag.describing:
        return not names_next  # `a leaking pipe`, but `a pipe leaking`
    return tag.verb and bool(run or not determiners)  # no verb follows `the`


def _following(words: Sequence[Token], index: int) -> str:
    if index + 1 == len(words) or words[index + 1].after_mark:
        return ''
    return words[index + 1].word


def _ends_name(word: str) -> bool:
    """Tell whether a word can be no part of a name, whatever stands around it."""
    return (
        word in lexicon.BREAKS
        or lexicon.is_adverb(word)
        or word in lexicon.DETERMINERS
        or (word in lexicon.CERTAIN_VERBS and word not in lexicon.ATTRIBUTES)
        or lexicon.number_value(word) is not None
    )


def _is_compound(word: str, following: str) -> bool:
    return f'{word} {singular(following)}' in lexicon.COMPOUND_NAMES if following else False


def _is_hand_side(words: Sequence[Token], index: int) -> bool:
    """Tell whether the words from here are `left hand side` or `right hand side`."""
    here = [token.word for token in words[index : index + 3]]
    return here[0] in ('left', 'right') and here[1:] == ['hand', 'side']


def _is_verb(
    words: Sequence[Token],
    index: int,
    run: Sequence[Token],
    determiners: Sequence[str],
    names_next: bool,
) -> bool:
    word, following = words[index].word, _following(words, index)
    previous = words[index - 1].word if index and not words[index].after_mark else ''
    if word in lexicon.NOUNS_IN_ING or word in lexicon.NOUNS_IN_ED:
        # `a parking meter` and `the parking`, but `a man washing a car`.
        return bool(run) and word in lexicon.VERBS and following in lexicon.DETERMINERS
    if lexicon.is_participle(word):
        # `a parked car`, but `a man riding a horse` and `a horse tied up`.
        opens = all(token.word in lexicon.ATTRIBUTES for token in run)
        introduced = determiners or run or not previous or previous in lexicon.PREPOSITIONS
        described = word in lexicon.ATTRIBUTES or word.endswith('ed') or previous
        return not (names_next and opens and introduced and described)
    if word not in lexicon.VERBS or (word in lexicon.ATTRIBUTES and not run):
        return False
    if word in lexicon.CERTAIN_VERBS:
        return True
    # A noun as well: `the wrist watch`, `bus stops`, but `watch the door`, `a bus stops`.
    if run:
        finite = word.endswith('s') and not lexicon.SINGLE.isdisjoint(determiners)
        return finite or following in lexicon.DETERMINERS
    starts = not previous or previous in lexicon.BEFORE_VERBS
    return starts and not determiners and bool(following) and not names_next


def _phrase(
    text: str, run: Sequence[Token], determiners: Sequence[str], before: str, tags: Tags
) -> Iterator[Phrase]:
    """Yield the phrase that a run of words makes; most runs make one, some none."""
    words = [token.word for token in run]
    adjectives = {token.word for token in run if _is_adjective(token, tags)}
    if not words or run[-1].end - run[0].start > MAX_NAME_CHARACTERS:
        return  # nobody names a thing at such length
    while len(words) > 1 and words[-1] in _ONLY_ATTRIBUTES:
        words.pop()
    first = _attribute_count(words, adjectives)
    rest = words[first:]
    if rest[0] in lexicon.ATTRIBUTES and len(rest) == 1:
        bare = not determiners and (before in lexicon.AUXILIARIES or before in ('of', 'in'))
        if rest[0] not in lexicon.NOUNS_TOO or bare:
            return
    head = unicodedata.normalize('NFC', singular(' '.join(rest)))
    start, end = run[0].start, run[len(words) - 1].end
    numbers = [value for word in determiners if (value := lexicon.number_value(word)) is not None]
    several = any(value != 1 for value in numbers) or not lexicon.MANY.isdisjoint(determiners)
    several = several and lexicon.ARTICLES.isdisjoint(determiners)  # `both a cup and a plate`
    yield Phrase(
        text=text[start:end],
        start=start,
        end=end,
        head=head,
        attributes=tuple(words[:first]),
        determiner=' '.join(determiners),
        plural=several or singular(rest[-1]) != rest[-1],
    )


def _is_adjective(token: Token, tags: Tags) -> bool:
    tag = tags.get(token.end)
    return tag is not None and tag.describing and token.word.endswith(_DESCRIPTIVE)


def _attribute_count(words: Sequence[str], adjectives: Collection[str]) -> int:
    """How many words at the beginning describe what the rest names."""
    for index, word in enumerate(words[:-1]):
        if _is_compound(word, words[index + 1]):
            return index
        shade = word in lexicon.SHADES and words[index + 1] in lexicon.COLOURS
        participle = word.endswith('ed') and lexicon.is_participle(word)
        if not (word in lexicon.ATTRIBUTES or word in adjectives or shade or participle):
            return index
    return len(words) - 1
