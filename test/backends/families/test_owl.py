"""OWL-ViT and OWLv2 against the library's own way: processor, whole model, post-processing."""

import numpy as np
import pytest
from tiny import owl
import torch
from transformers import AutoProcessor, Owlv2Processor, OwlViTProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, InputError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import BatchDetector, Ticket

NAMES = ('cat', 'Coffee Cup', 'red traffic light', '猫', 'person')
TOLERANCE = 2e-5
"""Of scores, and of boxes in parts of the image, both ways in float32."""


@pytest.fixture(scope='module', params=['owlvit', 'owlv2'])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('owl') / request.param
    torch.manual_seed(7)
    owl.save(folder, request.param)
    return folder


@pytest.fixture(scope='module')
def load(folder):
    return lambda **options: backends.load(
        'owl', **{'model': str(folder), 'dtype': 'float32', 'preprocess': 'exact', **options}
    )


@pytest.fixture(scope='module')
def exact(load):
    return load(iou_threshold=1.0)


@pytest.fixture(scope='module')
def reference(folder):
    """The library's detections `(boxes, scores, labels)` of one image."""
    kind = OwlViTProcessor if folder.name == 'owlvit' else Owlv2Processor
    model_class = owl.MODELS[folder.name]
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    processor = kind(
        AutoProcessor.from_pretrained(folder).image_processor,
        AutoProcessor.from_pretrained(folder).tokenizer,
    )

    def detect(image, names, threshold):
        texts = [[f'a photo of a {name}' for name in names]]
        inputs = processor(text=texts, images=image, return_tensors='pt')
        with torch.inference_mode():
            outputs = model(**inputs)
        found = processor.post_process_grounded_object_detection(
            outputs, threshold=threshold, target_sizes=[image.shape[:2]], text_labels=[list(names)]
        )[0]
        return found['boxes'].numpy(), found['scores'].numpy(), found['text_labels']

    return detect


def assert_same(found, boxes, scores, labels, image):
    height, width = image.shape[:2]
    limits = np.array([width, height, width, height], np.float32)
    order = np.argsort(-scores, kind='stable')
    np.testing.assert_allclose(found.scores, scores[order], atol=TOLERANCE)
    # Scores that are equal to within rounding may change places.
    expected = {(labels[i], *np.round(np.clip(boxes[i], 0, limits) / limits, 3)) for i in order}
    got = {
        (label, *np.round(box / limits, 3))
        for label, box in zip(found.labels, found.xyxy, strict=True)
    }
    assert len(got ^ expected) <= 0.1 * len(expected)  # what lies on the edge of rounding
    by_score = np.clip(boxes[order], 0, limits)
    np.testing.assert_allclose(found.xyxy / limits, by_score / limits, atol=1e-3)


@pytest.mark.parametrize('names', [NAMES[:1], NAMES], ids=len)
@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_finds_what_the_library_finds(exact, reference, photos, names, photo):
    image = photos[photo].copy()
    boxes, scores, labels = reference(image, names, 0.2)
    assert len(scores) >= 3
    assert scores.max() - scores.min() > 0.05  # else equal ones prove nothing
    found = exact.detect(image, Vocabulary(names), score_threshold=0.2)
    assert_same(found, boxes, scores, labels, image)


@pytest.mark.parametrize('shape', [(64, 200), (333, 100), (7, 5)])
def test_odd_sizes_make_no_difference(exact, reference, photos, shape):
    image = np.ascontiguousarray(photos['coffee'][: shape[0], : shape[1]])
    boxes, scores, labels = reference(image, NAMES, 0.2)
    found = exact.detect(image, Vocabulary(NAMES), score_threshold=0.2)
    assert_same(found, boxes, scores, labels, image)


def test_many_names_are_encoded_in_parts_and_kept(exact, photos):
    names = tuple(f'thing {i}' for i in range(70))
    first = exact.detect(photos['coffee'], Vocabulary(names))
    checks = []

    class Watched(Ticket):
        def check(self):
            checks.append(1)

    again = exact.detect(photos['coffee'], Vocabulary(names), ticket=Watched())
    np.testing.assert_array_equal(first.scores, again.scores)
    assert len(checks) == 3  # no part of the vocabulary was read again


def test_reading_a_vocabulary_can_be_cancelled(exact, photos):
    ticket = Ticket()
    real = exact._tokenizer

    def cancelled(*args, **more):
        ticket.cancel()
        return real(*args, **more)

    exact._tokenizer = cancelled
    try:
        with pytest.raises(WorkCancelled):
            exact.detect(photos['coffee'], Vocabulary(('never read',)), ticket=ticket)
    finally:
        exact._tokenizer = real
    assert exact.detect(photos['coffee'], Vocabulary(('never read',)), score_threshold=0.0)


def test_a_batch_finds_what_single_looks_find(exact, photos):
    images = [photos['chelsea'], photos['coffee']]
    vocabularies = [Vocabulary(NAMES), Vocabulary(NAMES[:2])]
    assert isinstance(exact, BatchDetector)
    together = exact.detect_batch(images, vocabularies, score_threshold=0.2)
    for image, vocabulary, found in zip(images, vocabularies, together, strict=True):
        alone = exact.detect(image, vocabulary, score_threshold=0.2)
        assert found.labels == alone.labels
        np.testing.assert_allclose(found.scores, alone.scores, atol=TOLERANCE)
        np.testing.assert_allclose(found.xyxy, alone.xyxy, atol=0.5)


@pytest.mark.parametrize('runtime', ['onnx', 'openvino'])
def test_an_exported_tower_finds_the_same(load, exact, photos, runtime, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    model = load(runtime=runtime, iou_threshold=1.0)
    kept = list((tmp_path / 'exported').iterdir())
    assert len(kept) == 1
    written = {file: file.stat().st_mtime_ns for file in kept[0].iterdir()}
    for photo in ('chelsea', 'coffee'):
        found = model.detect(photos[photo], Vocabulary(NAMES), score_threshold=0.2)
        expected = exact.detect(photos[photo], Vocabulary(NAMES), score_threshold=0.2)
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
        assert found.labels == expected.labels
    load(runtime=runtime)
    assert written == {file: file.stat().st_mtime_ns for file in kept[0].iterdir()}


def test_openvino_takes_bfloat16_when_it_is_asked_to(load, exact, photos, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    model = load(runtime='openvino', dtype='bfloat16', iou_threshold=1.0)
    found, expected = (
        each.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
        for each in (model, exact)
    )
    difference = np.abs(np.sort(found.scores) - np.sort(expected.scores))
    assert difference.mean() < 0.03
    assert torch.cpu.get_capabilities().get('avx512_bf16') is not True or difference.max() > 0


def test_fast_pixels_find_nearly_the_same(load, exact, photos):
    fast = load(preprocess='fast', iou_threshold=1.0)
    for photo in ('chelsea', 'coffee', 'astronaut'):
        everything = Vocabulary(NAMES), 0.0
        found = fast.detect(photos[photo], everything[0], score_threshold=everything[1])
        expected = exact.detect(photos[photo], everything[0], score_threshold=everything[1])
        assert np.abs(np.sort(found.scores) - np.sort(expected.scores)).mean() < 0.02


def test_overlapping_boxes_of_one_name_become_one(load, exact, photos):
    suppressed = load(iou_threshold=0.5).detect(
        photos['coffee'], Vocabulary(NAMES), score_threshold=0.05
    )
    everything = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.05)
    assert 0 < len(suppressed) < len(everything)
    assert suppressed.scores[0] == everything.scores[0]


def test_a_name_too_long_to_read_is_not_looked_for(exact, photos):
    long = 'a very long name of a thing that nobody would ever want to look for in any picture'
    found = exact.detect(photos['coffee'], Vocabulary(('cat', long)), score_threshold=0.0)
    assert found.unrecognized == (long,)
    assert set(found.labels) == {'cat'}
    alone = exact.detect(photos['coffee'], Vocabulary((long,)), score_threshold=0.0)
    assert len(alone) == 0
    assert alone.unrecognized == (long,)


def test_what_looks_like_a_picture_is_found_in_it(exact, photos):
    # A picture's own embedding is the one that its best patch goes with best.
    image = photos['coffee']
    found = exact.detect_like(image, [image], ['this'], score_threshold=0.0)
    assert set(found.labels) == {'this'}
    assert found.scores.max() > found.scores.mean()
    with pytest.raises(InputError, match='1 exemplars and 2 names'):
        exact.detect_like(image, [image], ['a', 'b'])


def test_image_guided_detection_scores_as_the_library_does(exact, folder, photos):
    image, exemplar = photos['coffee'], np.ascontiguousarray(photos['coffee'][100:300, 200:400])
    model = owl.MODELS[folder.name].from_pretrained(folder, dtype=torch.float32).eval()
    pixels = [
        exact._pixels([each], device=torch.device('cpu'), dtype=torch.float32)
        for each in (image, exemplar)
    ]
    with torch.inference_mode():
        outputs = model.image_guided_detection(pixels[0], query_pixel_values=pixels[1])
    expected = np.sort(outputs.logits.max(dim=-1).values.sigmoid().flatten().numpy())
    found = exact.detect_like(image, [exemplar], ['this'], score_threshold=0.0)
    np.testing.assert_allclose(np.sort(found.scores), expected, atol=TOLERANCE)


def test_bfloat16_is_close(load, exact, photos):
    found = load(dtype='bfloat16', iou_threshold=1.0).detect(
        photos['coffee'], Vocabulary(NAMES), score_threshold=0.0
    )
    expected = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
    assert np.abs(np.sort(found.scores) - np.sort(expected.scores)).mean() < 0.03


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'prompt': 'a photo'}, 'prompt must have one {} for the name'),
        ({'iou_threshold': 2}, r'iou_threshold must be in \[0, 1\]'),
        ({'dtype': 'int8'}, "dtype 'int8' is unknown; use auto, float32, bfloat16, float16"),
        ({'preprocess': 'slow'}, 'preprocess must be fast or exact'),
        ({'runtime': 'tensorrt'}, "runtime 'tensorrt' is unknown; use torch, onnx, openvino"),
        ({'max_batch': 0}, 'max_batch must be at least 1, got 0'),
        ({'threads': -1}, 'threads must be from 0 to 1024, got -1'),
        ({'threads': 999_999}, 'threads must be from 0 to 1024'),
    ],
)
def test_options_that_cannot_be_used_are_named(load, options, message):
    with pytest.raises(BackendError, match=message):
        load(**options)
