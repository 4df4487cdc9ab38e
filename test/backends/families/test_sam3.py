"""SAM 3 against the library's own way: processor, whole model, post-processing."""

import json

import numpy as np
import pytest
from tiny import _sam3
import torch
from transformers import AutoImageProcessor, AutoTokenizer, Sam3Model, Sam3Processor

from vlm_ros import backends
from vlm_ros.errors import WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Status
from vlm_ros.tasks import tasks_of, Ticket

NAMES = ('cat', 'Coffee Cup', 'red traffic light', '猫', 'person')
TOLERANCE = 2e-5
"""Of scores, and of boxes in parts of the image, both ways in float32."""
THRESHOLD = 0.25


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sam3') / 'tiny'
    torch.manual_seed(7)
    _sam3.save(folder)
    return folder


@pytest.fixture(scope='module')
def load(folder):
    defaults = {'model': str(folder), 'dtype': 'float32', 'preprocess': 'exact', 'threads': 1}
    return lambda **options: backends.load('sam', **{**defaults, **options})


@pytest.fixture(scope='module')
def exact(load):
    return load()


@pytest.fixture(scope='module')
def reference(folder):
    """The library's instances `(label, score, box, mask)` of an image, best first."""
    model = Sam3Model.from_pretrained(folder, dtype=torch.float32).eval()
    processor = Sam3Processor(
        AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )

    def segment(image, names, threshold):
        found = []
        for name in names:
            inputs = processor(
                images=torch.tensor(image).permute(2, 0, 1), text=name, return_tensors='pt'
            )
            inputs.pop('original_sizes')
            with torch.inference_mode():
                outputs = model(**inputs)
            each = processor.post_process_instance_segmentation(
                outputs, threshold=threshold, target_sizes=[image.shape[:2]]
            )[0]
            values = (each[key].numpy() for key in ('scores', 'boxes', 'masks'))
            found += [(name, *values) for values in zip(*values, strict=True)]
        return sorted(found, key=lambda each: -each[1])

    return segment


def assert_same(masks, detections, expected, image):
    limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
    assert detections.labels == tuple(label for label, *_ in expected)
    np.testing.assert_allclose(detections.scores, [each[1] for each in expected], atol=TOLERANCE)
    boxes = np.array([np.clip(each[2], 0, limits) for each in expected])
    np.testing.assert_allclose(detections.xyxy / limits, boxes / limits, atol=TOLERANCE)
    if masks is not None:
        assert (masks != np.array([each[3] for each in expected])).mean() < 1e-3


def test_does_the_tasks_it_can(exact):
    assert tasks_of(exact) == ('detect', 'segment_phrases')


@pytest.mark.parametrize('names', [NAMES[:1], NAMES], ids=len)
@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_finds_what_the_library_finds(exact, reference, photos, names, photo):
    image = photos[photo]
    every = reference(image, names, 0.0)
    threshold = float(np.median([each[1] for each in every]))
    expected = reference(image, names, threshold)
    assert 3 <= len(expected) < len(every)
    cut = exact.segment_phrases(image, Vocabulary(names), score_threshold=threshold)
    assert_same(cut.masks, cut.detections, expected, image)
    assert 0.01 < cut.masks.mean() < 0.99
    found = exact.detect(image, Vocabulary(names), score_threshold=threshold)
    assert_same(None, found, expected, image)


@pytest.mark.parametrize('shape', [(64, 200), (333, 100), (7, 5), (1, 1), (3, 3), (8, 4000)])
def test_odd_sizes_make_no_difference(exact, reference, photos, shape):
    image = np.resize(photos['coffee'], (*shape, 3)).copy()
    cut = exact.segment_phrases(image, Vocabulary(NAMES[:2]), score_threshold=0.0)
    assert_same(cut.masks, cut.detections, reference(image, NAMES[:2], 0.0), image)


def test_nothing_found_is_said(exact, photos):
    cut = exact.segment_phrases(photos['coffee'], Vocabulary(NAMES), score_threshold=1.0)
    assert cut.masks.shape == (0, *photos['coffee'].shape[:2])
    assert cut.status is Status.NOTHING_FOUND
    long = 'q z x v k j ' * 8 + 'q'
    alone = exact.detect(photos['coffee'], Vocabulary((long,)))
    assert alone.unrecognized == (long,)


def test_images_and_names_are_encoded_once_and_names_can_be_cancelled(exact, photos, monkeypatch):
    image = np.ascontiguousarray(photos['coffee'][:, ::-1])
    seen, read = [], []
    encode, text = exact._encode_image, exact._model.get_text_features
    monkeypatch.setattr(exact, '_encode_image', lambda each: seen.append(1) or encode(each))
    monkeypatch.setattr(
        exact._model, 'get_text_features', lambda *args: read.append(1) or text(*args)
    )
    names = Vocabulary(tuple(f'thing {i}' for i in range(20)))
    first = exact.detect(image, names, score_threshold=0.0)
    again = exact.detect(image.copy(), names, score_threshold=0.0)
    np.testing.assert_array_equal(first.scores, again.scores)
    assert (len(seen), len(read)) == (1, 2)

    class Last(Ticket):
        left = 9

        def check(self):
            self.left -= 1
            if not self.left:
                self.cancel()
            super().check()

    with pytest.raises(WorkCancelled):
        exact.detect(image, names, ticket=Last())


def test_the_detector_of_a_checkpoint_for_videos_is_taken(folder, exact, photos, tmp_path):
    from safetensors.torch import load_file, save_file

    for file in folder.iterdir():
        if file.suffix != '.safetensors' and file.name != 'config.json':
            (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / 'config.json').read_text('utf-8'))
    video = {'model_type': 'sam3_video', 'detector_config': config}
    (tmp_path / 'config.json').write_text(json.dumps(video), 'utf-8')
    weights = load_file(folder / 'model.safetensors')
    prefixed = {f'detector_model.{name}': value for name, value in weights.items()}
    save_file(prefixed, tmp_path / 'model.safetensors', metadata={'format': 'pt'})
    model = backends.load('sam', model=str(tmp_path), dtype='float32', preprocess='exact')
    found = model.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.2)
    expected = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.2)
    np.testing.assert_allclose(found.scores, expected.scores, atol=TOLERANCE)


def test_fast_pixels_and_bfloat16_find_nearly_the_same(load, exact, photos):
    expected = exact.detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
    for options in ({'preprocess': 'fast'}, {'dtype': 'bfloat16'}):
        found = load(**options).detect(photos['coffee'], Vocabulary(NAMES), score_threshold=0.0)
        assert np.abs(found.scores - expected.scores).mean() < 0.03, options
