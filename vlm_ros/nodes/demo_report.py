"""What the demo saw, as files and as a summary."""

from collections import Counter
from importlib import metadata
import json
import os
from pathlib import Path
import platform
import time
from typing import Any

import cv2
import numpy as np

from vlm_ros.results import Detections, Provenance, Status
from vlm_ros.tasks import Image

_MAX_PICTURES = 30


class Report:
    """Takes down every result and judges whether the chain worked.

    Attributes:
        failures: One line for everything that went wrong.

    Args:
        folder: Where the pictures and `report.json` go.
        arguments: The demo's command line.
    """

    def __init__(self, folder: Path, arguments: list[str]) -> None:
        self.failures: list[str] = []
        self._folder = folder
        self._arguments = arguments
        self._started_s: float | None = None
        self._frames: list[dict[str, Any]] = []
        self._captions: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []
        self._pictures: list[str] = []
        self._models: set[str] = set()
        self._counts: dict[str, int] = {}

    @property
    def started(self) -> bool:
        """Whether results count yet."""
        return self._started_s is not None

    def start(self) -> None:
        """Count from now on."""
        self._started_s = time.monotonic()

    def rate_hz(self) -> float:
        """Frames looked at in the last two seconds, per second."""
        now_s = self._now_s()
        recent = [f for f in self._frames[-1000:] if f['at_s'] > now_s - 2.0]
        return len(recent) / max(min(now_s, 2.0), 0.1)

    def add_frame(
        self,
        status: Status,
        message: str,
        detections: Detections | None,
        provenance: Provenance,
        counts: dict[str, int],
    ) -> str:
        """Take down what became of a frame; returns it as a line for people."""
        self._models.add(f'{provenance.model_id} ({provenance.model_revision})')
        self._counts = counts
        self._frames.append(
            {
                'at_s': self._now_s(),
                'status': status.name,
                'message': message,
                'detections': [
                    {'label': label, 'score': score, 'xyxy': xyxy}
                    for label, score, xyxy in _rows(detections)
                ],
                **_seconds(provenance),
            }
        )
        if status is Status.FAILED:
            self.failures.append(f'a frame failed: {message}')
        if not detections:
            return f'{status.name} {message}'.strip()
        return ', '.join(f'{label} {score:.2f}' for label, score, _ in _rows(detections))

    def add_caption(
        self, text: str, status: Status, message: str, provenance: Provenance
    ) -> str | None:
        """Take down a caption; returns it as a line for people, or None if it says nothing new."""
        last = self._captions[-1]['caption'] if self._captions else None
        self._captions.append(
            {
                'at_s': self._now_s(),
                'status': status.name,
                'message': message,
                'caption': text,
                **_seconds(provenance),
            }
        )
        if status is Status.FAILED:
            self.failures.append(f'a caption failed: {message}')
        return None if text == last else text or f'{status.name} {message}'.strip()

    def add_answer(
        self,
        question: str,
        answer: dict[str, Any],
        evidence: Detections,
        provenance: Provenance,
        latency_s: float,
    ) -> str:
        """Take down an answer; returns it as a line for people."""
        boxes = [
            {'label': label, 'score': score, 'xyxy': xyxy}
            for label, score, xyxy in _rows(evidence)
        ]
        self._answers.append(
            {
                'at_s': self._now_s(),
                'question': question,
                **answer,
                'evidence': boxes,
                'latency_s': latency_s,
                **_seconds(provenance),
            }
        )
        if answer['status'] not in ('OK', 'NOT_IN_VIEW', 'UNSURE'):
            self.failures.append(f'{question!r} got {answer["status"]}: {answer["message"]}')
        line = answer['status']
        if answer['answer']:
            line = f'{answer["answer"]}  ({line}, confidence {answer["confidence"]:.2f}'
            line += f', {len(boxes)} box(es) as evidence)'
        else:
            line += f': {answer["message"]}'
        return f'{line}  [{1e3 * latency_s:.0f} ms]'

    def add_picture(self, image: Image, *, is_new: bool) -> None:
        """Write an annotated picture; the newest of a scene replaces the ones before."""
        if is_new and len(self._pictures) >= _MAX_PICTURES:
            return
        if is_new:
            self._pictures.append(f'scene_{len(self._pictures):02d}.png')
        self._write(
            self._pictures[-1],
            cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes(),
        )

    def finish(self) -> None:
        """Judge the whole and write `report.json`."""
        if not any(frame['detections'] for frame in self._frames):
            self.failures.append('nothing was detected in any frame')
        if not self._captions:
            self.failures.append('no caption came')
        if not self._pictures:
            self.failures.append('no annotated picture came')
        content = {
            'arguments': self._arguments,
            'versions': _versions(),
            'models': sorted(self._models),
            'failures': self._unique_failures(),
            **self._counts,
            'age_ms': self._percentiles('age_s'),
            'inference_ms': self._percentiles('inference_time_s'),
            'pictures': self._pictures,
            'answers': self._answers,
            'captions': self._captions,
            'frames': self._frames,
        }
        self._write('report.json', json.dumps(content, indent=1).encode())

    def summary(self) -> str:
        """A few lines for people."""
        labels = Counter(d['label'] for f in self._frames for d in f['detections'])
        duration_s = self._frames[-1]['at_s'] if self._frames else 0.0
        rate_hz = len(self._frames) / duration_s if duration_s else 0.0
        age, inference = self._percentiles('age_s'), self._percentiles('inference_time_s')
        failures = self._unique_failures()
        return '\n'.join(
            [
                '',
                f'Summary: {"FAILED" if failures else "all well"}',
                f'  model      {", ".join(sorted(self._models)) or "none"}',
                f'  frames     {len(self._frames)} looked at, {rate_hz:.1f} a second',
                (
                    f'  inference  p50 {inference["p50"]:.0f} ms, p95 {inference["p95"]:.0f} ms '
                    '(a picture that repeats need not be computed again)'
                ),
                (
                    f'  age        p50 {age["p50"]:.0f} ms, p95 {age["p95"]:.0f} ms '
                    "(image stamp to the result's publication)"
                ),
                f'  found      {", ".join(f"{k} ({n} frames)" for k, n in labels.most_common())}',
                f'  captions   {len(self._captions)}    answers {len(self._answers)}',
                f'  pictures   {len(self._pictures)} in {self._folder}',
                f'  report     {self._folder / "report.json"}',
                *(f'  FAILED     {line}' for line in failures),
            ]
        )

    def _unique_failures(self) -> list[str]:
        return [
            f'{line} ({n} times)' if n > 1 else line for line, n in Counter(self.failures).items()
        ]

    def _percentiles(self, key: str) -> dict[str, float]:
        values = [1e3 * f[key] for f in self._frames if f[key] is not None]
        p50, p95 = np.percentile(values, [50, 95]).tolist() if values else (0.0, 0.0)
        return {'p50': p50, 'p95': p95}

    def _now_s(self) -> float:
        return 0.0 if self._started_s is None else time.monotonic() - self._started_s

    def _write(self, name: str, content: bytes) -> None:
        temporary = self._folder / f'.{name}.tmp'
        temporary.write_bytes(content)
        temporary.replace(self._folder / name)


def _rows(detections: Detections | None) -> list[tuple[str, float, list[float]]]:
    if detections is None:
        return []
    return [
        (label, round(score, 4), [round(edge, 1) for edge in xyxy])
        for label, score, xyxy in zip(
            detections.labels, detections.scores.tolist(), detections.xyxy.tolist(), strict=True
        )
    ]


def _seconds(provenance: Provenance) -> dict[str, Any]:
    return {
        'stamp_ns': provenance.stamp_ns,
        'model_id': provenance.model_id,
        'vocabulary_id': provenance.vocabulary_id,
        'inference_time_s': provenance.inference_time_s,
        'age_s': provenance.age_s,
    }


def _versions() -> dict[str, str]:
    versions = {
        'python': platform.python_version(),
        'platform': platform.platform(),
        'ros_distro': os.environ.get('ROS_DISTRO', ''),
    }
    for package in ('vlm_ros', 'numpy', 'torch', 'transformers', 'opencv-python'):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = ''
    return versions
