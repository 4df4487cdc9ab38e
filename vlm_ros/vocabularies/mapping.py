"""Which class of one set is which of another."""

from collections.abc import Iterable
from dataclasses import dataclass
import functools

from vlm_ros.errors import VocabularyError
from vlm_ros.vocabularies.label_set import LabelSet, load, named


@dataclass(frozen=True)
class Mapping:
    """From the labels of one set to those of another.

    Attributes:
        source: The set that labels come from.
        target: The set that they are put into.
        pairs: Every label of the source, with the target's; None where the target has no such.
    """

    source: LabelSet
    target: LabelSet
    pairs: tuple[tuple[str, str | None], ...]

    def __getitem__(self, label: str) -> str | None:
        """Return the target's label.

        Raises:
            VocabularyError: The source has no such label.
        """
        return dict(self.pairs)[self.source.find(label).label]

    def check(self, labels: Iterable[str]) -> None:
        """See that at least one of these labels has a place in the target.

        Raises:
            VocabularyError: None has; or one is not of the source.
        """
        labels = tuple(labels)
        if not any(self[label] for label in labels):
            raise VocabularyError(
                f'none of {", ".join(labels) or "no labels"} of {self.source.name} has a class in '
                f'{self.target.name}, which has {", ".join(self.target.labels)}; choose another '
                'set of labels'
            )


@functools.cache
def mapping(source: str, target: str) -> Mapping:
    """Put the classes of one set into those of another.

    A class goes to the one with its own concept; else to that with the next broader concept.

    Raises:
        VocabularyError: There is no set of one of these names.
    """
    from_set, to_set = named(source), named(target)
    broader: dict[str, str] = load('concepts')
    place: dict[str, str] = {}
    # What a class stands for goes before what others take in besides.
    for entry in to_set.classes:
        if entry.means:
            place.setdefault(entry.means[0], entry.label)
    for entry in to_set.classes:
        for concept in entry.means:
            place.setdefault(concept, entry.label)
    pairs = tuple(
        (entry.label, _climb(entry.means[0] if entry.means else None, broader, place))
        for entry in from_set.classes
    )
    return Mapping(from_set, to_set, pairs)


def _climb(concept: str | None, broader: dict[str, str], place: dict[str, str]) -> str | None:
    while concept is not None and concept not in place:
        concept = broader.get(concept)
    return None if concept is None else place[concept]
