import inspect

import pytest

from vlm_ros import backends
from vlm_ros.backends import registry
from vlm_ros.backends.options import check_options, parse_options, split_options
from vlm_ros.errors import BackendError, InputError


def make(
    *,
    device='cpu',
    model='',
    exact: bool = False,
    count: int = 1,
    share: float = 0.5,
    prompt: str = '',
    quoted: 'int' = 1,
    either: str | int | None = None,
    plain=None,
):
    """Stand for the constructor of a backend."""


def read(text):
    return parse_options(split_options(text), 'backend_options')


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('', {}),
        ('a=1, b=x,', {'a': 1, 'b': 'x'}),
        ('a=[1, 2], b=3', {'a': [1, 2], 'b': 3}),
        ('a={"x": [1, 2], "y": "},"}, b=3', {'a': {'x': [1, 2], 'y': '},'}, 'b': 3}),
        ('a="one, two", b=3', {'a': 'one, two', 'b': 3}),
        ("a='it''s one, or two', b=3", {'a': "it's one, or two", 'b': 3}),
        (r'a="say \"a, b\"", b=3', {'a': 'say "a, b"', 'b': 3}),
        ("a=the robot's view [of], b=it's", {'a': "the robot's view [of]", 'b': "it's"}),
        ('prompt=a photo of a {}, b=3', {'prompt': 'a photo of a {}', 'b': 3}),
        ('auth_variable=, b=3', {'auth_variable': '', 'b': 3}),
        (
            'base_url=http://localhost:8000/v1, b=3',
            {'base_url': 'http://localhost:8000/v1', 'b': 3},
        ),
        ('script=ok*10 0.5 fail', {'script': 'ok*10 0.5 fail'}),
    ],
)
def test_commas_inside_of_values(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize('text', ['a={} on a table', 'a="open, b=3', 'a=[1, b=3', 'a=2026-99-99'])
def test_a_value_that_cannot_be_read_asks_for_quotation_marks(text):
    with pytest.raises(InputError, match=r"value of 'a' cannot be read; .* quotation marks"):
        read(text)


@pytest.mark.parametrize(
    'options',
    [
        {'exact': True, 'count': 3, 'share': 0.5, 'prompt': 'x', 'quoted': 2},
        {'share': 1},
        {'either': [1]},
        {'plain': object()},
    ],
)
def test_values_of_the_right_kind(options):
    assert check_options('mine', make, options) is None  # it raises otherwise


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('exact', 1, "'exact' of 'mine' must be true or false, got 1"),
        ('exact', 'yes', 'must be true or false'),
        ('count', 2.5, "'count' of 'mine' must be a whole number, got 2.5"),
        ('count', True, 'must be a whole number, got True'),
        ('count', '3', "must be a whole number, got '3'"),
        ('count', None, 'must be a whole number, got None'),
        ('quoted', 'x', "'quoted' of 'mine' must be a whole number, got 'x'"),
        ('share', 'abc', "must be a number, got 'abc'"),
        ('share', False, 'must be a number, got False'),
        ('share', [1], r'must be a number, got \[1\]'),
        ('prompt', 3, r'must be a text, got 3 \(quotation marks around it make it one\)'),
        ('prompt', {'a\nb' * 99: 1}, r'must be a text, got .{60}\.\.\. \('),
        ('speed', 1, "no option 'speed'; it has: exact, count, share"),
    ],
)
def test_values_of_another_kind(option, value, message):
    with pytest.raises(BackendError, match=message) as caught:
        check_options('mine', make, {option: value})
    assert '\n' not in str(caught.value)


def test_an_annotation_that_cannot_be_resolved_is_not_checked():
    def odd(*, device, model, size: 'Unknown', count: int): ...  # noqa: F821 - that is the point

    assert check_options('odd', odd, {'size': 'x', 'count': 3}) is None  # it raises otherwise


@pytest.mark.parametrize('name', sorted(registry._BUILT_IN))
def test_every_backend_refuses_a_wrong_kind_by_name(name):
    parameters = inspect.signature(registry._import(name), eval_str=True).parameters
    numbers = [key for key, item in parameters.items() if item.annotation in (int, float)]
    for option in numbers:
        with pytest.raises(BackendError, match=f"option '{option}' of '{name}' must be a"):
            backends.load(name, **{option: 'abc'})
