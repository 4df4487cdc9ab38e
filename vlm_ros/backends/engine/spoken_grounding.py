"""Grounding by a model that repeats the phrases of a text, each with its boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vlm_ros.backends.dialects import find_span, SpokenBox
from vlm_ros.phrases import noun_phrases
from vlm_ros.results import Detections, PhraseGrounding, PhraseGroundings


@dataclass(frozen=True)
class ScoredBox:
    """A box that a model said, and how sure it was of its tokens, in [0, 1]."""

    box: SpokenBox
    score: float


def grounded(text: str, found: Sequence[ScoredBox], score_threshold: float) -> PhraseGroundings:
    """Put the boxes to the phrases of a text.

    A phrase that the model gave no box has none; a box whose phrase is not in the text is left
    out, because nobody asked for it.

    Args:
        text: What was asked.
        found: In the order that the model said them in.
        score_threshold: Boxes that score less are left out.
    """
    found = [each for each in found if each.score >= score_threshold]
    spans: dict[tuple[int, int], list[int]] = {}
    kept: list[ScoredBox] = []
    labels: list[str] = []
    at = 0
    for index, each in enumerate(found):
        if not index or each.box.label != found[index - 1].box.label:
            span = find_span(text, each.box.label, at) or find_span(text, each.box.label)
        if span is None:
            continue
        at = span[1]
        spans.setdefault(span, []).append(len(kept))
        kept.append(each)
        labels.append(text[slice(*span)])
    groundings = [_grounding(text, span, kept, indices) for span, indices in spans.items()]
    for phrase in noun_phrases(text):
        if all(phrase.end <= start or end <= phrase.start for start, end in spans):
            groundings.append(PhraseGrounding(phrase.text, phrase.span))
    detections = Detections(
        np.array([each.box.xyxy for each in kept], np.float32).reshape(-1, 4),
        np.array([each.score for each in kept], np.float32),
        tuple(labels),
    )
    groundings.sort(key=lambda grounding: grounding.span)
    return PhraseGroundings(text, detections, tuple(groundings))


def _grounding(
    text: str, span: tuple[int, int], kept: Sequence[ScoredBox], indices: Sequence[int]
) -> PhraseGrounding:
    best_first = sorted(indices, key=lambda index: -kept[index].score)
    scores = tuple(kept[index].score for index in best_first)
    return PhraseGrounding(text[slice(*span)], span, tuple(best_first), scores)
