"""OWL-ViT B/32 in this package against transformers. `python -m benchmarks.zero_shot [--json]`.

The same random weights, float32 but for `openvino_bf16`, one 1920x1080 photograph, a vocabulary
that has been read before. Compared with transformers' zero-shot pipeline, which runs the whole
model once a name, and with its processor and model in one call for all names.
"""

from collections.abc import Iterator
import os
from pathlib import Path
import tempfile

import cv2
import numpy as np
import skimage.data
import torch

from benchmarks._owl import owlvit_b32
from benchmarks.embedded import median, seconds
from benchmarks.reporting import Figure, run
from vlm_ros import backends
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Image

RESOLUTION_WH = (1920, 1080)
REPETITIONS = 5
RUNTIMES = {
    'torch': ('torch', 'float32'),
    'onnx': ('onnx', 'float32'),
    'openvino': ('openvino', 'float32'),
    'openvino_bf16': ('openvino', 'bfloat16'),
}
"""Runtime and arithmetic by the name of the figure."""
PIPELINE_AT_MOST = {10: 1 / 10, 80: 1 / 50}
"""Of the pipeline's time, by names."""
ONE_CALL_AT_MOST = {'torch': 1 / 1.6, 'onnx': 1 / 4, 'openvino': 1 / 4, 'openvino_bf16': 1 / 4}
"""Of the one call's time with 80 names, by runtime."""


def main() -> None:
    run(figures())


def figures() -> Iterator[Figure]:
    """Measure everything, yielding each figure as soon as it is known."""
    from transformers import OwlViTForObjectDetection, OwlViTProcessor, pipeline

    image: Image = cv2.resize(skimage.data.coffee(), RESOLUTION_WH)  # type: ignore[assignment]
    with owlvit_b32() as folder, tempfile.TemporaryDirectory() as cache:
        os.environ['VLM_ROS_CACHE'] = cache  # exports of random weights are of no further use
        reference = OwlViTForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
        processor = OwlViTProcessor.from_pretrained(folder)
        piped = pipeline('zero-shot-object-detection', model=str(folder), dtype=torch.float32)
        for count in (10, 80):
            names = tuple(f'thing number {i}' for i in range(count))
            # Once: 80 names take a minute, and what comes first is a small part of it.
            pipeline_s = seconds(lambda n=names: piped(_pillow(image), list(n)), 1)[0]
            one_call_s = median(
                lambda n=names: _one_call(reference, processor, image, n), REPETITIONS
            )
            for runtime in RUNTIMES:
                yield from _compared(folder, runtime, image, names, pipeline_s, one_call_s)


def _compared(
    folder: Path,
    runtime: str,
    image: Image,
    names: tuple[str, ...],
    pipeline_s: float,
    one_call_s: float,
) -> Iterator[Figure]:
    kind, dtype = RUNTIMES[runtime]
    model = backends.load('owl', model=str(folder), device='cpu', dtype=dtype, runtime=kind)
    vocabulary = Vocabulary(names)
    ours_s = median(lambda: model.detect(image, vocabulary), REPETITIONS)  # type: ignore[attr-defined]
    model.close()
    count = len(names)
    setting = (
        f'{count} names, {"x".join(map(str, RESOLUTION_WH))}, OWL-ViT B/32, random weights, '
        f'{dtype}, cpu, {torch.get_num_threads()} threads'
    )
    name = f'zero_shot.{runtime}.{count}'
    limit = PIPELINE_AT_MOST[count] * pipeline_s * 1e3
    yield Figure(f'{name}.pipeline', ours_s * 1e3, 'ms', setting, pipeline_s * 1e3, at_most=limit)
    at_most = ONE_CALL_AT_MOST[runtime] * one_call_s * 1e3 if count == 80 else None
    yield Figure(f'{name}.one_call', ours_s * 1e3, 'ms', setting, one_call_s * 1e3, at_most)


def _one_call(reference: object, processor: object, image: Image, names: tuple[str, ...]) -> None:
    texts = [[f'a photo of a {name}' for name in names]]
    inputs = processor(text=texts, images=image, return_tensors='pt')  # type: ignore[operator]
    with torch.inference_mode():
        outputs = reference(**inputs)  # type: ignore[operator]
    processor.post_process_grounded_object_detection(  # type: ignore[attr-defined]
        outputs, threshold=0.1, target_sizes=[image.shape[:2]], text_labels=[list(names)]
    )


def _pillow(image: Image) -> object:
    from PIL import Image as Pillow

    return Pillow.fromarray(np.asarray(image))


if __name__ == '__main__':
    main()
