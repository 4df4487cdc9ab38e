"""ViLT (arXiv 2102.03334): an image and a text in one transformer, without a vision tower.

A checkpoint has one head, and the head decides the task, so there is one class for each and
`load_vilt` chooses. Patches are embedded by one matrix, so there is little to keep of a frame;
what costs is the transformer, which runs once for each text.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    ViltForImageAndTextRetrieval,
    ViltForImagesAndTextClassification,
    ViltForQuestionAnswering,
)

from vlm_ros.backends.engine.answering import (
    answer_of_labels,
    check_choices,
    check_texts,
    in_batches,
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
from vlm_ros.backends.engine.strips import process_whole
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import InputError
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Verdict
from vlm_ros.tasks import Image, Ticket

Look = tuple[torch.Tensor, torch.Tensor]
"""Embedded patches `(1, P, D)` of an image, and which of them count, `(1, P)`."""


class Vilt(TorchBackend):
    """What the heads have in common: the embeddings and the transformer.

    Args:
        checkpoint: A ViLT model.
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
        super().__init__('vilt', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            self.model_class, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._processor = load_processor(AutoImageProcessor, checkpoint)
        self._looks: RecentImages[Look] = RecentImages()

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _look(self, image: Image) -> Look:
        return self._looks.get(image, self._embed)

    def _embed(self, image: Image) -> Look:
        made = process_whole(self._processor, image).to(self.torch_device)
        # The model shuffles the patches, which have their places in them; in one order, the same
        # image has the same numbers again.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            patches, counts, _ = self._model.vilt.embeddings.visual_embed(
                made['pixel_values'].to(self.dtype),
                made['pixel_mask'],
                max_image_length=self._model.config.max_image_length,
            )
        return patches, counts

    def _read(self, texts: Sequence[str]) -> Any:
        return tokenize(
            self._tokenizer,
            texts,
            limit=self._model.config.max_position_embeddings,
            device=self.torch_device,
        )

    def _fuse(self, look: Look, texts: Any, number: int = 1) -> torch.Tensor:
        """Return what the transformer makes of each text `(T, D)` with the image.

        Args:
            look: The image.
            texts: The tokens of T texts.
            number: Which of several images it is, from 1 on.
        """
        count = len(texts['input_ids'])
        fused: torch.Tensor = self._model.vilt(
            **texts,
            image_embeds=look[0].expand(count, -1, -1),
            pixel_mask=look[1].expand(count, -1),
            image_token_type_idx=number,
        ).pooler_output
        return fused


class ViltAnswerer(Vilt):
    """Answers out of a fixed list, 3129 of them where it was made for VQAv2."""

    model_class = ViltForQuestionAnswering

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer with the best of the model's answers, or of those that are choices.

        Each has a score by itself, a sigmoid, because the model was trained to say of each
        whether people would give it; the confidence is that score, with choices and without.
        """
        check_text(question, 'question')
        choices = check_choices(choices)
        with self.at_work(ticket) as ticket:
            asked, look = self._read([question]), self._look(image)
            ticket.check()
            scores = self._model.classifier(self._fuse(look, asked))[0].float().sigmoid()
            return answer_of_labels(scores.cpu(), self._model.config.id2label, choices)


class ViltMatcher(Vilt):
    """Image-text matching."""

    model_class = ViltForImageAndTextRetrieval

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by itself.

        The head was trained to put the right text before fifteen others, so the order of the
        scores is what it is good for; their size is not calibrated.
        """
        texts = check_texts(texts)
        with self.at_work(ticket) as ticket:
            look = self._look(image)

            def compare(texts: Sequence[str]) -> torch.Tensor:
                ranks = self._model.rank_output(self._fuse(look, self._read(texts)))[:, 0]
                return torch.sigmoid(ranks.float())

            scores: FloatArray = in_batches(texts, compare, ticket).cpu().numpy()
            return scores


class ViltVerifier(Vilt):
    """Statement checks on a pair of images, as in NLVR2."""

    model_class = ViltForImagesAndTextClassification

    def verify(
        self, images: Sequence[Image], statement: str, *, ticket: Ticket | None = None
    ) -> Verdict:
        """Say whether the statement is true of the images, the left one first.

        The head reads as many images as it was trained with, two; one image is refused, because
        shown twice it would be a pair of which statements are true that are not of one.
        """
        check_text(statement, 'statement')
        count = self._model.config.num_images if not self._is_closed else len(images)
        if len(images) != count:
            raise InputError(f'this model compares {count} images, and got {len(images)}')
        with self.at_work(ticket) as ticket:
            tokens = self._read([statement])
            fused = []
            for number, image in enumerate(images, 1):
                fused.append(self._fuse(self._look(image), tokens, number))
                ticket.check()
            logits = self._model.classifier(torch.cat(fused, -1))[0]
            return verdict_of(logits.float().softmax(-1).cpu(), self._model.config.id2label)


HEADS: Mapping[str, Callable[..., ViltAnswerer | ViltMatcher | ViltVerifier]] = {
    'ViltForQuestionAnswering': ViltAnswerer,
    'ViltForImageAndTextRetrieval': ViltMatcher,
    'ViltForImagesAndTextClassification': ViltVerifier,
}


def load_vilt(
    *, device: str = 'auto', model: str = '', dtype: str = 'auto', threads: int = 0
) -> ViltAnswerer | ViltMatcher | ViltVerifier:
    """Load a ViLT model: what it can do depends on the head it was saved with.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `vilt`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used, or the model has none of these heads.
        DeviceError: This machine has no such device.
    """
    checkpoint = open_checkpoint(model, backend='vilt', model_types=('vilt',))
    return HEADS[checkpoint.head(HEADS)](checkpoint, device=device, dtype=dtype, threads=threads)
