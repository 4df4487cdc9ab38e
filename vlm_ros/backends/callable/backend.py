"""The backend that calls a user's functions."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from vlm_ros.backends.callable import values
from vlm_ros.backends.callable.found import find_callable, Found, Function
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import InputError, ModelError, QuestionError
from vlm_ros.phrases import check_text, Vocabulary
from vlm_ros.results import (
    Answer,
    Caption,
    Classification,
    Detections,
    Masks,
    PhraseGroundings,
    Verdict,
)
from vlm_ros.tasks import Image, TASKS, Ticket

_Result = TypeVar('_Result')


class CallableBackend:
    """A model behind a function, or an object with methods, that the user brings.

    Args:
        found: What is called.
        model: Its name.
        device: Where it was asked to run; its own attribute `device` says better.
    """

    def __init__(self, found: Found, *, model: str, device: str) -> None:
        self._thing: object = found.thing
        self._functions = found.functions
        self.model_id = f'callable:{model}'
        self.model_revision = str(getattr(found.thing, 'model_revision', '') or found.revision)
        own_device = getattr(found.thing, 'device', None)
        self.device = str(own_device or ('cpu' if device == 'auto' else device))

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names."""
        names = vocabulary.names
        return self._ask(
            'detect',
            lambda said: values.detections(said, image, names, score_threshold),
            (image, list(names)),
            ticket,
            score_threshold=score_threshold,
        )

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names."""
        check_text(text, 'text')
        return self._ask(
            'ground',
            lambda said: values.groundings(said, image, text, score_threshold),
            (image, text),
            ticket,
            score_threshold=score_threshold,
        )

    def caption(self, image: Image, *, prompt: str = '', ticket: Ticket | None = None) -> Caption:
        """Describe the image."""
        return self._ask('caption', values.caption, (image, prompt), ticket)

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question, out of `choices` where they are given."""
        check_text(question, 'question')
        return self._ask(
            'answer',
            lambda said: values.answer(said, choices),
            (image, question),
            ticket,
            choices=tuple(choices),
        )

    def caption_frames(
        self, images: Sequence[Image], *, prompt: str = '', ticket: Ticket | None = None
    ) -> Caption:
        """Describe the images, oldest first."""
        _check_images(images)
        return self._ask('caption_frames', values.caption, (list(images), prompt), ticket)

    def answer_frames(
        self,
        images: Sequence[Image],
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer the question about the images, oldest first."""
        _check_images(images)
        check_text(question, 'question')
        return self._ask(
            'answer_frames',
            lambda said: values.answer(said, choices),
            (list(images), question),
            ticket,
            choices=tuple(choices),
        )

    def verify(
        self, images: Sequence[Image], statement: str, *, ticket: Ticket | None = None
    ) -> Verdict:
        """Say whether the statement is true of the images."""
        _check_images(images)
        check_text(statement, 'statement')
        return self._ask('verify', values.verdict, (list(images), statement), ticket)

    def match(
        self, image: Image, texts: Sequence[str], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Score each text by itself, `(N,)` in [0, 1]."""
        _check_texts(texts)
        return self._ask(
            'match',
            lambda said: values.probabilities(said, len(texts)),
            (image, list(texts)),
            ticket,
        )

    def classify(
        self, image: Image, vocabulary: Vocabulary, *, ticket: Ticket | None = None
    ) -> Classification:
        """Score every name."""
        return self._ask(
            'classify',
            lambda said: values.classification(said, vocabulary),
            (image, list(vocabulary.names)),
            ticket,
        )

    def encode_images(
        self, images: Sequence[Image], *, ticket: Ticket | None = None
    ) -> FloatArray:
        """Return `(N, D)` float32 vectors of length 1."""
        _check_images(images)
        return self._ask(
            'encode_images',
            lambda said: values.vectors(said, len(images)),
            (list(images),),
            ticket,
        )

    def encode_texts(self, texts: Sequence[str], *, ticket: Ticket | None = None) -> FloatArray:
        """Return `(N, D)` float32 vectors of length 1."""
        _check_texts(texts)
        return self._ask(
            'encode_texts', lambda said: values.vectors(said, len(texts)), (list(texts),), ticket
        )

    def match_regions(
        self,
        image: Image,
        xyxy: FloatArray,
        words: Sequence[str],
        *,
        ticket: Ticket | None = None,
    ) -> FloatArray:
        """Compare regions with words, `(R, W)` in [-1, 1]."""
        return self._ask(
            'match_regions',
            lambda said: values.similarities(said, (len(xyxy), len(words))),
            (image, _tuples(xyxy), list(words)),
            ticket,
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
        """Find what looks like the exemplars."""
        _check_images(exemplars)
        if len(exemplars) != len(names):
            raise InputError(f'{len(exemplars)} exemplars but {len(names)} names')
        return self._ask(
            'detect_like',
            lambda said: values.detections(said, image, names, score_threshold),
            (image, list(exemplars), list(names)),
            ticket,
            score_threshold=score_threshold,
        )

    def segment(self, image: Image, boxes: Detections, *, ticket: Ticket | None = None) -> Masks:
        """Cut out what the boxes hold."""
        return self._ask(
            'segment',
            lambda said: values.masks_of_boxes(said, image, boxes),
            (image, _tuples(boxes.xyxy)),
            ticket,
        )

    def segment_phrases(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Masks:
        """Cut out what the names of the vocabulary stand for."""
        names = vocabulary.names
        return self._ask(
            'segment_phrases',
            lambda said: values.masks_of_names(said, image, names, score_threshold),
            (image, list(names)),
            ticket,
            score_threshold=score_threshold,
        )

    def close(self) -> None:
        """Close what is called, where it can be closed.

        Raises:
            ModelError: It raised something.
        """
        thing, self._thing = self._thing, None
        close = getattr(thing, 'close', None)
        if callable(close):
            Function(f'{self.model_id}.close', close, 0, frozenset())()

    def _ask(
        self,
        task: str,
        read: Callable[[Any], _Result],
        arguments: tuple[Any, ...],
        ticket: Ticket | None,
        **more: Any,
    ) -> _Result:
        function = self._functions[task]
        if ticket is not None:
            ticket.check()
        said = function(*arguments, ticket=ticket, **more)
        if ticket is not None:
            ticket.check()
        try:
            return read(said)
        except (TypeError, ValueError) as error:
            raise ModelError(f'{function.name} returned what cannot be used: {error}') from error


def open_callable(*, device: str = 'cpu', model: str = '', task: str = '') -> CallableBackend:
    """Make a backend of what a name stands for.

    It does the tasks that what it calls does: in a class of its own the methods of the others are
    None, so that `vlm_ros.tasks.tasks_of` and `isinstance` with a Protocol see them missing.

    Args:
        device: Handed to a class that takes it; `auto` where it may choose.
        model: What to call: `my_package.my_module:my_function`, `...:MyClass`, `...:my_object`,
            or `my_package.my_module` with functions named after tasks.
        task: What a function does that is not named after its task.

    Raises:
        BackendError: There is no such thing, or it does no task.
        ImportError: A library that its module imports is missing.
    """
    found = find_callable(model, task=task, device=device)
    missing = {name: None for name in TASKS if name not in found.functions}
    own_class: type[CallableBackend] = type('CallableBackend', (CallableBackend,), missing)
    return own_class(found, model=model, device=device)


def _tuples(xyxy: FloatArray) -> list[tuple[float, ...]]:
    return [tuple(box) for box in xyxy.tolist()]


def _check_images(images: Sequence[Image]) -> None:
    if not len(images):
        raise InputError('there is no image')


def _check_texts(texts: Sequence[str]) -> None:
    if not texts:
        raise QuestionError('there is no text')
    for text in texts:
        check_text(text, 'text')
