"""A backend without a model, for tests of behaviours, demos and CI.

It needs no weights, answers at once and always the same: what it finds depends on nothing but the
names it is asked for and, where given, a scene. Delays and failures are options, so that the code
around a model can be tried at its worst.
"""

from collections.abc import Mapping, Sequence
import hashlib

import numpy as np

from vlm_ros.errors import DeviceError, InputError, ModelError
from vlm_ros.phrases import check_text, noun_phrases, Vocabulary
from vlm_ros.results import Answer, Caption, Detections, PhraseGrounding, PhraseGroundings, Status
from vlm_ros.tasks import Image, Ticket

ABSENT = 'absent'
"""A name that begins with this is never found."""
UNKNOWN = 'unknown'
"""A name that begins with this is one the fake cannot look for."""
SCORE = 0.9
STEP_S = 0.02
"""How long a hanging call sleeps between two looks at its ticket."""

BoxFractions = Sequence[float]
"""`(left, top, right, bottom)` as fractions of the image's width and height, in [0, 1]."""


class FakeBackend:
    """All four tasks, made up.

    Without a scene, every name is found once, at a place that follows from its spelling; names
    that begin with `absent` are not found and names that begin with `unknown` are unrecognized.

    Args:
        device: Only `cpu`.
        model: Ignored; kept in `model_id`.
        scene: What is in every image: boxes as fractions by name. Other names are not found.
        latency_s: How long each step takes: a detection, or one word of a text.
        fail_every: Every n-th call raises `ModelError`; 0 for none.
        hang: Calls never end by themselves, only by their ticket.

    Raises:
        DeviceError: The device is not `cpu`.
        InputError: An option cannot be used.
    """

    def __init__(
        self,
        *,
        device: str = 'cpu',
        model: str = '',
        scene: Mapping[str, Sequence[BoxFractions]] | None = None,
        latency_s: float = 0.0,
        fail_every: int = 0,
        hang: bool = False,
    ) -> None:
        if device != 'cpu':
            raise DeviceError(f'fake runs on cpu only, not on {device}')
        if latency_s < 0 or fail_every < 0:
            raise InputError('latency_s and fail_every must not be negative')
        self.model_id = f'fake:{model}' if model else 'fake'
        self.model_revision = '1'
        self.device = device
        self.score_threshold = SCORE
        self._scene = _checked_scene(scene)
        self._latency_s = latency_s
        self._fail_every = fail_every
        self._hang = hang
        self._calls = 0

    def close(self) -> None:
        """Nothing to free."""

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find every name where the scene, or the name's spelling, puts it; scores are 0.9."""
        ticket = ticket or Ticket()
        self._begin(ticket)
        self._step(ticket)
        return self._look(image, vocabulary.names, score_threshold)

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase names, by its head."""
        ticket = ticket or Ticket()
        check_text(text, 'text')
        self._begin(ticket)
        self._step(ticket)
        phrases = noun_phrases(text)
        detections = self._look(image, dict.fromkeys(p.head for p in phrases), score_threshold)
        groundings = []
        for phrase in phrases:
            found = [i for i, label in enumerate(detections.labels) if label == phrase.head]
            scores = tuple(float(detections.scores[i]) for i in found)
            groundings.append(PhraseGrounding(phrase.text, phrase.span, tuple(found), scores))
        return PhraseGroundings(text, detections, tuple(groundings))

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Say the image's size and what the scene holds, word by word."""
        ticket = ticket or Ticket()
        self._begin(ticket)
        height, width = image.shape[:2]
        things = f' of {", ".join(self._scene)}' if self._scene else ''
        text = f'a {width} by {height} picture{things}'
        return Caption(self._say(text, ticket), SCORE)

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer with a choice, or repeat the question, word by word.

        A question that speaks of something that is not found gets `NOT_IN_VIEW`.
        """
        ticket = ticket or Ticket()
        check_text(question, 'question')
        self._begin(ticket)
        heads = tuple(dict.fromkeys(phrase.head for phrase in noun_phrases(question)))
        evidence = self._look(image, heads, None)
        absent = [head for head in heads if head not in evidence.labels]
        if evidence.unrecognized:
            return Answer(Status.UNSURE, evidence=evidence, message=evidence.message)
        if absent:
            return Answer(
                Status.NOT_IN_VIEW, evidence=evidence, message=f'there is no {absent[0]} in view'
            )
        text = choices[_digest(question)[0] % len(choices)] if choices else f'fake: {question}'
        return Answer(Status.OK, self._say(text, ticket), SCORE, evidence)

    def _begin(self, ticket: Ticket) -> None:
        ticket.check()
        self._calls += 1
        while self._hang:
            ticket.sleep(STEP_S)
        if self._fail_every and self._calls % self._fail_every == 0:
            raise ModelError(f'the fake backend failed on purpose at call {self._calls}')

    def _step(self, ticket: Ticket) -> None:
        if self._latency_s:
            ticket.sleep(self._latency_s)
        ticket.check()

    def _say(self, text: str, ticket: Ticket) -> str:
        said = ''
        for word in text.split():
            self._step(ticket)
            said = f'{said} {word}'.strip()
            ticket.report_partial(said)
        return said

    def _look(
        self, image: Image, names: Sequence[str] | Mapping[str, None], threshold: float | None
    ) -> Detections:
        height, width = image.shape[:2]
        boxes: list[BoxFractions] = []
        labels: list[str] = []
        for name in names if threshold is None or threshold <= SCORE else ():
            for box in self._boxes_of(name):
                boxes.append(box)
                labels.append(name)
        scale = np.array([width, height, width, height], np.float32)
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4) * scale,
            np.full(len(labels), SCORE, np.float32),
            tuple(labels),
            tuple(name for name in names if name.casefold().startswith(UNKNOWN)),
        )

    def _boxes_of(self, name: str) -> Sequence[BoxFractions]:
        key = name.casefold()
        if self._scene is not None:
            return self._scene.get(key, ())
        if key.startswith((ABSENT, UNKNOWN)):
            return ()
        left, top, width, height = (byte / 255 for byte in _digest(key)[:4])
        return [(left / 2, top / 2, left / 2 + 0.1 + width * 0.4, top / 2 + 0.1 + height * 0.4)]


def _checked_scene(
    scene: Mapping[str, Sequence[BoxFractions]] | None,
) -> dict[str, Sequence[BoxFractions]] | None:
    if scene is None:
        return None
    for name, boxes in scene.items():
        for left, top, right, bottom in boxes:
            if not (0 <= left <= right <= 1 and 0 <= top <= bottom <= 1):
                raise InputError(f'the scene has {name!r} outside the image: fractions in [0, 1]')
    return {name.casefold(): boxes for name, boxes in scene.items()}


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
