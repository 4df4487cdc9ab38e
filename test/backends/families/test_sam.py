"""SAM and SAM 2 against the library's own way: processor, whole model, post-processing."""

import numpy as np
import pytest
from tiny import sam
import torch
from transformers import AutoImageProcessor, Sam2Processor, SamProcessor

from vlm_ros import backends
from vlm_ros.errors import BackendError, WorkCancelled
from vlm_ros.results import Detections
from vlm_ros.tasks import Ticket

TOLERANCE = 1e-4
"""Of scores, both ways in float32."""
MASK_TOLERANCE = 1e-3
"""Part of the pixels that may lie on the other side, whose logit is zero to within rounding."""
XYXY = np.array([[0, 0, 200, 150], [50, 20, 300, 280], [120.5, 99.25, 301, 299]], np.float32)
LABELS = ('cup', 'cat', 'cup')


@pytest.fixture(scope='module', params=list(sam.MODELS))
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('sam') / request.param
    torch.manual_seed(7)
    sam.save(folder, request.param)
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
    """The library's masks `(N, H, W)` and scores `(N,)` for boxes of an image."""
    model = sam.MODELS[folder.name].from_pretrained(folder, dtype=torch.float32).eval()
    image_processor = AutoImageProcessor.from_pretrained(folder)
    processor = {'sam': SamProcessor, 'sam2': Sam2Processor}[folder.name](image_processor)

    def segment(image, xyxy):
        inputs = processor(
            images=torch.tensor(image).permute(2, 0, 1),
            input_boxes=[xyxy.tolist()],
            return_tensors='pt',
        )
        inputs['input_boxes'] = inputs['input_boxes'].float()
        sizes = [inputs.pop('original_sizes')]
        sizes += [inputs.pop(key) for key in ['reshaped_input_sizes'] if key in inputs]
        with torch.inference_mode():
            outputs = model(**inputs, multimask_output=False)
        masks = processor.post_process_masks(outputs.pred_masks, *sizes)[0][:, 0]
        return masks.numpy(), outputs.iou_scores[0, :, 0].numpy()

    return segment


def boxes(xyxy=XYXY, labels=LABELS):
    return Detections(xyxy, np.full(len(labels), 0.7, np.float32), labels)


@pytest.mark.parametrize('count', [1, 3])
@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_cuts_out_what_the_library_does(exact, reference, photos, photo, count):
    image = photos[photo]
    masks, scores = reference(image, XYXY[:count])
    found = exact.segment(image, boxes(XYXY[:count], LABELS[:count]))
    assert (found.masks != masks).mean() < MASK_TOLERANCE
    np.testing.assert_allclose(found.detections.scores, np.clip(scores, 0, 1), atol=TOLERANCE)
    np.testing.assert_array_equal(found.detections.xyxy, XYXY[:count])
    assert found.detections.labels == LABELS[:count]
    assert 0.02 < masks.mean() < 0.98  # else the masks prove nothing
    if count > 1:
        assert (masks[0] != masks[1]).mean() > 4 * MASK_TOLERANCE  # nor do the boxes


@pytest.mark.parametrize('shape', [(64, 200), (333, 100), (7, 5), (1, 1), (3, 3)])
def test_odd_sizes_make_no_difference(exact, reference, photos, shape):
    image = np.resize(photos['coffee'], (*shape, 3)).copy()
    xyxy = np.array([[0, 0, shape[1] / 2, shape[0]]], np.float32)
    masks, scores = reference(image, xyxy)
    found = exact.segment(image, boxes(xyxy, ('cup',)))
    assert (found.masks != masks).mean() < MASK_TOLERANCE
    np.testing.assert_allclose(found.detections.scores, np.clip(scores, 0, 1), atol=TOLERANCE)


def test_boxes_are_clipped_to_the_image(exact, photos):
    image = photos['coffee']
    inside = exact.segment(image, boxes(np.array([[0, 0, 600, 100]], np.float32), ('cup',)))
    beyond = exact.segment(image, boxes(np.array([[-50, -9, 900, 100]], np.float32), ('cup',)))
    np.testing.assert_array_equal(inside.masks, beyond.masks)
    np.testing.assert_array_equal(beyond.detections.xyxy, [[0, 0, 600, 100]])


def test_no_boxes_give_no_masks(exact, photos, monkeypatch):
    monkeypatch.setattr(exact, '_encode', None)  # and nothing is encoded for them
    found = exact.segment(photos['coffee'], Detections(unrecognized=('unicorn',)))
    assert found.masks.shape == (0, *photos['coffee'].shape[:2])
    assert found.detections.unrecognized == ('unicorn',)


def test_an_image_is_encoded_once(exact, photos, monkeypatch):
    image = np.ascontiguousarray(photos['coffee'][::-1])
    seen = []
    encode = exact._encode
    monkeypatch.setattr(exact, '_encode', lambda each: seen.append(1) or encode(each))
    first = exact.segment(image, boxes())
    again = exact.segment(image.copy(), boxes())
    np.testing.assert_array_equal(first.masks, again.masks)
    assert len(seen) == 1
    exact.segment(np.ascontiguousarray(image[::-1, ::-1]), boxes())
    assert len(seen) == 2
    exact.release_memory()
    exact.segment(image, boxes())
    assert len(seen) == 3


def test_many_boxes_are_decoded_in_parts_that_can_be_cancelled(exact, photos):
    corners = np.random.default_rng(5).uniform(0, 200, (150, 2)).astype(np.float32)
    many = boxes(np.concatenate([corners, corners + 90], axis=1), ('cup',) * 150)
    image = photos['chelsea']
    found = exact.segment(image, many)
    some = exact.segment(image, many[[3, 70, 149]])
    assert (found.masks[[3, 70, 149]] != some.masks).mean() < MASK_TOLERANCE

    class Last(Ticket):
        left = 12

        def check(self):
            self.left -= 1
            if not self.left:
                self.cancel()
            super().check()

    with pytest.raises(WorkCancelled):
        exact.segment(image, many, ticket=Last())


def test_fast_pixels_and_bfloat16_cut_out_nearly_the_same(load, exact, photos):
    expected = exact.segment(photos['coffee'], boxes())
    for options in ({'preprocess': 'fast'}, {'dtype': 'bfloat16'}):
        found = load(**options).segment(photos['coffee'], boxes())
        assert (found.masks != expected.masks).mean() < 0.1, options


def test_fast_pixels_shrink_the_image_first(load, exact, photos, monkeypatch):
    fast = load(preprocess='fast')
    assert fast.enough_px == sam.SIDE_PX
    assert exact.enough_px is None
    shapes = []
    real = fast._processor.preprocess
    monkeypatch.setattr(
        fast._processor,
        'preprocess',
        lambda images, **more: shapes.append(tuple(images[0].shape)) or real(images, **more),
    )
    fast.segment(photos['coffee'], boxes())
    assert shapes == [(3, *fast._shown_hw(photos['coffee']))]
    assert max(shapes[0][1:]) == sam.SIDE_PX


def test_options_that_cannot_be_used_are_named(load):
    with pytest.raises(BackendError, match='preprocess must be fast or exact'):
        load(preprocess='slow')
