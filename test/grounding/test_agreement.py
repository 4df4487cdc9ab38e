import pytest

from vlm_ros.grounding.agreement import claimed_names, matching_choice, number_of, yes_no_of


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('yes', True), ('Yes, there is.', True), ('YES!', True), ('true', True), ('yeah', True),
        ('no', False), ('No, it is closed', False), ('false.', False), ('nope', False),
        ('', None), ('maybe', None), ('the door is open', None), ('nothing', None),
        ('yesterday', None), ('no idea', None), ('No clue.', None), ('yes and no', None),
    ],
)  # fmt: skip
def test_yes_no_of(text, expected):
    assert yes_no_of(text) is expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('3', 3), ('three', 3), ('There are three.', 3), ('none', 0), ('no dogs', 0), ('0', 0),
        ('many', None), ('two or three', None), ('', None), ('a dog', None), ('twelve people', 12),
        ('more than 2', None), ('at least three', None), ('3+', None), ('2-4', None),
        ('2 or more', None), ('about ten', None), ('no idea', None), ('none of these', None),
        ('twenty-one dogs', 21), ('two hundred', 200), ('exactly 3', 3), ('none of them', 0),
        ('no more than 2', None), ('not three', None),
    ],
)  # fmt: skip
def test_number_of(text, expected):
    assert number_of(text) == expected


@pytest.mark.parametrize(
    ('text', 'choices', 'expected'),
    [
        ('yes', ('Yes', 'No'), 'Yes'),
        ('No, it is not.', ('yes', 'no'), 'no'),
        ('no', ('true', 'false'), 'false'),
        ('2', ('one', 'two', 'three'), 'two'),
        ('three', ('1', '2', '3'), '3'),
        ('0', ('none', 'some'), 'none'),
        ('on the left', ('left', 'right'), 'left'),
        ('in the upper left', ('top left', 'top right', 'bottom left'), 'top left'),
        ('in the upper left', ('left', 'top'), None),
        ('a dog', ('cat', 'dog'), 'dog'),
        ('Dogs.', ('cat', 'dog'), 'dog'),
        ('the door is open', ('open', 'closed'), 'open'),
        ('grey', ('gray', 'red'), 'gray'),
        ('blue', ('red', 'green'), None),
        ('a cat and a dog', ('cat', 'dog'), None),
        ('', ('cat', 'dog'), None),
        ('not open', ('open', 'closed'), None),
        ('2', ('more than 2', '1'), None),
        ('3', ('more than 2', '1'), 'more than 2'),
        ('0', ('none', 'fewer than 2', '5'), 'none'),
        ('0', ('fewer than 2', '5'), 'fewer than 2'),
        ('2', ('0-1', '2-3', '4+'), '2-3'),
        ('four', ('0-1', '2 to 3', '4 or more'), '4 or more'),
        ('3', ('at least 1', 'at least three'), None),
        ('at least three', ('3', 'at least 3'), 'at least 3'),
        ('more than 2', ('2', '3'), None),
        ('no', ('yes', 'no idea'), None),
        ('0', ('none of these', '5'), None),
        ('two cats', ('two dogs', 'three dogs'), None),
        ('two dogs', ('two dogs', 'three dogs'), 'two dogs'),
        ('2', ('two dogs', 'three dogs'), 'two dogs'),
        ('two dogs and a cat', ('two cats', 'no cats'), None),
        ('two dogs and a cat', ('two dogs', 'no dogs'), 'two dogs'),
        ('there are two dogs in view', ('two dogs', 'two cats'), 'two dogs'),
        ('two', ('two dogs', 'two cats'), None),
        ('no dog', ('dog', 'cat'), None),
        ('no dogs', ('a dog', 'no dog'), 'no dog'),
        ('a dog', ('a dog', 'no dog'), 'a dog'),
        ('yes', ('left', 'right'), None),
        ('yes', ('right', 'wrong'), 'right'),
    ],
)
def test_matching_choice(text, choices, expected):
    assert matching_choice(text, choices) == expected


@pytest.mark.parametrize(
    ('text', 'known', 'expected'),
    [
        ('a dog', (), ('dog',)),
        ('The man is holding an umbrella and two bags.', ('man',), ('umbrella', 'bag')),
        ('a red car', ('car',), ()),
        ('red', (), ()),
        ('tennis', (), ()),
        ('yes', (), ()),
        ('a sunny day', (), ()),
        ('a cat, a cat and a dog', (), ('cat', 'dog')),
    ],
)
def test_claimed_names(text, known, expected):
    assert claimed_names(text, known) == expected
