"""Fitting the curves that make a share of right answers out of a confidence.

Fitted on scenes of other seeds and of other cut-outs than any test shows, so that what is printed
as the error on test scenes is what a user may expect of scenes that were not fitted to.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks._answering import Guarded, judged, Remembering
from benchmarks._cutouts import BOXED, NAMED
from benchmarks._questions import Query
from benchmarks._scenes import Scene
from benchmarks._scoring import calibration_error
from vlm_ros import backends
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.grounding.calibration import Curve
from vlm_ros.language.questions import parse

FEWEST = 40
"""From fewer answers no curve is fitted."""
BACKEND = 'embedded'

Shown = Sequence[tuple[Scene, Query]]
Pairs = dict[str, list[tuple[float, bool]]]
"""Raw confidences of answers, and whether they were right, by kind."""


def calibrate(shown: Callable[[bool], Shown]) -> None:
    """Fit on the scenes for fitting and print the curves, with their errors on test scenes.

    Args:
        shown: Yields the queries for fitting for True, those of the test for False.
    """
    sets = [[recipe.name for recipe in recipes] for recipes in (BOXED, NAMED)]
    detector = Remembering(backends.load(BACKEND), sets)
    guarded = Guarded(GroundedAnswerer(detector, curves={}))
    curves = dict(fitted(answers(guarded, shown(True))))
    print('FITTED: Curves = {')
    for (backend, kind), curve in curves.items():
        print(f'    ({backend!r}, {kind!r}): Curve({curve.slope:.2f}, {curve.shift:.2f}),')
    print('}')
    for kind, pairs in sorted(answers(guarded, shown(False)).items()):
        right = [is_right for _, is_right in pairs]
        raw = calibration_error([confidence for confidence, _ in pairs], right)
        curve = curves.get((BACKEND, kind))
        mapped = [curve(confidence) if curve else confidence for confidence, _ in pairs]
        after = calibration_error(mapped, right)
        print(f'{kind:12} {len(pairs):5} test answers, {np.mean(right):.3f} right, '
              f'ECE raw {raw:.3f}, fitted {after:.3f}')  # fmt: skip


def answers(guarded: Guarded, shown: Shown) -> Pairs:
    """Ask all, and return raw confidences by kind."""
    found: Pairs = {}
    for scene, query in shown:
        reply = guarded.ask(scene.image, query)
        outcome = judged(query, reply, scene)
        if outcome.answered and outcome.confident:
            kind = kind_of(query)
            found.setdefault(kind, []).append((reply.confidence, outcome.right))
    return found


def kind_of(query: Query) -> str:
    """Return the kind under which the curve of a query's answers is kept."""
    if query.form == 'question':
        return str(parse(query.text).kind.value)
    return {'statement': 'statement', 'expression': 'reference'}[query.form]


def fitted(found: Pairs) -> Iterator[tuple[tuple[str, str], Curve]]:
    """Fit a curve to each kind that was answered often enough, rightly and wrongly."""
    for kind, pairs in sorted(found.items()):
        sure = np.clip([confidence for confidence, _ in pairs], 1e-4, 1 - 1e-4)
        right = np.array([is_right for _, is_right in pairs])
        if len(pairs) < FEWEST or right.all() or not right.any():
            continue
        model = LogisticRegression().fit(np.log(sure / (1 - sure))[:, None], right)
        slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
        if slope > 0:
            yield (BACKEND, kind), Curve(slope, shift)
