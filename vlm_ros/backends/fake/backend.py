"""The tasks of the fake: made-up results, after whatever the script says."""

from collections.abc import Mapping, Sequence
import math
import time
from typing import Any

import numpy as np

from vlm_ros.backends.fake import loading
from vlm_ros.backends.fake.scene import BoxFractions, digest, Scene, SCORE
from vlm_ros.backends.fake.script import MAX_SECONDS, Script
from vlm_ros.errors import DeviceError, InputError, ModelError, OutOfMemory
from vlm_ros.phrases import check_text, noun_phrases, Vocabulary
from vlm_ros.results import Answer, Caption, Detections, PhraseGrounding, PhraseGroundings, Status
from vlm_ros.tasks import Image, Ticket

HANG_S = 0.1
"""How long a hanging call sleeps between two looks at its ticket."""
EMPTY = Scene({})


class FakeBackend:
    """All four tasks and batches, made up.

    Without a scene, every name is found once, at a place that follows from its spelling; names
    that begin with `absent` are not found and names that begin with `unknown` are unrecognized.

    Args:
        device: `cpu`, or `auto`, which is the same.
        model: Kept in `model_id`; load failures are counted by it.
        script: What the calls do, one after the other, over all tasks; see
            `vlm_ros.backends.fake.script`. A call takes its step even where its ticket ends it;
            a call whose text is refused takes none.
        scene: What is in every image: boxes as fractions by name, or a text such as
            `cup 0 0 0.5 0.5; coffee cup 0.5 0.5 1 1`. Other names are not found.
        latency_s: How long each step takes: a detection, a batch, or one word of a text.
        max_batch: How many images `detect_batch` takes.
        oom_above: A batch of more images raises `OutOfMemory`; 0 for never.
        load_s: How long loading takes.
        load_fails: How many loads of this `model` fail in this process, before one does not.
        load_hangs: Whether loading never ends.
        memory_mb: How much memory it holds until it is closed, in units of 10^6 bytes.

    Attributes:
        memory_releases: How often it was asked to release memory.

    Raises:
        DeviceError: The device is not `cpu`.
        InputError: An option cannot be used.
        BackendError: This load was told to fail.
    """

    needs_warm_up = False
    """A warm-up would use up a step of the script."""

    def __init__(
        self,
        *,
        device: str = 'cpu',
        model: str = '',
        script: str | float | Sequence[str | float] | None = None,
        scene: Mapping[str, Sequence[BoxFractions]] | str | None = None,
        latency_s: float = 0.0,
        max_batch: int = 1,
        oom_above: int = 0,
        load_s: float = 0.0,
        load_fails: int = 0,
        load_hangs: bool = False,
        memory_mb: float = 0.0,
    ) -> None:
        if device not in ('auto', 'cpu'):
            raise DeviceError(f'fake runs on cpu only, not on {device}')
        self.model_id = f'fake:{model}' if model else 'fake'
        self.model_revision = '1'
        self.device = 'cpu'
        self.score_threshold = SCORE
        self.max_batch = _whole('max_batch', max_batch, at_least=1)
        self.memory_releases = 0
        self._script = Script() if script is None else Script(script)
        self._scene = Scene(scene)
        self._latency_s = _number('latency_s', latency_s, MAX_SECONDS)
        self._oom_above = _whole('oom_above', oom_above)
        if not isinstance(load_hangs, bool):
            raise InputError(f'load_hangs must be true or false, got {load_hangs!r}')
        held_bytes = int(_number('memory_mb', memory_mb) * 1e6)
        loading.load(
            model,
            load_s=_number('load_s', load_s, MAX_SECONDS),
            load_fails=_whole('load_fails', load_fails),
            load_hangs=load_hangs,
        )
        # Ones, because memory that was never written to is not resident.
        self._held = np.ones(held_bytes, np.uint8)

    @property
    def calls(self) -> int:
        """How many calls have taken a step of the script."""
        return self._script.taken

    def close(self) -> None:
        """Free the memory it holds."""
        self._held = np.ones(0, np.uint8)

    def release_memory(self) -> None:
        """Count that it was asked; it has no caches."""
        self.memory_releases += 1

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find every name where the scene, or the name's spelling, puts it; scores are 0.9."""
        ticket, scene = self._begin(ticket)
        self._step(ticket)
        return scene.look(image, vocabulary.names, score_threshold)

    def detect_batch(
        self,
        images: Sequence[Image],
        vocabularies: Sequence[Vocabulary],
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Sequence[Detections]:
        """Find in each image what `detect` would, as one call and in the time of one.

        Raises:
            InputError: There are more images than `max_batch`, or not one vocabulary an image.
            OutOfMemory: There are more images than `oom_above`.
        """
        if len(images) != len(vocabularies):
            raise InputError(f'{len(images)} images but {len(vocabularies)} vocabularies')
        if len(images) > self.max_batch:
            raise InputError(
                f'{len(images)} images in a batch; at most {self.max_batch} are taken'
            )
        ticket, scene = self._begin(ticket)
        if self._oom_above and len(images) > self._oom_above:
            raise OutOfMemory(
                f'the fake backend has memory for {self._oom_above} images, not for {len(images)}'
            )
        self._step(ticket)
        return [
            scene.look(image, vocabulary.names, score_threshold)
            for image, vocabulary in zip(images, vocabularies, strict=True)
        ]

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase names, by its head."""
        check_text(text, 'text')
        ticket, scene = self._begin(ticket)
        self._step(ticket)
        phrases = noun_phrases(text)
        heads = dict.fromkeys(phrase.head for phrase in phrases)
        detections = scene.look(image, heads, score_threshold)
        groundings = []
        for phrase in phrases:
            found = [i for i, label in enumerate(detections.labels) if label == phrase.head]
            scores = tuple(float(detections.scores[i]) for i in found)
            groundings.append(PhraseGrounding(phrase.text, phrase.span, tuple(found), scores))
        return PhraseGroundings(text, detections, tuple(groundings))

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Say the image's size and what the scene holds, word by word."""
        ticket, scene = self._begin(ticket)
        height, width = image.shape[:2]
        things = f' of {", ".join(scene.names)}' if scene.names else ''
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
        check_text(question, 'question')
        ticket, scene = self._begin(ticket)
        heads = tuple(dict.fromkeys(phrase.head for phrase in noun_phrases(question)))
        evidence = scene.look(image, heads, None)
        absent = [head for head in heads if head not in evidence.labels]
        if evidence.unrecognized:
            return Answer(Status.UNSURE, evidence=evidence, message=evidence.message)
        if absent:
            return Answer(
                Status.NOT_IN_VIEW, evidence=evidence, message=f'there is no {absent[0]} in view'
            )
        text = choices[digest(question)[0] % len(choices)] if choices else f'fake: {question}'
        return Answer(Status.OK, self._say(text, ticket), SCORE, evidence)

    def _begin(self, ticket: Ticket | None) -> tuple[Ticket, Scene]:
        """Do what the script says; returns the ticket to heed from now on, and what is seen."""
        ticket = ticket or Ticket()
        call, step = self._script.take()
        ticket.check()
        match step.kind:
            case 'fail':
                raise ModelError(f'the fake backend failed on purpose at call {call}')
            case 'oom':
                raise OutOfMemory(f'the fake backend ran out of memory on purpose at call {call}')
            case 'crash':
                raise RuntimeError(f'the fake backend crashed on purpose at call {call}')
            case 'hang':
                while True:
                    ticket.sleep(HANG_S)
            case 'stuck':
                time.sleep(step.duration_s)
                return Ticket(), self._scene
            case 'empty':
                return ticket, EMPTY
            case 'ok':
                if step.duration_s:
                    ticket.sleep(step.duration_s)
                return ticket, self._scene

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


def _number(name: str, value: Any, at_most: float = math.inf) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value <= at_most and math.isfinite(value):
        return float(value)
    bounds = '0 or more' if at_most == math.inf else f'from 0 to {at_most:g}'
    raise InputError(f'{name} must be a number, {bounds}, got {value!r}')


def _whole(name: str, value: Any, at_least: int = 0) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= at_least:
        return value
    raise InputError(f'{name} must be a whole number, {at_least} or more, got {value!r}')
