"""Least scores of single names, such as `vlm-ros calibrate` picks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vlm_ros.errors import InputError
from vlm_ros.results import Detections
from vlm_ros.vocabularies import plain_name


@dataclass(frozen=True)
class Thresholds:
    """Least scores of names.

    Names that differ in case alone are the same, and so are `_` and a space: the labels that
    `vlm-ros calibrate` has picked them for may be a dataset's own (`traffic_light`).

    Attributes:
        of_name: Least scores in [0, 1], by the plain name.
    """

    of_name: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, pairs: Sequence[str]) -> 'Thresholds':
        """Read `NAME=SCORE` pairs.

        Raises:
            InputError: One is no such pair, its score is not in [0, 1], or a name is there twice.
        """
        found: dict[str, float] = {}
        for pair in pairs:
            name, _, text = (part.strip() for part in pair.rpartition('='))
            try:
                score = float(text)
            except ValueError:
                score = -1.0
            if not name or not 0 <= score <= 1:
                raise InputError(
                    f'score_thresholds: {pair!r} is no name with a score from 0 to 1, as in '
                    "'person=0.4'"
                )
            if plain_name(name) in found:
                raise InputError(f'score_thresholds: {name!r} is there twice; leave one')
            found[plain_name(name)] = score
        return cls(found)

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Return which of its names are none of these, in plain spelling."""
        known = {plain_name(name) for name in names}
        return [name for name in self.of_name if name not in known]

    def asked(self, others: float | None) -> float | None:
        """Return the least score to ask a model for.

        Args:
            others: Least score of the other names; None where it is not known.
        """
        if others is None or not self.of_name:
            return others
        return min(others, *self.of_name.values())

    def kept(self, found: Detections, others: float | None) -> Detections:
        """Return what scores enough for its name.

        Args:
            found: What the model found.
            others: Least score of the other names; None where it is not known.
        """
        if not self.of_name:
            return found
        least = [self.of_name.get(plain_name(label), others or 0.0) for label in found.labels]
        # A model's scores are float32, and what is just enough stays.
        return found[found.scores >= np.array(least, np.float32)]
