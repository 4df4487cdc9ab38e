import numpy as np
import pytest

from vlm_ros.spatial import (
    all_of,
    any_of,
    holds,
    Place,
    place_named,
    place_of,
    Relation,
    unanimous,
)

SOFA = (100, 200, 400, 350)
TABLE = (100, 200, 400, 400)
LAPTOP = (200, 200, 300, 280)


def box(xyxy):
    return np.array(xyxy, np.float32)


@pytest.mark.parametrize(
    ('relation', 'figure', 'ground', 'expected'),
    [
        (Relation.LEFT_OF, (50, 210, 120, 280), LAPTOP, True),
        (Relation.LEFT_OF, (160, 210, 240, 280), LAPTOP, True),
        (Relation.LEFT_OF, (205, 210, 285, 280), LAPTOP, None),
        (Relation.LEFT_OF, (350, 210, 420, 280), LAPTOP, False),
        (Relation.LEFT_OF, LAPTOP, LAPTOP, False),
        (Relation.RIGHT_OF, (350, 210, 420, 280), LAPTOP, True),
        (Relation.RIGHT_OF, (215, 210, 295, 280), LAPTOP, None),
        (Relation.RIGHT_OF, (50, 210, 120, 280), LAPTOP, False),
        (Relation.ABOVE, (220, 20, 280, 60), TABLE, True),
        (Relation.ABOVE, (500, 20, 560, 60), TABLE, None),
        (Relation.ABOVE, (220, 420, 280, 460), TABLE, False),
        (Relation.BELOW, (220, 420, 280, 460), TABLE, True),
        (Relation.BELOW, (500, 420, 560, 460), TABLE, None),
        (Relation.BELOW, (220, 20, 280, 60), TABLE, False),
        (Relation.ON, (150, 160, 230, 260), SOFA, True),
        (Relation.ON, (150, 230, 230, 300), SOFA, True),
        (Relation.ON, (150, 20, 230, 60), SOFA, False),
        (Relation.ON, (420, 200, 480, 300), SOFA, False),
        (Relation.ON, (150, 360, 230, 420), SOFA, False),
        (Relation.ON, (350, 200, 480, 300), SOFA, None),
        (Relation.ON, (150, 10, 230, 230), SOFA, None),
        (Relation.UNDER, (200, 300, 260, 390), TABLE, True),
        (Relation.UNDER, (200, 300, 260, 470), TABLE, None),
        (Relation.UNDER, (200, 150, 260, 220), TABLE, False),
        (Relation.UNDER, (500, 300, 560, 390), TABLE, False),
        (Relation.IN, (150, 220, 200, 300), SOFA, None),
        (Relation.IN, (500, 220, 560, 300), SOFA, False),
        (Relation.NEAR, (310, 200, 400, 290), LAPTOP, True),
        (Relation.NEAR, (900, 200, 990, 290), LAPTOP, False),
        (Relation.NEAR, (400, 200, 480, 280), LAPTOP, None),
        (Relation.NEAR, (305, 240, 315, 250), LAPTOP, None),
        (Relation.BEHIND, (150, 100, 230, 260), SOFA, None),
        (Relation.IN_FRONT_OF, (150, 300, 230, 460), SOFA, None),
    ],
)
def test_relations(relation, figure, ground, expected):
    assert holds(relation, box(figure), [box(ground)]) is expected


@pytest.mark.parametrize(
    ('figure', 'expected'),
    [
        ((300, 200, 340, 280), True),
        ((20, 200, 60, 280), False),
        ((600, 200, 640, 280), False),
        ((300, 20, 340, 60), True),
        ((110, 20, 200, 60), None),
    ],
)
def test_between(figure, expected):
    first, second = box((100, 200, 200, 280)), box((420, 200, 520, 280))
    for pair in ((first, second), (second, first)):
        assert holds(Relation.BETWEEN, box(figure), pair) is expected
    assert holds(Relation.BETWEEN, box(figure), [first]) is None


@pytest.mark.parametrize(
    ('centre', 'text'),
    [
        ((50, 50), 'in the upper left'), ((320, 50), 'at the top'),
        ((600, 50), 'in the upper right'),
        ((50, 240), 'on the left'), ((320, 240), 'in the centre'), ((600, 240), 'on the right'),
        ((50, 450), 'in the lower left'), ((320, 450), 'at the bottom'),
        ((600, 450), 'in the lower right'), ((639, 479), 'in the lower right'),
    ],
)  # fmt: skip
def test_place_of(centre, text):
    x, y = centre
    assert place_of(box((x - 1, y - 1, x + 1, y + 1)), (640, 480)).text == text


@pytest.mark.parametrize(
    ('words', 'place'),
    [
        (['left'], Place('left')),
        (['upper', 'left'], Place('left', 'top')),
        (['bottom', 'right'], Place('right', 'bottom')),
        (['top'], Place('', 'top')),
        (['middle'], Place('centre', 'middle')),
        (['top', 'center'], Place('centre', 'top')),
        (['left', 'right'], None),
        (['purple'], None),
        ([], None),
    ],
)
def test_place_named(words, place):
    assert place_named(words) == place


@pytest.mark.parametrize(
    ('place', 'centre', 'expected'),
    [
        (Place('left'), (100, 240), True),
        (Place('left'), (300, 240), None),
        (Place('left'), (330, 240), False),
        (Place('right', 'top'), (600, 50), True),
        (Place('right', 'top'), (600, 400), False),
        (Place('right', 'top'), (600, 220), None),
        (Place('centre', 'middle'), (320, 240), True),
        (Place('centre', 'middle'), (50, 240), False),
        (Place(), (50, 240), True),
    ],
)
def test_place_holds(place, centre, expected):
    x, y = centre
    assert place.holds(box((x - 1, y - 1, x + 1, y + 1)), (640, 480)) is expected


@pytest.mark.parametrize(
    ('values', 'every', 'some', 'same'),
    [
        ([], True, False, None),
        ([True, True], True, True, True),
        ([True, False], False, True, None),
        ([True, None], None, True, None),
        ([False, None], False, None, None),
        ([False, False], False, False, False),
        ([None, None], None, None, None),
    ],
)
def test_logic_of_three_values(values, every, some, same):
    assert (all_of(values), any_of(values), unanimous(values)) == (every, some, same)
