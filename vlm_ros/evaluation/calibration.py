"""Thresholds of scores picked from labelled data, one a class, as YAML that the detector reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
import re
from typing import Any

import numpy as np

from vlm_ros.data.formats.truth import content
from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import Values
from vlm_ros.evaluation.intervals import Interval, LEVEL, SEED
from vlm_ros.evaluation.matches import Matches
from vlm_ros.evaluation.summary import MIN_IMAGES
from vlm_ros.vocabularies import plain_name
from vlm_ros.whole_files import writing

MIN_THINGS = 10
"""With fewer examples a threshold says more about them than about the class."""
RESAMPLES = 500


@dataclass(frozen=True)
class Aim:
    """What a threshold is picked for.

    Attributes:
        by: `f1`, the best F1; `precision`, the least score with at least so much precision, which
            is that with the most recall; `recall`, the greatest score with at least so much.
        least: Of precision or recall, in (0, 1].
    """

    by: str = 'f1'
    least: float = 0.0

    @classmethod
    def parse(cls, text: str) -> 'Aim':
        """Read `f1`, `precision=0.9` or `recall=0.8`.

        Raises:
            InputError: It is none of these.
        """
        found = re.fullmatch(r'(f1)|(precision|recall)=([0-9.]+)', text.strip())
        if found and found[1]:
            return cls()
        try:
            least = float(found[3]) if found else 0.0
        except ValueError:
            least = 0.0
        if found is None or not 0 < least <= 1:
            raise InputError(f'--by {text!r}: write f1, precision=0.9 or recall=0.8')
        return cls(found[2], least)

    def __str__(self) -> str:
        return self.by if self.by == 'f1' else f'{self.by}={self.least:g}'


@dataclass(frozen=True)
class ClassThreshold:
    """A class's threshold.

    Attributes:
        threshold: Least score, in [0, 1], with its interval, which classes in fewer than
            `MIN_IMAGES` images do not have; NaN where none can be picked.
        things: How many examples there were.
        precision: On them.
        recall: On them.
        reason: Why there is none; empty where there is one.
    """

    threshold: Interval
    things: int
    precision: float
    recall: float
    reason: str = ''


def calibrate(
    matches: Matches,
    aim: Aim,
    *,
    overlap: int = 0,
    least_things: int = MIN_THINGS,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, ClassThreshold]:
    """Pick a threshold for each class.

    Args:
        matches: The detections of a labelled set, weak ones included.
        aim: What for.
        overlap: The column of `matches` from which on a box is on a thing.
        least_things: Classes with fewer examples get none.
        resamples: How often the images are drawn anew, for the intervals.
        seed: The same gives the same.
    """
    generator = np.random.default_rng(seed)
    looked = np.flatnonzero(matches.looked)
    size = len(matches.looked)
    drawn = [
        np.bincount(generator.choice(looked, len(looked)), minlength=size).astype(float)
        for _ in range(resamples if len(looked) > 1 else 0)
    ]
    found = {}
    for number, label in enumerate(matches.labels):
        things = int(matches.things[:, number].sum())
        nan = math.nan
        none = Interval(nan, nan, nan, LEVEL, things)
        if things < least_things:
            reason = f'has {things} example{"s" * (things != 1)}, and needs {least_things}'
            found[label] = ClassThreshold(none, things, nan, nan, reason)
            continue
        own = matches.looked.astype(float)
        threshold, precision, recall = _picked(matches, number, aim, overlap, own)
        if math.isnan(threshold):
            reason = f'never reaches {aim}' if aim.by != 'f1' else 'was never found'
            found[label] = ClassThreshold(none, things, nan, nan, reason)
            continue
        enough = int((matches.things[:, number] > 0).sum()) >= MIN_IMAGES
        picked = [_picked(matches, number, aim, overlap, w)[0] for w in drawn if enough]
        samples = np.array([score for score in picked if not math.isnan(score)])
        low, high = (
            np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            if samples.size
            else (nan, nan)
        )
        within = Interval(threshold, float(low), float(high), LEVEL, things)
        found[label] = ClassThreshold(within, things, precision, recall)
    return found


def _picked(
    matches: Matches, number: int, aim: Aim, overlap: int, weights: Values
) -> tuple[float, float, float]:
    """Return the threshold of a class, and its precision and recall there; NaN for none."""
    rows = np.flatnonzero((matches.label == number) & ~matches.ignored[:, overlap])
    things = float(weights @ matches.things[:, number])
    own = weights[matches.image[rows]]
    hits = np.cumsum(own * matches.right[rows, overlap])
    boxes = np.cumsum(own)
    score = matches.score[rows]
    # Of equal scores all or none are kept.
    last = np.append(score[1:] < score[:-1], True) if len(score) else np.zeros(0, bool)
    last &= boxes > 0
    if not things or not hits[last].any():
        return math.nan, math.nan, math.nan
    score, hits, boxes = score[last], hits[last], boxes[last]
    precision, recall = hits / boxes, hits / things
    if aim.by == 'f1':
        place = int(np.argmax(2 * hits / (boxes + things)))
    elif aim.by == 'precision':
        enough = np.flatnonzero((precision >= aim.least) & (hits > 0))
        place = int(enough[-1]) if enough.size else -1
    else:
        enough = np.flatnonzero(recall >= aim.least)
        place = int(enough[0]) if enough.size else -1
    if place < 0:
        return math.nan, math.nan, math.nan
    return float(score[place]), float(precision[place]), float(recall[place])


def write_thresholds(
    path: Path, found: Mapping[str, ClassThreshold], aim: Aim, about: Sequence[str] = ()
) -> None:
    """Write a parameter file of the detector: its `score_thresholds`, `NAME=SCORE` each.

    What each rests on stands beside it as a comment.

    Raises:
        InputError: There is no threshold to write.
        StorageError: The disk is full, or the folder cannot be written.
    """
    kept = {label: row for label, row in found.items() if not row.reason}
    if not kept:
        told = '; '.join(f'{label} {row.reason}' for label, row in found.items())
        raise InputError(f'no class has a threshold: {told}; label more images')
    lines = [*(f'# {" ".join(line.split())}' for line in about), f'# Picked by {aim}.']
    lines += [f'# {label!r}: none, it {row.reason}.' for label, row in found.items() if row.reason]
    lines += ['/**/detector:', '  ros__parameters:', '    score_thresholds:']
    for label, row in kept.items():
        at = row.threshold
        within = (
            'too few images for an interval'
            if math.isnan(at.low)
            else f'95 % interval {at.low:.4f} to {at.high:.4f}'
        )
        examples = f'{row.things} example{"s" * (row.things != 1)}'
        right = f'precision {row.precision:.3f}, recall {row.recall:.3f}'
        lines += [
            f'      # {examples}; {within}; on them {right}',
            f'      - {_quoted(f"{label}={_floor(at.value):.5f}")}',
        ]
    with writing(path) as stream:
        stream.write('\n'.join(lines).encode() + b'\n')


def read_thresholds(path: Path, names: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Read a file that `write_thresholds` wrote.

    Args:
        path: The file.
        names: For each label what it may be called there; case, `_` and spaces do not matter.

    Returns:
        By label; none for those that got no threshold.

    Raises:
        InputError: It is no such file.
    """
    import yaml

    try:
        value: Any = yaml.safe_load(content(path))
        rows = value['/**/detector']['ros__parameters']['score_thresholds']
        found = {
            plain_name(name): float(score)
            for name, _, score in (str(row).rpartition('=') for row in rows)
        }
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise InputError(f'{path} is no file of vlm-ros calibrate: {error}') from error
    known = {
        label: next((found[plain_name(name)] for name in own if plain_name(name) in found), None)
        for label, own in names.items()
    }
    return {label: score for label, score in known.items() if score is not None}


def _floor(score: float) -> float:
    """Round down, so that what scored just that is kept: records round to the nearest 1e-4."""
    return max(0.0, math.floor((score - 5e-5) * 1e5) / 1e5)


def _quoted(text: str) -> str:
    import json

    # A text of JSON is one of YAML, but for what cannot be printed.
    quoted = json.dumps(text, ensure_ascii=False)
    return ''.join(c if c.isprintable() else f'\\U{ord(c):08x}' for c in quoted)
