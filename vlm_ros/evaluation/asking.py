"""A model asked about the items of a language dataset, as the nodes would ask it."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.data.truths.items import Captioned, Item, LanguageTruth, Statement
from vlm_ros.data.truths.replies import REPLIES, ReplyRecord
from vlm_ros.errors import (
    BackendError,
    ImageError,
    InputError,
    InterruptedWork,
    QuestionError,
    StorageError,
    VocabularyError,
)
from vlm_ros.evaluation.parts import in_parts, kept_in, manifest_of
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.images import decode_compressed, Image
from vlm_ros.phrases import Vocabulary
from vlm_ros.records import write_lines
from vlm_ros.records.model import Json
from vlm_ros.results import Status, Truth
from vlm_ros.tasks import tasks_of

NEEDED = {
    'refer': ('detect', 'ground'),
    'ground': ('detect',),
    'answer': ('answer', 'detect'),
    'verify': ('verify', 'detect', 'answer'),
    'caption': ('caption',),
    'retrieve': ('encode_images', 'match'),
}
"""For each task the backend's tasks, any of which will do."""
_WORDS = {Truth.TRUE: 'true', Truth.FALSE: 'false', Truth.UNKNOWN: ''}

Ask = Callable[[Sequence[Image], Item], ReplyRecord]


def ask_all(
    model: Any,
    truth: LanguageTruth,
    task: str,
    *,
    settings: Json,
    guarded: bool = True,
    folder: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> list[ReplyRecord]:
    """Ask a model about every item; what it fails at is FAILED.

    Args:
        model: A backend that does one of `NEEDED`.
        truth: The items.
        task: One of `NEEDED` but `retrieve`.
        settings: What else decides the result: the backend and its options.
        guarded: Whether boxes have to support an answer, where the backend has boxes; else the
            model's own words count.
        folder: Where replies are kept, and taken from when they are there; None to keep none.
            What FAILED is asked again.
        progress: Told after each item.

    Raises:
        InputError: The folder holds something else, or another run.
        StorageError: The disk is full, or the folder cannot be written.
    """
    ask = _ask_of(model, task, guarded)
    plan = {**settings, 'guarded': guarded, 'task': task, 'layout': truth.layout}
    asked = [[item.key, item.text, *item.images] for item in truth.items]
    with kept_in(folder, manifest_of(model, task, plan, asked)):
        replies = in_parts(
            truth.items,
            lambda _, item: _asked(ask, truth, item),
            ReplyRecord,
            folder=folder,
            pictures=lambda item: [truth.picture(file) for file in item.images],
            progress=progress,
        )
        if folder is not None:
            write_lines(folder / REPLIES, replies)
    return replies


def similarity_of(
    model: Any, truth: LanguageTruth, progress: Callable[[], None] = lambda: None
) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Compare every image with every caption.

    Returns:
        `(I, T)`, more is nearer, NaN for an image that could not be read; and the row of each
        caption's image.

    Raises:
        ModelError: The model failed.
    """
    items: Sequence[Captioned] = truth.items
    texts = [caption for item in items for caption in item.captions]
    owner = [row for row, item in enumerate(items) for _ in item.captions]
    able = tasks_of(model)
    encodes = {'encode_images', 'encode_texts'} <= set(able)
    encoded = _in_parts(model.encode_texts, texts) if encodes else None
    table = np.full((len(items), len(texts)), np.nan)
    for row, item in enumerate(items):
        try:
            image = read(truth, item.images[0])
        except ImageError:
            progress()
            continue
        if encoded is not None:
            table[row] = encoded @ model.encode_images([image])[0]
        else:
            table[row] = _in_parts(partial(model.match, image), texts)
        progress()
    return table, owner


def read(truth: LanguageTruth, file: str) -> Image:
    """Return the pixels of a picture, `(H, W, 3)` uint8 RGB.

    Raises:
        ImageError: It is not there, or cannot be read.
    """
    path = truth.picture(file)
    if path is None:
        raise ImageError(f'the picture {file} is not there; say where they are with --images')
    try:
        return decode_compressed(path.read_bytes())
    except OSError as error:
        raise ImageError(f'{path} cannot be read: {error.strerror or error}') from error


def _in_parts(
    encode: Callable[[Sequence[str]], npt.NDArray[np.float32]], texts: Sequence[str]
) -> npt.NDArray[np.float32]:
    parts = [encode(texts[first : first + 64]) for first in range(0, len(texts), 64)]
    return np.concatenate(parts)


def _asked(ask: Ask, truth: LanguageTruth, item: Item) -> ReplyRecord:
    try:
        return ask([read(truth, file) for file in item.images], item)
    except (ImageError, QuestionError, VocabularyError) as error:
        message = str(error)
    except (BackendError, InputError, InterruptedWork, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 - a model's library may raise anything
        message = ' '.join(f'{type(error).__name__}: {error}'.split())
    return ReplyRecord(key=item.key, status=Status.FAILED, message=message)


def _ask_of(model: Any, task: str, guarded: bool) -> Ask:
    able = tasks_of(model)
    if task == 'ground':
        return lambda images, item: _ground(model, images[0], item)
    if task == 'caption':
        return lambda images, item: _caption(model, images[0], item)
    seer = model if {'detect', 'ground'} & set(able) else None
    grounded = GroundedAnswerer(
        seer,
        model if 'answer' in able else None,
        matcher=model if 'match_regions' in able else None,
        verifier=model if 'verify' in able else None,
    )
    if task == 'refer':
        return lambda images, item: _refer(grounded, images[0], item)
    if task == 'verify':
        return lambda images, item: _verify(grounded, images, item)
    return lambda images, item: (
        _verify(grounded, images, item)
        if isinstance(item, Statement)
        else _answer(grounded, images[0], item, guarded and seer is not None)
    )


def _ground(model: Any, image: Image, item: Item) -> ReplyRecord:
    # Weak boxes count, too: recall is taken over the best ten.
    found = model.detect(image, Vocabulary((item.text,)), score_threshold=0.0).best(10)
    boxes = tuple(tuple(xyxy) for xyxy in found.xyxy.tolist())
    return ReplyRecord(key=item.key, status=found.status, boxes=boxes, message=found.message)


def _refer(grounded: GroundedAnswerer, image: Image, item: Item) -> ReplyRecord:
    found = grounded.locate(image, item.text)
    boxes = tuple(tuple(xyxy) for xyxy in found.detection.xyxy.tolist())
    return ReplyRecord(key=item.key, status=found.status, boxes=boxes, message=found.message)


def _answer(grounded: GroundedAnswerer, image: Image, item: Item, guarded: bool) -> ReplyRecord:
    told = grounded.answer(image, item.text, require_evidence=guarded)
    return ReplyRecord(key=item.key, status=told.status, text=told.text, message=told.message)


def _verify(grounded: GroundedAnswerer, images: Sequence[Image], item: Item) -> ReplyRecord:
    told = grounded.verify(images, item.text)
    text = _WORDS[told.truth]
    return ReplyRecord(key=item.key, status=told.status, text=text, message=told.message)


def _caption(model: Any, image: Image, item: Item) -> ReplyRecord:
    told = model.caption(image)
    return ReplyRecord(key=item.key, status=told.status, text=told.text, message=told.message)
