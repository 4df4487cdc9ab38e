"""What docs/testing.md says, held against the fake."""

import inspect
from pathlib import Path
import re
from typing import get_args

import pytest
import yaml

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.backends.fake.script import Kind, Script

HERE = Path(__file__).parent
TEXT = (HERE.parents[1] / 'docs' / 'testing.md').read_text('utf-8')


def rows(heading):
    """Return the cells of the first table under a heading, without the code marks."""
    section = TEXT.partition(f'## {heading}\n')[2].partition('\n## ')[0]
    lines = [line for line in section.splitlines() if line.startswith('|')][2:]
    return [[cell.strip().strip('`') for cell in line.strip('|').split('|')] for line in lines]


def parse(options):
    parts = (option.strip().partition('=') for option in options.split(','))
    return {name: yaml.safe_load(value) for name, _, value in parts}


def without_the_wait(options):
    return {name: value for name, value in options.items() if not name.startswith('load_')}


@pytest.mark.parametrize('step', [row[0] for row in rows('What the calls do')])
def test_every_step_is_one(step):
    assert Script(step).take()[0] == 1


def test_every_kind_of_step_is_there():
    kinds = {Script(row[0]).take()[1].kind for row in rows('What the calls do')}
    assert kinds == set(get_args(Kind))


def test_every_option_is_there_with_its_default():
    parameters = inspect.signature(FakeBackend).parameters
    documented = {row[0]: yaml.safe_load(row[1]) for row in rows('All options')}
    assert list(documented) == [name for name in parameters if name not in ('device', 'model')]
    script = documented.pop('script')
    assert (script, parameters['script'].default) == ('ok', None)
    assert documented == {name: parameters[name].default for name in documented}


EXAMPLES = [row[1] for row in rows('Bad days, one by one')] + re.findall(
    r"backend_options(?:: \"|:=)([^'\"\n]+)['\"]", TEXT
)


@pytest.mark.parametrize('options', EXAMPLES)
def test_every_example_can_be_used(options):
    parsed = parse(options)
    assert parsed.keys() <= inspect.signature(FakeBackend).parameters.keys()
    assert FakeBackend(**without_the_wait(parsed)).model_id == 'fake'


def test_examples_are_found():
    assert len(EXAMPLES) >= 16
    assert EXAMPLES.count('script=ok*10 0.5 fail') == 2


def test_every_scene_can_be_used():
    scenes = re.findall(r'`scene=([^`]+)`', TEXT)
    assert len(scenes) == 2
    for scene in scenes:
        assert FakeBackend(scene=yaml.safe_load(scene)).calls == 0


def test_the_example_is_the_one_that_is_tested():
    assert f'```python\n{(HERE / "test_crossing.py").read_text("utf-8")}```' in TEXT
