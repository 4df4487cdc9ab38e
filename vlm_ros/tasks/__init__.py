"""What a model can be asked to do: one Protocol a task, one method each.

A backend class satisfies one or more of them. Images are `(H, W, 3)` uint8 RGB, C-contiguous, and
no method writes into one. A model serves one call at a time, on whichever thread calls it. Every
method may raise `ModelError` when the model fails, and `InterruptedWork` from `ticket.check()`.
"""

from vlm_ros.tasks.boxes import (
    BatchDetector,
    Detector,
    ExemplarDetector,
    PhraseGrounder,
    PhraseSegmenter,
    RegionMatcher,
    Segmenter,
)
from vlm_ros.tasks.language import (
    Captioner,
    Classifier,
    FramesAnswerer,
    FramesCaptioner,
    ImageEncoder,
    ImageTextMatcher,
    QuestionAnswerer,
    StatementVerifier,
    TextEncoder,
)
from vlm_ros.tasks.model import Image, Model, ReleasesMemory
from vlm_ros.tasks.ticket import Ticket

__all__ = [
    'TASKS',
    'BatchDetector',
    'Captioner',
    'Classifier',
    'Detector',
    'ExemplarDetector',
    'FramesAnswerer',
    'FramesCaptioner',
    'Image',
    'ImageEncoder',
    'ImageTextMatcher',
    'Model',
    'PhraseGrounder',
    'PhraseSegmenter',
    'QuestionAnswerer',
    'RegionMatcher',
    'ReleasesMemory',
    'Segmenter',
    'StatementVerifier',
    'TextEncoder',
    'Ticket',
    'tasks_of',
]

TASKS: dict[str, type] = {
    'detect': Detector,
    'ground': PhraseGrounder,
    'caption': Captioner,
    'answer': QuestionAnswerer,
    'caption_frames': FramesCaptioner,
    'answer_frames': FramesAnswerer,
    'verify': StatementVerifier,
    'match': ImageTextMatcher,
    'classify': Classifier,
    'encode_images': ImageEncoder,
    'encode_texts': TextEncoder,
    'match_regions': RegionMatcher,
    'detect_like': ExemplarDetector,
    'segment': Segmenter,
    'segment_phrases': PhraseSegmenter,
}
"""The tasks by the name of their method."""


def tasks_of(model: object) -> tuple[str, ...]:
    """Return the names of the tasks that a backend, or a backend class, can do."""
    return tuple(name for name in TASKS if callable(getattr(model, name, None)))
