"""What a look at an image can result in.

Every value is frozen and checked when it is made. Boxes are `xyxy` float32 in pixels of the
source image, scores are in [0, 1], labels are text. A failure is never one of these values with
nothing in it: it is an exception inside the package and a `Status` at its edges.
"""

from vlm_ros.results.detections import Detections, PhraseGrounding, PhraseGroundings
from vlm_ros.results.language import Answer, Caption, Verdict
from vlm_ros.results.matches import RegionWordMatches
from vlm_ros.results.recognition import Classification, Masks
from vlm_ros.results.references import Reference
from vlm_ros.results.status import Provenance, Status, Truth

__all__ = [
    'Answer',
    'Caption',
    'Classification',
    'Detections',
    'Masks',
    'PhraseGrounding',
    'PhraseGroundings',
    'Provenance',
    'Reference',
    'RegionWordMatches',
    'Status',
    'Truth',
    'Verdict',
]
