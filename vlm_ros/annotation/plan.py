"""What is to be annotated, and how."""

import hashlib
import json
import os
from typing import get_args, Literal

from pydantic import Field, model_validator

from vlm_ros.errors import VocabularyError
from vlm_ros.phrases import Vocabulary
from vlm_ros.records.model import Json, Record
from vlm_ros.vocabularies import named

Job = Literal['boxes', 'masks', 'caption', 'answers', 'tags']
"""What models are needed for."""
JOBS: tuple[Job, ...] = get_args(Job)


class BackendPlan(Record):
    """What `vlm_ros.backends.load` is to load."""

    name: str = 'embedded'
    model: str = ''
    device: str = 'cpu'
    options: Json = Field(default_factory=dict)


class SamplingPlan(Record):
    """Which images are looked at.

    Attributes:
        every: Each so-many-th of a camera.
        rate_hz: At most so many a second of a camera; None for all. Photographs have no time.
        start_s: None earlier than this, in seconds since the source's beginning.
        stop_s: None from then on.
        scene_change: Only images that differ so much from the one kept before, in [0, 1]; see
            `sampling.SceneChange`. 0 for all.
    """

    every: int = Field(default=1, ge=1)
    rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    start_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    stop_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    scene_change: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode='after')
    def _check(self) -> 'SamplingPlan':
        if self.stop_s is not None and self.stop_s <= (self.start_s or 0.0):
            raise ValueError(f'the time range ends, at {self.stop_s:g} s, before it begins')
        return self


class AnnotationPlan(Record):
    """All that decides what a dataset holds; two equal plans make equal bytes.

    Attributes:
        sources: Bags, folders, videos, as `vlm_ros.data.media.open_media` takes them.
        topics: Of bags; empty for all that have images.
        label_set: A set of `vlm_ros.vocabularies`, whose prompts are looked for.
        vocabulary: Names to look for instead; both empty for no detection.
        score_threshold: See `Detector.detect`.
        masks: Whether boxes get masks.
        caption: Whether images get a sentence.
        questions: What is asked of each image.
        tags: Names by group, such as `weather`, of which one goes with each image.
        track: Whether boxes are followed from image to image.
        sampling: Which images are looked at.
        images: How pictures are kept; empty to keep none.
        chunk_frames: About how many images of a source are annotated, and lost, together.
        backend: What does all that no other is named for.
        backends: Other backends, by what they do.
    """

    sources: tuple[str, ...] = Field(min_length=1)
    topics: tuple[str, ...] = ()
    label_set: str = ''
    vocabulary: tuple[str, ...] = ()
    score_threshold: float | None = Field(default=None, ge=0, le=1)
    masks: bool = False
    caption: bool = False
    questions: tuple[str, ...] = ()
    tags: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    track: bool = False
    sampling: SamplingPlan = SamplingPlan()
    images: Literal['', 'jpeg', 'png'] = ''
    chunk_frames: int = Field(default=100, ge=1)
    backend: BackendPlan = BackendPlan()
    backends: dict[Job, BackendPlan] = Field(default_factory=dict)

    @model_validator(mode='after')
    def _check(self) -> 'AnnotationPlan':
        if len(set(map(os.path.realpath, self.sources))) != len(self.sources):
            raise ValueError('a source is named twice; name it once')
        if self.label_set and self.vocabulary:
            raise ValueError('give a label_set or a vocabulary, not both')
        if len(set(self.questions)) != len(self.questions):
            raise ValueError('a question is asked twice; ask it once')
        has_names = bool(self.label_set or self.vocabulary)
        for name, is_wanted in (('masks', self.masks), ('tracks', self.track)):
            if is_wanted and not has_names:
                raise ValueError(f'{name} need boxes; give a vocabulary or a label_set')
        return self

    @property
    def plan_id(self) -> str:
        """Short hash of all of it."""
        content = json.dumps(self.model_dump(mode='json'), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def jobs(self) -> tuple[Job, ...]:
        """Return what there is to do."""
        wanted = {
            'boxes': self.label_set or self.vocabulary,
            'masks': self.masks,
            'caption': self.caption,
            'answers': self.questions,
            'tags': self.tags,
        }
        return tuple(job for job in JOBS if wanted[job])

    def prompts(self) -> dict[str, str]:
        """Return what to look for, each with the label it is found as; empty for nothing.

        Raises:
            VocabularyError: There is no such set of labels, or the names cannot be looked for.
        """
        if self.label_set:
            found = named(self.label_set).prompts()
            if not found:
                raise VocabularyError(f'{self.label_set} has no class that can be looked for')
            return found
        return (
            {name: name for name in Vocabulary(self.vocabulary).names} if self.vocabulary else {}
        )
