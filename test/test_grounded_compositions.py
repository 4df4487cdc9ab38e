"""Sentences put together from quantifiers, predicates and joins, against what they mean.

Each part knows its own truth in a scene, so that of a sentence is worked out without a parser.
What boxes say of it has to be the same or nothing. None is a meaning that boxes are not to guess:
of conditions, of `it is not true that`, of numbers that a scene does not have.
"""

from collections.abc import Callable
import random

import numpy as np
import pytest

from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.results import Detections, Truth

IMAGE = np.zeros((480, 640, 3), np.uint8)
SENTENCES = 1200
COLUMNS = 20, 140, 400, 520
ROWS = {'dog': 60, 'cat': 200, 'cup': 340}
QUANTIFIERS: dict[str, Callable[[list[bool]], bool | None]] = {
    'a {}': any,
    'no {}': lambda fit: not any(fit),
    'no {}s': lambda fit: not any(fit),
    'exactly two {}s': lambda fit: sum(fit) == 2,
    'at least two {}s': lambda fit: sum(fit) >= 2,
    'at most one {}': lambda fit: sum(fit) <= 1,
    'more than one {}': lambda fit: sum(fit) > 1,
    'fewer than two {}s': lambda fit: sum(fit) < 2,
    'no more than two {}s': lambda fit: sum(fit) <= 2,
    'only one {}': lambda fit: sum(fit) == 1,
}
SHARES: dict[str, Callable[[list[bool]], bool | None]] = {
    'every {}': lambda fit: all(fit) if fit else None,
    'all the {}s': lambda fit: all(fit) if fit else None,
    'both {}s': lambda fit: all(fit) if len(fit) == 2 else None,
    'the three {}s': lambda fit: all(fit) if len(fit) == 3 else None,
    'none of the {}s': lambda fit: not any(fit),
    'neither {}': lambda fit: not any(fit),
    'not every {}': lambda fit: not all(fit) if fit else None,
    'most of the {}s': lambda fit: sum(fit) * 2 > len(fit) if fit else None,
    'all but one of the {}s': lambda fit: sum(fit) == len(fit) - 1 if fit else None,
}
UNKNOWABLE = (
    'if {}, {}', 'unless {}, {}', '{} unless {}', '{} if {}', '{}, otherwise {}', 'when {}, {}',
)  # fmt: skip
NEVER = 'it is not true that {}', 'it is false that {}', 'maybe {}', 'yesterday {}'


class Boxes:
    """Finds what a scene has: names and the left sides of their boxes."""

    def __init__(self, scene):
        self.scene = scene

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        rows = [(name, x) for name in vocabulary.names for x in self.scene.get(name, ())]
        boxes = [(x, ROWS[name], x + 90, ROWS[name] + 90) for name, x in rows]
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(rows), 0.95, np.float32),
            tuple(name for name, _ in rows),
        )


def predicate(chance, name, scene):
    """Return words, and of each box of the name whether they hold."""
    on_the_left = [x < 320 for x in scene[name]]
    words = chance.choice(
        ['on the left', 'on the right', 'not on the left', 'not not on the left']
    )
    return words, on_the_left if words == 'on the left' else [not left for left in on_the_left]


def clause(chance, scene):
    """Return `at most one dog is on the left` and its truth."""
    name = chance.choice(sorted(ROWS))
    words, fit = predicate(chance, name, scene)
    subject, holds = chance.choice(sorted((QUANTIFIERS | SHARES).items(), key=str))
    truth = holds(fit)
    denied = 'not' in words.split() and subject in SHARES
    if 'not not' in words or (denied and subject not in ('both {}s', 'the three {}s')):
        truth = None  # `every dog is not ...` is said of none of them, and of not all of them
    are = 'are' if subject.endswith('s') else 'is'
    return f'{subject.format(name)} {are} {words}', truth


def existence(chance, scene):
    """Return `there is a dog and no cat` or the like, and its truth."""
    one, other = chance.sample(sorted(ROWS), 2)
    (first, holds), (second, also) = chance.choices(sorted(QUANTIFIERS.items(), key=str), k=2)
    fit, others = [True] * len(scene[one]), [True] * len(scene[other])
    are = 'are' if first.endswith('s') else 'is'
    join = chance.choice(['and', 'or'])
    opening = chance.choice([f'there {are}', f'{are} there', 'I can see', 'the image shows'])
    if chance.random() < 0.4:
        bare = f'{other}s' if first.endswith('s') else other
        said = f'{opening} {first.format(one)} {join} {bare}'
        if first.startswith('no {'):
            return said, not fit and not others
        if first != 'a {}':
            return said, None
        return said, (any(fit) and any(others)) if join == 'and' else any(fit) or any(others)
    said = f'{opening} {first.format(one)} {join} {second.format(other)}'
    truths = holds(fit), also(others)
    if join == 'or':
        denies = 'no {}' in first or 'no {}' in second
        return said, None if denies else any(truths)
    return said, all(truths)


def sentence(chance, scene):
    kind = chance.random()
    if kind < 0.35:
        return clause(chance, scene)
    if kind < 0.7:
        return existence(chance, scene)
    (first, one), (second, other) = clause(chance, scene), clause(chance, scene)
    if kind < 0.8:
        joined = [truth for truth in (one, other) if truth is not True]
        return f'{first} and {second}', False if False in joined else None if joined else True
    if kind < 0.92:
        return chance.choice(UNKNOWABLE).format(first, second), None
    return chance.choice(NEVER).format(first), None


@pytest.mark.parametrize('seed', range(4))
def test_boxes_say_what_a_sentence_means_or_nothing(seed):
    chance = random.Random(seed)
    told = []
    for _ in range(SENTENCES // 4):
        scene = {name: [x for x in COLUMNS if chance.random() < 0.4] for name in ROWS}
        text, truth = sentence(chance, scene)
        verdict = GroundedAnswerer(Boxes(scene)).verify([IMAGE], text)
        if verdict.truth is not Truth.UNKNOWN:
            told.append((text, scene, truth, verdict.truth is Truth.TRUE))
    wrong = [row for row in told if row[2] is not row[3]]
    assert wrong == []
    assert len(told) > SENTENCES / 4 / 4  # it says something of what it understands
