"""OmDet-Turbo against the library's own way: processor, whole model, post-processing."""

import numpy as np
import pytest
from tiny import omdet_turbo
import torch
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    OmDetTurboForObjectDetection,
    OmDetTurboProcessor,
)
from transformers.models.omdet_turbo import processing_omdet_turbo

from vlm_ros import backends
from vlm_ros.errors import BackendError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import BatchDetector, Ticket

NAMES = ('cat', 'Coffee Cup', 'red traffic light', '猫', 'person')
TOLERANCE = 2e-5
"""Of scores, and of boxes in parts of the image, both ways in float32."""
THRESHOLD = 0.3


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('omdet_turbo') / 'tiny'
    torch.manual_seed(7)
    omdet_turbo.save(folder)
    return folder


@pytest.fixture(scope='module')
def load(folder):
    defaults = {'model': str(folder), 'dtype': 'float32', 'preprocess': 'exact', 'threads': 1}
    return lambda **options: backends.load('omdet_turbo', **{**defaults, **options})


@pytest.fixture(scope='module')
def exact(load):
    return load()


def plain_nms(boxes, scores, classes, threshold):
    """What torchvision's compiled operator does, which a CPU build of torch may lack."""
    kept = []
    for index in torch.argsort(-scores).tolist():
        left = boxes[kept] if kept else boxes[:0]
        low = torch.maximum(left[:, :2], boxes[index, :2])
        high = torch.minimum(left[:, 2:], boxes[index, 2:])
        shared = (high - low).clamp(0).prod(1)
        union = (left[:, 2:] - left[:, :2]).prod(1) - shared
        union = union + (boxes[index, 2:] - boxes[index, :2]).prod()
        same = classes[kept] == classes[index] if kept else torch.zeros(0, dtype=torch.bool)
        if not ((shared / union > threshold) & same).any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.long)


@pytest.fixture(scope='module')
def reference(folder):
    """The library's detections `(boxes, scores, labels)` of one image, best first."""
    model = OmDetTurboForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
    processor = OmDetTurboProcessor(
        AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )

    def detect(image, names, threshold):
        inputs = processor(
            images=image,
            text=[list(names)],
            input_data_format='channels_last',
            max_length=omdet_turbo.TEXT['max_position_embeddings'],
            return_tensors='pt',
        )
        inputs.pop('pixel_mask', None)
        with torch.inference_mode():
            outputs = model(**inputs)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(processing_omdet_turbo, 'batched_nms', plain_nms)
            found = processor.post_process_grounded_object_detection(
                outputs,
                text_labels=[list(names)],
                threshold=threshold,
                nms_threshold=0.5,
                target_sizes=[image.shape[:2]],
            )[0]
        order = np.argsort(-found['scores'].numpy(), kind='stable')
        return (
            found['boxes'].numpy()[order],
            found['scores'].numpy()[order],
            tuple(found['text_labels'][i] for i in order),
        )

    return detect


def assert_same(found, boxes, scores, labels, image):
    limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    np.testing.assert_allclose(found.scores, scores, atol=TOLERANCE)
    np.testing.assert_allclose(found.xyxy / limits, boxes / limits, atol=10 * TOLERANCE)
    assert found.labels == labels


@pytest.mark.parametrize('names', [NAMES[:1], NAMES], ids=len)
@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_finds_what_the_library_finds(exact, reference, photos, names, photo):
    image = photos[photo].copy()
    boxes, scores, labels = reference(image, names, 0.1)
    assert len(scores) >= 3
    assert scores.max() - scores.min() > 0.05  # else equal ones prove nothing
    assert len(set(labels)) > (len(names) > 1)
    found = exact.detect(image, Vocabulary(names), score_threshold=0.1)
    assert_same(found, boxes, scores, labels, image)


@pytest.mark.parametrize('shape', [(64, 200), (333, 100), (7, 5), (1, 1), (3, 3), (8, 4000)])
def test_odd_sizes_make_no_difference(exact, reference, photos, shape):
    image = np.resize(photos['coffee'], (*shape, 3)).copy()
    found = exact.detect(image, Vocabulary(NAMES), score_threshold=0.1)
    assert len(found)
    assert_same(found, *reference(image, NAMES, 0.1), image)


def test_a_batch_finds_what_single_looks_find(exact, photos):
    images = [photos['chelsea'], photos['coffee']]
    vocabularies = [Vocabulary(NAMES), Vocabulary(NAMES[:2])]
    assert isinstance(exact, BatchDetector)
    together = exact.detect_batch(images, vocabularies, score_threshold=0.1)
    for image, vocabulary, found in zip(images, vocabularies, together, strict=True):
        alone = exact.detect(image, vocabulary, score_threshold=0.1)
        assert found.labels == alone.labels
        np.testing.assert_allclose(found.scores, alone.scores, atol=TOLERANCE)


def test_a_vocabulary_is_read_once_however_long(exact, photos, monkeypatch):
    names = tuple(f'thing {i}' for i in range(120))  # more than the library's cache holds
    readings = []
    real = exact._model.language_backbone.forward
    monkeypatch.setattr(
        exact._model.language_backbone,
        'forward',
        lambda ids, **more: readings.append(len(ids)) or real(ids, **more),
    )
    first = exact.detect(photos['coffee'], Vocabulary(names), score_threshold=0.1)
    assert sum(readings) == len(names) + 1  # and the task
    assert max(readings) == 32
    again = exact.detect(photos['coffee'], Vocabulary(names), score_threshold=0.1)
    assert sum(readings) == len(names) + 1
    np.testing.assert_array_equal(first.scores, again.scores)


def test_reading_a_vocabulary_can_be_cancelled(exact, photos):
    class Last(Ticket):
        left = 4

        def check(self):
            self.left -= 1
            if not self.left:
                self.cancel()
            super().check()

    names = Vocabulary(tuple(f'never read {i}' for i in range(120)))
    with pytest.raises(WorkCancelled):
        exact.detect(photos['coffee'], names, ticket=Last())
    assert len(exact.detect(photos['coffee'], names, score_threshold=0.0))


def test_a_name_too_long_to_read_is_not_looked_for(exact, photos):
    long = 'xylophone ' * 9 + 'quartz'
    found = exact.detect(photos['coffee'], Vocabulary(('cat', long)), score_threshold=0.0)
    assert found.unrecognized == (long,)
    assert set(found.labels) == {'cat'}
    alone = exact.detect(photos['coffee'], Vocabulary((long,)), score_threshold=0.0)
    assert len(alone) == 0
    assert alone.unrecognized == (long,)


def test_the_task_matters(load, exact, photos):
    other = load(task='Find every {} in the picture.')
    found = other.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.1)
    expected = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.1)
    assert found.scores.tolist() != expected.scores.tolist()


@pytest.mark.parametrize('runtime', ['onnx', 'openvino'])
def test_an_exported_tower_finds_the_same(load, exact, photos, runtime, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    found = load(runtime=runtime).detect(photos['coffee'], Vocabulary(NAMES))
    expected = exact.detect(photos['coffee'], Vocabulary(NAMES))
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)


def test_fast_pixels_and_bfloat16_find_nearly_the_same(load, exact, photos):
    everything = {'score_threshold': 0.0}
    expected = exact.detect(photos['coffee'], Vocabulary(NAMES[:1]), **everything)
    for options in ({'preprocess': 'fast'}, {'dtype': 'bfloat16'}):
        found = load(**options).detect(photos['coffee'], Vocabulary(NAMES[:1]), **everything)
        best = min(len(found), len(expected), 5)
        difference = np.abs(found.scores[:best] - expected.scores[:best]).mean()
        assert difference < 0.05, options


def test_closing_frees_the_network(load, photos):
    import gc
    import weakref

    model = load()
    model.detect(photos['coffee'], Vocabulary(('cat',)))
    network = weakref.ref(model._model.decoder)
    model.close()
    gc.collect()
    assert network() is None


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'task': 'Detect.'}, 'task must have one {} for the names'),
        ({'iou_threshold': 2}, r'iou_threshold must be in \[0, 1\]'),
        ({'preprocess': 'slow'}, 'preprocess must be fast or exact'),
        ({'runtime': 'tensorrt'}, "runtime 'tensorrt' is unknown; use torch, onnx, openvino"),
    ],
)
def test_options_that_cannot_be_used_are_named(load, options, message):
    with pytest.raises(BackendError, match=message):
        load(**options)
