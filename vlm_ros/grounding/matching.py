"""Region-word matching: which regions of an image the phrases of a text go with.

As UNITER aligns words with regions (arXiv 1909.11740) and ViLD names them by the similarity of
their embeddings (arXiv 2104.13921): every region is compared with every phrase, and the
comparison is settled for all of them together, so that in `a dog and a cat` one box is not both.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from vlm_ros import boxes
from vlm_ros.boxes import FloatArray
from vlm_ros.errors import InputError
from vlm_ros.grounding.inventory import EVERYDAY
from vlm_ros.phrases import check_text, noun_phrases, Phrase, Vocabulary
from vlm_ros.results import PhraseGroundings, RegionWordMatches
from vlm_ros.tasks import Detector, Image, RegionMatcher, Ticket

NOTHING = ('background', 'something else')
"""What a region must be less like than a phrase for the phrase to name it."""
MAX_REGIONS = 64
PROPOSAL_THRESHOLD = 0.1
SAME_REGION_IOU = 0.7


def match_words(
    image: Image,
    text: str,
    matcher: RegionMatcher,
    xyxy: npt.ArrayLike,
    *,
    name_of: Callable[[Phrase], str] = lambda phrase: phrase.name,
    score_threshold: float | None = None,
    ticket: Ticket | None = None,
) -> RegionWordMatches:
    """Compare regions with the noun phrases of a text, and assign them to each other.

    A phrase in the singular gets one region at most and no two get the same, so that the sum of
    their similarities is the largest (the assignment problem); one in the plural gets all that
    are left and fit it best. Phrases of the same words mean the same thing.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        text: A phrase or a sentence.
        matcher: Compares.
        xyxy: `(R, 4)` regions, pixels of the image; see `propose`.
        name_of: What a phrase is compared by; by default the noun with its attributes.
        score_threshold: The least similarity of what goes together; None for none but being
            more similar than `NOTHING` is.
        ticket: The caller's deadline and cancel.

    Raises:
        QuestionError: The text is empty or too long.
        InputError: The regions are no boxes.
    """
    check_text(text, 'text')
    regions = _checked(xyxy)
    phrases = noun_phrases(text)
    names = list(dict.fromkeys(name_of(phrase).casefold() for phrase in phrases))
    if not len(regions) or not names:
        nothing = np.zeros((len(regions), len(phrases)), np.float32)
        return _matches(text, phrases, regions, nothing, ((),) * len(phrases))
    compared = matcher.match_regions(image, regions, [*names, *NOTHING], ticket=ticket)
    columns = [names.index(name_of(phrase).casefold()) for phrase in phrases]
    similarity = np.asarray(compared[:, : len(names)], np.float32)
    fits = similarity > compared[:, len(names) :].max(axis=1, keepdims=True)
    if score_threshold is not None:
        fits &= similarity >= score_threshold
    several = [
        any(phrase.plural for phrase, column in zip(phrases, columns, strict=True) if column == i)
        for i in range(len(names))
    ]
    by_name = _assign(similarity, fits, several)
    return _matches(
        text,
        phrases,
        regions,
        similarity[:, columns],
        tuple(by_name[column] for column in columns),
    )


def propose(
    detector: Detector, image: Image, text: str, *, ticket: Ticket | None = None
) -> FloatArray:
    """Return regions `(R, 4)` that may hold what a text names, whatever they are.

    Found by a detector at a low threshold, under the text's own names and everyday ones; where
    several names found a region it comes once.
    """
    names = {phrase.head.casefold(): phrase.head for phrase in noun_phrases(text)}
    names |= {name: name for name in EVERYDAY.names}
    found = detector.detect(
        image, Vocabulary(tuple(names.values())), score_threshold=PROPOSAL_THRESHOLD, ticket=ticket
    )
    kept = boxes.non_max_suppression(found.xyxy, found.scores, SAME_REGION_IOU)
    return found.xyxy[kept[:MAX_REGIONS]]


def ground_by_matching(
    matcher: RegionMatcher,
    detector: Detector,
    image: Image,
    text: str,
    *,
    score_threshold: float | None = None,
    ticket: Ticket | None = None,
) -> PhraseGroundings:
    """Ground a text with a model that compares regions, and another that proposes them."""
    check_text(text, 'text')
    regions = propose(detector, image, text, ticket=ticket)
    return match_words(
        image, text, matcher, regions, score_threshold=score_threshold, ticket=ticket
    ).groundings


def _matches(
    text: str,
    phrases: Sequence[Phrase],
    regions: FloatArray,
    similarity: FloatArray,
    assigned: tuple[tuple[int, ...], ...],
) -> RegionWordMatches:
    return RegionWordMatches(
        text,
        tuple(phrase.text for phrase in phrases),
        tuple(phrase.span for phrase in phrases),
        regions,
        similarity,
        assigned,
    )


def _assign(
    similarity: FloatArray, fits: npt.NDArray[np.bool_], several: Sequence[bool]
) -> list[tuple[int, ...]]:
    """Return the regions of each name, best first."""
    assigned: list[tuple[int, ...]] = [()] * len(several)
    single = [i for i, many in enumerate(several) if not many]
    # What does not fit gains nothing, so that it is taken only where nothing is lost by it.
    gain = np.where(fits, similarity - similarity.min() + 1, 0)
    rows, columns = linear_sum_assignment(gain[:, single], maximize=True)
    taken = set()
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if fits[row, single[column]]:
            assigned[single[column]] = (row,)
            taken.add(row)
    plural = [i for i, many in enumerate(several) if many]
    for row in range(len(similarity)):
        fitting = [i for i in plural if fits[row, i]]
        if row not in taken and fitting:
            best = max(fitting, key=lambda i: similarity[row, i])
            assigned[best] += (row,)
    return [
        tuple(sorted(regions, key=lambda row: -similarity[row, i]))
        for i, regions in enumerate(assigned)
    ]


def _checked(xyxy: npt.ArrayLike) -> FloatArray:
    regions: FloatArray = np.asarray(xyxy, np.float32)
    if not regions.size:
        return np.zeros((0, 4), np.float32)
    if regions.ndim != 2 or regions.shape[1] != 4 or not np.isfinite(regions).all():
        raise InputError('regions must be (R, 4): left, top, right, bottom in pixels')
    return regions
