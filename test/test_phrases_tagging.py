import subprocess
import sys
import threading
import time
from types import ModuleType, SimpleNamespace

import pytest

from vlm_ros import tagging
from vlm_ros.phrases import chunk, MAX_TEXT_CHARACTERS, noun_phrases, preload

CAPTION = 'kids fly kites in the windy park'


@pytest.fixture
def unloaded():
    """Nothing loaded before the test, and nothing that the test loaded after it."""
    tagging._pipeline.cache_clear()
    yield
    tagging._pipeline.cache_clear()


@pytest.fixture
def loads(unloaded, monkeypatch):
    """A model that takes its time to load, and counts how often it is asked to."""
    calls = []

    def load(exclude):
        calls.append(exclude)
        time.sleep(0.05)
        return lambda text: [SimpleNamespace(text=text, idx=0, tag_='NN', dep_='ROOT')]

    model = ModuleType('en_core_web_sm')
    model.load = load
    monkeypatch.setitem(sys.modules, 'en_core_web_sm', model)
    return calls


def test_without_spacy_the_chunker_does(unloaded, monkeypatch):
    for name in tagging._MODELS:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    preload()
    assert noun_phrases(CAPTION) == chunk(CAPTION)
    assert tagging.tags_of(CAPTION) == {}


def test_spacy_tells_what_the_lists_do_not():
    assert [phrase.head for phrase in noun_phrases(CAPTION)] == ['kid', 'kite', 'windy park']
    assert [phrase.head for phrase in chunk(CAPTION)] == ['kids fly kite', 'windy park']


@pytest.mark.parametrize(
    ('text', 'attributes', 'head'),
    [
        ('a rusty bicycle', ('rusty',), 'bicycle'),
        ('a leaking pipe under the sink', ('leaking',), 'pipe'),
        ('there is an unopened letter', ('unopened',), 'letter'),
        ('a solar panel', (), 'solar panel'),
        ('he feeds the goldfish bowl', (), 'goldfish bowl'),
    ],
)
def test_adjectives_describe_and_kinds_name(text, attributes, head):
    phrase = noun_phrases(text)[0]
    assert (phrase.attributes, phrase.head) == (attributes, head)


def test_the_model_is_loaded_once_whoever_asks_first(loads):
    threads = [threading.Thread(target=noun_phrases, args=('a dog',)) for _ in range(8)]
    for thread in threads:
        thread.start()
    preload()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_long_texts_do_without_tags(loads):
    noun_phrases('dog ' * MAX_TEXT_CHARACTERS)
    assert loads == []


def test_threads_find_the_same():
    expected = noun_phrases(CAPTION)
    found = []
    threads = [
        threading.Thread(target=lambda: found.extend(noun_phrases(CAPTION) for _ in range(5)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 20


def test_capitals_are_no_names():
    assert tagging.tags_of('THE DOG RUNS') == tagging.tags_of('the dog runs')


def test_spacy_is_imported_by_the_first_text_only():
    code = (
        'import sys, vlm_ros.phrases, vlm_ros.language.questions as questions;'
        "questions.parse('is there a red car left of the bus?');"
        "assert 'spacy' not in sys.modules"
    )
    subprocess.run([sys.executable, '-c', code], check=True, timeout=120)
