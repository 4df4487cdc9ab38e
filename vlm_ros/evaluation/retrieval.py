"""Images found by their captions, and captions by their images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import Coverage, mean, Score, Values
from vlm_ros.results import Status


@dataclass(frozen=True, eq=False)
class RetrievalScore:
    """How well one thing is found by the other.

    Attributes:
        recall: For each k the part of the queries whose k best results hold a right one.
        median_rank: The median place of the best right result, from 1; NaN without queries.
        mean_rank: The mean of it.
        ranks: `(Q,)` float64, that place for each query; NaN where the query failed.
        coverage: Queries that were compared, and those that failed.
    """

    recall: Mapping[int, Score]
    median_rank: float
    mean_rank: float
    ranks: Values
    coverage: Coverage


@dataclass(frozen=True)
class BothWays:
    """Retrieval in both directions."""

    text_of_image: RetrievalScore
    image_of_text: RetrievalScore


def retrieve(
    similarity: npt.ArrayLike, image_of_text: Sequence[int], *, k: Sequence[int] = (1, 5, 10)
) -> BothWays:
    """Score image-text retrieval as on COCO and Flickr30k (arXiv 1411.2539, 1412.2306).

    An image has several captions; it finds its text when any of them is among the k best. Ties
    count against the model: a place is one behind all wrong results that are as similar, so that
    a model that finds everything alike finds nothing.

    Args:
        similarity: `(I, T)` of images and texts, more is nearer. A row or column that is NaN
            throughout is an image or text that the model failed at: as a query it is counted as
            a failure, as a result it is not there to be found.
        image_of_text: `(T,)`, the row of each text's image.
        k: How many of the best results are looked at.

    Raises:
        InputError: The shapes do not fit, a number is not finite, or an image has no text.
    """
    table = np.asarray(similarity, np.float64)
    owner = np.asarray(image_of_text, np.intp)
    if table.ndim != 2 or owner.shape != table.shape[1:]:
        raise InputError(
            f'similarity {table.shape} and the images of {owner.shape} texts do not fit: give one'
            ' row for each image, one column and one image for each text'
        )
    if not set(owner.tolist()) == set(range(len(table))):
        raise InputError('every image needs a text, and every text one of the rows as its image')
    lost = np.isnan(table)
    images, texts = lost.all(axis=1), lost.all(axis=0)
    if not np.isfinite(table[~images][:, ~texts]).all():
        raise InputError(
            'the similarity is not finite; NaN may only fill whole rows or columns, of what failed'
        )
    right = owner[None] == np.arange(len(table))[:, None]
    return BothWays(_score(table, right, k), _score(table.T, right.T, k))


def _score(table: Values, right: npt.NDArray[np.bool_], k: Sequence[int]) -> RetrievalScore:
    known = ~np.isnan(table)
    best = np.where(right & known, table, -np.inf).max(axis=1, initial=-np.inf)
    ahead = (~right & known & (table >= best[:, None])).sum(axis=1)
    # The right result of a query may be what failed: then the query has no answer either.
    ranks = np.where(np.isfinite(best), ahead + 1.0, np.nan)
    statuses = [Status.FAILED if math.isnan(rank) else Status.OK for rank in ranks]
    found = ranks[~np.isnan(ranks)]
    return RetrievalScore(
        recall={limit: Score.of((ranks <= limit).astype(float), statuses) for limit in k},
        median_rank=float(np.median(found)) if found.size else math.nan,
        mean_rank=mean(ranks),
        ranks=ranks,
        coverage=Coverage.of(statuses),
    )
