"""Text that names things: vocabularies, noun phrases, spans."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
import hashlib
import unicodedata

from vlm_ros import lexicon
from vlm_ros.errors import QuestionError, VocabularyError
from vlm_ros.inflection import count_phrase, join_names, plural, singular, with_article
from vlm_ros.tokens import Token, tokens

__all__ = [
    'MAX_NAMES',
    'MAX_NAME_CHARACTERS',
    'Phrase',
    'Vocabulary',
    'count_phrase',
    'join_names',
    'noun_phrases',
    'plural',
    'singular',
    'with_article',
]

MAX_TEXT_CHARACTERS = 2000
"""Longer questions, statements and texts are refused: no camera image answers an essay."""
MAX_NAMES = 1500
"""More names than this are refused; LVIS, the largest detection benchmark, has 1203."""
MAX_NAME_CHARACTERS = 100


def check_text(text: str, what: str) -> None:
    """Refuse what cannot be worked on; `what` says what it is, as `question`.

    Raises:
        QuestionError: The text has no words or more than `MAX_TEXT_CHARACTERS`.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise QuestionError(
            f'the {what} has {len(text)} characters; at most {MAX_TEXT_CHARACTERS} are taken'
        )
    if not any(character.isalnum() for character in text):
        raise QuestionError(
            f'the {what} is empty' if not text.strip() else f'the {what} has no words'
        )


@dataclass(frozen=True)
class Vocabulary:
    """The class names to look for, in the caller's order and spelling.

    Attributes:
        names: One or more names, different from each other when case and spacing are ignored.
        vocabulary_id: Short hash of the names; changes whenever they or their order do.
    """

    names: tuple[str, ...]
    vocabulary_id: str = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(' '.join(unicodedata.normalize('NFC', name).split()) for name in self.names)
        if not names:
            raise VocabularyError('the vocabulary is empty; give at least one class name')
        if len(names) > MAX_NAMES:
            raise VocabularyError(
                f'the vocabulary has {len(names)} names; at most {MAX_NAMES} are taken'
            )
        seen: set[str] = set()
        for name in names:
            if not name:
                raise VocabularyError('the vocabulary has a blank name; remove it')
            if len(name) > MAX_NAME_CHARACTERS:
                raise VocabularyError(
                    f'the name {name[:20]!r}... has {len(name)} characters; '
                    f'at most {MAX_NAME_CHARACTERS} are taken'
                )
            if name.casefold() in seen:
                raise VocabularyError(f'the vocabulary names {name!r} twice; remove one')
            seen.add(name.casefold())
        object.__setattr__(self, 'names', names)
        digest = hashlib.sha256('\n'.join(names).encode()).hexdigest()[:12]
        object.__setattr__(self, 'vocabulary_id', digest)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def parse(cls, names: str | Iterable[str]) -> 'Vocabulary':
        """Make one from names, or from a text with a comma between the names."""
        if isinstance(names, str):
            names = names.split(',') if names.strip() else ()
        return cls(tuple(names))


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


def noun_phrases(text: str) -> tuple[Phrase, ...]:
    """Find the parts of a text that name things, in their order.

    A chunker of one pass over the words: grammar words, verbs and punctuation end a phrase,
    determiners begin one, and what is left between them is a name with its attributes. English is
    expected; in a script other than Latin every word stands for itself. Words about the picture
    itself (`in the background`, `in the photo`) name nothing.

    Returns:
        Phrases that do not overlap, each with a head that a `Vocabulary` takes.
    """
    return tuple(_phrases(text, tokens(text)))


def _phrases(text: str, words: Sequence[Token]) -> Iterator[Phrase]:
    run: list[Token] = []
    determiners: list[str] = []
    before = ''
    for index, token in enumerate(words):
        role = _role(words, index, run, determiners, before)
        if token.after_mark or role in ('break', 'determiner', 'alone') or _is_alone(run):
            yield from _phrase(text, run, determiners, before)
            if run or token.after_mark or role == 'break':
                determiners = ["'s"] if run and token.word == "'s" else []
            run = []
        if role == 'determiner':
            determiners.append(token.word)
        elif role == 'break':
            before = token.word
        else:
            run.append(token)
    yield from _phrase(text, run, determiners, before)


def _is_alone(run: Sequence[Token]) -> bool:
    return len(run) == 1 and not lexicon.is_latin(run[0].word)


def _role(
    words: Sequence[Token],
    index: int,
    run: Sequence[Token],
    determiners: Sequence[str],
    before: str,
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
    if word in lexicon.BREAKS or lexicon.is_adverb(word):
        return 'break'
    if word in lexicon.COLLECTIVES and following == 'of':
        return 'break'
    if word in lexicon.IMAGE_WORDS and not names_next and not run:
        previous = words[index - 1].word if index else ''
        about_image = previous in ('in', 'of', *lexicon.DEFINITES) and following != 'on'
        return 'break' if about_image else 'name'
    if run and before in lexicon.MODALS and word in lexicon.VERBS:
        return 'break'  # `can the robot pass`, though `the bus pass` is a name
    if _is_verb(words, index, run, determiners, names_next):
        return 'break'
    return 'name'


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
        or word in lexicon.CERTAIN_VERBS - lexicon.ATTRIBUTES
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
    text: str, run: Sequence[Token], determiners: Sequence[str], before: str
) -> Iterator[Phrase]:
    """Yield the phrase that a run of words makes; most runs make one, some none."""
    words = [token.word for token in run]
    if not words or run[-1].end - run[0].start > MAX_NAME_CHARACTERS:
        return  # nobody names a thing at such length
    while len(words) > 1 and words[-1] in lexicon.ATTRIBUTES - lexicon.NOUNS_TOO:
        words.pop()
    first = _attribute_count(words)
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


def _attribute_count(words: Sequence[str]) -> int:
    """How many words at the beginning describe what the rest names."""
    for index, word in enumerate(words[:-1]):
        if _is_compound(word, words[index + 1]):
            return index
        shade = word in lexicon.SHADES and words[index + 1] in lexicon.COLOURS
        participle = word.endswith('ed') and lexicon.is_participle(word)
        if not (word in lexicon.ATTRIBUTES or shade or participle):
            return index
    return len(words) - 1
