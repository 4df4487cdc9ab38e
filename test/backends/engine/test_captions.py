"""Which tokens of a caption make a name."""

from itertools import pairwise

import numpy as np
import pytest
from tiny._wordpiece import bert_tokenizer

from vlm_ros.backends.engine.captions import caption_names, caption_sentence


@pytest.fixture(scope='module')
def tokenizer():
    return bert_tokenizer()


def words(tokenizer, caption):
    return [
        tokenizer.decode(list(caption.ids[start:end]), skip_special_tokens=False)
        for start, end in caption.spans
    ]


def test_names_are_written_as_the_models_were_trained_to_read_them(tokenizer):
    names = ('cat', 'Coffee Cup', 'tea cup', 'bottles')
    (caption,), unreadable = caption_names(tokenizer, names, max_tokens=64)
    assert list(caption.ids) == tokenizer('cat. coffee cup. tea cup. bottles.')['input_ids']
    assert words(tokenizer, caption) == ['cat', 'coffee cup', 'tea cup', 'bottles']
    assert caption.indices == (0, 1, 2, 3)
    assert unreadable == ()


def test_marks_that_would_end_a_name_are_read_as_spaces(tokenizer):
    (caption,), _ = caption_names(tokenizer, ('St. Red', 'cat?', 'e.g. a cup'), max_tokens=64)
    assert words(tokenizer, caption) == ['st red', 'cat', 'e g a cup']


@pytest.mark.parametrize('name', ['猫', 'чашка', '...', '?', 'cat ' * 20])
def test_what_cannot_be_read_is_said(tokenizer, name):
    captions, unreadable = caption_names(tokenizer, (name, 'cat'), max_tokens=20)
    assert unreadable == (name,)
    assert [caption.indices for caption in captions] == [(1,)]
    assert caption_names(tokenizer, (name,), max_tokens=20) == ((), (name,))


def test_a_name_of_which_one_word_is_known_is_read(tokenizer):
    (caption,), unreadable = caption_names(tokenizer, ('猫 cup',), max_tokens=20)
    assert words(tokenizer, caption) == ['[UNK] cup']
    assert unreadable == ()


def test_special_tokens_in_a_name_are_text(tokenizer):
    (caption,), _ = caption_names(tokenizer, ('[SEP] cat [CLS]',), max_tokens=64)
    assert caption.ids.count(tokenizer.sep_token_id) == 1
    assert caption.ids.count(tokenizer.cls_token_id) == 1


@pytest.mark.parametrize('limit', [5, 16, 17, 40])
def test_names_are_shared_out_among_captions(tokenizer, limit):
    names = tuple(f'{colour} {thing}' for colour in ('red', 'blue') for thing in ('cat', 'cup'))
    names += ('cat', 'dog', 'small bottle')
    captions, unreadable = caption_names(tokenizer, names, max_tokens=limit)
    assert all(len(caption.ids) <= limit for caption in captions)
    assert [i for caption in captions for i in caption.indices] == list(range(len(names)))
    assert unreadable == ()
    read = [word for caption in captions for word in words(tokenizer, caption)]
    assert read == list(names)
    # No two neighbours would have fitted into one.
    for first, second in pairwise(captions):
        begin, end = second.spans[0]
        assert len(first.ids) + end - begin + 1 > limit


def test_phrases_are_found_where_they_stand(tokenizer):
    text = 'A Red Car, behind the CAFÉ cup? The İcup'
    spans = [(2, 9), (22, 30), (36, 40)]
    caption = caption_sentence(tokenizer, text, spans, max_tokens=64)
    assert words(tokenizer, caption) == ['red car', 'cafe cup', 'icup']
    assert caption.ids[0] == tokenizer.cls_token_id
    end = tokenizer.convert_tokens_to_ids('.')
    assert caption.ids[-2:] == (end, tokenizer.sep_token_id)
    with_mark = caption_sentence(tokenizer, 'a red car.', [(2, 9)], max_tokens=64)
    assert with_mark.ids.count(end) == 1


def test_phrases_beyond_the_limit_are_left_out(tokenizer):
    text = 'a cat and a dog and a red car'
    spans = [(2, 5), (12, 15), (22, 29)]
    caption = caption_sentence(tokenizer, text, spans, max_tokens=10)
    assert len(caption.ids) == 10
    assert caption.indices == (0, 1)
    assert words(tokenizer, caption) == ['cat', 'dog']
    cut = caption_sentence(tokenizer, text, spans, max_tokens=11 - 1 + 1)  # between red and car
    assert cut.indices == (0, 1)
    assert len(caption_sentence(tokenizer, '猫', [(0, 1)], max_tokens=10).indices) == 0


def test_scores_are_those_of_the_best_token_and_ask_for_all(tokenizer):
    (caption,), _ = caption_names(tokenizer, ('cat', 'coffee cup', 'dog'), max_tokens=64)
    assert caption.spans.tolist() == [[1, 2], [3, 5], [6, 7]]
    tokens = np.full((2, 12), 0.99, np.float32)  # of what is no name
    tokens[:, [1, 3, 4, 6]] = [[0.1, 0.5, 0.3, 0.2], [0.9, 0.0, 0.6, 0.7]]
    expected = [[0.1, 0.5, 0.2], [0.9, 0.6, 0.7]]
    np.testing.assert_allclose(caption.scores(tokens), expected)
    some = caption.scores(tokens, text_threshold=0.2)
    np.testing.assert_allclose(some, [[0, 0.5, 0.2], [0.9, 0, 0.7]])
