"""Synonyms from Princeton's WordNet, where it is installed.

NLTK reads the files that `nltk.download('wordnet')` brings. Debian's package `wordnet-base` has no
`lexnames`, which NLTK's reader needs though METEOR does not, so that its files are read here
(https://wordnet.princeton.edu/documentation/wndb5wn), with NLTK's rules for inflected words.
"""

from dataclasses import dataclass
import functools
from pathlib import Path
from typing import Any

FOLDER = Path('/usr/share/wordnet')
"""Where Debian's package puts it."""
_FILES = {'n': 'noun', 'v': 'verb', 'a': 'adj', 'r': 'adv'}


@dataclass(frozen=True)
class Lemma:
    """A word of a meaning, as NLTK gives it."""

    text: str

    def name(self) -> str:
        """Return the word, with `_` for spaces."""
        return self.text


@dataclass(frozen=True)
class Synset:
    """The words of a meaning, as NLTK gives them."""

    words: tuple[str, ...]

    def lemmas(self) -> list[Lemma]:
        """Return the words."""
        return [Lemma(word) for word in self.words]


class WordNet:
    """What METEOR asks of a WordNet, from its files.

    Args:
        folder: The one with `index.noun`, `data.noun`, `noun.exc` and the like.

    Raises:
        OSError: A file is missing.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._places: dict[str, dict[str, str]] = {}
        self._exceptions: dict[str, dict[str, list[str]]] = {}
        self._data = {
            kind: (folder / f'data.{name}').read_bytes() for kind, name in _FILES.items()
        }
        for kind, name in _FILES.items():
            rows = (folder / f'index.{name}').read_text('ascii').splitlines()
            self._places[kind] = {
                word: rest for word, _, rest in (row.partition(' ') for row in rows) if word
            }
            rows = (folder / f'{name}.exc').read_text('ascii').splitlines()
            self._exceptions[kind] = {words[0]: words[1:] for words in map(str.split, rows)}

    @property
    def version(self) -> str:
        """The number of the release, such as `3.0`."""
        head = self._data['a'][:4000].decode('ascii')
        return head.partition('WordNet ')[2].split()[0]

    def synsets(self, word: str) -> list[Synset]:
        """Return the meanings of a word, whatever its inflection."""
        return _synsets(self, word.lower())

    def look_up(self, word: str) -> list[Synset]:
        """Return the meanings of a word in lower case."""
        found = []
        for kind, places in self._places.items():
            for form in self._forms(word, kind):
                words = places[form].split()
                count, pointers = int(words[1]), int(words[2])
                offsets = words[5 + pointers : 5 + pointers + count]
                found += [self._synset(kind, int(offset)) for offset in offsets]
        return found

    def _synset(self, kind: str, offset: int) -> Synset:
        row = self._data[kind][offset : self._data[kind].index(b'\n', offset)]
        fields = row.decode('ascii').split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        return Synset(tuple(word.partition('(')[0] for word in words))  # `galore(ip)`

    def _forms(self, word: str, kind: str) -> list[str]:
        """Return the words of the dictionary that one may be a form of, as `morphy` does."""
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        endings = WordNetCorpusReader.MORPHOLOGICAL_SUBSTITUTIONS[kind]
        forms = self._exceptions[kind].get(word)
        if forms is None:
            forms = [word[: -len(old)] + new for old, new in endings if word.endswith(old)]
        return [form for form in dict.fromkeys([word, *forms]) if form in self._places[kind]]


def find_wordnet() -> tuple[Any, str]:
    """Return a WordNet for METEOR and what it is called; None and '' where there is none."""
    from nltk.corpus import wordnet

    try:
        return wordnet, f'WordNet {wordnet.get_version()}'
    except LookupError:
        pass
    try:
        own = WordNet()
    except OSError:
        return None, ''
    return own, f'WordNet {own.version}'


@functools.lru_cache(maxsize=65536)
def _synsets(wordnet: WordNet, word: str) -> list[Synset]:
    return wordnet.look_up(word)
