"""Comparisons of numbers and of sizes in the picture."""

import numpy as np
import pytest

from vlm_ros.grounding.comparison import compare
from vlm_ros.grounding.sightings import Sighting
from vlm_ros.grounding.tallies import tally
from vlm_ros.language.clauses import Condition, Thing
from vlm_ros.language.meaning import Comparison
from vlm_ros.results import Detections


def found(name, *sizes_wh, score=0.8):
    xyxy = [(0, 0, width, height) for width, height in sizes_wh]
    return Detections(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.full(len(xyxy), score, np.float32),
        (name,) * len(xyxy),
    )


def counted(name, *sizes_wh, weak=0, recognized=True):
    doubtful = found(name, *((9 + i, 9) for i in range(weak)), score=0.2)
    sighting = Sighting(name, found(name, *sizes_wh), doubtful, recognized)
    return tally(Thing(name, name), Condition(), {name: sighting}, (640, 480))


SQUARES = [(10 + i, 10) for i in range(9)]


@pytest.mark.parametrize(
    ('first', 'second', 'order'),
    [
        (counted('dog', *SQUARES[:3]), counted('cat', *SQUARES[:2]), 1),
        (counted('dog', *SQUARES[:2]), counted('cat', *SQUARES[:3]), -1),
        (counted('dog', *SQUARES[:2]), counted('cat', *SQUARES[:2]), 0),
        (counted('dog'), counted('cat'), 0),
        (counted('dog', *SQUARES[:1]), counted('cat'), 1),
        (counted('dog', *SQUARES[:3], weak=1), counted('cat', *SQUARES[:2]), 1),
        (counted('dog', recognized=False), counted('cat'), None),
    ],
)
def test_counts(first, second, order):
    compared = compare(Comparison('count', '>'), first, second)
    assert compared.order == order
    assert (compared.confidence > 0) == (order is not None) == (not compared.reason)
    expected = {1: (True, False, False), -1: (False, True, False), 0: (False, False, True)}
    truths = tuple(compared.holds(operator) for operator in '> < =='.split())
    assert truths == expected.get(order, (None, None, None))


@pytest.mark.parametrize(
    ('dogs', 'weak_dogs', 'cats', 'more', 'fewer', 'as_many'),
    [
        (2, 1, 2, None, False, None),
        (3, 1, 2, True, False, False),
        (1, 1, 2, False, None, None),
        (1, 2, 2, None, None, None),
        (0, 1, 2, False, True, False),
    ],
)
def test_a_weak_box_leaves_open_only_what_hangs_on_it(dogs, weak_dogs, cats, more, fewer, as_many):
    compared = compare(
        Comparison('count', '>'),
        counted('dog', *SQUARES[:dogs], weak=weak_dogs),
        counted('cat', *SQUARES[:cats]),
    )
    assert [compared.holds(operator) for operator in '> < =='.split()] == [more, fewer, as_many]
    assert (compared.confidence > 0) == ([more, fewer, as_many] != [None] * 3)


BOX, TALL, WIDE = (100, 100), (50, 300), (300, 50)


@pytest.mark.parametrize(
    ('measure', 'first', 'second', 'order'),
    [
        ('size', [BOX], [(50, 50)], 1),
        ('size', [(50, 50)], [BOX], -1),
        ('size', [BOX], [(102, 102)], None),
        ('height', [TALL], [WIDE], 1),
        ('width', [TALL], [WIDE], -1),
        ('size', [TALL], [WIDE], None),
        ('size', [BOX, (90, 90)], [(50, 50), (40, 40)], 1),
        ('size', [BOX, (20, 20)], [(50, 50)], None),
        ('size', [BOX], [], None),
    ],
)
def test_sizes(measure, first, second, order):
    compared = compare(Comparison(measure, '>'), counted('dog', *first), counted('cat', *second))
    assert compared.order == order
    assert len(compared.evidence) == len(first) + len(second)
    if order is None:
        assert compared.reason and compared.holds('>') is None
    else:
        # A size in the picture is no more than a hint at the size of a thing.
        assert compared.confidence == pytest.approx(0.8 * 0.75)
