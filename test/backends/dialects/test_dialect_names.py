import numpy as np
import pytest

from vlm_ros.backends.dialects import detections_of, dialect_of, find_span, SpokenBox, SpokenBoxes
from vlm_ros.backends.dialects.names import Names
from vlm_ros.phrases import Vocabulary


@pytest.mark.parametrize(
    ('label', 'name'),
    [
        ('Coffee Cup', 'Coffee Cup'),
        ('coffee cups', 'Coffee Cup'),
        ('the coffee_cup', 'Coffee Cup'),
        ('a person.', 'person'),
        ('PEOPLE', 'person'),
        ('buses', 'bus'),
        ('猫', '猫'),
        ('cup', ''),
        ('personal', ''),
        ('', ''),
    ],
)
def test_labels_become_names_of_the_vocabulary(label, name):
    assert Names(Vocabulary(('person', 'Coffee Cup', '猫', 'bus'))).find(label) == name


def test_a_name_as_it_is_comes_before_its_plural():
    names = Names(Vocabulary(('glass', 'glasses')))
    assert names.find('Glasses') == 'glasses'
    assert names.find('glass') == 'glass'


def test_a_box_without_a_label_is_the_only_thing_that_was_asked_for():
    assert Names(Vocabulary(('cat',))).find('') == 'cat'


def test_detections_have_names_of_the_vocabulary_only():
    spoken = SpokenBoxes(
        (
            SpokenBox('Cats', (0, 0, 2, 2)),
            SpokenBox('dog', (0, 0, 3, 3)),
            SpokenBox('cat', (1, 1, 4, 4)),
        )
    )
    found = detections_of(spoken, Vocabulary(('cat', 'bird')), (0.5, 0.6, 0.7))
    assert found.labels == ('cat', 'cat')
    np.testing.assert_array_equal(found.xyxy, [[0, 0, 2, 2], [1, 1, 4, 4]])
    np.testing.assert_allclose(found.scores, (0.5, 0.7))
    assert len(detections_of(spoken, Vocabulary(('bird',)), 1.0)) == 0


def test_finds_each_of_equal_phrases():
    text = 'A cat and a  CAT, but no cats.'
    first = find_span(text, 'cat')
    second = find_span(text, 'a cat', first[1])
    assert text[slice(*first)] == 'cat'
    assert text[slice(*second)] == 'a  CAT'
    assert find_span(text, 'cat', second[1]) is None
    assert find_span(text, ' ') is None
    assert find_span('2 (two)', '(two)') == (2, 7)


@pytest.mark.parametrize(
    ('model', 'name'),
    [
        ('Qwen/Qwen2.5-VL-7B-Instruct', 'qwen2.5'),
        ('qwen2.5vl:7b', 'qwen2.5'),
        ('Qwen/Qwen2-VL-2B-Instruct', 'qwen2'),
        ('Qwen3-VL-8B-Instruct-GGUF', 'qwen3'),
        ('Qwen/Qwen3.5-0.8B', 'qwen3'),
        ('OpenGVLab/InternVL3_5-1B-HF', 'internvl'),
        ('google/paligemma2-3b-mix-224', 'paligemma'),
        ('google/gemma-3-4b-it', 'gemma'),
        ('llava-hf/llava-onevision-qwen2-0.5b-ov-hf', 'json'),
        ('gpt-4o', 'json'),
        ('', 'json'),
    ],
)
def test_dialect_of_a_model(model, name):
    assert dialect_of(model).name == name
