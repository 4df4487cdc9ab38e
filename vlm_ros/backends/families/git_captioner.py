"""GIT (arXiv 2205.14100): one text decoder behind one image encoder, for images and for videos.

Captions and answers come from the same class, and nothing in a checkpoint says which of them it
was fine-tuned for: a model for captions goes on from a question as if it were the beginning of a
caption. The catalogue says what each published model is for.
"""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoTokenizer, GitForCausalLM

from vlm_ros.backends.engine.answering import (
    answer_by,
    captioned,
    check_choices,
    IGNORED,
    log_likelihoods,
    spell,
    tokenize,
)
from vlm_ros.backends.engine.checkpoint import (
    Checkpoint,
    load_model,
    load_processor,
    open_checkpoint,
)
from vlm_ros.backends.engine.generation import generate, Generated
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import RecentImages
from vlm_ros.backends.engine.work import TorchBackend
from vlm_ros.errors import BackendError, InputError
from vlm_ros.phrases import check_text
from vlm_ros.results import Answer, Caption
from vlm_ros.tasks import Image, Ticket

MAX_LOOKS = 8
"""Two more than the frames that the published video models read."""


class GitBackend(TorchBackend):
    """Captions and answers about an image.

    Args:
        checkpoint: A GIT model.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        max_new_tokens: Where a text is cut off.
        threads: CPU threads; 0 leaves them as they are.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        dtype: str = 'auto',
        preprocess: str = 'fast',
        max_new_tokens: int = 40,
        threads: int = 0,
    ) -> None:
        if max_new_tokens < 1:
            raise BackendError(f'max_new_tokens must be at least 1, got {max_new_tokens}')
        super().__init__('git', checkpoint, device=device, dtype=dtype, threads=threads)
        self._model = load_model(
            GitForCausalLM, checkpoint, device=self.torch_device, dtype=self.dtype
        )
        self._tokenizer = load_processor(AutoTokenizer, checkpoint)
        self._pixels = Pixels(
            load_processor(AutoImageProcessor, checkpoint), preprocess=preprocess
        )
        self.enough_px = self._pixels.enough_px
        self._max_new_tokens = max_new_tokens
        # The model would look again with every text; in its place, what was seen comes in.
        self._tower = self._model.git.image_encoder
        self._model.git.image_encoder = Seen()
        self._looks: RecentImages[torch.Tensor] = RecentImages(MAX_LOOKS)

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image, going on from the prompt, which is not repeated."""
        with self.at_work(ticket) as ticket:
            return self._describe([image], prompt, ticket)

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer in a few words, or with the likeliest of the choices."""
        check_text(question, 'question')
        choices = check_choices(choices)
        with self.at_work(ticket) as ticket:
            return self._reply([image], question, choices, ticket)

    def release_memory(self) -> None:
        """Forget the last images, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._looks.clear()
        super().release_memory()

    def _describe(self, images: Sequence[Image], prompt: str, ticket: Ticket) -> Caption:
        if prompt.strip():
            check_text(prompt, 'prompt')
        tokens, seen = self._read(prompt), self._look(images, ticket)
        ticket.check()
        written = self._write(tokens, seen, ticket)
        # Of a word that the prompt begins and the model ends.
        return captioned(replace(written, text=written.text.removeprefix('##')))

    def _reply(
        self, images: Sequence[Image], question: str, choices: Sequence[str], ticket: Ticket
    ) -> Answer:
        tokens, seen = self._read(question), self._look(images, ticket)
        ticket.check()
        return answer_by(
            question,
            choices,
            ticket,
            score=lambda texts: self._score(tokens, seen, texts),
            write=lambda: self._write(tokens, seen, ticket),
        )

    def _read(self, text: str) -> torch.Tensor:
        """Return the tokens `(1, L)` of the beginning of a text."""
        start = torch.tensor([[self._tokenizer.cls_token_id]], device=self.torch_device)
        if not text.strip():
            return start
        limit = self._model.config.max_position_embeddings - 1
        tokens = tokenize(
            self._tokenizer,
            [text],
            limit=limit,
            device=self.torch_device,
            add_special_tokens=False,
        )
        return torch.cat([start, tokens['input_ids']], 1)

    def _look(self, images: Sequence[Image], ticket: Ticket) -> torch.Tensor:
        """Return what the tower sees, as the model takes it in the place of pixels.

        Returns:
            `(1, 1, P, D)` of an image; `(1, F, 1, P, D)` where the model reads F frames.
        """
        frames = self._model.config.num_image_with_embedding
        if frames is None:
            return self._looks.get(images[0], self._see)[:, None]
        # Exactly so many: its masks count on it.
        chosen = np.linspace(0, len(images) - 1, frames).round().astype(int)
        seen = []
        for index in chosen:
            seen.append(self._looks.get(images[index], self._see))
            ticket.check()
        return torch.stack(seen, 1)[:, :, None]

    def _see(self, image: Image) -> torch.Tensor:
        pixels = self._pixels([image], device=self.torch_device, dtype=self.dtype)
        seen: torch.Tensor = self._tower(pixels).last_hidden_state
        return seen

    def _write(self, tokens: torch.Tensor, seen: torch.Tensor, ticket: Ticket) -> Generated:
        return generate(
            self._model,
            self._tokenizer,
            {
                'input_ids': tokens,
                'attention_mask': torch.ones_like(tokens),
                'pixel_values': seen,
            },
            ticket=ticket,
            max_new_tokens=self._max_new_tokens,
        )

    def _score(
        self, tokens: torch.Tensor, seen: torch.Tensor, texts: Sequence[str]
    ) -> torch.Tensor:
        """Return the log-likelihoods of texts behind an image and the beginning of a text."""
        labels = spell(
            self._tokenizer, texts, end=self._tokenizer.sep_token_id, device=self.torch_device
        )
        before = tokens.expand(len(texts), -1)
        words = labels[:, :-1]
        logits = self._model(
            input_ids=torch.cat([before, words.clamp(min=0)], 1),
            attention_mask=torch.cat([before >= 0, words != IGNORED], 1).long(),
            pixel_values=seen,
        ).logits
        return log_likelihoods(logits[:, -labels.shape[1] :], labels)


class GitVideoBackend(GitBackend):
    """The same about several frames, as many as the model was trained with.

    Of more frames some are left out, evenly; of fewer some come twice.
    """

    def caption_frames(
        self, images: Sequence[Image], *, prompt: str = '', ticket: Ticket | None = None
    ) -> Caption:
        """Describe the frames, oldest first."""
        _check_frames(images)
        with self.at_work(ticket) as ticket:
            return self._describe(images, prompt, ticket)

    def answer_frames(
        self,
        images: Sequence[Image],
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer a question about the frames, oldest first."""
        _check_frames(images)
        check_text(question, 'question')
        choices = check_choices(choices)
        with self.at_work(ticket) as ticket:
            return self._reply(images, question, choices, ticket)


class Seen(torch.nn.Module):
    """Stands where the model has its image encoder, and passes on what was seen before."""

    def forward(self, seen: torch.Tensor, **_: object) -> SimpleNamespace:
        """Return `(B, 1, P, D)` as an encoder returns `(B, P, D)`."""
        # A copy, because the model adds to it.
        return SimpleNamespace(last_hidden_state=seen[:, 0].clone())


def load_git(
    *,
    device: str = 'auto',
    model: str = '',
    dtype: str = 'auto',
    preprocess: str = 'fast',
    max_new_tokens: int = 40,
    threads: int = 0,
) -> GitBackend:
    """Load a GIT model: for several frames where it was trained on videos.

    Args:
        device: As `engine.devices.choose_device` takes it.
        model: A checkpoint of the type `git`; see `engine.checkpoint`.
        dtype: As `engine.devices.choose_dtype` takes it.
        preprocess: `fast` or `exact`; see `engine.pixels`.
        max_new_tokens: Where a caption or an answer is cut off.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        WeightsError: The weights are missing, incomplete or damaged.
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """
    checkpoint = open_checkpoint(model, backend='git', model_types=('git',))
    reads_videos = checkpoint.config.get('num_image_with_embedding') is not None
    return (GitVideoBackend if reads_videos else GitBackend)(
        checkpoint,
        device=device,
        dtype=dtype,
        preprocess=preprocess,
        max_new_tokens=max_new_tokens,
        threads=threads,
    )


def _check_frames(images: Sequence[Image]) -> None:
    if not images:
        raise InputError('there is no image; give at least one')
