"""Checks of the arrays in results."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vlm_ros.boxes import FloatArray


def frozen(name: str, values: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Return a read-only copy.

    Raises:
        ValueError: The shape is another one, or not all is finite.
    """
    array = np.array(values, np.float32)
    if array.size == 0 and shape[0] == 0:
        array = array.reshape(shape)
    if array.shape != shape:
        raise ValueError(f'{name} must have shape {shape}, got {array.shape}')
    if not np.isfinite(array).all():
        raise ValueError(f'{name} must be finite')
    array.flags.writeable = False
    return array


def frozen_scores(values: npt.ArrayLike | Sequence[float], count: int) -> FloatArray:
    """Return a read-only copy of scores, shape `(count,)`.

    Raises:
        ValueError: There are more or fewer, or one is not in [0, 1].
    """
    scores = frozen('scores', values, (count,))
    if np.any((scores < 0) | (scores > 1)):
        raise ValueError(f'scores must be in [0, 1], got {scores.min():g} to {scores.max():g}')
    return scores
