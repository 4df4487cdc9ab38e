"""How Gemma 3 and 4 write boxes: as Gemini does.

JSON with `box_2d`, y before x, in thousandths of the image (ai.google.dev/gemini-api/docs and
docs.cloud.google.com/vertex-ai/generative-ai/docs/bounding-box-detection). That Gemma 3 was
trained on boxes is not documented (huggingface.co/google/gemma-3-4b-it/discussions/38), so expect
little of its boxes.
"""

from collections.abc import Sequence

from vlm_ros.backends.dialects.json_boxes import parse_json_boxes
from vlm_ros.backends.dialects.names import said_all
from vlm_ros.backends.dialects.qwen import THOUSANDTHS
from vlm_ros.backends.dialects.spoken import SpokenBoxes


def prompt_gemma(names: Sequence[str]) -> str:
    """Ask for boxes."""
    return (
        f'Detect every {said_all(names)} in the image. Answer with a JSON list only, in which '
        'each entry has "box_2d", as [ymin, xmin, ymax, xmax] normalized to 0-1000, and "label".'
    )


def parse_gemma(
    text: str,
    *,
    resolution_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
    was_cut: bool = False,
) -> SpokenBoxes:
    """Find the boxes of Gemma 3 and 4; `input_wh` does not count."""
    return parse_json_boxes(
        text, resolution_wh=resolution_wh, scale_wh=THOUSANDTHS, y_first=True, was_cut=was_cut
    )
