"""Two-tower models of transformers: CLIP, SigLIP, SigLIP 2, MetaCLIP 2, ALIGN, FLAVA and kin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AlignModel,
    AltCLIPModel,
    AutoImageProcessor,
    AutoTokenizer,
    ChineseCLIPModel,
    CLIPModel,
    FlavaModel,
    MetaClip2Model,
    Siglip2Model,
    SiglipModel,
)

from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.families.naflex import NaflexPixels
from vlm_ros.backends.families.two_towers import CONTEXT, PROMPT, Towers, TwoTowerBackend
from vlm_ros.errors import BackendError
from vlm_ros.tasks import Image


@dataclass(frozen=True)
class Kind:
    """What sets a type of model apart from CLIP.

    Attributes:
        model_class: Has `get_text_features` and `get_image_features`.
        is_padded: Whether texts are padded to the longest there can be, and the padding is read
            like words, as SigLIP was trained.
        is_lowercase: Whether it was trained on lower-case texts only; the tokenizer that SigLIP 2
            shares with Gemma leaves that to the caller.
    """

    model_class: Any
    is_padded: bool = False
    is_lowercase: bool = False


MODELS = {
    'clip': Kind(CLIPModel),
    'siglip': Kind(SiglipModel, is_padded=True, is_lowercase=True),
    'siglip2': Kind(Siglip2Model, is_padded=True, is_lowercase=True),
    'metaclip_2': Kind(MetaClip2Model),
    'align': Kind(AlignModel),
    'flava': Kind(FlavaModel),
    'altclip': Kind(AltCLIPModel),
    'chinese_clip': Kind(ChineseCLIPModel),
}
"""By the `model_type` of the checkpoint. SigLIP 2 of a fixed resolution calls itself `siglip`;
`siglip2` is NaFlex, which takes images in their own shape."""


class ClipBackend(TwoTowerBackend):
    """Zero-shot classification, retrieval and region-word matching by two towers.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of a type in `MODELS`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it; exported runtimes are float32.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        runtime: `torch`; `onnx` or `openvino` for the vision tower, on a CPU, one image a pass.
        prompt: What is made of a name before it is read, with one `{}`.
        context: What is added to a region at each side, as a part of its width and height.
        max_batch: How many images or regions are looked at in one pass.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        MissingDependencyError: The tokenizer needs a library that is not installed.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        runtime: str = 'torch',
        prompt: str = PROMPT,
        context: float = CONTEXT,
        max_batch: int = 8,
        threads: int = 0,
    ) -> None:
        checkpoint = open_checkpoint(model, backend='clip', model_types=tuple(MODELS))
        super().__init__(
            'clip',
            checkpoint,
            device=device,
            dtype=dtype,
            runtime=runtime,
            prompt=prompt,
            context=context,
            max_batch=max_batch,
            threads=threads,
        )
        self._kind = MODELS[checkpoint.model_type]
        self._model = load_model(
            self._kind.model_class, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        processor = load_processor(AutoImageProcessor, checkpoint)
        squash_px = 0
        if self._kind.model_class is Siglip2Model:
            look = self._naflex(processor, preprocess=preprocess, runtime=runtime)
        else:
            pixels = Pixels(processor, preprocess=preprocess)
            squash_px = pixels.crop_px
            look = self._looking(pixels, VisionTower(self._model), runtime, checkpoint)
        self._seat(
            Towers(
                look=look,
                read=self._features_of,
                count_tokens=self._count_tokens,
                max_tokens=min(self._positions(), self._tokenizer.model_max_length),
                width=self._width(),
                scale=self._scale(),
                bias=self._bias(),
            ),
            squash_px=squash_px,
        )

    def _naflex(
        self, processor: Any, *, preprocess: str, runtime: str
    ) -> Callable[[Sequence[Image]], torch.Tensor]:
        """Return the vision tower of a model that takes images in their own shape."""
        if runtime != 'torch':
            raise BackendError(
                f'{self.model_id} takes images of any shape, which {runtime} networks do not; '
                'use runtime=torch, or a SigLIP 2 model of a fixed resolution'
            )
        pixels = NaflexPixels(processor, preprocess=preprocess)

        def look(images: Sequence[Image]) -> torch.Tensor:
            made = pixels(images, device=self.torch_device, dtype=self.dtype)
            return _place(self._model.get_image_features(**made))

        return look

    def _features_of(self, texts: Sequence[str]) -> torch.Tensor:
        padding: dict[str, Any] = {'padding': True}
        if self._kind.is_padded:
            padding = {'padding': 'max_length', 'max_length': self._positions()}
        tokens = self._tokenizer(self._spelled(texts), return_tensors='pt', **padding)
        tokens = tokens.to(self.torch_device)
        if self._kind.is_padded:
            return _place(self._model.get_text_features(input_ids=tokens['input_ids']))
        return _place(self._model.get_text_features(**tokens))

    def _count_tokens(self, texts: Sequence[str]) -> Sequence[int]:
        return [len(ids) for ids in self._tokenizer(self._spelled(texts))['input_ids']]

    def _spelled(self, texts: Sequence[str]) -> list[str]:
        return [text.lower() for text in texts] if self._kind.is_lowercase else list(texts)

    def _positions(self) -> int:
        """Return how many tokens the text tower has places for."""
        config = self._model.config.text_config
        # RoBERTa's kind counts from behind the padding's id, which costs it that many.
        lost = config.pad_token_id + 1 if config.model_type == 'altclip_text_model' else 0
        return int(config.max_position_embeddings) - lost

    def _width(self) -> int:
        config = self._model.config
        # SigLIP's towers end in the common space and need no projection.
        return int(getattr(config, 'projection_dim', 0) or config.text_config.hidden_size)

    def _scale(self) -> float:
        if isinstance(self._model, AlignModel):
            return 1 / float(self._model.temperature.item())
        return float(self._model.logit_scale.float().exp().item())

    def _bias(self) -> float | None:
        bias = getattr(self._model, 'logit_bias', None)
        return None if bias is None else float(bias.item())


class VisionTower(torch.nn.Module):
    """The vision tower with the projection into the common space."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the places `(B, D)` of images `(B, 3, H, W)`, of any length."""
        return (_place(self.model.get_image_features(pixel_values=pixels)),)


def _place(output: Any) -> torch.Tensor:
    """Return the features `(B, D)` in what a tower of transformers returns."""
    # A tensor before transformers 5, and FLAVA's of every token, the class token first.
    features: torch.Tensor = getattr(output, 'pooler_output', output)
    return features[:, 0] if features.ndim == 3 else features
