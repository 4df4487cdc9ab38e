"""Scenes of cut-outs, what is asked of them, and how answers are held against the truth."""

from collections import Counter
from pathlib import Path
import subprocess
import sys

import cv2
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1]))  # for the benchmarks, which are not installed

from benchmarks import _cutouts
from benchmarks._answering import Blind, Guess, judged, Remembering, Reply
from benchmarks._cutouts import BOXED, cutouts, NAMED
from benchmarks._meaning import Ask, Meaning, related
from benchmarks._questions import ABSENT, Asker, COUNT, EXISTENCE, Query, REFERENCE, TYPES
from benchmarks._scenes import make_scene, paint, PAINTS, RESOLUTION_WH, Thing
from benchmarks._scoring import both_right, calibration_error, Outcome, score, wilson
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Status

# These come with scikit-image; the others with a package that a test does not download.
PHOTOGRAPHED = tuple(recipe for recipe in BOXED if recipe.outline)
SEEDS = range(12)


@pytest.fixture(scope='module')
def scenes():
    things = cutouts(PHOTOGRAPHED)
    return [make_scene(seed, things) for seed in SEEDS]


@pytest.fixture(scope='module')
def queries(scenes):
    return [(scene, query) for scene in scenes for query in Asker(scene).queries()]


class Knowing:
    """A detector that knows what is there."""

    score_threshold = 0.4

    def __init__(self, scene):
        self.scene = scene
        self.looks = 0

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        self.looks += 1
        found = [thing for thing in self.scene.things if thing.name in vocabulary.names]
        boxes = np.array([thing.xyxy for thing in found], np.float32).reshape(-1, 4)
        names = tuple(thing.name for thing in found)
        return Detections(boxes, np.full(len(found), 0.8, np.float32), names)


def test_things_are_cut_along_their_edges():
    for cutout in cutouts(PHOTOGRAPHED):
        alpha = cutout.rgba[..., 3]
        assert 0.5 < (alpha >= _cutouts.SOLID).mean() < 0.95
        for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
            assert edge.max() >= _cutouts.SOLID
        pieces, _ = cv2.connectedComponents((alpha >= _cutouts.SOLID).astype(np.uint8))
        assert pieces == 2  # the thing and what is around it


def test_a_seed_makes_one_scene(scenes):
    again = make_scene(3, cutouts(PHOTOGRAPHED))
    np.testing.assert_array_equal(again.image, scenes[3].image)
    assert [thing.name for thing in again.things] == [thing.name for thing in scenes[3].things]
    assert any(not np.array_equal(scenes[3].image, other.image) for other in scenes[4:])


def test_things_lie_apart_and_inside(scenes):
    width, height = RESOLUTION_WH
    for scene in scenes:
        assert scene.image.shape == (height, width, 3) and scene.image.dtype == np.uint8
        assert 1 <= len(scene.things) <= 7 and max(scene.counts.values()) <= 4
        assert not set(scene.absent) & set(scene.counts)
        for index, thing in enumerate(scene.things):
            left, top, right, bottom = thing.xyxy
            assert 0 <= left < right <= width and 0 <= top < bottom <= height
            for other in scene.things[:index]:
                apart = (thing.xyxy[:2] >= other.xyxy[2:]) | (other.xyxy[:2] >= thing.xyxy[2:])
                assert apart.any()


def test_something_is_drawn_in_every_box_and_nothing_around(scenes):
    things = cutouts(PHOTOGRAPHED)
    scene = scenes[1]
    bare = make_scene(1, [_transparent(cutout) for cutout in things])
    changed = np.abs(scene.image.astype(int) - bare.image).max(2) > 24
    for thing in scene.things:
        left, top, right, bottom = thing.xyxy.astype(int)
        assert changed[top:bottom, left:right].mean() > 0.4
        changed[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = False
    assert not changed.any()


def _transparent(cutout):
    # Solid enough to be placed, of which next to nothing is drawn.
    class Nothing:
        recipe, name, rgba = cutout.recipe, cutout.name, cutout.rgba * np.uint8([0, 0, 0, 0])

    return Nothing()


@pytest.mark.parametrize('colour', PAINTS)
def test_a_painted_thing_has_the_colour(colour):
    cup = next(cutout for cutout in cutouts(PHOTOGRAPHED) if cutout.name == 'cup')
    painted = paint(cup.rgba, colour, 'all')
    solid = painted[..., 3] >= _cutouts.SOLID
    lab = cv2.cvtColor(painted[..., :3].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    mean = lab[solid].mean(0)
    foci = cv2.cvtColor(np.float32([list(PAINTS.values())]) / 255, cv2.COLOR_RGB2Lab)[0]
    assert list(PAINTS)[int(np.linalg.norm(foci - mean, axis=1).argmin())] == colour
    assert lab[solid, 0].std() > 3  # light and shade are left
    np.testing.assert_array_equal(painted[..., 3], cup.rgba[..., 3])


def test_every_type_is_asked(queries):
    # Only painted things are asked for their colour, and nothing here is.
    assert {query.type for _, query in queries} >= set(TYPES) - {'colour', 'choice'}
    assert len({query.text for _, query in queries}) > 100


def test_what_is_absent_is_not_there(queries):
    for scene, query in queries:
        missing = [name for name in query.meaning.names if name not in scene.counts]
        if query.type == ABSENT:
            assert missing and not query.expected and query.about_absent
        elif query.type == EXISTENCE:
            assert query.expected == ('no' if missing else 'yes')
        elif query.type == COUNT:
            assert query.expected == str(scene.counts.get(query.meaning.names[0], 0))
        elif query.type == REFERENCE:
            assert (query.box is None) == bool(missing)


def test_word_order_swaps_the_truth(queries):
    pairs = {}
    for scene, query in queries:
        if query.pair:
            pairs.setdefault((scene.seed, query.pair), []).append(query)
    assert len(pairs) > 5
    for one, other in pairs.values():
        assert one.meaning.names == other.meaning.names[::-1]
        assert {one.expected, other.expected} == {'yes', 'no'}
        assert sorted(one.text.casefold()) == sorted(other.text.casefold())


@pytest.mark.parametrize(
    ('relation', 'holds'),
    [('left of', True), ('right of', False), ('above', False), ('below', True)],
)
def test_relations_are_those_of_centres(relation, holds):
    low_left = Thing('dog', np.float32([0, 200, 50, 300]))
    high_right = Thing('cat', np.float32([100, 0, 200, 100]))
    assert related(low_left, high_right, relation) is holds
    assert related(high_right, low_left, relation) is not holds


def test_who_knows_what_is_there_answers_all_but_what_is_not(queries):
    wrong = Counter()
    for scene, query in queries:
        reply = Guess(Knowing(scene)).ask(scene.image, query)
        taken_for_granted = query.type == ABSENT or (query.type == REFERENCE and query.box is None)
        if not taken_for_granted and not judged(query, reply, scene).right:
            wrong[query.type] += 1
    # It takes the best box of a name, so an expression that chooses is a matter of luck.
    assert set(wrong) <= {REFERENCE}


def test_a_remembered_look_is_the_same(scenes):
    scene = scenes[0]
    plain, knowing = Knowing(scene), Knowing(scene)
    remembering = Remembering(knowing, [['cat', 'cup', 'person', 'dog']])
    for names in (('cat', 'dog'), ('cup',), ('person', 'cat')):
        found = remembering.detect(scene.image, Vocabulary(names))
        expected = plain.detect(scene.image, Vocabulary(names))
        np.testing.assert_array_equal(found.xyxy, expected.xyxy)
        assert found.labels == expected.labels
    assert knowing.looks == 1
    remembering.detect(scene.image, Vocabulary(('zebra',)))
    assert knowing.looks == 2


WHERE = Query(ABSENT, 'Where is the dog?', Meaning(Ask.WHERE, ('dog',)))
THERE = Query(EXISTENCE, 'Is there a dog?', Meaning(Ask.EXISTS, ('dog',)), 'no')
MANY = Query(COUNT, 'How many cats?', Meaning(Ask.COUNT, ('cat',)), '2')
SHADE = Query('colour', 'What colour is the cat?', Meaning(Ask.COLOUR, ('cat',)), 'red')


@pytest.mark.parametrize(
    ('query', 'reply', 'right', 'answered', 'made_up'),
    [
        (WHERE, Reply(Status.NOT_IN_VIEW), True, True, False),
        (WHERE, Reply(Status.UNSURE), False, False, False),
        (WHERE, Reply(Status.OK, 'on the left', 0.9), False, True, True),
        (THERE, Reply(Status.OK, 'no', 0.9), True, True, False),
        (THERE, Reply(Status.NOT_IN_VIEW), True, True, False),
        (THERE, Reply(Status.OK, 'yes', 0.9), False, True, True),
        (MANY, Reply(Status.OK, 'two', 0.9), True, True, False),
        (MANY, Reply(Status.OK, '3', 0.9), False, True, False),
        (SHADE, Reply(Status.OK, 'it is red', 0.9), True, True, False),
        (SHADE, Reply(Status.OK, 'red and white', 0.9), False, True, False),
    ],
)
def test_replies_are_held_against_the_truth(scenes, query, reply, right, answered, made_up):
    outcome = judged(query, reply, scenes[0])
    assert (outcome.right, outcome.answered, outcome.made_up) == (right, answered, made_up)


@pytest.mark.parametrize(
    ('question', 'said'),
    [
        ('Is there a dog?', 'yes'),
        ('How many dogs are there?', '2'),
        ('What colour is the dog?', 'white'),
        ('Where is the dog?', 'on the left'),
        ('Is it a dog or a cat?', 'dog'),
    ],
)
def test_the_blind_one_answers_whatever_is_asked(scenes, question, said):
    assert Blind().answer(scenes[0].image, question).text == said


def test_scores_add_up():
    outcomes = [
        Outcome('a', True, True, 0.8),
        Outcome('a', False, True, 0.8, about_absent=True, made_up=True),
        Outcome('a', False, False, about_absent=True),
        Outcome('a', True, True, not_in_view=True, confident=False, about_absent=True),
    ]
    total = score(outcomes)
    assert (total.count, total.accuracy, total.coverage) == (4, 0.5, 0.75)
    assert total.selective == pytest.approx(2 / 3)
    assert total.false_alarms == pytest.approx(1 / 3)
    assert total.ece == pytest.approx(0.3)  # half of those at 0.8 are right
    pair = [Outcome('b', True, True, pair=(1, 1)), Outcome('b', True, True, pair=(1, 1))]
    half = [Outcome('b', True, True, pair=(1, 2)), Outcome('b', False, True, pair=(1, 2))]
    assert both_right([*pair, *half, Outcome('b', True, True, pair=(2, 1))]) == (1, 2)


def test_intervals_and_calibration_errors_are_the_published_ones():
    # Wilson's interval of 9 in 10, as statsmodels and R's binom print it.
    assert wilson(9, 10) == pytest.approx((0.5958500, 0.9821238), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)
    assert calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert calibration_error([1.0, 0.0], [False, True]) == pytest.approx(1)


def test_stamps_that_cannot_be_had_are_said_in_one_line(monkeypatch, tmp_path):
    def fail(command, folder):
        raise subprocess.CalledProcessError(100, command)

    monkeypatch.setattr(_cutouts, 'INSTALLED', tmp_path / 'nowhere')
    monkeypatch.setattr(_cutouts, '_run', fail)
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    with pytest.raises(RuntimeError, match='apt-get install tuxpaint-stamps-default') as told:
        cutouts(NAMED[:2])
    assert '\n' not in str(told.value)
