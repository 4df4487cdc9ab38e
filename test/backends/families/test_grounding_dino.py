"""Grounding DINO against the library's own way: processor, model, post-processing."""

import numpy as np
import pytest
from tiny import grounding_dino
import torch
from transformers import AutoImageProcessor, AutoTokenizer, GroundingDinoProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import BatchDetector, Ticket

NAMES = ('cat', 'Coffee Cup', 'tea cup', 'red traffic light', 'person')
MANY = tuple(f'{colour} {name}' for colour in ('old', 'small', 'wooden') for name in NAMES)
TOLERANCE = 2e-5
"""Of scores, and of boxes in parts of the image, both ways in float32."""
THRESHOLD = 0.1


@pytest.fixture(scope='module', params=list(grounding_dino.MODELS))
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('grounding_dino') / request.param
    torch.manual_seed(7)
    grounding_dino.save(folder, request.param)
    return folder


@pytest.fixture(scope='module')
def load(folder):
    def load(**options):
        defaults = {'dtype': 'float32', 'preprocess': 'exact', 'iou_threshold': 1.0, 'threads': 1}
        return backends.load('grounding_dino', **{'model': str(folder), **defaults, **options})

    return load


@pytest.fixture(scope='module')
def exact(load):
    return load()


@pytest.fixture(scope='module')
def library(folder):
    """The library's processor and model."""
    model_class = grounding_dino.MODELS[folder.name][1]
    processor = GroundingDinoProcessor(
        AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )
    return processor, model_class.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope='module')
def reference(library):
    """The library's detections `(boxes, scores, labels)` of one image.

    Its scores are of all tokens, those between the names too. Trained models give them next to
    nothing, random weights give them as much as any: they are silenced.
    """
    processor, model = library

    def detect(image, text, threshold, text_threshold=0.25):
        # A tiny image's axes do not tell the library which of them are colours.
        inputs = processor(
            text=text, images=image, input_data_format='channels_last', return_tensors='pt'
        )
        with torch.no_grad():
            outputs = model(**inputs)
        between = torch.isin(inputs['input_ids'][0], torch.tensor([101, 102, 1012, 1029]))
        outputs.logits[0, :, : len(between)][:, between] = float('-inf')
        found = processor.post_process_grounded_object_detection(
            outputs,
            threshold=threshold,
            text_threshold=text_threshold,
            target_sizes=[image.shape[:2]],
        )[0]
        return found['boxes'].numpy(), found['scores'].numpy(), found['text_labels']

    return detect


def assert_same(found, boxes, scores, image):
    limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    order = np.argsort(-scores, kind='stable')
    np.testing.assert_allclose(found.scores, scores[order], atol=TOLERANCE)
    expected = np.clip(boxes[order], 0, limits) / limits
    np.testing.assert_allclose(found.xyxy / limits, expected, atol=TOLERANCE)


@pytest.mark.parametrize('names', [NAMES[:1], NAMES], ids=len)
@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_finds_what_the_library_finds(exact, reference, photos, names, photo):
    image = photos[photo].copy()
    boxes, scores, _ = reference(image, [list(names)], THRESHOLD)
    assert len(scores) >= 5
    assert scores.max() - scores.min() > 0.05  # else equal ones prove nothing
    assert np.ptp(boxes, axis=0).min() > 0.1 * min(image.shape[:2])
    found = exact.detect(image, Vocabulary(names), score_threshold=THRESHOLD)
    assert_same(found, boxes, scores, image)
    assert len(set(found.labels)) > (len(names) > 1)


def test_names_are_the_librarys_where_it_has_whole_ones(exact, reference, photos, monkeypatch):
    # Of `coffee cup` and `tea cup` the library takes the one's word for the other's.
    names = tuple(name for name in NAMES if name != 'tea cup')
    by_lower = {name.lower(): name for name in names}
    whole, merged = 0, 0
    for photo in ('chelsea', 'coffee'):
        image = photos[photo].copy()
        for threshold in (0.2, 0.35, 0.5, 0.65):
            _, scores, labels = reference(image, [list(names)], 0.0, threshold)
            monkeypatch.setattr(exact, '_text_threshold', threshold)
            found = exact.detect(image, Vocabulary(names), score_threshold=0.0)
            for score, label in zip(scores, labels, strict=True):
                if label in by_lower:
                    whole += 1
                    index = np.abs(found.scores - score).argmin()
                    assert abs(found.scores[index] - score) < TOLERANCE
                    assert found.labels[index] == by_lower[label]
                elif label:
                    merged += 1
    assert whole >= 5
    assert merged >= 10  # `cat person`, `cup`: what it was not asked for


@pytest.mark.parametrize('shape', [(64, 200), (333, 100), (7, 5), (1, 1), (3, 3)])
def test_odd_sizes_make_no_difference(exact, reference, photos, shape):
    image = photos['coffee'][: shape[0], : shape[1]].copy()
    boxes, scores, _ = reference(image, [list(NAMES)], THRESHOLD)
    found = exact.detect(image, Vocabulary(NAMES), score_threshold=THRESHOLD)
    assert len(scores)
    assert_same(found, boxes, scores, image)


@pytest.mark.parametrize('shape', [(8, 4000), (4000, 8)])
@pytest.mark.parametrize('preprocess', ['fast', 'exact'])
def test_what_is_too_narrow_for_the_library_is_stretched(
    load, reference, photos, shape, preprocess
):
    image = np.ascontiguousarray(np.resize(photos['coffee'], (*shape, 3)))
    with pytest.raises((RuntimeError, ValueError)):
        reference(image, [list(NAMES)], 0.0)
    found = load(preprocess=preprocess).detect(image, Vocabulary(NAMES), score_threshold=0.0)
    assert len(found) == grounding_dino.QUERIES
    assert found.xyxy[:, 2].max() > 0.6 * shape[1]
    assert found.xyxy[:, 3].max() > 0.6 * shape[0]


def test_a_batch_finds_what_single_looks_find(exact, photos, monkeypatch):
    images = [photos['chelsea'], photos['astronaut'], photos['coffee'], photos['chelsea'][::-1]]
    images = [np.ascontiguousarray(image) for image in images]
    vocabularies = [Vocabulary(NAMES), Vocabulary(NAMES[:2]), Vocabulary(NAMES[1:])]
    vocabularies.append(Vocabulary(MANY))
    alone = [
        exact.detect(image, vocabulary, score_threshold=0.3)
        for image, vocabulary in zip(images, vocabularies, strict=True)
    ]
    assert isinstance(exact, BatchDetector)
    sizes = []
    real = exact._model.forward
    monkeypatch.setattr(
        exact._model,
        'forward',
        lambda **inputs: sizes.append(len(inputs['pixel_values'])) or real(**inputs),
    )
    together = exact.detect_batch(images, vocabularies, score_threshold=0.3)
    assert max(sizes) >= 2
    for expected, found in zip(alone, together, strict=True):
        assert len(found)
        assert found.labels == expected.labels
        np.testing.assert_allclose(found.scores, expected.scores, atol=TOLERANCE)
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=0.05)


def test_more_names_than_fit_are_read_in_passes(exact, photos):
    names = MANY
    captions = exact._read(Vocabulary(names)).captions
    assert len(captions) >= 2
    every = exact.detect(photos['coffee'], Vocabulary(names), score_threshold=0.0)
    assert len(every) == grounding_dino.QUERIES * len(captions)
    parts = [
        exact.detect(
            photos['coffee'],
            Vocabulary(tuple(names[i] for i in caption.indices)),
            score_threshold=0.0,
        )
        for caption in captions
    ]
    expected = np.sort(np.concatenate([part.scores for part in parts]))
    np.testing.assert_allclose(np.sort(every.scores), expected, atol=TOLERANCE)
    assert sorted(every.labels) == sorted(label for part in parts for label in part.labels)


def test_names_that_cannot_be_read_are_not_looked_for(exact, photos):
    names = ('cat', '猫', 'St. Red?', 'xylophonist ' * 8)
    found = exact.detect(photos['coffee'], Vocabulary(names), score_threshold=0.0)
    long = Vocabulary(names).names[-1]
    assert found.unrecognized == ('猫', long)
    assert set(found.labels) == {'cat', 'St. Red?'}
    alone = exact.detect(photos['coffee'], Vocabulary(('猫',)), score_threshold=0.0)
    assert len(alone) == 0
    assert alone.unrecognized == ('猫',)


def test_a_pass_can_be_cancelled_between_its_layers(exact, photos):
    class Watched(Ticket):
        def check(self):
            super().check()
            self.checks = getattr(self, 'checks', 0) + 1
            if self.checks == self.last:
                self.cancel()

    ticket = Watched()
    ticket.last = None
    exact.detect(photos['coffee'], Vocabulary(NAMES), ticket=ticket)
    layers = grounding_dino.SIZES['encoder_layers'] + grounding_dino.SIZES['decoder_layers']
    assert ticket.checks == 4 + layers
    for last in range(1, ticket.checks):
        stopped = Watched()
        stopped.last = last
        with pytest.raises(WorkCancelled):
            exact.detect(photos['coffee'], Vocabulary(NAMES), ticket=stopped)


def test_phrases_are_grounded_by_their_tokens_in_the_sentence(exact, library, photos):
    text = 'A red cup, a coffee cup and another CUP behind the café'
    image = photos['coffee'].copy()
    grounded = exact.ground(image, text, score_threshold=0.0)
    assert [g.phrase for g in grounded.groundings] == ['red cup', 'coffee cup', 'CUP', 'café']
    processor, model = library
    inputs = processor(text=[f'{text.lower()}.'], images=image, return_tensors='pt')
    tokens_of = processor.tokenizer(f'{text.lower()}.')
    with torch.inference_mode():
        outputs = model(**inputs)
    tokens = outputs.logits.sigmoid()[0]
    places = [
        [at for i in range(start, end) if (at := tokens_of.char_to_token(i)) is not None]
        for start, end in (grounding.span for grounding in grounded.groundings)
    ]
    every = torch.stack([tokens[:, place].max(dim=1).values for place in places], dim=1)
    scores, best = every.max(dim=1)
    np.testing.assert_allclose(
        grounded.detections.scores, np.sort(scores.numpy())[::-1], atol=TOLERANCE
    )
    assert len(set(best.tolist())) >= 2
    for index, grounding in enumerate(grounded.groundings):
        expected = np.sort(scores[best == index].numpy())[::-1]
        np.testing.assert_allclose(grounding.scores, expected, atol=TOLERANCE)
    names = {'red cup', 'coffee cup', 'cup', 'café'}
    assert set(grounded.detections.labels) <= names


def test_a_sentence_that_is_too_long_is_read_as_far_as_it_goes(exact, photos):
    text = 'a cat and ' + 'a dog and ' * 20 + 'a bottle'
    grounded = exact.ground(photos['coffee'], text, score_threshold=0.0)
    assert grounded.groundings[-1].phrase == 'bottle'
    assert grounded.groundings[-1].detections == ()
    assert set(grounded.detections.unrecognized) == {'dog', 'bottle'}
    assert any(grounding.detections for grounding in grounded.groundings)
    assert exact.ground(photos['coffee'], 'is it so?').groundings == ()


def test_every_token_can_be_asked_for(exact, photos, monkeypatch):
    vocabulary = Vocabulary(NAMES[1:])
    lax = exact.detect(photos['coffee'], vocabulary, score_threshold=0.0)
    middle = float(np.median(lax.scores))
    monkeypatch.setattr(exact, '_text_threshold', middle)
    strict = exact.detect(photos['coffee'], vocabulary, score_threshold=0.0)
    assert 0 < len(strict) < (lax.scores >= middle).sum()  # more than by the best token
    assert strict.scores.min() >= middle
    monkeypatch.setattr(exact, '_text_threshold', 1.0)
    assert len(exact.detect(photos['coffee'], vocabulary, score_threshold=0.0)) == 0


def test_overlapping_boxes_of_one_name_become_one(exact, photos, monkeypatch):
    everything = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.05)
    monkeypatch.setattr(exact, '_iou_threshold', 0.1)
    suppressed = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.05)
    assert 0 < len(suppressed) < len(everything)
    assert suppressed.scores[0] == everything.scores[0]


def test_images_are_made_as_small_as_asked(load, photos):
    small = load(max_side_px=72, preprocess='fast')
    sizes = {
        photo: tuple(small._pixel_values(photos[photo]).shape[-2:])
        for photo in ('coffee', 'astronaut')
    }
    assert sizes == {'coffee': (48, 72), 'astronaut': (48, 48)}
    assert small.enough_px == 48
    found = small.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
    assert len(found) == grounding_dino.QUERIES
    assert tuple(load(max_side_px=72)._pixel_values(photos['coffee']).shape[-2:]) == (48, 72)


def test_fast_pixels_and_bfloat16_find_nearly_the_same(load, exact, photos):
    for options in ({'preprocess': 'fast'}, {'dtype': 'bfloat16'}):
        found = load(**options).detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
        expected = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
        assert np.abs(np.sort(found.scores) - np.sort(expected.scores)).mean() < 0.03, options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'text_threshold': -1}, r'text_threshold must be in \[0, 1\]'),
        ({'iou_threshold': 2}, r'iou_threshold must be in \[0, 1\]'),
        ({'max_side_px': 8}, 'max_side_px must be 0 or from 40.* to 96; got 8'),
        ({'max_side_px': 4000}, 'max_side_px must be 0 or from 40.* to 96; got 4000'),
        ({'preprocess': 'slow'}, 'preprocess must be fast or exact'),
    ],
)
def test_options_that_cannot_be_used_are_named(load, options, message):
    with pytest.raises(BackendError, match=message):
        load(**options)
