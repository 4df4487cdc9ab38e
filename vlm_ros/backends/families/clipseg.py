"""CLIPSeg (arXiv 2112.10003): masks for names, from a frozen CLIP and a small decoder.

The image goes through CLIP's vision tower once, and stays there for the next question; each name
then costs a decoder of three thin layers. Names are encoded once a vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from transformers import AutoImageProcessor, AutoTokenizer, CLIPSegForImageSegmentation

from vlm_ros.backends.engine.checkpoint import load_model, load_processor, open_checkpoint
from vlm_ros.backends.engine.export import run_in
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import Recent, RecentImages
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import BackendError
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, Masks
from vlm_ros.tasks import Image, Ticket

NAMES_IN_ONE_PASS = 16
"""Of the decoder and the text tower; the ticket is looked at between passes."""
MAX_VOCABULARIES = 8
MAX_IMAGES = 4
"""Images whose features are kept, 4.5 MB each."""

Features = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Conditions:
    """What to look for.

    Attributes:
        embeddings: `(N, D)`, one a name, in passes.
        names: N names.
        unreadable: Names that are too long for the text tower.
    """

    embeddings: tuple[torch.Tensor, ...]
    names: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


class ClipSegBackend(TorchBackend):
    """Segmentation by words: one mask a name, of everything it names together.

    A name is found where a pixel's probability is above the threshold; its score is the mean
    probability inside the mask. Both come from a sigmoid that was trained against masks of things
    known to be there, so they are not calibrated: compare masks of one image, and try the
    threshold on your own scenes before a score decides anything.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `clipseg`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it; exported runtimes are float32.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        runtime: `torch`; `onnx` or `openvino` for the vision tower, on a CPU.
        prompt: What is made of a name before it is encoded, with one `{}`.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    score_threshold = 0.5
    """What a pixel must reach where the caller does not say: more likely than not."""

    def __init__(
        self,
        *,
        device: str = 'auto',
        model: str = '',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        runtime: str = 'torch',
        prompt: str = '{}',
        threads: int = 0,
    ) -> None:
        if prompt.count('{}') != 1:
            raise BackendError(f'prompt must have one {{}} for the name, got {prompt!r}')
        checkpoint = open_checkpoint(model, backend='clipseg', model_types=('clipseg',))
        super().__init__(
            'clipseg',
            checkpoint,
            device=device,
            dtype=dtype,
            runtime=runtime,
            threads=threads,
        )
        self._prompt = prompt
        self._model = load_model(
            CLIPSegForImageSegmentation, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._pixels = Pixels(
            load_processor(AutoImageProcessor, checkpoint), preprocess=preprocess
        )
        self.enough_px = self._pixels.enough_px
        size = self._model.config.vision_config.image_size
        tower = VisionTower(self._model)
        self._vision = run_in(
            runtime,
            tower,
            torch.zeros(1, 3, size, size),
            tuple(f'layer_{number}' for number in self._model.config.extract_layers),
            name=checkpoint.name,
            revision=checkpoint.revision,
        )
        self._conditions: Recent[Conditions] = Recent(MAX_VOCABULARIES)
        self._seen: RecentImages[Features] = RecentImages(MAX_IMAGES)

    def segment_phrases(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Masks:
        """Cut out what each name stands for; what no pixel suits is not found."""
        threshold = self.score_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            conditions = self._conditions.get(
                vocabulary.vocabulary_id, lambda: self._read(vocabulary.names, ticket)
            )
            ticket.check()
            features = self._seen.get(image, self._look)
            ticket.check()
            finds = [
                (*find, name)
                for name, likely in zip(
                    conditions.names, self._likely(features, conditions, ticket), strict=True
                )
                if (find := _cut_out(likely, image, threshold)) is not None
            ]
        finds.sort(key=lambda find: -find[1])
        masks = np.array([mask for mask, *_ in finds], bool).reshape(-1, *image.shape[:2])
        detections = Detections(
            _boxes(masks),
            np.array([score for _, score, _ in finds], np.float32),
            tuple(name for *_, name in finds),
            conditions.unreadable,
        )
        return Masks(masks, detections)

    def release_memory(self) -> None:
        """Forget images and names that were seen, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._conditions.clear()
            self._seen.clear()
        super().release_memory()

    def _read(self, names: Sequence[str], ticket: Ticket) -> Conditions:
        limit = self._model.config.text_config.max_position_embeddings
        texts = [self._prompt.format(name) for name in names]
        lengths = [len(ids) for ids in self._tokenizer(texts)['input_ids']]
        readable = [i for i, length in enumerate(lengths) if length <= limit]
        made = []
        for start in range(0, len(readable), NAMES_IN_ONE_PASS):
            ticket.check()
            chosen = [texts[i] for i in readable[start : start + NAMES_IN_ONE_PASS]]
            tokens = self._tokenizer(chosen, padding=True, return_tensors='pt')
            made.append(
                self._model.get_conditional_embeddings(
                    batch_size=len(chosen),
                    input_ids=tokens['input_ids'].to(self.torch_device),
                    attention_mask=tokens['attention_mask'].to(self.torch_device),
                )
            )
        unreadable = tuple(name for i, name in enumerate(names) if lengths[i] > limit)
        return Conditions(tuple(made), tuple(names[i] for i in readable), unreadable)

    def _look(self, image: Image) -> Features:
        pixels = self._pixels([image], device=self.torch_device, dtype=self.dtype)
        return self._vision(pixels.contiguous())

    def _likely(
        self, features: Features, conditions: Conditions, ticket: Ticket
    ) -> Iterator[FloatArray]:
        """Yield for each name how likely every pixel shows it, `(S, S)` in [0, 1]."""
        for embeddings in conditions.embeddings:
            ticket.check()
            repeated = tuple(each.expand(len(embeddings), -1, -1) for each in features)
            logits = self._model.decoder(repeated, embeddings).logits
            size = self._model.config.vision_config.image_size
            yield from logits.reshape(-1, size, size).float().sigmoid().cpu().numpy()


class VisionTower(torch.nn.Module):
    """The layers of CLIP's vision tower whose output the decoder takes.

    Args:
        model: A `CLIPSegForImageSegmentation`; it loses the layers above those.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.extracted = list(model.config.extract_layers)
        self.vision = model.clip.vision_model
        # Published checkpoints take layers 3, 6 and 9 of 12: the last two are for nothing here.
        self.vision.encoder.layers = self.vision.encoder.layers[: max(self.extracted) + 1]

    def forward(self, pixels: torch.Tensor) -> Features:
        """Look at images `(B, 3, S, S)`; returns `(B, 1 + P, D)` of each extracted layer."""
        hidden = self.vision(pixel_values=pixels, output_hidden_states=True).hidden_states
        return tuple(hidden[number + 1] for number in self.extracted)


def _cut_out(likely: FloatArray, image: Image, threshold: float) -> tuple[Any, float] | None:
    """Return a mask of the image's size and the mean probability inside, or None for no pixel."""
    if likely.max() <= threshold:  # what lies between two values is not above both
        return None
    height, width = image.shape[:2]
    full = cv2.resize(likely, (width, height), interpolation=cv2.INTER_LINEAR)
    mask = full > threshold
    if not mask.any():
        return None
    return mask, float(np.clip(full[mask].mean(dtype=np.float64), 0, 1))


def _boxes(masks: Any) -> FloatArray:
    """Return the boxes `(N, 4)` around masks `(N, H, W)` that have a pixel each."""
    boxes = np.zeros((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes
