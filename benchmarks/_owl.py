"""OWL-ViT and OWLv2 at their published geometry with random weights: times are real, boxes not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys
import tempfile

import torch

import vlm_ros.backends.engine  # noqa: F401 - before transformers: it mends torchvision's import

# The tests have CLIP's tokenizer, made without a model hub.
sys.path.append(str(Path(__file__).parents[1] / 'test' / 'backends'))

from tiny._tokenizers import clip_tokenizer
from transformers import (
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    OwlViTConfig,
    OwlViTForObjectDetection,
    OwlViTImageProcessor,
)


@contextmanager
def owlvit_b32() -> Iterator[Path]:
    """Yield a folder with an OWL-ViT B/32, 153 million parameters at 768 pixels."""
    with _saved(OwlViTForObjectDetection(OwlViTConfig()), OwlViTImageProcessor()) as folder:
        yield folder


@contextmanager
def owlv2_b16() -> Iterator[Path]:
    """Yield a folder with an OWLv2 B/16 at 960 pixels."""
    config = Owlv2Config(vision_config={'image_size': 960, 'patch_size': 16})
    with _saved(Owlv2ForObjectDetection(config), Owlv2ImageProcessor()) as folder:
        yield folder


@contextmanager
def _saved(model: torch.nn.Module, processor: object) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix='vlm_ros_') as folder:
        model.save_pretrained(folder)  # type: ignore[operator]
        processor.save_pretrained(folder)  # type: ignore[attr-defined]
        clip_tokenizer().save_pretrained(folder)
        yield Path(folder)
