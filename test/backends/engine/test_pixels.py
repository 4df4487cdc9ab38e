"""Fast pixels against the processors', on photographs."""

import numpy as np
import pytest
import torch
from transformers import (
    CLIPImageProcessor,
    Owlv2ImageProcessor,
    OwlViTImageProcessor,
    SiglipImageProcessor,
    ViltImageProcessor,
)

from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.errors import BackendError, ImageError

PROCESSORS = {
    'clip': (CLIPImageProcessor(), False),
    'siglip': (SiglipImageProcessor(), False),
    'owlvit': (OwlViTImageProcessor(), False),
    'owlv2': (Owlv2ImageProcessor(), True),
}
CPU = torch.device('cpu')


def make(pixels, *images):
    return pixels(images, device=CPU, dtype=torch.float32)


@pytest.fixture(params=PROCESSORS)
def both(request):
    processor, pads = PROCESSORS[request.param]
    return Pixels(processor, pads=pads), Pixels(processor, preprocess='exact', pads=pads)


@pytest.mark.parametrize('photo', ['chelsea', 'coffee', 'astronaut'])
def test_fast_pixels_are_close_to_the_processors(both, photos, photo):
    fast, exact = (make(pixels, photos[photo]) for pixels in both)
    assert fast.shape == exact.shape
    # In units of the standard deviation of a pixel, about 70 of 255.
    assert (fast - exact).abs().mean() < 0.06


@pytest.mark.parametrize('size_wh', [(1, 1), (2, 3), (3, 3), (3, 700), (4000, 8)], ids=str)
def test_any_size_becomes_the_same_shape(both, photos, size_wh):
    width, height = size_wh
    image = np.ascontiguousarray(np.resize(photos['coffee'], (height, width, 3)))
    fast, exact = (make(pixels, image) for pixels in both)
    assert fast.shape == exact.shape
    assert fast.isfinite().all()


def test_exact_is_what_the_processor_makes(photos):
    for name, (processor, pads) in PROCESSORS.items():
        expected = processor(images=photos['coffee'].copy(), return_tensors='pt')['pixel_values']
        got = make(Pixels(processor, preprocess='exact', pads=pads), photos['coffee'])
        assert torch.equal(got, expected), name


def test_images_of_several_sizes_make_one_batch(both, photos):
    for pixels in both:
        together = make(pixels, photos['chelsea'], photos['coffee'])
        for index, photo in enumerate(('chelsea', 'coffee')):
            torch.testing.assert_close(together[index], make(pixels, photos[photo])[0])


def test_small_is_the_mean_and_not_a_sample():
    # Stripes of one pixel: every second pixel alone would be all black or all white.
    image = np.zeros((1536, 1536, 3), np.uint8)
    image[:, ::2] = 255
    made = make(Pixels(OwlViTImageProcessor()), image)
    assert made.std(dim=(2, 3)).max() < 0.05


def test_only_fast_pixels_have_enough(both):
    fast, exact = both
    assert fast.enough_px
    assert exact.enough_px is None


def test_what_cannot_be_made_small_quickly_is_said():
    with pytest.raises(BackendError, match=r'ViltImageProcessor resizes .* preprocess=exact'):
        Pixels(ViltImageProcessor())
    Pixels(ViltImageProcessor(), preprocess='exact')


@pytest.mark.parametrize('shape', [(3, 4), (0, 4, 3), (3, 4, 4)], ids=str)
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ImageError):
        make(Pixels(CLIPImageProcessor()), np.zeros(shape, np.uint8))
