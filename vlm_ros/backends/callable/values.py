"""From plain Python values to results, each checked on the way.

Every function here raises `ValueError` or `TypeError`, with one line that says what is wrong and
where, when it is given something else than it reads.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vlm_ros.backends.dialects import find_span, Names
from vlm_ros.boxes import clip_xyxy, FloatArray
from vlm_ros.phrases import noun_phrases, Vocabulary
from vlm_ros.results import (
    Answer,
    Caption,
    Classification,
    Detections,
    Masks,
    PhraseGrounding,
    PhraseGroundings,
    Status,
    Truth,
    Verdict,
)
from vlm_ros.tasks import Image

_SHARED_OUT = 1e-3
"""Scores that sum to 1 within this are one softmax over the names."""


def detections(
    said: Any, image: Image, names: Sequence[str], score_threshold: float | None
) -> Detections:
    """Read a list of `(name, score, (left, top, right, bottom))`; the names are the caller's."""
    vocabulary = Names(Vocabulary(tuple(dict.fromkeys(names))))
    rows = []
    for index, (label, score, box) in enumerate(_triples(said)):
        name = vocabulary.find(str(label)) if label else ''
        if not name:
            raise ValueError(f'item {index} names {label!r}, which was not asked for')
        rows.append((name, score, box))
    return _boxes(rows, image, score_threshold)


def groundings(
    said: Any, image: Image, text: str, score_threshold: float | None
) -> PhraseGroundings:
    """Read a list of `(phrase, score, (left, top, right, bottom))`; phrases are of the text."""
    rows = list(_triples(said))
    spans = {}
    for index, (phrase, _, _) in enumerate(rows):
        span = find_span(text, str(phrase)) if phrase else None
        if span is None:
            raise ValueError(f'item {index} names {phrase!r}, which is no part of the text')
        spans[str(phrase)] = span
    found = _boxes([(text[slice(*spans[row[0]])], *row[1:]) for row in rows], image, None)
    found = found[found.scores >= (score_threshold or 0)]
    others = (phrase.span for phrase in noun_phrases(text))
    absent = [span for span in others if not any(_overlap(span, own) for own in spans.values())]
    return PhraseGroundings(
        text,
        found,
        tuple(_grounding(text, span, found) for span in sorted({*spans.values(), *absent})),
    )


def caption(said: Any) -> Caption:
    """Read a text, or `(text, score)`; a text alone has the score 0."""
    return Caption(*_text(said))


def answer(said: Any, choices: Sequence[str]) -> Answer:
    """Read a text, `(text, confidence)`, or None where the model cannot tell."""
    if said is None:
        return Answer(Status.UNSURE, message='the model cannot tell')
    text, confidence = _text(said)
    if choices:
        chosen = [choice for choice in choices if choice.casefold() == text.casefold()]
        if not chosen:
            return Answer(
                Status.UNSURE,
                message=f'the model said {text[:100]!r}, which is none of the choices',
            )
        text = chosen[0]
    return Answer(Status.OK, text, confidence)


def verdict(said: Any) -> Verdict:
    """Read True, False, `(True, confidence)`, or None where the model cannot tell."""
    if said is None:
        return Verdict(Truth.UNKNOWN, status=Status.UNSURE, message='the model cannot tell')
    holds, confidence = _pair(said)
    if not isinstance(holds, bool | np.bool_):
        raise TypeError(f'expected True, False or None, got {_shown(holds)}')
    return Verdict(Truth.TRUE if holds else Truth.FALSE, _score(confidence))


def probabilities(said: Any, count: int) -> FloatArray:
    """Read a number in [0, 1] for each text."""
    scores = np.array([_score(score) for score in _list(said)], np.float32)
    if len(scores) != count:
        raise ValueError(f'{len(scores)} scores for {count} texts')
    return scores


def classification(said: Any, vocabulary: Vocabulary) -> Classification:
    """Read a number in [0, 1] for each name, in their order or as a dictionary by name."""
    if isinstance(said, dict):
        missing = [name for name in vocabulary.names if name not in said]
        if missing:
            raise ValueError(f'there is no score for {missing[0]!r}')
        said = [said[name] for name in vocabulary.names]
    scores = probabilities(said, len(vocabulary))
    exclusive = len(scores) > 1 and abs(float(scores.sum()) - 1) < _SHARED_OUT
    return Classification(vocabulary.names, scores, exclusive)


def vectors(said: Any, count: int) -> FloatArray:
    """Read a vector for each image or text, and scale them to length 1."""
    array = _numbers(said)
    if array.ndim != 2 or len(array) != count or not array.shape[1]:
        raise ValueError(f'expected {count} vectors of one length, got shape {array.shape}')
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not lengths.all():
        raise ValueError(f'vector {int(np.argmin(lengths))} is all zeros')
    scaled: FloatArray = (array / lengths).astype(np.float32)
    return scaled


def similarities(said: Any, shape: tuple[int, int]) -> FloatArray:
    """Read a number in [-1, 1] for each box, a row, and word."""
    array = _numbers(said)
    if array.size == 0 and 0 in shape:
        return np.zeros(shape, np.float32)
    if array.shape != shape:
        raise ValueError(f'expected a row a box and a number a word, {shape}, got {array.shape}')
    if np.abs(array).max() > 1:
        raise ValueError(
            f'similarities must be in [-1, 1], got {array.flat[np.abs(array).argmax()]:g}'
        )
    return array


def masks_of_boxes(said: Any, image: Image, boxes: Detections) -> Masks:
    """Read a mask `(H, W)`, or `(mask, score)`, for each box; a mask alone has the score 0."""
    pairs = [_pair(item) for item in _list(said)]
    if len(pairs) != len(boxes):
        raise ValueError(f'{len(pairs)} masks for {len(boxes)} boxes')
    masks = [_mask(mask, index, image) for index, (mask, _) in enumerate(pairs)]
    scores = np.array([_score(score) for _, score in pairs], np.float32)
    return Masks(
        np.array(masks, bool).reshape(len(masks), *image.shape[:2]),
        Detections(boxes.xyxy, scores, boxes.labels),
    )


def masks_of_names(
    said: Any, image: Image, names: Sequence[str], score_threshold: float | None
) -> Masks:
    """Read a list of `(name, score, mask)`, each mask `(H, W)` with something in it."""
    rows, masks = [], []
    for index, (label, score, raw) in enumerate(_triples(said)):
        mask = _mask(raw, index, image)
        if not mask.any():
            raise ValueError(f'the mask of item {index} is empty; leave it out')
        across, down = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        rows.append((label, score, (across[0], down[0], across[-1] + 1, down[-1] + 1)))
        masks.append(mask)
    found = detections(rows, image, names, None)
    stack = np.array(masks, bool).reshape(len(masks), *image.shape[:2])
    order = np.argsort(-found.scores, kind='stable')
    order = order[found.scores[order] >= (score_threshold or 0)]
    return Masks(stack[order], found[order])


def _boxes(
    rows: Sequence[tuple[str, Any, Any]], image: Image, score_threshold: float | None
) -> Detections:
    if not rows:
        return Detections()
    height, width = image.shape[:2]
    boxes = []
    for index, (_, _, box) in enumerate(rows):
        corners = _numbers(box)
        if corners.shape != (4,):
            raise ValueError(f'the box of item {index} must be four numbers, got {_shown(box)}')
        if corners[2] < corners[0] or corners[3] < corners[1]:
            raise ValueError(
                f'the box of item {index} must be (left, top, right, bottom), got {_shown(box)}'
            )
        boxes.append(corners)
    xyxy = np.array(boxes, np.float32)
    if xyxy.max() <= 1 and np.any(xyxy % 1) and max(height, width) > 1:
        raise ValueError('the boxes must be in pixels; these look like fractions of the image')
    scores = np.array([_score(score) for _, score, _ in rows], np.float32)
    found = Detections(clip_xyxy(xyxy, (width, height)), scores, tuple(row[0] for row in rows))
    return found[scores >= (score_threshold or 0)]


def _grounding(text: str, span: tuple[int, int], found: Detections) -> PhraseGrounding:
    phrase = text[slice(*span)]
    own = [index for index, label in enumerate(found.labels) if label == phrase]
    own.sort(key=lambda index: -found.scores[index])
    scores = tuple(float(found.scores[index]) for index in own)
    return PhraseGrounding(phrase, span, tuple(own), scores)


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _text(said: Any) -> tuple[str, float]:
    text, score = _pair(said)
    if not isinstance(text, str):
        raise TypeError(f'expected a text, got {_shown(text)}')
    if not text.strip():
        raise ValueError('the text is empty')
    return ' '.join(text.split()), _score(score)


def _pair(said: Any) -> tuple[Any, Any]:
    if not isinstance(said, tuple):
        return said, 0.0
    if len(said) != 2:
        raise ValueError(f'expected a value or (value, score), got {len(said)} values')
    return said


def _triples(said: Any) -> Iterable[tuple[Any, Any, Any]]:
    for index, item in enumerate(_list(said)):
        if not isinstance(item, tuple | list) or len(item) != 3:
            raise ValueError(f'item {index} must have three parts, got {_shown(item)}')
        yield item[0], item[1], item[2]


def _list(said: Any) -> Sequence[Any]:
    if not isinstance(said, list | tuple | np.ndarray):
        raise TypeError(f'expected a list, got {_shown(said)}')
    return said  # type: ignore[return-value]


def _score(score: Any) -> float:
    if isinstance(score, str | bool) or not np.isscalar(score):
        raise TypeError(f'a score must be a number, got {_shown(score)}')
    number = float(score)  # type: ignore[arg-type]
    if not 0 <= number <= 1:
        raise ValueError(f'a score must be in [0, 1], got {number:g}')
    return number


def _numbers(said: Any) -> FloatArray:
    array = np.asarray(said, np.float32)
    if not np.isfinite(array).all():
        raise ValueError('a number is not finite')
    return array


def _mask(said: Any, index: int, image: Image) -> npt.NDArray[np.bool_]:
    mask = np.asarray(said)
    if mask.shape != image.shape[:2]:
        raise ValueError(f'the mask of item {index} must be {image.shape[:2]}, got {mask.shape}')
    return mask.astype(bool)


def _shown(value: Any) -> str:
    return ' '.join(f'{type(value).__name__} {value!r}'[:80].split())
