"""The embedded backend: detection, grounding, captions and answers from small networks."""

from collections import OrderedDict
from collections.abc import Sequence
import os

import numpy as np
import torch

from vlm_ros.backends.embedded import assets, classes
from vlm_ros.backends.embedded.caption import compose
from vlm_ros.backends.embedded.encoding import Encoder
from vlm_ros.backends.embedded.exemplars import find_like, Pattern, pattern_of
from vlm_ros.backends.embedded.features import FeatureExtractor
from vlm_ros.backends.embedded.look import LARGEST_SIDE_PX, Look, look
from vlm_ros.backends.embedded.minilm import DIMENSIONS, MiniLm
from vlm_ros.backends.embedded.regions import match
from vlm_ros.backends.embedded.search import cannot_tell, find
from vlm_ros.backends.embedded.ssd import SsdMobileNet
from vlm_ros.backends.embedded.witness import Witness
from vlm_ros.backends.embedded.wordnet import WordNet
from vlm_ros.backends.embedded.words import Readings, Words
from vlm_ros.backends.engine.recent import RecentPictures
from vlm_ros.backends.weights import locate
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import (
    BackendError,
    DeviceError,
    ImageError,
    InputError,
    ModelError,
    QuestionError,
)
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.naming import ground_by_names
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.results import Answer, Caption, Detections, PhraseGroundings
from vlm_ros.tasks import Image, Ticket

DEFAULT_THRESHOLD = 0.4
"""Below one half, because a probability is shared out among many classes that are alike."""
MAX_READINGS = 32
"""Vocabularies that stay read; a question reads a small one of its own."""

MAX_PATTERNS = 500
"""Exemplars that stay placed; a gallery has no more."""

MAX_LOOKS = 4
"""Images whose looks are kept: questions about one image, several cameras. Each takes 1 MB and the
image itself."""


class EmbeddedBackend:
    """Looking, answering and encoding, right after set-up, on a CPU.

    Args:
        device: `cpu`, or `auto`, which is the same.
        model: Only the empty name: there is one.
        threads: CPU threads; 0 for as many as there are cores.

    Raises:
        DeviceError: The device is not `cpu`.
        BackendError: There is no such model, or the number of threads is negative.
        WeightsError: Weights are missing or corrupt.
    """

    model_id = 'embedded'
    model_revision = f'{assets.SSD.version}+{assets.EFFICIENTNET.version}'
    device = 'cpu'
    score_threshold = DEFAULT_THRESHOLD
    """What a score must reach where the caller does not say."""
    enough_px = LARGEST_SIDE_PX
    """The shorter side that images are scaled down to."""
    tells_attributes = False
    """Neither its answers nor its comparisons show more than what things are called."""
    # No `detect_batch`: on a CPU four images in one pass took 1.0 to 1.1 times as long as four
    # passes.

    def __init__(self, *, device: str = 'cpu', model: str = '', threads: int = 0) -> None:
        if device not in ('auto', 'cpu'):
            raise DeviceError(f'embedded runs on cpu only, not on {device}')
        if model:
            raise BackendError(f'embedded has no model {model!r}; leave the model empty')
        if threads < 0:
            raise BackendError(f'threads must not be negative, got {threads}')
        threads = threads or os.cpu_count() or 1
        torch.set_num_threads(threads)
        self._ssd = SsdMobileNet(locate(assets.SSD), threads)
        self._features = FeatureExtractor(locate(assets.EFFICIENTNET), threads)
        self._wordnet = WordNet(
            locate(assets.WORDNET_INDEX),
            locate(assets.WORDNET_DATA),
            locate(assets.WORDNET_SENSES),
        )
        fine = classes.imagenet(self._wordnet)
        known = classes.openimages(self._wordnet)
        boxed = tuple(known[label] for label in self._ssd.labels)
        self._witness = Witness(boxed, fine)
        minilm = MiniLm(locate(assets.MINILM), locate(assets.MINILM_TOKENIZER))
        self._words = Words(fine + boxed, self._wordnet, minilm)
        self._encoder = Encoder(fine + boxed, self._wordnet, minilm)
        self._everyday = Vocabulary(classes.everyday())
        self._readings: OrderedDict[str, Readings] = OrderedDict()
        self._patterns: RecentPictures[Pattern] = RecentPictures(MAX_PATTERNS)
        self._seen: OrderedDict[bytes, tuple[Image, Look]] = OrderedDict()

    def close(self) -> None:
        """Forget the last images and what was read."""
        self.release_memory()

    def release_memory(self) -> None:
        """Forget the last images and what was read; both are had again when they are needed."""
        self._seen.clear()
        self._readings.clear()
        self._patterns.clear()

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names; what one name finds does not depend on the others."""
        ticket = ticket or Ticket()
        ticket.check()
        readings = self._read(vocabulary, ticket)
        seen = self._look(image, ticket)
        ticket.check()
        threshold = DEFAULT_THRESHOLD if score_threshold is None else score_threshold
        box_scores = self._witness.weigh(seen)
        finds = find(seen, box_scores, readings, threshold)
        unsure = cannot_tell(seen, box_scores, readings)
        names = vocabulary.names
        labels = [name for name, find in zip(names, finds, strict=True) for _ in find.scores]
        height, width = image.shape[:2]
        boxes = np.concatenate([find.boxes for find in finds])
        scores = np.concatenate([find.scores for find in finds])
        order = np.argsort(-scores, kind='stable')
        return Detections(
            (boxes * np.array([width, height] * 2, np.float32))[order],
            scores[order],
            tuple(labels[i] for i in order),
            tuple(name for name, is_so in zip(names, unsure, strict=True) if is_so),
        )

    def detect_like(
        self,
        image: Image,
        exemplars: Sequence[Image],
        names: Sequence[str],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what looks like the exemplars, whatever it is called; see `embedded.exemplars`."""
        if not exemplars or len(exemplars) != len(names):
            raise InputError(f'{len(exemplars)} exemplars and {len(names)} names; give one each')
        ticket = ticket or Ticket()
        ticket.check()
        patterns: dict[str, list[Pattern]] = {}
        for exemplar, name in zip(exemplars, names, strict=True):
            pattern = self._patterns.get(exemplar, lambda p: pattern_of(p, self._features))
            patterns.setdefault(name, []).append(pattern)
            ticket.check()
        seen = self._look(image, ticket)
        ticket.check()
        height, width = image.shape[:2]
        threshold = DEFAULT_THRESHOLD if score_threshold is None else score_threshold
        finds = find_like(seen, width / height, tuple(patterns.values()), threshold)
        found = [
            (name, box, score)
            for name, find in zip(patterns, finds, strict=True)
            for box, score in zip(find.boxes, find.scores, strict=True)
        ]
        found.sort(key=lambda one: -one[2])
        return Detections(
            np.array([box for _, box, _ in found], np.float32).reshape(-1, 4)
            * np.array([width, height] * 2, np.float32),
            np.array([score for *_, score in found], np.float32),
            tuple(name for name, *_ in found),
        )

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names, by its head noun."""
        return ground_by_names(
            self,
            image,
            text,
            name_of=lambda phrase: phrase.head,
            score_threshold=score_threshold,
            ticket=ticket,
        )

    def match_regions(
        self,
        image: Image,
        xyxy: FloatArray,
        words: Sequence[str],
        *,
        ticket: Ticket | None = None,
    ) -> FloatArray:
        """Say how far each region stands for each word: `(R, W)` probabilities in [0, 1].

        Raises:
            QuestionError: A word is empty or too long.
        """
        ticket = ticket or Ticket()
        ticket.check()
        for word in words:
            check_text(word, 'word')
        if not len(xyxy) or not words:
            return np.zeros((len(xyxy), len(words)), np.float32)
        names = list(dict.fromkeys(' '.join(word.split()).casefold() for word in words))
        readings = self._read(Vocabulary(tuple(names)), ticket)
        seen = self._look(image, ticket)
        ticket.check()
        height, width = image.shape[:2]
        regions = np.asarray(xyxy, np.float32) / np.array([width, height] * 2, np.float32)
        matched = match(seen, self._witness.weigh(seen), readings, np.clip(regions, 0, 1))
        return matched[:, [names.index(' '.join(word.split()).casefold()) for word in words]]

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Name what is found of everyday things; the prompt is not followed."""
        return compose(self.detect(image, self._everyday, ticket=ticket))

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer from what is found; what cannot be settled by that gets an abstention."""
        if not question.strip():
            raise QuestionError('the question is empty')
        # Whoever asks grounded questions makes its confidence a share of right answers, once.
        grounded = GroundedAnswerer(self, curves={})
        return grounded.answer(image, question, choices=choices, ticket=ticket)

    def encode_images(
        self, images: Sequence[Image], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Place images by what is seen in them; see `Encoder`."""
        ticket = ticket or Ticket()
        places = np.zeros((len(images), DIMENSIONS), np.float32)
        for row, image in enumerate(images):
            ticket.check()
            seen = self._look(image, ticket)
            places[row] = self._encoder.image(seen, self._witness.weigh(seen))
        return places

    def encode_texts(self, texts: Sequence[str], *, ticket: Ticket | None = None) -> FloatArray:
        """Place texts among the images."""
        ticket = ticket or Ticket()
        ticket.check()
        return self._encoder.texts(texts, ticket.check)

    def _read(self, vocabulary: Vocabulary, ticket: Ticket) -> Readings:
        key = vocabulary.vocabulary_id
        if key not in self._readings:
            self._readings[key] = self._words.read(vocabulary.names, ticket.check)
            if len(self._readings) > MAX_READINGS:
                self._readings.popitem(last=False)
        self._readings.move_to_end(key)
        return self._readings[key]

    def _look(self, image: Image, ticket: Ticket) -> Look:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ImageError(f'an image must be (H, W, 3) uint8, got {image.shape} {image.dtype}')
        key = _sample(image)
        if key in self._seen and np.array_equal(self._seen[key][0], image):
            self._seen.move_to_end(key)
            return self._seen[key][1]
        try:
            seen = look(image, self._ssd, self._features, ticket)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f'embedded failed on an image of {image.shape}: {error}') from error
        # The copy makes it safe: a caller may fill the same array with the next frame.
        self._seen[key] = image.copy(), seen
        if len(self._seen) > MAX_LOOKS:
            self._seen.popitem(last=False)
        return seen


def _sample(image: Image) -> bytes:
    """What tells most images apart without a look at every pixel."""
    return repr(image.shape).encode() + image[::31, ::37].tobytes()
