"""WordNet's nouns, read where they lie.

WordNet (https://doi.org/10.1145/219717.219748) groups words into sets of synonyms, synsets, and
says of each which more general one it is a kind of. Its files are sorted text: a word is found by
bisection and a synset by its byte offset, so nothing is parsed before it is asked for. The format
is described in the manual pages wndb(5WN) and senseidx(5WN).
"""

from collections.abc import Iterator
from dataclasses import dataclass
import mmap
from pathlib import Path

KIND_OF = ('@', '@i')
"""Pointer symbols from a synset to what it is a kind, or an instance, of."""

MIN_PART = 3
"""Letters that a part of a compound written as one word has at least."""

# Endings of plurals and what replaces them, from the manual page morphy(7WN).
_PLURALS = (
    ('s', ''),
    ('ses', 's'),
    ('xes', 'x'),
    ('zes', 'z'),
    ('ches', 'ch'),
    ('shes', 'sh'),
    ('men', 'man'),
    ('ies', 'y'),
    ('ves', 'f'),
    ('ves', 'fe'),
)
_IRREGULAR = {
    'children': 'child',
    'feet': 'foot',
    'geese': 'goose',
    'mice': 'mouse',
    'oxen': 'ox',
    'people': 'person',
    'teeth': 'tooth',
    'wolves': 'wolf',
}


@dataclass(frozen=True)
class Synset:
    """A set of synonyms.

    Attributes:
        offset: Its identifier: where it stands in `data.noun`.
        topic: The number of its lexicographer file, its broad subject; see lexnames(5WN).
        lemmas: Its words, with spaces.
        parents: Offsets of what it is a kind of.
        gloss: Its definition.
    """

    offset: int
    topic: int
    lemmas: tuple[str, ...]
    parents: tuple[int, ...]
    gloss: str


class WordNet:
    """The noun database.

    Args:
        index: `index.noun`.
        data: `data.noun`.
        senses: `index.sense`.
    """

    def __init__(self, index: Path, data: Path, senses: Path) -> None:
        self._index = _map(index)
        self._data = _map(data)
        self._senses = _map(senses)
        self._synsets: dict[int, Synset] = {}

    def close(self) -> None:
        """Let go of the files."""
        for mapped in (self._index, self._data, self._senses):
            mapped.close()

    def by_key(self, key: str) -> int:
        """Return the offset of a sense key such as `domestic_cat%1:05:00::`.

        Raises:
            KeyError: There is no such sense.
        """
        line = _bisect(self._senses, key)
        if not line:
            raise KeyError(key)
        return int(line[0])

    def senses(self, word: str) -> tuple[tuple[int, int], ...]:
        """Look up a word or a compound, also in the plural or with a hyphen.

        Returns:
            Synset offsets, the most frequent first, each with how often it was counted in
            WordNet's sense-tagged texts; empty where there is no such noun.
        """
        for form in _forms(word):
            line = _bisect(self._index, form) if form else []
            if line:
                # lemma pos synsets pointers [symbols] senses tagged offsets
                offsets = [int(text) for text in line[-int(line[1]) :]]
                return tuple((offset, self._count(form, offset)) for offset in offsets)
        return ()

    def _count(self, form: str, offset: int) -> int:
        for line in _lines_from(self._senses, f'{form}%1:'):
            key, found, _number, count = line.split()
            if not key.startswith(f'{form}%1:'):
                break
            if int(found) == offset:
                return int(count)
        return 0

    def ancestors(self, offset: int) -> dict[int, int]:
        """Return everything a synset is a kind of, itself included, with the number of steps."""
        steps = {offset: 0}
        level = [offset]
        while level:
            above = [parent for item in level for parent in self.synset(item).parents]
            level = [parent for parent in dict.fromkeys(above) if parent not in steps]
            steps.update(dict.fromkeys(level, max(steps.values()) + 1))
        return steps

    def synset(self, offset: int) -> Synset:
        """Read a synset."""
        if offset not in self._synsets:
            self._synsets[offset] = self._read(offset)
        return self._synsets[offset]

    def _read(self, offset: int) -> Synset:
        end = self._data.find(b'\n', offset)
        fields, _, gloss = self._data[offset:end].decode().partition('|')
        words = fields.split()
        count = int(words[3], 16)
        lemmas = tuple(word.replace('_', ' ') for word in words[4 : 4 + 2 * count : 2])
        pointers = words[5 + 2 * count :]
        parents = tuple(
            int(pointers[i + 1]) for i in range(0, len(pointers) - 3, 4) if pointers[i] in KIND_OF
        )
        return Synset(offset, int(words[1]), lemmas, parents, gloss.strip())


def _map(path: Path) -> mmap.mmap:
    with path.open('rb') as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _forms(word: str) -> Iterator[str]:
    """Ways to write a noun, likeliest first: as it is, then its singular."""
    plain = '_'.join(word.lower().replace('-', ' ').split())
    # Its plural is a noun of its own, a group; who looks for people looks for persons.
    if plain == 'people':
        yield _IRREGULAR[plain]
    singular = []
    for form in (
        plain,
        word.lower().replace(' ', '_'),
        plain.replace('_', '-'),
        plain.replace('_', ''),
    ):
        stem, joint, last = form.rpartition('_')
        yield form
        if last in _IRREGULAR:
            singular.append(stem + joint + _IRREGULAR[last])
        for ending, replacement in _PLURALS:
            if last.endswith(ending) and len(last) > len(ending) + 1:
                singular.append(stem + joint + last[: -len(ending)] + replacement)
    yield from dict.fromkeys(singular)
    # Written as one word, like `housecat`.
    for cut in range(MIN_PART, len(plain) - MIN_PART + 1) if plain.isalpha() else ():
        yield f'{plain[:cut]}_{plain[cut:]}'


def _bisect(content: mmap.mmap, key: str) -> list[str]:
    """Return what follows the key in the line that begins with it; empty when none does."""
    for line in _lines_from(content, f'{key} '):
        return line.split()[1:] if line.startswith(f'{key} ') else []
    return []


def _lines_from(content: mmap.mmap, prefix: str) -> Iterator[str]:
    """Yield the lines of a sorted file from the first that is not before `prefix`."""
    target = prefix.encode()
    low, high = 0, len(content)
    while low < high:
        start = content.rfind(b'\n', 0, (low + high) // 2) + 1
        end = content.find(b'\n', start) + 1 or len(content)
        # The licence at the top of the index begins with spaces, which sort before any word.
        if content[start : start + len(target)] < target:
            low = end
        else:
            high = start
    while low < len(content):
        end = content.find(b'\n', low) + 1 or len(content)
        yield content[low:end].decode()
        low = end
