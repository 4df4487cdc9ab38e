"""What a verb found in an image, as a line of JSON or lines for people."""

import argparse
from dataclasses import dataclass, field
import json
from typing import Any

from vlm_ros.data.media import Frame
from vlm_ros.errors import VlmRosError
from vlm_ros.results import Detections, Status
from vlm_ros.tasks import Model


@dataclass(frozen=True, eq=False)
class Finding:
    """What a verb found in one image.

    Attributes:
        status: Of the result.
        message: One line about it; may be empty.
        detections: The boxes to print and draw.
        answer: What to print beside the image's name and to draw below; empty for boxes alone.
        fields: What the verb adds to the JSON object.
        vocabulary_id: Of the vocabulary that was looked for; empty where there was none.
    """

    status: Status
    message: str = ''
    detections: Detections = field(default_factory=Detections)
    answer: str = ''
    fields: dict[str, Any] = field(default_factory=dict)
    vocabulary_id: str = ''

    @property
    def failing(self) -> str:
        """The status in words, such as `nothing found`; empty where there is a result."""
        return '' if self.status is Status.OK else self.status.name.lower().replace('_', ' ')


def print_finding(
    args: argparse.Namespace,
    model: Model,
    frame: Frame,
    finding: Finding,
    inference_time_s: float,
    saved: str | None,
) -> None:
    """Print what was found in a frame, as `--json` says."""
    if args.json:
        line = _json(model, frame, finding, inference_time_s, saved)
    else:
        line = '\n'.join(_lines(frame, finding, inference_time_s))
    # At once: whoever reads a live source's results wants them now.
    print(line, flush=True)


def print_failure(source: str, error: VlmRosError) -> None:
    """Print the JSON line of what could not be looked at."""
    failure = {'source': source, 'frame': None, 'status': Status.FAILED.name}
    print(json.dumps(failure | {'message': str(error)}), flush=True)


def boxes_json(detections: Detections) -> list[dict[str, Any]]:
    """Return detections as JSON has them: label, score, `xyxy` in pixels."""
    return [
        {'label': label, 'score': round(score, 4), 'xyxy': [round(edge, 2) for edge in xyxy]}
        for label, score, xyxy in zip(
            detections.labels,
            detections.scores.tolist(),
            detections.xyxy.tolist(),
            strict=True,
        )
    ]


def _json(
    model: Model, frame: Frame, finding: Finding, inference_time_s: float, saved: str | None
) -> str:
    height, width = frame.image.shape[:2]
    line = {
        'source': frame.name,
        'frame': frame.index,
        'time_s': None if frame.time_s is None else round(frame.time_s, 4),
        'resolution_wh': [width, height],
        'status': finding.status.name,
        'message': finding.message,
        **finding.fields,
        'detections': boxes_json(finding.detections),
        'unrecognized': list(finding.detections.unrecognized),
        'model_id': model.model_id,
        'model_revision': model.model_revision,
        'vocabulary_id': finding.vocabulary_id,
        'inference_time_s': round(inference_time_s, 6),
    }
    if saved is not None:
        line['saved'] = saved
    return json.dumps(line)


def _lines(frame: Frame, finding: Finding, inference_time_s: float) -> list[str]:
    height, width = frame.image.shape[:2]
    place = '' if frame.time_s is None else f' #{frame.index} at {frame.time_s:.2f} s'
    head = f'{frame.name}{place} ({width}x{height}, {inference_time_s * 1e3:.0f} ms): '
    head += finding.answer or finding.failing or f'{len(finding.detections)} found'
    notes = [finding.failing if finding.answer else '', finding.message]
    if note := ': '.join(filter(None, notes)):
        head += f' ({note})'
    labels = finding.detections.labels
    column = max(map(len, labels), default=0)
    return [head] + [
        f'  {score:.2f}  {label:{column}}  {" ".join(f"{edge:.0f}" for edge in xyxy)}'
        for label, score, xyxy in zip(
            labels,
            finding.detections.scores.tolist(),
            finding.detections.xyxy.tolist(),
            strict=True,
        )
    ]
