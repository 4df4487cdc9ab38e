"""VisualBERT (arXiv 1908.03557): a BERT that reads regions of an image behind the words.

It has no eyes of its own: it was trained on features of regions, of 2048 or 1024 numbers each,
from a Faster R-CNN that transformers does not ship. Whoever has such a detector names a function
that calls it; without one this backend cannot be loaded.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import (
    AutoTokenizer,
    VisualBertForQuestionAnswering,
    VisualBertForVisualReasoning,
)

from vlm_ros.backends.engine.answering import (
    answer_of_labels,
    check_choices,
    tokenize,
    verdict_of,
)
from vlm_ros.backends.engine.checkpoint import (
    Checkpoint,
    load_model,
    load_processor,
    open_checkpoint,
)
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.errors import BackendError, InputError, ModelError
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Verdict
from vlm_ros.tasks import Image, Ticket

Features = Callable[[Image], npt.ArrayLike]
"""Takes an image `(H, W, 3)` uint8 RGB; returns R regions `(R, D)`, D as the model has it."""
IMAGES = 2
"""In a pair of NLVR2."""


class VisualBert(TorchBackend):
    """What the heads have in common.

    Args:
        checkpoint: A VisualBERT model, with the files of its tokenizer, bert-base-uncased's.
        features: Makes the regions of an image.
        labels: What the head's numbers stand for.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it.
        threads: CPU threads; 0 leaves them as they are.
    """

    model_class: Any

    def __init__(
        self,
        checkpoint: Checkpoint,
        features: Features,
        labels: Mapping[int, str],
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        threads: int = 0,
    ) -> None:
        super().__init__('visual_bert', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            self.model_class, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._features = features
        self._labels = labels
        self._looks: RecentImages[torch.Tensor] = RecentImages()

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _shares(self, images: Sequence[Image], text: str, ticket: Ticket) -> torch.Tensor:
        """Return the probabilities `(N,)` of the labels for a text about images."""
        limit = self._model.config.max_position_embeddings
        tokens = tokenize(self._tokenizer, [text], limit=limit, device=self.torch_device)
        seen = []
        for image in images:
            seen.append(self._looks.get(image, self._see))
            ticket.check()
        regions = torch.cat(seen, 1)
        logits: torch.Tensor = self._model(
            **tokens,
            visual_embeds=regions,
            # As the authors have it for all regions.
            visual_token_type_ids=torch.ones(
                regions.shape[:2], dtype=torch.long, device=self.torch_device
            ),
        ).logits[0]
        return logits.float().softmax(-1).cpu()

    def _see(self, image: Image) -> torch.Tensor:
        """Return regions `(1, R, D)`."""
        regions = np.asarray(self._features(image), np.float32)
        width = self._model.config.visual_embedding_dim
        if regions.ndim != 2 or regions.shape[1] != width or not len(regions):
            raise ModelError(f'features must be (R, {width}) with R > 0, got {regions.shape}')
        return torch.from_numpy(regions)[None].to(self.torch_device, self.dtype)


class VisualBertAnswerer(VisualBert):
    """Answers out of a fixed list."""

    model_class = VisualBertForQuestionAnswering

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer with the likeliest of the model's answers, or of those that are choices.

        The confidence is its share among all answers of the list, with choices and without.
        """
        check_text(question, 'question')
        choices = check_choices(choices)
        with self.at_work(ticket) as ticket:
            # The head reads the word before the end, which is a mask in the authors' code.
            text = f'{question.strip(" ?")}? {self._tokenizer.mask_token}'
            shares = self._shares([image], text, ticket)
            return answer_of_labels(shares, self._labels, choices)


class VisualBertVerifier(VisualBert):
    """Statement checks on a pair of images, as in NLVR2."""

    model_class = VisualBertForVisualReasoning

    def verify(
        self, images: Sequence[Image], statement: str, *, ticket: Ticket | None = None
    ) -> Verdict:
        """Say whether the statement is true of the two images, the left one first."""
        check_text(statement, 'statement')
        if len(images) != IMAGES:
            raise InputError(f'this model compares {IMAGES} images, and got {len(images)}')
        with self.at_work(ticket) as ticket:
            return verdict_of(self._shares(images, statement, ticket), self._labels)


HEADS: Mapping[str, type[VisualBertAnswerer | VisualBertVerifier]] = {
    'VisualBertForQuestionAnswering': VisualBertAnswerer,
    'VisualBertForVisualReasoning': VisualBertVerifier,
}


def load_visual_bert(
    *,
    device: str = 'auto',
    model: str = '',
    dtype: str = 'auto',
    features: str = '',
    answers: str = '',
    threads: int = 0,
) -> VisualBertAnswerer | VisualBertVerifier:
    """Load a VisualBERT model: what it can do depends on the head it was saved with.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `visual_bert`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        features: `module:function`, a `Features` function.
        answers: A file with the head's answers, one a line, where its configuration does not
            name them.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: There is no such function, the answers have no names, an option cannot be
            used, or the model has none of these heads.
        DeviceError: This machine has no such device.
    """
    function = _find(features)
    checkpoint = open_checkpoint(model, backend='visual_bert', model_types=('visual_bert',))
    head = HEADS[checkpoint.head(HEADS)]
    labels = _labels(checkpoint, answers) if head is VisualBertAnswerer else {0: 'no', 1: 'true'}
    return head(checkpoint, function, labels, device=device, dtype=dtype, threads=threads)


def _find(features: str) -> Features:
    module, _, name = features.partition(':')
    if not module or not name:
        raise BackendError(
            'visual_bert takes features of regions from a detector of yours; set '
            "features='my_module:my_function', a function of an image that returns (R, D) numbers"
        )
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BackendError(f'there is no function {features!r}: {error}') from error
    if not callable(found):
        raise BackendError(f'{features!r} is no function')
    function: Features = found
    return function


def _labels(checkpoint: Checkpoint, answers: str) -> dict[int, str]:
    named = checkpoint.config.get('id2label') or {}
    labels = {int(index): str(label) for index, label in named.items()}
    if answers:
        try:
            lines = Path(answers).expanduser().read_text(encoding='utf-8').splitlines()
        except (OSError, ValueError) as error:
            raise BackendError(f'the answers {answers!r} cannot be read: {error}') from error
        if labels and len(lines) != len(labels):
            raise BackendError(f'{answers!r} has {len(lines)} answers, the model {len(labels)}')
        return dict(enumerate(lines))
    if not labels or all(label.startswith('LABEL_') for label in labels.values()):
        raise BackendError(
            f'{checkpoint.name} does not name its answers; set answers to a file with one a line'
        )
    return labels
