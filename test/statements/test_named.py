"""Statements with names, as they are written."""

import pytest

from vlm_ros.errors import InputError
from vlm_ros.statements import MAX_STATEMENTS, parse_statements, Statement


def test_a_statement_has_a_name():
    assert parse_statements(['door_open: the door is open', ' a/b : at 10:30, a dog ']) == (
        Statement('door_open', 'the door is open'),
        Statement('a/b', 'at 10:30, a dog'),
    )
    assert parse_statements([]) == ()


def test_a_statement_is_about_each_camera_or_about_one():
    lines = ['person: there is a person', 'car@rear: there is a car']
    assert parse_statements(lines, ('front', 'rear')) == (
        Statement('person', 'there is a person', 'front'),
        Statement('person', 'there is a person', 'rear'),
        Statement('car', 'there is a car', 'rear'),
    )
    both = parse_statements(['a@front: a dog', 'a@rear: a cat'], ('front', 'rear'))
    assert [s.text for s in both] == ['a dog', 'a cat']


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['the door is open'], "'the door is open' has no name; write 'name: statement'"),
        ([': the door is open'], 'has no name'),
        (['@front: the door is open'], 'has no name'),
        ([''], 'has no name'),
        (['1st: the door is open'], "the name '1st' of a statement cannot be part of a topic"),
        (['the door: is open'], "'the door' of a statement cannot be part of a topic"),
        (['a//b: the door is open'], 'cannot be part of a topic'),
        (['döör: the door is open'], 'cannot be part of a topic'),
        (['a\n: the door\n is open'], 'control characters'),
        (['a: the door\0is open'], 'a: the statement has control characters'),
        ([f'{"a" * 51}: the door is open'], 'has 51 characters; at most 50'),
        (['a: the door is open', 'a: the door is shut'], "'a' is given twice; remove one"),
        (['a: '], 'a: the statement is empty'),
        (['a: ?!'], 'a: the statement has no words'),
        ([f'a: {"x" * 100_000}'], 'a: the statement has 100000 characters; at most 2000'),
        (['x' * 100_000], 'has no name'),
        (['a@rear: the door is open'], "a: there is no camera 'rear'; this node has one"),
        (['a@: the door is open'], "a: there is no camera ''"),
        ([f'a{n}: a dog' for n in range(MAX_STATEMENTS + 1)], 'there are 51 statements'),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(lines, message):
    with pytest.raises(InputError) as refused:
        parse_statements(lines)
    assert message in str(refused.value)
    assert '\n' not in str(refused.value) and len(str(refused.value)) < 200


def test_cameras_are_named_where_there_are_some():
    with pytest.raises(InputError, match="no camera 'left'; the cameras are 'front', 'rear'"):
        parse_statements(['a@left: a dog'], ('front', 'rear'))
    with pytest.raises(InputError, match='there are 52 statements, counted for each camera'):
        parse_statements([f'a{n}: a dog' for n in range(26)], ('front', 'rear'))
