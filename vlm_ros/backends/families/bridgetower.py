"""BridgeTower (arXiv 2206.08657): two towers, and bridges to a cross-modal encoder at every layer.

The published checkpoints differ in their heads: matching (ITM), which needs both towers and the
encoder for every pair, or contrastive (ITC), whose image and text heads need a tower each.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import normalize
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    BridgeTowerForContrastiveLearning,
    BridgeTowerForImageAndTextRetrieval,
)

from vlm_ros.backends.engine.answering import check_texts, in_batches, tokenize
from vlm_ros.backends.engine.checkpoint import (
    Checkpoint,
    load_model,
    load_processor,
    open_checkpoint,
)
from vlm_ros.backends.engine.strips import process_whole
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import BackendError
from vlm_ros.tasks import Image, Ticket

PADDING_OFFSET = 2
"""RoBERTa counts places from the padding token's number on, 1, and so reads 2 tokens less."""


class BridgeTower(TorchBackend):
    """What the heads have in common: the towers.

    Args:
        checkpoint: A BridgeTower model.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it.
        threads: CPU threads; 0 leaves them as they are.
    """

    model_class: Any

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        threads: int = 0,
    ) -> None:
        super().__init__('bridgetower', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            self.model_class, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._processor = load_processor(AutoImageProcessor, checkpoint)

    def _pixels(self, image: Image) -> torch.Tensor:
        made = process_whole(self._processor, image)
        pixels: torch.Tensor = made['pixel_values'].to(self.torch_device, self.dtype)
        return pixels

    def _read(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        limit = self._model.config.text_config.max_position_embeddings - PADDING_OFFSET
        tokens = tokenize(self._tokenizer, texts, limit=limit, device=self.torch_device)
        return {key: tokens[key] for key in ('input_ids', 'attention_mask')}


class BridgeTowerMatcher(BridgeTower):
    """Image-text matching."""

    model_class = BridgeTowerForImageAndTextRetrieval

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by the matching head, a probability that the pair belongs."""
        texts = check_texts(texts)
        with self.at_work(ticket) as ticket:
            pixels = self._pixels(image)

            def compare(texts: Sequence[str]) -> torch.Tensor:
                logits: torch.Tensor = self._model(
                    **self._read(texts), pixel_values=pixels.expand(len(texts), -1, -1, -1)
                ).logits
                return logits.float().softmax(-1)[:, 1]

            return _array(in_batches(texts, compare, ticket))


class BridgeTowerEncoder(BridgeTower):
    """Retrieval by the contrastive heads.

    They offer no matching: a cosine of theirs is no probability, and their head for pairs was
    trained against the other two, not to tell pairs from each other.
    """

    model_class = BridgeTowerForContrastiveLearning

    def encode_images(
        self, images: Sequence[Image], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Place images where the contrastive head has them; the text tower does not run."""
        with self.at_work(ticket) as ticket:
            places = [torch.zeros(0, self._model.config.contrastive_hidden_size)]
            for image in images:
                places.append(self._place(self._pixels(image)).cpu())
                ticket.check()
            return _array(torch.cat(places))

    def encode_texts(self, texts: Sequence[str], *, ticket: Ticket | None = None) -> FloatArray:
        """Place texts where the contrastive head has them; the vision tower does not run."""
        texts = check_texts(texts)
        with self.at_work(ticket) as ticket:

            def place(texts: Sequence[str]) -> torch.Tensor:
                read = self._model.bridgetower.text_model(**self._read(texts)).last_hidden_state
                return normalize(self._model.itc_text_head(read[:, 0]).float(), dim=-1)

            return _array(in_batches(texts, place, ticket))

    def _place(self, pixels: torch.Tensor) -> torch.Tensor:
        both = self._model.bridgetower
        tower = both.vision_model.visual
        seen = tower.forward_pre(pixels)
        for block in tower.transformer.resblocks:
            seen = block(seen)
        seen = both.cross_modal_image_transform(tower.forward_post(seen))
        # What the bridges add to images, as the library does before this head.
        seen = seen + both.token_type_embeddings.weight[1]
        return normalize(self._model.itc_image_head(seen[:, 0]).float(), dim=-1)


def load_bridgetower(
    *, device: str = 'auto', model: str = '', dtype: str = 'auto', threads: int = 0
) -> BridgeTowerMatcher | BridgeTowerEncoder:
    """Load a BridgeTower model: what it can do depends on the heads among its weights.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `bridgetower`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used, or the model has none of these heads.
        DeviceError: This machine has no such device.
    """
    checkpoint = open_checkpoint(model, backend='bridgetower', model_types=('bridgetower',))
    # Not by the name of the class: one set of weights was published for several.
    if checkpoint.has_weights('itm_score.'):
        return BridgeTowerMatcher(checkpoint, device=device, dtype=dtype, threads=threads)
    if checkpoint.has_weights('itc_image_head.'):
        return BridgeTowerEncoder(checkpoint, device=device, dtype=dtype, threads=threads)
    raise BackendError(
        f'{checkpoint.name} has neither a matching head nor a contrastive one; choose a model '
        'such as BridgeTower/bridgetower-base-itm-mlm'
    )


def _array(values: torch.Tensor) -> FloatArray:
    array: FloatArray = values.float().cpu().numpy()
    return array
