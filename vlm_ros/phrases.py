"""Text that names things: vocabularies, noun phrases, spans."""

from collections.abc import Iterable
from dataclasses import dataclass, field
import hashlib
import unicodedata

from vlm_ros import inflection, tagging
from vlm_ros.chunker import chunk, MAX_NAME_CHARACTERS, Phrase
from vlm_ros.errors import QuestionError, VocabularyError
from vlm_ros.inflection import count_phrase, join_names, plural, singular, with_article

__all__ = [
    'MAX_NAMES',
    'MAX_NAME_CHARACTERS',
    'Phrase',
    'Vocabulary',
    'chunk',
    'count_phrase',
    'join_names',
    'noun_phrases',
    'plural',
    'preload',
    'singular',
    'with_article',
]

MAX_TEXT_CHARACTERS = 2000
"""Longer questions, statements and texts are refused: no camera image answers an essay."""
MAX_NAMES = 1500
"""More names than this are refused; LVIS, the largest detection benchmark, has 1203."""


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


def noun_phrases(text: str) -> tuple[Phrase, ...]:
    """Find the parts of a text that name things, in their order.

    spaCy tells verbs, adjectives and nouns apart and `chunker` puts them together. Where spaCy or
    its model is not installed, and for a text of more than `MAX_TEXT_CHARACTERS`, `chunker` does
    with its own lists of words, and more often takes an unknown verb for a part of a name
    (`docs/language.md` has the figures). English is expected; in a script other than Latin every
    word stands for itself. Words about the picture itself (`in the background`, `in the photo`)
    name nothing.

    The first call loads spaCy, which takes seconds: `preload` does that before.

    Returns:
        Phrases that do not overlap, each with a head that a `Vocabulary` takes.
    """
    return chunk(text, tagging.tags_of(text) if len(text) <= MAX_TEXT_CHARACTERS else {})


def preload() -> None:
    """Load now what the first phrase or plural would wait for, seconds in all."""
    inflection.preload()
    tagging.preload()
