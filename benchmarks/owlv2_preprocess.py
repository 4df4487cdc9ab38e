"""OWLv2's preprocessing against transformers'. `python -m benchmarks.owlv2_preprocess [--json]`.

The processor of transformers in its fast (torchvision) backend converts a 1080p frame to floating
point, pads it to 1920x1920, blurs and resizes it; `preprocess=fast` resizes the bytes first. Also
how much of a difference that makes: to the pixels, to the features of OWLv2 B/16, and to its
boxes, with random weights, and so without a word about accuracy.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import skimage.data
import torch

from benchmarks._owl import owlv2_b16
from benchmarks.embedded import median
from benchmarks.reporting import Figure, run
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.tasks import Image

RESOLUTION_WH = (1920, 1080)
REPETITIONS = 10
AT_MOST = 1 / 50
"""Of the processor's time."""
CPU = torch.device('cpu')


def main() -> None:
    run(figures())


def figures() -> Iterator[Figure]:
    """Measure everything, yielding each figure as soon as it is known."""
    from transformers import Owlv2ForObjectDetection, Owlv2ImageProcessor

    setting = f'{"x".join(map(str, RESOLUTION_WH))}, cpu, {torch.get_num_threads()} threads'
    photos = [
        cv2.resize(getattr(skimage.data, name)(), RESOLUTION_WH)
        for name in ('coffee', 'chelsea', 'astronaut')
    ]
    processor = Owlv2ImageProcessor()
    fast, exact = (Pixels(processor, preprocess=how, pads=True) for how in ('fast', 'exact'))
    fast_s = median(lambda: _pixels(fast, photos[0]), 5 * REPETITIONS)
    processor_s = median(lambda: processor(images=photos[0], return_tensors='pt'), REPETITIONS)
    yield Figure(
        'owlv2_preprocess',
        fast_s * 1e3,
        'ms',
        setting,
        processor_s * 1e3,
        at_most=AT_MOST * processor_s * 1e3,
    )
    with owlv2_b16() as folder:
        model = Owlv2ForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
        for name, photo in zip(('coffee', 'chelsea', 'astronaut'), photos, strict=True):
            pixels = [_pixels(each, photo) for each in (fast, exact)]
            yield Figure(
                f'owlv2_preprocess.pixels.{name}',
                float((pixels[0] - pixels[1]).abs().mean()),
                'mean difference, in standard deviations of a pixel',
                setting,
            )
            with torch.inference_mode():
                features = [model.image_embedder(each)[0].flatten(0, 2) for each in pixels]
            likeness = torch.nn.functional.cosine_similarity(*features).numpy()
            yield Figure(
                f'owlv2_preprocess.features.{name}',
                float(1 - np.mean(likeness)),
                'mean cosine distance of a patch, OWLv2 B/16, random weights, float32',
                setting,
            )


def _pixels(pixels: Pixels, image: Image) -> torch.Tensor:
    return pixels([image], device=CPU, dtype=torch.float32)


if __name__ == '__main__':
    main()
