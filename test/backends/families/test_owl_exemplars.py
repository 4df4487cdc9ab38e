"""Things found by pictures with OWL: pictures that come again, and the pictures of one name."""

import numpy as np
import pytest
from tiny import owl
import torch

from vlm_ros import backends
from vlm_ros.boxes import iou
from vlm_ros.grounding.exemplars import Exemplar, with_exemplars
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp('owl') / 'owlvit'
    torch.manual_seed(7)
    owl.save(folder, 'owlvit')
    return backends.load('owl', model=str(folder), dtype='float32', preprocess='exact')


def fixed(image):
    image = np.ascontiguousarray(image)
    image.flags.writeable = False
    return image


@pytest.fixture(scope='module')
def cup(photos):
    return fixed(photos['coffee'][17:308, 173:408])


def test_pictures_and_looks_are_made_once(model, photos, cup, monkeypatch):
    image = fixed(photos['coffee'].copy())
    detector = with_exemplars(model, [Exemplar('zorp', cup)])
    counts = {'looks': 0, 'pictures': 0}
    look, query = model._vision, model._query

    def counted_look(pixels):
        counts['looks'] += 1
        return look(pixels)

    def counted_query(picture):
        counts['pictures'] += 1
        return query(picture)

    monkeypatch.setattr(model, '_vision', counted_look)
    monkeypatch.setattr(model, '_query', counted_query)
    first = detector.detect(image, Vocabulary(('cat', 'zorp')))
    again = detector.detect(image, Vocabulary(('cat', 'zorp')))
    assert counts == {'looks': 2, 'pictures': 1}
    np.testing.assert_array_equal(first.scores, again.scores)
    changed = image.copy()
    model.detect_like(changed, [cup], ['zorp'], score_threshold=0.0)
    changed[:] = 0
    black = model.detect_like(changed, [cup], ['zorp'], score_threshold=0.0)
    assert counts['looks'] == 4, 'an array that can be written to is looked at again'
    assert np.abs(black.scores[:3] - first.scores[:3]).max() > 0


def test_a_look_for_pictures_sees_what_one_by_itself_sees(model, photos, cup):
    image = fixed(photos['coffee'].copy())
    alone = model.detect_like(image.copy(), [cup], ['zorp'], score_threshold=0.0)
    model.detect_batch([photos['chelsea'], image], [Vocabulary(('cat',))] * 2)
    after = model.detect_like(image, [cup], ['zorp'], score_threshold=0.0)
    np.testing.assert_allclose(after.scores, alone.scores, atol=1e-5)


@pytest.mark.parametrize('change', ['none', 'shifted', 'mirrored', 'smaller'])
def test_the_best_likeness_is_found_again_by_pictures(model, photos, change):
    # Random weights know no things, but a picture is most like itself.
    whole = photos['coffee']
    image = {
        'none': whole, 'shifted': whole[8:, 8:], 'mirrored': whole[:, ::-1],
        'smaller': whole[::2, ::2],
    }[change]  # fmt: skip
    found = model.detect_like(
        fixed(image), [fixed(whole), fixed(photos['chelsea'])], ['zorp', 'blick'],
        score_threshold=0.0,
    )  # fmt: skip
    assert found.labels[0] == 'zorp'


def test_boxes_of_one_name_do_not_overlap_whichever_picture_found_them(model, photos, cup):
    pictures = [cup, fixed(photos['coffee'][100:300, 200:400]), fixed(photos['coffee'])]
    found = model.detect_like(photos['coffee'], pictures, ['zorp'] * 3, score_threshold=0.0)
    overlaps = iou(found.xyxy, found.xyxy) - np.eye(len(found))
    assert overlaps.max() <= 0.6  # 0.5 before boxes are cut off at the edges
    assert set(found.labels) == {'zorp'}


def test_a_picture_in_which_nothing_stands_out_makes_its_name_unrecognized(
    model, photos, cup, monkeypatch
):
    model.release_memory()
    embed = model._model.embed_image_query
    blank = fixed(np.zeros((32, 32, 3), np.uint8))

    def choosy(flat, features):
        return (None,) if calls.pop(0) else embed(flat, features)

    monkeypatch.setattr(model._model, 'embed_image_query', choosy)
    calls = [True, False]
    found = model.detect_like(photos['coffee'], [blank, cup], ['blick', 'zorp'])
    assert found.unrecognized == ('blick',)
    found = model.detect_like(photos['coffee'], [blank], ['blick'])
    assert (found.status, found.unrecognized) == (Status.UNSURE, ('blick',))
    shown = with_exemplars(model, [Exemplar('zorp', cup), Exemplar('zorp', blank)])
    assert shown.detect(photos['coffee'], Vocabulary(('zorp',))).unrecognized == ()
    model.release_memory()
