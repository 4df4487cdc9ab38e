"""What contrastive two-tower models do, whichever library they come from.

One tower places images, the other texts, and how well they go together is a cosine. So each tower
runs as rarely as possible: the text tower once for a list of names, the vision tower once for an
image or a region, for however many names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vlm_ros.alignment import similarity
from vlm_ros.backends.engine.checkpoint import Checkpoint
from vlm_ros.backends.engine.detecting import check_max_batch
from vlm_ros.backends.engine.export import run_in
from vlm_ros.backends.engine.pixels import Pixels
from vlm_ros.backends.engine.recent import Recent, RecentPictures
from vlm_ros.backends.engine.work import check_image, TorchBackend
from vlm_ros.backends.families.likeness import pick, shape_of, windows_of
from vlm_ros.boxes import clip_xyxy, FloatArray
from vlm_ros.errors import BackendError, InputError, QuestionError, VlmRosError, VocabularyError
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.results import Classification, Detections
from vlm_ros.tasks import Image, Ticket

PROMPT = 'a photo of a {}.'
"""What is made of a name before it is read; CLIP's (arXiv 2103.00020, section 3.1.4)."""
CONTEXT = 0.25
"""Of a region's width and height, added at each side: half as much again in all, the wider of the
two crops whose embeddings ViLD averages (arXiv 2104.13921). Boxes cut a thing out tightly, and
these models were trained on pictures with something around what the text names."""
TEXT_BATCH = 64
"""Texts in one pass of the text tower; the ticket is looked at between passes."""
MAX_TEXT_LISTS = 16
MAX_PICTURES = 500
"""Exemplars whose places are kept; a gallery has no more."""


@dataclass(frozen=True)
class Towers:
    """The two networks of a model, and how they meet.

    Attributes:
        look: Places `(B, D)` of images, of any length.
        read: Places `(N, D)` of texts, of any length; each text is short enough.
        count_tokens: How many tokens each text has, the special ones included.
        max_tokens: How many the text tower takes.
        width: D.
        scale: What a cosine is multiplied by to become a logit.
        bias: What is added then; None for a model trained with a softmax over texts, whose logits
            say something in comparison only.
    """

    look: Callable[[Sequence[Image]], torch.Tensor]
    read: Callable[[Sequence[str]], torch.Tensor]
    count_tokens: Callable[[Sequence[str]], Sequence[int]]
    max_tokens: int
    width: int
    scale: float
    bias: float | None = None


class TwoTowerBackend(TorchBackend):
    """Zero-shot classification, retrieval, and region-word matching.

    A model that was trained with a sigmoid (SigLIP, arXiv 2303.15343) has the task `match` too:
    its score of a text is a probability by itself. A softmax over the texts at hand is none.

    Args:
        backend: Its name.
        checkpoint: What it runs.
        device: As `engine.devices.choose_device` takes it.
        dtype: As `engine.devices.choose_dtype` takes it; exported runtimes are float32.
        runtime: One of `engine.export.RUNTIMES`, for the vision tower; exported on a CPU only.
        prompt: What is made of a name before it is read, with one `{}`; texts that are matched or
            encoded are read as they are.
        context: What is added to a region at each side, as a part of its width and height.
        max_batch: How many images or regions are looked at in one pass.
        threads: CPU threads; 0 leaves them as they are.

    Raises:
        BackendError: An option cannot be used.
        DeviceError: This machine has no such device.
    """

    likeness_threshold = 0.85
    """From which cosine on a window looks like an exemplar. A starting point that nobody measured:
    what unlike pictures have differs from model to model."""

    def __init__(
        self,
        backend: str,
        checkpoint: Checkpoint,
        *,
        device: str,
        dtype: str,
        runtime: str,
        prompt: str,
        context: float,
        max_batch: int,
        threads: int,
    ) -> None:
        if prompt.count('{}') != 1:
            raise BackendError(f'prompt must have one {{}} for the name, got {prompt!r}')
        if not 0 <= context <= 2:
            raise BackendError(f'context must be in [0, 2], got {context:g}')
        check_max_batch(max_batch)
        super().__init__(
            backend,
            checkpoint,
            device=device,
            dtype=dtype,
            runtime=runtime,
            threads=threads,
        )
        self._prompt = prompt
        self._context = context
        self._batch = max_batch if runtime == 'torch' else 1
        self._places: Recent[torch.Tensor] = Recent(MAX_TEXT_LISTS)
        self._pictures: RecentPictures[torch.Tensor] = RecentPictures(MAX_PICTURES)

    def _looking(
        self, pixels: Pixels, tower: torch.nn.Module, runtime: str, checkpoint: Checkpoint
    ) -> Callable[[Sequence[Image]], torch.Tensor]:
        """Return `Towers.look` of a vision tower that takes images of one size.

        Args:
            pixels: Makes what the tower takes.
            tower: Returns places `(B, D)` as the only element of a tuple.
            runtime: What it is to run in.
            checkpoint: Where it comes from.
        """
        self.enough_px = pixels.enough_px
        run = run_in(
            runtime,
            tower,
            torch.zeros(1, 3, *pixels.input_hw),
            ('places',),
            name=checkpoint.name,
            revision=checkpoint.revision,
        )

        def look(images: Sequence[Image]) -> torch.Tensor:
            made = pixels(images, device=self.torch_device, dtype=self.dtype)
            return run(made.contiguous())[0]

        return look

    def _seat(self, towers: Towers, *, squash_px: int = 0) -> None:
        """Take the networks.

        Args:
            towers: The networks.
            squash_px: The side of the square that a region is squeezed into, where looking would
                cut off the ends of one that is long; 0 where it would not.
        """
        self._towers = towers
        self._squash_px = squash_px
        if towers.bias is not None:
            self.match = self._match

    def classify(
        self, image: Image, vocabulary: Vocabulary, *, ticket: Ticket | None = None
    ) -> Classification:
        """Score every name: a softmax over the names, or a probability of each, as trained.

        Raises:
            VocabularyError: A name is too long for the text tower.
        """
        with self.at_work(ticket) as ticket:
            texts = self._prompted(vocabulary.names)
            logits = self._logits(image, texts, ticket, VocabularyError)
            exclusive = self._towers.bias is None
            scores = logits.softmax(0) if exclusive else logits.sigmoid()
            return Classification(vocabulary.names, scores.cpu().numpy(), exclusive)

    def encode_images(
        self, images: Sequence[Image], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Place images; `(N, D)` float32, length 1, so that a cosine is a dot product."""
        with self.at_work(ticket) as ticket:
            return _array(self._look(images, ticket))

    def encode_texts(self, texts: Sequence[str], *, ticket: Ticket | None = None) -> FloatArray:
        """Place texts; `(N, D)` float32, length 1, in the space of the images.

        Raises:
            QuestionError: There is no text, or one is empty or too long for the text tower.
        """
        with self.at_work(ticket) as ticket:
            _check_texts(texts)
            places = self._read(texts, ticket, QuestionError)
            ticket.check()
            return _array(places)

    def match_regions(
        self,
        image: Image,
        xyxy: FloatArray,
        words: Sequence[str],
        *,
        ticket: Ticket | None = None,
    ) -> FloatArray:
        """Compare regions, each cut out with some context, with words: `(R, W)` cosines.

        Boxes may reach over the edge of the image; what is outside is not looked at.

        Raises:
            InputError: A box is empty, or outside the image.
            QuestionError: A word is empty or too long for the text tower.
        """
        with self.at_work(ticket) as ticket:
            check_image(image)
            crops = cut_out(image, xyxy, self._context)
            for word in words:
                check_text(word, 'word')
            if not crops or not words:
                return np.zeros((len(crops), len(words)), np.float32)
            places = self._recall(self._prompted(words), ticket, QuestionError)
            ticket.check()
            regions = self._look([self._squashed(crop) for crop in crops], ticket)
            return similarity(_array(regions), _array(places))

    def detect_like(
        self,
        image: Image,
        exemplars: Sequence[Image],
        names: Sequence[str],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find the windows of the image that look most like the exemplars; see `likeness`.

        Raises:
            InputError: There is no exemplar, or not one name for each.
        """
        if not exemplars or len(exemplars) != len(names):
            raise InputError(f'{len(exemplars)} exemplars and {len(names)} names; give one each')
        threshold = self.likeness_threshold if score_threshold is None else score_threshold
        with self.at_work(ticket) as ticket:
            check_image(image)
            shown = [
                _array(self._pictures.get(exemplar, lambda one: self._look([one], ticket))[0])
                for exemplar in exemplars
            ]
            shapes = [shape_of(*exemplar.shape[:2]) for exemplar in exemplars]
            distinct = tuple(dict.fromkeys(names))
            every, likenesses = [], []
            for shape in dict.fromkeys(shapes):
                windows = windows_of((image.shape[1], image.shape[0]), shape)
                crops = [self._squashed(crop) for crop in cut_out(image, windows, 0.0)]
                regions = _array(self._look(crops, ticket))
                best = np.full((len(windows), len(distinct)), -1, np.float32)
                for place, own, name in zip(shown, shapes, names, strict=True):
                    if own == shape:
                        column = best[:, distinct.index(name)]
                        np.maximum(column, regions @ place, out=column)
                every.append(windows)
                likenesses.append(best)
            return Detections(
                *pick(np.concatenate(every), np.concatenate(likenesses), distinct, threshold)
            )

    def release_memory(self) -> None:
        """Forget the texts that were read, and hand freed blocks back to the device."""
        if not self._is_closed:
            self._places.clear()
            self._pictures.clear()
        super().release_memory()

    def _match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Say of each text how probably it describes the image: `(N,)` float32 in [0, 1].

        Raises:
            QuestionError: There is no text, or one is empty or too long for the text tower.
        """
        with self.at_work(ticket) as ticket:
            _check_texts(texts)
            logits = self._logits(image, tuple(texts), ticket, QuestionError)
            return _array(logits.sigmoid())

    def _logits(
        self, image: Image, texts: tuple[str, ...], ticket: Ticket, error: type[VlmRosError]
    ) -> torch.Tensor:
        """Return how well the texts go with the image, `(N,)`."""
        places = self._recall(texts, ticket, error)
        ticket.check()
        cosines = places @ self._look([image], ticket)[0]
        return cosines * self._towers.scale + (self._towers.bias or 0.0)

    def _prompted(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(self._prompt.replace('{}', name) for name in names)

    def _recall(
        self, texts: tuple[str, ...], ticket: Ticket, error: type[VlmRosError]
    ) -> torch.Tensor:
        return self._places.get(texts, lambda: self._read(texts, ticket, error))

    def _read(
        self, texts: Sequence[str], ticket: Ticket, error: type[VlmRosError]
    ) -> torch.Tensor:
        limit = self._towers.max_tokens
        for text, count in zip(texts, self._towers.count_tokens(texts), strict=True):
            if count > limit:
                raise error(
                    f'{text[:60]!r} has {count} tokens, and {self.model_id} reads {limit}; '
                    'shorten it'
                )
        made = []
        for start in range(0, len(texts), TEXT_BATCH):
            ticket.check()
            made.append(_unit(self._towers.read(texts[start : start + TEXT_BATCH])))
        return torch.cat(made)

    def _look(self, images: Sequence[Image], ticket: Ticket) -> torch.Tensor:
        made = [torch.zeros(0, self._towers.width, device=self.torch_device)]
        for start in range(0, len(images), self._batch):
            ticket.check()
            made.append(_unit(self._towers.look(images[start : start + self._batch])))
        ticket.check()
        return torch.cat(made)

    def _squashed(self, crop: Image) -> Image:
        side = self._squash_px
        if not side or crop.shape[0] == crop.shape[1]:
            return crop
        method = cv2.INTER_AREA if side <= min(crop.shape[:2]) else cv2.INTER_CUBIC
        square: Image = cv2.resize(crop, (side, side), interpolation=method)  # type: ignore[assignment]
        return square


def cut_out(image: Image, xyxy: npt.ArrayLike, context: float) -> list[Image]:
    """Cut regions out of an image.

    Args:
        image: `(H, W, 3)` uint8.
        xyxy: `(R, 4)`, pixels of the image.
        context: What is added at each side, as a part of the region's width and height.

    Returns:
        R images, each of at least one pixel; they may share memory with the whole one.

    Raises:
        InputError: `xyxy` is not `(R, 4)`, or a box is empty or outside the image.
    """
    boxes = np.asarray(xyxy, np.float32)
    if boxes.size == 0:
        return []
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(f'xyxy must be (R, 4), got {boxes.shape}')
    height, width = image.shape[:2]
    clipped = clip_xyxy(boxes, (width, height))
    for index, (x1, y1, x2, y2) in enumerate(clipped):
        if not (x1 < x2 and y1 < y2):  # NaN is not either
            box = ', '.join(f'{value:g}' for value in boxes[index])
            raise InputError(
                f'box {index} ({box}) has no pixel of the {width}x{height} image; remove it'
            )
    margins = np.tile(clipped[:, 2:] - clipped[:, :2], 2) * np.array([-1, -1, 1, 1]) * context
    wide = clip_xyxy(clipped + margins, (width, height))
    return [
        np.ascontiguousarray(image[top:bottom, left:right])
        for left, top, right, bottom in np.hstack(
            [np.floor(wide[:, :2]), np.ceil(wide[:, 2:])]
        ).astype(int)
    ]


def _check_texts(texts: Sequence[str]) -> None:
    if not texts:
        raise QuestionError('there is no text; give at least one')
    for text in texts:
        check_text(text, 'text')


def _unit(places: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(places.float(), dim=-1)


def _array(values: torch.Tensor) -> FloatArray:
    array: FloatArray = values.cpu().numpy()
    return array
