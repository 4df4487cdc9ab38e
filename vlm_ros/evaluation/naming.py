"""The names of predictions put in place of those of the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_ros import vocabularies
from vlm_ros.errors import VocabularyError
from vlm_ros.vocabularies import plain_name


@dataclass(frozen=True)
class Naming:
    """What the names of predictions are called in the truth.

    Attributes:
        pairs: For each predicted name that of the truth; None where boxes of it are left out.
        sets: The sets of labels that both sides have their names from; empty where the names
            are alike or were given.
    """

    pairs: Mapping[str, str | None]
    sets: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[str, ...]:
        """The predicted names that the truth has no place for."""
        return tuple(name for name, label in self.pairs.items() if label is None)


def parse_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """Read `PREDICTED=TRUE` pairs; nothing after `=` leaves the name out.

    Raises:
        VocabularyError: One has no `=`, or a name is there twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        name, sign, label = (part.strip() for part in pair.partition('='))
        if not sign or not name:
            raise VocabularyError(f'{pair!r} is no pair of names; write --map PREDICTED=TRUE')
        if name in found:
            raise VocabularyError(f'--map has {name!r} twice; leave one')
        found[name] = label
    return found


def name(
    predicted: Sequence[str],
    true: Sequence[str],
    pairs: Mapping[str, str] | None = None,
    *,
    beside: Sequence[str] = (),
) -> Naming:
    """Find what predicted names are called in the truth.

    Those given come first; then equal names; then the one that differs in nothing but case, `_`
    and spaces; then, where a set of `vlm_ros.vocabularies` has all predicted names and another all
    true ones, what the one is in the other.

    Args:
        predicted: Names of the predictions.
        true: Names of the truth.
        pairs: See `parse_pairs`.
        beside: Names of another run that the pairs may be of as well.

    Raises:
        VocabularyError: A name is found in none of these ways, or none has a place; the message
            lists both sides.
    """
    given = dict(pairs or {})
    for label in given.values():
        if label and label not in true:
            raise VocabularyError(
                f'--map: the truth has no class {label!r}; it has {", ".join(true)}'
            )
    for label in given:
        if label not in predicted and label not in beside:
            raise VocabularyError(
                f'--map: no prediction is called {label!r}; there are {", ".join(predicted)}'
            )
    found = {
        label: given[label] or None if label in given else _spelled(label, true)
        for label in predicted
    }
    open_names = [label for label in predicted if label not in given and found[label] is None]
    sets: tuple[str, ...] = ()
    if open_names:
        sets, places = _through_sets(open_names, predicted, true)
        found |= places
        if not sets:
            raise VocabularyError(
                f'{", ".join(map(repr, open_names))}, predicted, is no class of the truth: '
                f'predictions have {", ".join(predicted)}; the truth has {", ".join(true)}; say '
                f'--map {open_names[0]!r}=CLASS, or --map {open_names[0]!r}= to leave it out'
            )
    if predicted and not any(found.values()):
        raise VocabularyError(
            f'predictions and truth have no class in common: predictions have '
            f'{", ".join(predicted)}; the truth has {", ".join(true)}; say --map PREDICTED=TRUE'
        )
    return Naming(found, sets)


def _through_sets(
    wanted: Sequence[str], predicted: Sequence[str], true: Sequence[str]
) -> tuple[tuple[str, ...], dict[str, str | None]]:
    for source in _sets_with(predicted):
        for target in _sets_with(true):
            between = vocabularies.mapping(source, target)
            spelled = {vocabularies.named(target).find(label).label: label for label in true}
            return (source, target), {label: spelled.get(between[label] or '') for label in wanted}
    return (), {}


def _sets_with(labels: Sequence[str]) -> list[str]:
    """Return the sets that have all of these, those first that write them so."""
    found = []
    for number, candidate in enumerate(vocabularies.names()):
        known = vocabularies.named(candidate)
        try:
            written = sum(known.find(label).label == label for label in labels)
        except VocabularyError:
            continue
        found.append((-written, number, candidate))
    return [candidate for _, _, candidate in sorted(found)]


def _spelled(label: str, true: Sequence[str]) -> str | None:
    if label in true:
        return label
    alike = [name for name in true if plain_name(name) == plain_name(label)]
    return alike[0] if len(alike) == 1 else None
