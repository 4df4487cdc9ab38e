"""Captions held against those of people: BLEU, ROUGE-L, CIDEr and METEOR.

BLEU, ROUGE-L and CIDEr are those of the COCO caption evaluation (arXiv 1504.00325), which the
package pycocoevalcap holds. Its tokenizer is a Java program; here NLTK's Treebank tokenizer
splits the words by the same conventions, and the same punctuation is dropped. Both
split the captions of `test/captions.tsv` alike; rare abbreviations and quotes may differ. Pass
words split by the original, joined by spaces, with `tokenized=True` for exactly its numbers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
import re
from typing import Any

import numpy as np

from vlm_ros.errors import InputError
from vlm_ros.evaluation.coverage import ANSWERED, check_lengths, Coverage, Values
from vlm_ros.results import Status

DROPPED = frozenset({"''", "'", '``', '`', '.', '?', '!', ',', ':', '-', '--', '...', ';'})
"""Punctuation that the COCO evaluation leaves out."""

_END_OF_SENTENCE = re.compile(r'(?<=[^\W\d_]{3})\.(?=\s)|(?<=\d)\.(?=\s)')


@dataclass(frozen=True)
class Captioning:
    """What a model says about an image.

    Attributes:
        text: A sentence; an empty one is an abstention.
        status: OK for a caption, UNSURE or NOT_IN_VIEW for an abstention, else a failure.
    """

    text: str
    status: Status = Status.OK


@dataclass(frozen=True, eq=False)
class CaptionScore:
    """How near captions are to those of people; NaN where there is none.

    Attributes:
        bleu: BLEU-1 to BLEU-4 of the corpus, in [0, 1]
            (Papineni et al. 2002, https://doi.org/10.3115/1073083.1073135).
        rouge_l: In [0, 1]; best precision and best recall over the references, recall weighted
            by 1.2 (Lin 2004, https://aclanthology.org/W04-1013).
        cider: In [0, 10], published as a hundred times a tenth of it too (arXiv 1411.5726). Its
            weights come from all references given here, so that it depends on the test set; NaN
            for fewer than two images, where every weight is 0.
        meteor: In [0, 1], METEOR as first published (Banerjee and Lavie 2005,
            https://aclanthology.org/W05-0909) in NLTK's form, matching words, Porter stems and,
            where there is a WordNet, synonyms, but no paraphrases: not the METEOR 1.5 of the COCO
            leaderboard.
        coverage: The captions that were scored.
        values: The numbers of each image by name, `(N,)` float64 with NaN where there was no
            caption: `bleu_4`, `rouge_l`, `cider`, `meteor`.
    """

    bleu: tuple[float, float, float, float]
    rouge_l: float
    cider: float
    meteor: float
    coverage: Coverage
    values: dict[str, Values]


def describe(
    captions: Sequence[Captioning],
    references: Sequence[Sequence[str]],
    *,
    tokenized: bool = False,
    wordnet: Any = None,
) -> CaptionScore:
    """Score captions.

    Args:
        captions: One for each of N images.
        references: For each image what people said; five in COCO.
        tokenized: Whether texts are words joined by single spaces already.
        wordnet: NLTK's, or `vlm_ros.evaluation.wordnet.WordNet`; None for a METEOR without
            synonyms.

    Raises:
        InputError: The lengths differ, or an image has no reference.
    """
    check_lengths(captions=captions, references=references)
    for number, given in enumerate(references):
        if not any(text.strip() for text in given):
            raise InputError(f'image {number} has no caption to compare with; leave it out')
    words: Callable[[str], str] = str if tokenized else tokenize
    statuses = [
        Status.UNSURE
        if caption.status in ANSWERED and not caption.text.strip()
        else caption.status
        for caption in captions
    ]
    rows = [row for row, status in enumerate(statuses) if status in ANSWERED]
    coverage = Coverage.of(statuses)
    if not rows:
        return CaptionScore((math.nan,) * 4, math.nan, math.nan, math.nan, coverage, {})
    said = {row: [words(captions[row].text)] for row in rows}
    true = {
        row: [words(text) for text in own if text.strip()] for row, own in enumerate(references)
    }
    return _scored(said, true, coverage, wordnet or _NoSynonyms())


def tokenize(text: str) -> str:
    """Return the words of a text in lower case, joined by spaces, without punctuation."""
    from nltk.tokenize.treebank import TreebankWordTokenizer

    split = TreebankWordTokenizer().tokenize(
        _END_OF_SENTENCE.sub(' .', text), convert_parentheses=True
    )
    return ' '.join(word.lower() for word in split if word not in DROPPED)


def _scored(
    said: dict[int, list[str]], references: dict[int, list[str]], coverage: Coverage, wordnet: Any
) -> CaptionScore:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    true = {row: references[row] for row in said}
    bleu, bleu_of_each = Bleu(4).compute_score(true, said, verbose=0)
    rouge_l, rouge_of_each = Rouge().compute_score(true, said)
    cider: Values = np.full(len(references), math.nan)
    if len(references) > 1:
        # A word's weight is that of all references, or abstentions would change other captions'.
        whole = {row: said.get(row, ['']) for row in references}
        cider = np.asarray(Cider().compute_score(references, whole)[1])
    meteor = [_meteor(said[row][0], true[row], wordnet) for row in said]
    of_each = {
        'bleu_4': bleu_of_each[3],
        'rouge_l': rouge_of_each,
        'cider': cider[list(said)],
        'meteor': meteor,
    }
    return CaptionScore(
        (float(bleu[0]), float(bleu[1]), float(bleu[2]), float(bleu[3])),
        float(rouge_l),
        float(cider[list(said)].mean()),
        float(np.mean(meteor)),
        coverage,
        {name: _spread(values, list(said), len(references)) for name, values in of_each.items()},
    )


def _meteor(caption: str, references: Sequence[str], wordnet: Any) -> float:
    from nltk.translate.meteor_score import meteor_score

    split = [reference.split() for reference in references]
    return float(meteor_score(split, caption.split(), wordnet=wordnet))


class _NoSynonyms:
    """A WordNet in which no word has a synonym."""

    def synsets(self, _word: str) -> list[Any]:
        return []


def _spread(values: Any, rows: list[int], items: int) -> Values:
    spread = np.full(items, np.nan)
    spread[rows] = values
    return spread
