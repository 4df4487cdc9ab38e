import pytest

from vlm_ros.grounding.agreement import claimed_names, matching_choice, number_of, yes_no_of


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('yes', True), ('Yes, there is.', True), ('YES!', True), ('true', True), ('yeah', True),
        ('no', False), ('No, it is closed', False), ('false.', False), ('nope', False),
        ('', None), ('maybe', None), ('the door is open', None), ('nothing', None),
        ('yesterday', None),
    ],
)  # fmt: skip
def test_yes_no_of(text, expected):
    assert yes_no_of(text) is expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('3', 3), ('three', 3), ('There are three.', 3), ('none', 0), ('no dogs', 0), ('0', 0),
        ('many', None), ('two or three', None), ('', None), ('a dog', None), ('twelve people', 12),
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
