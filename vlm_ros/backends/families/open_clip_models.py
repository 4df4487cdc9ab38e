"""Two-tower models of open_clip: CLIP, CoCa, SigLIP 2, EVA-02-CLIP, MobileCLIP 2, PE-Core and kin.

A model is the folder of a hub repository made for open_clip: `open_clip_config.json`, weights, and
a tokenizer where CLIP's own is not the one.
"""

from collections.abc import Sequence
from typing import Any

import open_clip
from open_clip.tokenizer import SimpleTokenizer
import torch

from vlm_ros.backends.engine.checkpoint import check_memory, open_checkpoint
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.families.coca import caption_greedily, MIN_TOKENS
from vlm_ros.backends.families.open_clip_loading import (
    CONFIG,
    make_model,
    make_tokenizer,
    model_config,
    Preprocessing,
)
from vlm_ros.backends.families.two_towers import CONTEXT, PROMPT, Towers, TwoTowerBackend
from vlm_ros.errors import BackendError, QuestionError
from vlm_ros.results import Caption
from vlm_ros.tasks import Image, Ticket


class OpenClipBackend(TwoTowerBackend):
    """Zero-shot classification, retrieval and region-word matching; captions where CoCa runs.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint with an `open_clip_config.json`; see `engine.checkpoint`. open_clip's
            own prefix of hub ids, `hf-hub:`, may stand before it.
        dtype: As `engine.devices.choose_dtype` takes it; exported runtimes are float32.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        runtime: `torch`; `onnx` or `openvino` for the vision tower, on a CPU, one image a pass.
        prompt: What is made of a name before it is read, with one `{}`.
        context: What is added to a region at each side, as a part of its width and height.
        max_batch: How many images or regions are looked at in one pass.
        max_tokens: Of a caption, those of the prompt, the begin and the end included.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used, or the model needs files from elsewhere.
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
        max_tokens: int = 30,
        threads: int = 0,
    ) -> None:
        checkpoint = open_checkpoint(
            model.removeprefix('hf-hub:'), backend='open_clip', config_name=CONFIG
        )
        super().__init__(
            'open_clip',
            checkpoint,
            device=device,
            dtype=dtype,
            runtime=runtime,
            prompt=prompt,
            context=context,
            max_batch=max_batch,
            threads=threads,
        )
        check_memory(checkpoint, device=self.torch_device, dtype=self.dtype)
        config = model_config(checkpoint)
        self._model = make_model(config, checkpoint).to(self.torch_device, self.dtype)
        self._tokenizer = make_tokenizer(config['text_cfg'], checkpoint)
        pixels = Pixels(
            Preprocessing(checkpoint.config.get('preprocess_cfg') or {}, self._model),
            preprocess=preprocess,
        )
        look = self._looking(pixels, VisionTower(self._model), runtime, checkpoint)
        bias = self._model.logit_bias
        self._seat(
            Towers(
                look=look,
                read=self._features_of,
                count_tokens=self._count_tokens,
                max_tokens=self._tokenizer.context_length,
                width=int(config['embed_dim']),
                scale=float(self._model.logit_scale.float().exp().item()),
                bias=None if bias is None else float(bias.item()),
            ),
            squash_px=pixels.crop_px,
        )
        if isinstance(self._model, open_clip.CoCa):
            limit = self._tokenizer.context_length
            if not MIN_TOKENS < max_tokens <= limit:
                raise BackendError(
                    f'max_tokens must be in [{MIN_TOKENS + 1}, {limit}], got {max_tokens}'
                )
            self._pixels, self._max_tokens = pixels, max_tokens
            self.caption = self._caption

    def _caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image; a prompt is how the caption begins.

        Raises:
            QuestionError: The prompt leaves no room for a caption.
        """
        with self.at_work(ticket) as ticket:
            begin = [self._tokenizer.sot_token_id, *self._tokenizer.encode(prompt)]
            if len(begin) > self._max_tokens - 2:
                raise QuestionError(
                    f'the prompt has {len(begin)} of the {self._max_tokens} tokens of a caption; '
                    'shorten it, or raise max_tokens'
                )
            return caption_greedily(
                self._model,
                self._tokenizer,
                self._pixels([image], device=self.torch_device, dtype=self.dtype),
                begin,
                max_tokens=self._max_tokens,
                ticket=ticket,
            )

    def _features_of(self, texts: Sequence[str]) -> torch.Tensor:
        features: torch.Tensor = self._model.encode_text(
            self._tokenizer(list(texts)).to(self.torch_device)
        )
        return features

    def _count_tokens(self, texts: Sequence[str]) -> Sequence[int]:
        tokenizer = self._tokenizer
        if isinstance(tokenizer, SimpleTokenizer):
            return [len(tokenizer.encode(text)) + 2 for text in texts]
        cleaned = [tokenizer.clean_fn(text) for text in texts]
        # In this mode the library puts three tokens of its own around each text.
        own = 3 if tokenizer.tokenizer_mode == 'clips' else 0
        ids = tokenizer.tokenizer(cleaned, add_special_tokens=not own)['input_ids']
        return [len(each) + own for each in ids]


class VisionTower(torch.nn.Module):
    """The vision tower with the projection into the common space."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the places `(B, D)` of images `(B, 3, H, W)`, of any length."""
        return (self.model.encode_image(pixels),)
