"""Statements about images that hold or do not: NLVR2 (arXiv 1811.00491)."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from vlm_ros.evaluation.coverage import (
    check_lengths,
    Coverage,
    mean,
    ratio,
    Score,
)
from vlm_ros.results import Status, Truth


@dataclass(frozen=True, eq=False)
class StatementScore:
    """How statements were judged.

    Attributes:
        accuracy: Over the statements that were judged true or false.
        consistency: Of the sentences that were judged with all their images, the part that was
            judged rightly with all of them, in [0, 1]; NaN where there is none.
        sentences: How many of the sentences were judged with all their images; one that was not,
            but broke down nowhere, counts as abstained.
    """

    accuracy: Score
    consistency: float
    sentences: Coverage


def verify(
    verdicts: Sequence[Truth],
    truths: Sequence[bool],
    sentences: Sequence[Hashable],
    *,
    statuses: Sequence[Status] | None = None,
) -> StatementScore:
    """Hold verdicts against the truth.

    Args:
        verdicts: N of them; UNKNOWN is an abstention.
        truths: `(N,)`, whether each statement holds.
        sentences: `(N,)`, which sentence each is: the same for the same sentence with other
            images. In NLVR2 an identifier `split-set-pair-sentence` without its pair.
        statuses: `(N,)`, what became of each; OK for all where not given.

    Raises:
        InputError: The lengths differ.
    """
    given = [Status.OK] * len(verdicts) if statuses is None else list(statuses)
    check_lengths(verdicts=verdicts, truths=truths, sentences=sentences, statuses=given)
    known = [
        Status.UNSURE if status is Status.OK and verdict is Truth.UNKNOWN else status
        for verdict, status in zip(verdicts, given, strict=True)
    ]
    values = [
        float((verdict is Truth.TRUE) == bool(truth))
        for verdict, truth in zip(verdicts, truths, strict=True)
    ]
    accuracy = Score.of(np.array(values, float), known)
    of_sentence: dict[Hashable, list[int]] = {}
    for index, sentence in enumerate(sentences):
        of_sentence.setdefault(sentence, []).append(index)
    counts = [Coverage.of([known[i] for i in members]) for members in of_sentence.values()]
    right = [
        mean(accuracy.values[members]) == 1
        for members, count in zip(of_sentence.values(), counts, strict=True)
        if count.answered == count.total
    ]
    failed = sum(count.failed > 0 for count in counts)
    return StatementScore(
        accuracy,
        ratio(sum(right), len(right)),
        Coverage(len(right), len(counts) - len(right) - failed, failed),
    )
