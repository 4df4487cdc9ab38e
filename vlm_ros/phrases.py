"""Text that names things: vocabularies, noun phrases, spans."""

from collections.abc import Iterable
from dataclasses import dataclass, field
import hashlib
import unicodedata

from vlm_ros.errors import VocabularyError

MAX_NAMES = 1500
"""More names than this are refused; LVIS, the largest detection benchmark, has 1203."""
MAX_NAME_CHARACTERS = 100


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
