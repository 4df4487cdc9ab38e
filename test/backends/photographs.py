"""The photographs with boxes drawn by hand."""

import json
from pathlib import Path

PHOTOGRAPHS = json.loads(
    (Path(__file__).parents[1] / 'data' / 'photographs.json').read_text('utf-8')
)
"""Each with `photo`, a name in `skimage.data`, and `objects`: `names` and `xyxy`."""
