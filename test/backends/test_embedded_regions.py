"""Given boxes against words, by the embedded networks, on photographs with boxes drawn by hand."""

import numpy as np
from photographs import PHOTOGRAPHS
import pytest

from vlm_ros.errors import QuestionError
from vlm_ros.grounding.matching import match_words, propose

OTHERS = ('airplane', 'giraffe', 'toaster')
OBJECTS = [(entry['photo'], thing) for entry in PHOTOGRAPHS for thing in entry['objects']]


@pytest.mark.parametrize(
    ('photo', 'thing'), OBJECTS, ids=[p + '-' + t['names'][0] for p, t in OBJECTS]
)
def test_a_region_is_most_like_its_own_name(photo, thing, embedded, photos):
    words = (thing['names'][0], *OTHERS)
    similarity = embedded.match_regions(photos[photo], np.array([thing['xyxy']]), words)
    assert similarity.shape == (1, 4)
    assert int(similarity[0].argmax()) == 0


def test_words_come_back_in_their_order_and_spelling_does_not_matter(embedded, photos):
    entry = PHOTOGRAPHS[0]
    boxes = np.array([thing['xyxy'] for thing in entry['objects']], np.float32)
    name = entry['objects'][0]['names'][0]
    image = photos[entry['photo']]
    plain = embedded.match_regions(image, boxes, [name, 'toaster'])
    turned = embedded.match_regions(image, boxes, ['toaster', name.upper(), name])
    assert np.array_equal(turned, plain[:, [1, 0, 0]])


def test_nothing_to_compare_is_an_empty_matrix(embedded, photos):
    image = next(iter(photos.values()))
    assert embedded.match_regions(image, np.zeros((0, 4)), ['dog']).shape == (0, 1)
    assert embedded.match_regions(image, np.zeros((2, 4)), []).shape == (2, 0)


def test_a_blank_word_is_refused(embedded, photos):
    with pytest.raises(QuestionError, match='word is empty'):
        embedded.match_regions(next(iter(photos.values())), np.zeros((1, 4)), [' '])


def test_a_sentence_is_matched_with_regions_of_its_own(embedded, photos):
    image = photos['coffee']
    sentence = 'a cup of coffee, and no giraffe'
    found = match_words(
        image,
        sentence,
        embedded,
        propose(embedded, image, sentence),
        name_of=lambda phrase: phrase.head,
        score_threshold=0.4,
    )
    by_phrase = dict(zip(found.phrases, found.assigned, strict=True))
    assert by_phrase['cup']
    assert not by_phrase['giraffe']
