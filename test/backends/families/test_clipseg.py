"""CLIPSeg against the library's own way: processor and whole model, an image a name."""

import numpy as np
import pytest
from tiny import clipseg
import torch
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    CLIPSegForImageSegmentation,
    CLIPSegProcessor,
)

from vlm_ros import backends
from vlm_ros.errors import BackendError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status
from vlm_ros.tasks import Ticket

NAMES = ('cat', 'Coffee Cup', 'red traffic light', '猫', 'person')
TOLERANCE = 2e-5
"""Of probabilities, both ways in float32."""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clipseg') / 'tiny'
    torch.manual_seed(7)
    clipseg.save(folder)
    return folder


@pytest.fixture(scope='module')
def load(folder):
    defaults = {'model': str(folder), 'dtype': 'float32', 'preprocess': 'exact', 'threads': 1}
    return lambda **options: backends.load('clipseg', **{**defaults, **options})


@pytest.fixture(scope='module')
def exact(load):
    return load()


@pytest.fixture(scope='module')
def reference(folder):
    """The library's probabilities `(N, H, W)`; it has no post-processing for this model."""
    model = CLIPSegForImageSegmentation.from_pretrained(folder, dtype=torch.float32).eval()
    processor = CLIPSegProcessor(
        AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )

    def likely(image, names):
        inputs = processor(
            text=list(names),
            images=[image] * len(names),
            input_data_format='channels_last',
            padding=True,
            return_tensors='pt',
        )
        with torch.inference_mode():
            logits = model(**inputs).logits.reshape(len(names), 1, clipseg.SIDE_PX, -1)
        sized = torch.nn.functional.interpolate(
            logits.sigmoid(), image.shape[:2], mode='bilinear', align_corners=False
        )
        return sized[:, 0].numpy()

    return likely


def assert_same(found, expected, names, threshold):
    assert set(found.detections.labels) == {
        name for name, each in zip(names, expected, strict=True) if (each > threshold).any()
    }
    for mask, box, score, label in zip(
        found.masks,
        found.detections.xyxy,
        found.detections.scores,
        found.detections.labels,
        strict=True,
    ):
        likely = expected[names.index(label)]
        unsure = np.abs(likely - threshold) < TOLERANCE
        np.testing.assert_array_equal(mask | unsure, (likely > threshold) | unsure)
        assert score == pytest.approx(likely[mask].mean(), abs=TOLERANCE)
        rows, columns = np.nonzero(mask)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert list(found.detections.scores) == sorted(found.detections.scores, reverse=True)


@pytest.mark.parametrize('names', [NAMES[:1], NAMES], ids=len)
@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_cuts_out_what_the_library_does(exact, reference, photos, names, photo):
    image = photos[photo].copy()
    expected = reference(image, names)
    for threshold in (0.3, 0.5, 0.7):
        found = exact.segment_phrases(image, Vocabulary(names), score_threshold=threshold)
        assert found.masks.shape == (len(found), *image.shape[:2])
        assert_same(found, expected, names, threshold)
    assert 0.02 < (expected > 0.5).mean() < 0.98  # else the masks prove nothing
    if len(names) > 1:
        assert expected.std(axis=0).mean() > 0.005  # nor do the names


@pytest.mark.parametrize('shape', [(64, 200), (333, 100), (7, 5), (1, 1), (3, 3), (8, 4000)])
def test_odd_sizes_make_no_difference(exact, reference, photos, shape):
    image = np.resize(photos['coffee'], (*shape, 3)).copy()
    found = exact.segment_phrases(image, Vocabulary(NAMES), score_threshold=0.4)
    assert_same(found, reference(image, NAMES), NAMES, 0.4)


def test_nothing_found_is_said(exact, photos):
    found = exact.segment_phrases(photos['coffee'], Vocabulary(NAMES), score_threshold=1.0)
    assert len(found) == 0
    assert found.masks.shape == (0, *photos['coffee'].shape[:2])
    assert found.status is Status.NOTHING_FOUND


def test_a_name_too_long_to_read_is_not_looked_for(exact, photos):
    long = 'a very long name of a thing that nobody would ever want to look for in any picture'
    found = exact.segment_phrases(photos['coffee'], Vocabulary(('cat', long)), score_threshold=0)
    assert found.detections.labels == ('cat',)
    assert found.detections.unrecognized == (long,)
    alone = exact.segment_phrases(photos['coffee'], Vocabulary((long,)))
    assert alone.status is Status.UNSURE


def test_an_image_and_a_vocabulary_are_read_once(exact, photos, monkeypatch):
    image = np.ascontiguousarray(photos['coffee'][:, ::-1])
    names = Vocabulary(tuple(f'thing {i}' for i in range(40)))
    looks, readings = [], []
    vision, read = exact._vision, exact._read
    monkeypatch.setattr(exact, '_vision', lambda pixels: looks.append(1) or vision(pixels))
    monkeypatch.setattr(exact, '_read', lambda *args: readings.append(1) or read(*args))
    first = exact.segment_phrases(image, names, score_threshold=0.2)
    again = exact.segment_phrases(image.copy(), names, score_threshold=0.2)
    assert len(looks) == len(readings) == 1
    np.testing.assert_array_equal(first.detections.scores, again.detections.scores)
    exact.segment_phrases(image, Vocabulary(('horse',)))
    assert (len(looks), len(readings)) == (1, 2)
    exact.release_memory()
    exact.segment_phrases(image, Vocabulary(('horse',)))
    assert (len(looks), len(readings)) == (2, 3)


def test_many_names_can_be_cancelled_between_passes(exact, photos):
    class Last(Ticket):
        left = 5

        def check(self):
            self.left -= 1
            if not self.left:
                self.cancel()
            super().check()

    names = Vocabulary(tuple(f'object {i}' for i in range(70)))
    with pytest.raises(WorkCancelled):
        exact.segment_phrases(photos['coffee'], names, ticket=Last())
    assert len(exact.segment_phrases(photos['coffee'], names, score_threshold=0)) == 70


@pytest.mark.parametrize('runtime', ['onnx', 'openvino'])
def test_an_exported_tower_cuts_out_the_same(load, exact, photos, runtime, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    found = load(runtime=runtime).segment_phrases(photos['coffee'], Vocabulary(NAMES))
    expected = exact.segment_phrases(photos['coffee'], Vocabulary(NAMES))
    assert found.detections.labels == expected.detections.labels
    np.testing.assert_allclose(found.detections.scores, expected.detections.scores, atol=1e-3)
    assert (found.masks != expected.masks).mean() < 1e-3


def test_fast_pixels_and_bfloat16_cut_out_nearly_the_same(load, exact, photos):
    expected = exact.segment_phrases(photos['coffee'], Vocabulary(NAMES))
    for options in ({'preprocess': 'fast'}, {'dtype': 'bfloat16'}):
        found = load(**options).segment_phrases(photos['coffee'], Vocabulary(NAMES))
        assert set(found.detections.labels) == set(expected.detections.labels)
        for mask, label in zip(found.masks, found.detections.labels, strict=True):
            other = expected.masks[expected.detections.labels.index(label)]
            assert (mask != other).mean() < 0.03, options


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'prompt': 'a photo'}, 'prompt must have one {} for the name'),
        ({'preprocess': 'slow'}, 'preprocess must be fast or exact'),
        ({'runtime': 'tensorrt'}, "runtime 'tensorrt' is unknown; use torch, onnx, openvino"),
    ],
)
def test_options_that_cannot_be_used_are_named(load, options, message):
    with pytest.raises(BackendError, match=message):
        load(**options)
