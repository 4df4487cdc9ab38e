"""What bears a name, held to what an expression says of it, one condition after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
import itertools

import numpy as np

from vlm_ros import spatial
from vlm_ros.grounding.attributes import Opinion
from vlm_ros.inflection import join_names
from vlm_ros.language.expressions import Link, Rank
from vlm_ros.ranking import certainty, Order, Ranking
from vlm_ros.results import Detections, Reference


@dataclass(frozen=True)
class Fits:
    """What bears a name, and whether it is what an expression says.

    Attributes:
        found: The boxes that bear it.
        truths: Whether each fits; None where nobody can tell.
        confidences: How sure that is.
        weak: Boxes that may bear it at all, and may fit.
        reason: Why nobody can tell, in one line; empty where somebody can.
        failure: What is not there that the expression takes for granted; None where all is.
    """

    found: Detections
    truths: tuple[bool | None, ...]
    confidences: tuple[float, ...]
    weak: Detections
    reason: str = ''
    failure: Reference | None = None

    def those(self, truth: bool | None) -> list[int]:
        """Indices of the boxes of one truth."""
        return [i for i, value in enumerate(self.truths) if value is truth]

    def narrowed(
        self, truths: Sequence[bool | None], certainties: Sequence[float], reason: str
    ) -> 'Fits':
        """Hold the boxes to a further condition."""
        both = [
            spatial.all_of([before, now]) for before, now in zip(self.truths, truths, strict=True)
        ]
        sure = [min(pair) for pair in zip(self.confidences, certainties, strict=True)]
        undecided = any(
            before is not False and now is None
            for before, now in zip(self.truths, truths, strict=True)
        )
        reason = self.reason or (reason if undecided else '')
        return replace(self, truths=tuple(both), confidences=tuple(sure), reason=reason)


_Other = tuple[spatial.Box, bool | None]
"""What a relation refers to, and whether it is that at all."""


def linked(link: Link, fits: Fits, references: Sequence[Fits]) -> Fits:
    """Hold boxes to how they stand to others."""
    truths = [_stands(box, link, references) for box in fits.found.xyxy]
    weak = [_stands(box, link, references) is not False for box in fits.weak.xyxy]
    fits = replace(fits, weak=fits.weak[np.array(weak, bool)])
    known = spatial.CERTAINTY.get(link.relation, spatial.OTHER_CERTAINTY)
    sure = [[one.confidences[i] for i in one.those(True)] for one in references]
    least = min([known, *(max(confidences, default=0.0) for confidences in sure)])
    names = join_names([f'the {one.name}' for one in link.references])
    reason = f'boxes cannot tell which is {link.relation.value} {names}'
    return fits.narrowed(truths, [least] * len(truths), reason)


def _stands(box: spatial.Box, link: Link, references: Sequence[Fits]) -> bool | None:
    rows: list[list[_Other]] = [
        [
            (one.found.xyxy[i], one.truths[i])
            for i in [*one.those(True), *one.those(None)]
            if not np.array_equal(one.found.xyxy[i], box)
        ]
        for one in references
    ]
    groups: list[list[tuple[_Other, ...]]] = [[(row,) for row in others] for others in rows]
    if link.relation is spatial.Relation.BETWEEN:
        single = len(rows) == 1
        groups = [list(itertools.combinations(rows[0], 2) if single else itertools.product(*rows))]
    values = []
    for expression, group in zip(link.references, groups, strict=False):
        each = [_stands_to(box, link.relation, others) for others in group]
        # Left of the cars is left of all of them, next to the cars next to any.
        every = expression.thing.plural and link.relation in _DIRECTIONS
        values.append(spatial.all_of(each) if every and each else spatial.any_of(each))
    value = spatial.all_of(values)
    return not value if link.negated and value is not None else value


_DIRECTIONS = frozenset(
    {
        spatial.Relation.LEFT_OF,
        spatial.Relation.RIGHT_OF,
        spatial.Relation.ABOVE,
        spatial.Relation.BELOW,
    }
)


def _stands_to(
    box: spatial.Box,
    relation: spatial.Relation,
    others: Sequence[_Other],
) -> bool | None:
    value = spatial.holds(relation, box, [xyxy for xyxy, _ in others])
    # What may not be the reference at all can rule nothing in.
    return None if value and not all(truth for _, truth in others) else value


def ranked(rank: Rank, fits: Fits, references: Sequence[Fits]) -> Fits:
    """Keep the one of a number in an order, and put the boxes into that order."""
    sure = [one.found.xyxy[i] for one in references for i in one.those(True)]
    maybe = [one.found.xyxy[i] for one in references for i in one.those(None)]
    measured_from: list[spatial.Box | None] = [*sure, *maybe] or [None]
    rankings = [Ranking(rank.order, fits.found.xyxy, origin) for origin in measured_from]
    rows = [ranking.chosen(fits.truths, rank.number) for ranking in rankings]
    truths = [_same(values, certain=not maybe) for values in zip(*rows, strict=True)]
    known = [max(one.confidences, default=0.0) for one in references]
    least = min([certainty(rank.order) if len(fits.found) > 1 else 1.0, *known])
    fits = fits.narrowed(truths, [least] * len(truths), _order_reason(rank))
    if rank.order is Order.ANY:
        return fits
    order = np.argsort(rankings[0].keys, kind='stable').tolist()
    return replace(
        fits,
        found=fits.found[order],
        truths=tuple(fits.truths[i] for i in order),
        confidences=tuple(fits.confidences[i] for i in order),
    )


def _same(values: Sequence[bool | None], *, certain: bool) -> bool | None:
    value = spatial.unanimous(values)
    return None if value and not certain else value


def _order_reason(rank: Rank) -> str:
    if rank.order is Order.ANY:
        return 'say from which side to count'
    if rank.order in (Order.NEAREST, Order.FARTHEST) and not rank.references:
        return 'boxes do not show distances from the camera; what stands lower is likely nearer'
    return f'they are too close to tell apart {rank.order.value}'


def judged(fits: Fits, opinions: Sequence[Opinion], reason: str, denied: bool) -> Fits:
    """Hold boxes to what somebody thinks of them."""
    truths = [
        not opinion.truth if denied and opinion.truth is not None else opinion.truth
        for opinion in opinions
    ]
    return fits.narrowed(truths, [opinion.confidence for opinion in opinions], reason)
