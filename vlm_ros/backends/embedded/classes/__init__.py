"""What the networks' outputs mean: the classes, and where WordNet has them."""

from dataclasses import dataclass
from importlib.resources import files

from vlm_ros.backends.embedded.wordnet import WordNet


@dataclass(frozen=True)
class Class:
    """One output of a network.

    Attributes:
        label: Its name, in lower case but for proper names.
        synsets: What it is in WordNet; empty where WordNet has no word for it.
        kinds: Everything it is a kind of, its synsets included, as WordNet offsets.
        topic: WordNet's lexicographer file; 0 where WordNet has no word for it.
    """

    label: str
    synsets: tuple[int, ...]
    kinds: frozenset[int]
    topic: int


def imagenet(wordnet: WordNet) -> tuple[Class, ...]:
    """Return the 1000 classes of the feature network, in the order of its outputs."""
    return tuple(_class(wordnet, label, (key,)) for _, key, label in _rows('imagenet.tsv'))


def openimages(wordnet: WordNet) -> dict[str, Class]:
    """Return the classes of the box network by the label its own list gives them."""
    return {
        label: _class(wordnet, label.lower(), keys) for label, *keys in _rows('openimages.tsv')
    }


def everyday() -> tuple[str, ...]:
    """Return the names that captions speak in."""
    return tuple(row[0] for row in _rows('everyday.tsv'))


def _class(wordnet: WordNet, label: str, keys: tuple[str, ...] | list[str]) -> Class:
    own = tuple(wordnet.by_key(key) for key in keys if not key.startswith('<'))
    above = tuple(wordnet.by_key(key[1:]) for key in keys if key.startswith('<'))
    kinds = {kind for offset in own + above for kind in wordnet.ancestors(offset)}
    topic = wordnet.synset(own[0]).topic if own else 0
    return Class(label, own, frozenset(kinds), topic)


def _rows(name: str) -> list[list[str]]:
    text = files(__name__).joinpath(name).read_text('utf-8')
    return [line.split('\t') for line in text.splitlines() if not line.startswith('#')]
