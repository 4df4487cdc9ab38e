"""Captions as people and models write them, with the things that they name.

The names were written down before any chunker saw the captions.
"""

from pathlib import Path

import pytest

from vlm_ros.phrases import chunk, noun_phrases

TABLE = Path(__file__).with_name('captions.tsv').read_text(encoding='utf-8').splitlines()
ROWS = [tuple(line.split('\t')) for line in TABLE if line and not line.startswith('#')]
CAPTIONS = [row for row in ROWS if len(row) == 2]
KNOWN_WRONG = [row for row in ROWS if len(row) == 3]


def names(text, extract=noun_phrases):
    return '; '.join(phrase.name for phrase in extract(text))


@pytest.mark.parametrize(('text', 'expected'), CAPTIONS)
def test_things_of_a_caption(text, expected):
    assert names(text) == expected


@pytest.mark.parametrize(('text', 'expected', 'found'), KNOWN_WRONG)
def test_known_wrong_captions_still_are(text, expected, found):
    assert names(text) == found != expected


def test_spacy_finds_more_than_the_lists_of_words():
    right = {
        extract: sum(names(text, extract) == expected for text, expected, *_ in ROWS)
        for extract in (noun_phrases, chunk)
    }
    assert right[noun_phrases] >= 54
    assert 33 <= right[chunk] < right[noun_phrases]
