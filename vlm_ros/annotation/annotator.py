"""What models say of an image, as a record."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from vlm_ros.annotation.entries import detection_records, key_of
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.data.media import Frame
from vlm_ros.errors import (
    BackendError,
    InputError,
    InterruptedWork,
    OutOfMemory,
    StorageError,
)
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.asking import WAY_OUT
from vlm_ros.images import Image
from vlm_ros.phrases import Vocabulary
from vlm_ros.records import (
    AnswerRecord,
    CaptionRecord,
    DetectionRecord,
    FrameRecord,
    ImageRecord,
    ModelRecord,
    TagRecord,
)
from vlm_ros.results import Detections, Masks, Status
from vlm_ros.tasks import (
    BatchDetector,
    Captioner,
    Classifier,
    Detector,
    Model,
    QuestionAnswerer,
    Segmenter,
)

T = TypeVar('T')


@dataclass(frozen=True)
class Models:
    """Who does what; None where nobody does."""

    detector: Detector | None = None
    segmenter: Segmenter | None = None
    captioner: Captioner | None = None
    answerer: QuestionAnswerer | None = None
    classifier: Classifier | None = None

    def records(self) -> tuple[ModelRecord, ...]:
        """Return what they are called."""
        return tuple(
            ModelRecord.of(task, model) for task, model in vars(self).items() if model is not None
        )


class Annotator:
    """Does what a plan says to one image after the other.

    Args:
        plan: What is wanted.
        models: Who does it.

    Raises:
        InputError: The plan wants something that none of the models does.
    """

    def __init__(self, plan: AnnotationPlan, models: Models) -> None:
        self.models = models
        self._plan = plan
        self._prompts = plan.prompts()
        self._vocabulary = Vocabulary(tuple(self._prompts)) if self._prompts else None
        self._tags = {group: Vocabulary(names) for group, names in plan.tags.items()}
        answers = models.detector is not None or models.answerer is not None
        for wanted, there, what in (
            (self._vocabulary, models.detector, 'a detector for the vocabulary'),
            (plan.masks, models.segmenter, 'a segmenter for masks'),
            (plan.caption, models.captioner, 'a captioner for captions'),
            (plan.questions, answers or None, 'a detector or an answerer for questions'),
            (plan.tags, models.classifier, 'a classifier for tags'),
        ):
            if wanted and there is None:
                raise InputError(f'the plan needs {what}; choose a backend that can do that')
        self._answerer = (
            GroundedAnswerer(models.detector, models.answerer) if plan.questions else None
        )

    def close(self) -> None:
        """Free the models."""
        # By identity, as one model may do several things.
        for model in {id(model): model for model in vars(self.models).values()}.values():
            if isinstance(model, Model):
                model.close()

    @property
    def max_batch(self) -> int:
        """How many images are looked at together best."""
        detector = self.models.detector
        has_names = self._vocabulary is not None
        return detector.max_batch if has_names and isinstance(detector, BatchDetector) else 1

    def annotate_batch(
        self, frames: Sequence[Frame], files: Sequence[str]
    ) -> Iterator[FrameRecord]:
        """Yield what `annotate` says of each of some images, detected together.

        A batch that memory does not suffice for is tried again in halves, and one that fails
        otherwise image by image, so that one bad image fails alone.

        Args:
            frames: Up to `max_batch` images and their places.
            files: Where each is kept; empty for nowhere.
        """
        found = self._detect_batch([frame.image for frame in frames])
        for frame, file, detections in zip(frames, files, found, strict=True):
            yield self.annotate(frame, file=file, detections=detections)

    def annotate(
        self, frame: Frame, *, file: str = '', detections: Detections | None = None
    ) -> FrameRecord:
        """Look at an image; what a model fails at is FAILED in the record.

        Args:
            frame: The image and its place.
            file: Where it is kept; empty for nowhere.
            detections: What the detector found already; None to ask it.
        """
        image = frame.image
        height, width = image.shape[:2]
        status, message, found, unrecognized = self._detect(image, detections)
        tags, failures = self._classify(image)
        return FrameRecord(
            key=key_of(frame),
            source=frame.name,
            topic=frame.topic,
            index=frame.index,
            stamp_ns=frame.stamp_ns,
            time_s=frame.time_s,
            image=ImageRecord(file=file, width=width, height=height),
            status=status,
            message='; '.join(line for line in (message, *failures) if line),
            detections=found,
            unrecognized=unrecognized,
            caption=self._caption(image),
            answers=tuple(self._answer(image, question) for question in self._plan.questions),
            tags=tags,
        )

    def _detect_batch(self, images: Sequence[Image]) -> list[Detections | None]:
        detector, vocabulary = self.models.detector, self._vocabulary
        if len(images) < 2 or vocabulary is None or not isinstance(detector, BatchDetector):
            return [None] * len(images)
        try:
            return list(
                detector.detect_batch(
                    images,
                    [vocabulary] * len(images),
                    score_threshold=self._plan.score_threshold,
                )
            )
        except OutOfMemory:
            half = len(images) // 2
            return self._detect_batch(images[:half]) + self._detect_batch(images[half:])
        except (BackendError, InterruptedWork, StorageError):
            raise
        except Exception:  # noqa: BLE001 - asked once more for each, which says what is wrong
            return [None] * len(images)

    def _detect(
        self, image: Image, found: Detections | None
    ) -> tuple[Status | None, str, tuple[DetectionRecord, ...], tuple[str, ...]]:
        detector, vocabulary = self.models.detector, self._vocabulary
        if detector is None or vocabulary is None:
            return None, '', (), ()
        threshold = self._plan.score_threshold
        if found is None:
            found, failure = attempt(
                lambda: detector.detect(image, vocabulary, score_threshold=threshold)
            )
            if found is None:
                return Status.FAILED, failure, (), ()
        # Of the names that cannot be looked for, `unrecognized` tells.
        status, message = found.status, ''
        found = found.renamed(self._prompts)
        masks: Masks | None = None
        if self._plan.masks and len(found) and (segmenter := self.models.segmenter):
            masks, failure = attempt(lambda: segmenter.segment(image, found))
            message = failure
        return status, message, detection_records(found, masks), found.unrecognized

    def _caption(self, image: Image) -> CaptionRecord | None:
        captioner = self.models.captioner
        if captioner is None or not self._plan.caption:
            return None
        said, failure = attempt(lambda: captioner.caption(image))
        if said is None:
            return CaptionRecord(text='', score=0.0, status=Status.FAILED, message=failure)
        return CaptionRecord(
            text=said.text, score=said.score, status=said.status, message=said.message
        )

    def _answer(self, image: Image, question: str) -> AnswerRecord:
        answerer = self._answerer
        assert answerer is not None
        answer, failure = attempt(lambda: answerer.answer(image, question))
        if answer is None:
            return AnswerRecord(question=question, status=Status.FAILED, message=failure)
        return AnswerRecord(
            question=question,
            status=answer.status,
            answer=answer.text,
            confidence=answer.confidence,
            evidence=detection_records(answer.evidence, None),
            message=answer.message.removesuffix(f'; {WAY_OUT}'),  # there is no such option here
        )

    def _classify(self, image: Image) -> tuple[dict[str, TagRecord], list[str]]:
        tags: dict[str, TagRecord] = {}
        failures: list[str] = []
        classifier = self.models.classifier
        if classifier is None:
            return tags, failures
        for group, names in self._tags.items():
            told, failure = attempt(lambda names=names: classifier.classify(image, names))  # type: ignore[misc]
            if told is None:
                failures.append(f'no tag of {group}: {failure}')
                continue
            scores = {
                name: float(score) for name, score in zip(told.labels, told.scores, strict=True)
            }
            tags[group] = TagRecord(label=told.label, score=told.score, scores=scores)
        return tags, failures


def attempt(work: Callable[[], T]) -> tuple[T | None, str]:
    """Return what a model says, or None and why it failed, in one line.

    What the next image would suffer as well, a missing model or a bad question, is raised.
    """
    try:
        return work(), ''
    except (BackendError, InputError, InterruptedWork, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 - a model's library may raise anything
        return None, ' '.join(f'{type(error).__name__}: {error}'.split())
