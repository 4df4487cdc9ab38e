"""Boxes of chat models that were trained to write them, in the dialect of each."""

from collections.abc import Sequence

import numpy as np

from vlm_ros.backends.chat.backend import ChatBackend, FramesChatBackend
from vlm_ros.backends.chat.prompts import without_thoughts
from vlm_ros.backends.chat.reading import padded, Prefix
from vlm_ros.backends.dialects import detections_of, Dialect, DIALECTS
from vlm_ros.boxes import clip_xyxy
from vlm_ros.grounding.naming import ground_by_names
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections, PhraseGroundings
from vlm_ros.tasks import Image, Ticket

SPOKEN_BY = {
    'qwen2_vl': 'qwen2',
    'qwen2_5_vl': 'qwen2.5',
    'qwen3_vl': 'qwen3',
    'qwen3_5': 'qwen3',
    'internvl': 'internvl',
    'paligemma': 'paligemma',
    'gemma4': 'gemma',
}
"""The dialects that kinds of models are known to speak."""
NAMES_AT_ONCE = 20
"""Names in one prompt: with more, models begin to leave some out, and answers are cut off."""


class Boxes(ChatBackend):
    """Detection and phrase grounding by what a model writes about boxes.

    The models give no scores. A box's is the confidence of the text it stands in, the geometric
    mean of the probabilities of its tokens, so all boxes that were found together have the same.
    """

    def detect(
        self,
        image: Image,
        vocabulary: Vocabulary,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> Detections:
        """Find what the vocabulary names; what the model calls by another name is left out."""
        found = []
        with self.at_work(ticket) as ticket:
            prefix = self._reader.read([image], [''], ticket)
            names = vocabulary.names
            for start in range(0, len(names), NAMES_AT_ONCE):
                some = names[start : start + NAMES_AT_ONCE]
                found.append(self._find(image, prefix, some, ticket))
        every = _joined(found)
        return every[every.scores >= (score_threshold or 0.0)]

    def ground(
        self,
        image: Image,
        text: str,
        *,
        score_threshold: float | None = None,
        ticket: Ticket | None = None,
    ) -> PhraseGroundings:
        """Find what each noun phrase of the text names, with its attributes."""
        return ground_by_names(self, image, text, score_threshold=score_threshold, ticket=ticket)

    def _find(
        self, image: Image, prefix: Prefix, names: Sequence[str], ticket: Ticket
    ) -> Detections:
        dialect = self._dialect()
        written = self._write(
            prefix,
            dialect.prompt([self._chat.plain(name) for name in names]),
            self.options.box_tokens,
            ticket,
            skip_special_tokens=False,  # in some dialects they are the markup
        )
        height, width = image.shape[:2]
        seen_height, seen_width = padded(image).shape[:2]
        spoken = dialect.parse(
            without_thoughts(written.text),
            resolution_wh=(seen_width, seen_height),
            input_wh=prefix.input_wh,
            was_cut=not written.is_complete,
        )
        found = detections_of(spoken, Vocabulary(tuple(names)), written.confidence)
        return Detections(clip_xyxy(found.xyxy, (width, height)), found.scores, found.labels)

    def _dialect(self) -> Dialect:
        return DIALECTS[SPOKEN_BY[self._reader.model.config.model_type]]


class BoxesChatBackend(Boxes, ChatBackend):
    """A model for one image that writes boxes."""


class BoxesFramesChatBackend(Boxes, FramesChatBackend):
    """A model for several images that writes boxes."""


def _joined(found: Sequence[Detections]) -> Detections:
    labels = tuple(label for each in found for label in each.labels)
    if not labels:
        return Detections()
    return Detections(
        np.concatenate([each.xyxy for each in found]),
        np.concatenate([each.scores for each in found]),
        labels,
    )
