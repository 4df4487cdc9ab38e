"""Replies to a language dataset, scored by the rule of its benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vlm_ros.data.truths.items import (
    Captioned,
    Expression,
    LanguageTruth,
    Question,
    Statement,
)
from vlm_ros.data.truths.replies import ReplyRecord
from vlm_ros.errors import InputError
from vlm_ros.evaluation import answers, captions, grounding, known_answers, statements
from vlm_ros.evaluation.coverage import ANSWERED, Coverage, Score, Values
from vlm_ros.evaluation.intervals import bootstrap, Interval, RESAMPLES
from vlm_ros.evaluation.retrieval import retrieve
from vlm_ros.evaluation.wordnet import find_wordnet
from vlm_ros.results import Status, Truth


@dataclass(frozen=True, eq=False)
class LanguageScore:
    """How replies to a dataset are.

    Attributes:
        numbers: By name, with 95 % intervals where they are means over items; the first is what
            the benchmark goes by. `of all` counts what was not answered as wrong.
        about: Of a number that can be had in several ways, how it was had.
        groups: The first number of each group of items, such as a type of question.
        coverage: Of items.
        values: `(N,)`, the first number of each item, NaN where it was not answered.
    """

    numbers: Mapping[str, Interval]
    coverage: Coverage
    values: Values
    groups: Mapping[str, Interval] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)


def score(
    truth: LanguageTruth, task: str, replies: Sequence[ReplyRecord], *, resamples: int = RESAMPLES
) -> LanguageScore:
    """Score replies.

    Args:
        truth: The items.
        task: `refer`, `ground`, `answer`, `verify` or `caption`.
        replies: One for each item, in their order.
        resamples: For the intervals.

    Raises:
        InputError: The dataset is not of this task.
    """
    check_task(truth, task)
    items = truth.items
    if task == 'refer':
        return _refer(items, replies, resamples)
    if task == 'ground':
        return _ground(items, replies, resamples)
    replies = [_with_silence(reply) for reply in replies]
    if truth.layout == 'questions':
        return _known(items, replies, resamples)
    if task == 'answer':
        return _answer(items, replies, resamples, truth.layout)
    if task == 'verify':
        return _verify(items, replies, resamples)
    return _caption(items, replies, resamples)


_WORDS = {
    'true yes ratio': 'share of yes in the truth',
    'yes ratio': 'share of yes',
    'f1': 'F1',
}


def shown_name(found: LanguageScore, name: str) -> str:
    """Return a number's name as people read it, with how it was had."""
    how = f' ({found.about[name]})' if name in found.about else ''
    for ending, words in _WORDS.items():
        if name.endswith(ending):
            return name.removesuffix(ending) + words + how
    return name + how


def check_task(truth: LanguageTruth, task: str) -> None:
    """See that a dataset is of a task.

    Raises:
        InputError: It is not.
    """
    kinds = {
        'refer': Expression,
        'ground': Expression,
        'answer': Question,
        'verify': Statement,
        'caption': Captioned,
    }
    is_mixed = truth.layout == 'questions'
    if not (task == 'answer' if is_mixed else isinstance(truth.items[0], kinds.get(task, ()))):
        raise InputError(f'{truth.layout} is no truth of the task {task}; leave --task out')


def score_retrieval(
    similarity: npt.ArrayLike, image_of_text: Sequence[int], *, resamples: int = RESAMPLES
) -> LanguageScore:
    """Score the retrieval of images and captions by each other.

    Args:
        similarity: `(I, T)`, see `vlm_ros.evaluation.retrieval.retrieve`.
        image_of_text: `(T,)`, the row of each caption's image.
        resamples: For the intervals.

    Raises:
        InputError: The shapes do not fit.
    """
    found = retrieve(similarity, image_of_text)
    numbers = {}
    for name, way in (('text', found.text_of_image), ('image', found.image_of_text)):
        for k, own in way.recall.items():
            numbers[f'{name} R@{k}'] = bootstrap(own.values, resamples=resamples)
        numbers[f'{name} median rank'] = _plain(way.median_rank)
    first = found.text_of_image
    return LanguageScore(numbers, first.coverage, first.recall[1].values)


def _with_silence(reply: ReplyRecord) -> ReplyRecord:
    if reply.status in ANSWERED and not reply.text.strip():
        return reply.model_copy(update={'status': Status.UNSURE})
    return reply


def _pointings(replies: Sequence[ReplyRecord]) -> list[grounding.Pointing]:
    return [
        grounding.Pointing(np.array(reply.boxes, float).reshape(-1, 4), reply.status)
        for reply in replies
    ]


def _refer(
    items: Sequence[Expression], replies: Sequence[ReplyRecord], resamples: int
) -> LanguageScore:
    pointings = _pointings(replies)
    boxes = np.array([item.boxes[0] for item in items])
    found = grounding.accuracy(pointings, boxes)
    shared = grounding.best_overlaps(pointings, boxes)
    numbers = _means('Acc@0.5', found, resamples)
    numbers['mean overlap'] = bootstrap(shared, resamples=resamples)
    return LanguageScore(numbers, found.coverage, found.values)


def _ground(
    items: Sequence[Expression], replies: Sequence[ReplyRecord], resamples: int
) -> LanguageScore:
    found = grounding.recall_at(_pointings(replies), [np.array(item.boxes) for item in items])
    numbers = _means('R@1', found[1], resamples)
    for k in (5, 10):
        numbers[f'R@{k}'] = bootstrap(found[k].values, resamples=resamples)
    groups = _groups([item.group for item in items], found[1].values, resamples)
    return LanguageScore(numbers, found[1].coverage, found[1].values, groups)


def _answer(
    items: Sequence[Question], replies: Sequence[ReplyRecord], resamples: int, rule: str
) -> LanguageScore:
    said = [answers.Reply(reply.text, reply.status) for reply in replies]
    if rule == 'pope':
        closed = answers.yes_no(said, [item.answers[0] == 'yes' for item in items])
        numbers = _means('accuracy', closed, resamples)
        return LanguageScore(numbers | _closed(closed), closed.coverage, closed.values)
    if rule == 'vqa_v2':
        found = answers.vqa_accuracy(said, [item.answers for item in items])
    else:
        found = answers.exact_match(said, [item.answers[0] for item in items])
    numbers = _means('accuracy', found, resamples)
    pairs = [
        (reply, _most(item.answers) == 'yes')
        for reply, item in zip(said, items, strict=True)
        if _most(item.answers) in ('yes', 'no')
    ]
    if pairs:
        closed = answers.yes_no([reply for reply, _ in pairs], [truth for _, truth in pairs])
        numbers['yes/no accuracy'] = bootstrap(closed.values, resamples=resamples)
        numbers |= {f'yes/no {name}': value for name, value in _closed(closed).items()}
    groups = _groups([item.group for item in items], found.values, resamples)
    return LanguageScore(numbers, found.coverage, found.values, groups)


def _known(
    items: Sequence[Question | Statement], replies: Sequence[ReplyRecord], resamples: int
) -> LanguageScore:
    found = known_answers.judge(replies, items)
    numbers = _means('accuracy', found, resamples)
    kinds = np.array([item.group.rpartition(': ')[2] for item in items])
    for kind in dict.fromkeys(kinds.tolist()):
        values = found.values[kinds == kind]
        numbers[f'{kind} accuracy'] = bootstrap(values, resamples=resamples)
        if kind == 'yes/no':
            rows = np.flatnonzero(kinds == kind).tolist()
            closed = answers.yes_no(
                [answers.Reply(replies[row].text, replies[row].status) for row in rows],
                [items[row].answers[0] == 'yes' for row in rows],
            )
            numbers |= {f'{kind} {name}': value for name, value in _closed(closed).items()}
    groups = _groups([item.group for item in items], found.values, resamples)
    return LanguageScore(numbers, found.coverage, found.values, groups)


def _closed(found: answers.YesNoScore) -> dict[str, Interval]:
    names = ('precision', 'recall', 'f1', 'yes_ratio', 'true_yes_ratio')
    items = found.coverage.answered
    return {name.replace('_', ' '): _plain(getattr(found, name), items) for name in names}


def _verify(
    items: Sequence[Statement], replies: Sequence[ReplyRecord], resamples: int
) -> LanguageScore:
    words = {True: Truth.TRUE, False: Truth.FALSE, None: Truth.UNKNOWN}
    said = [known_answers.read_truth(reply.text) for reply in replies]
    found = statements.verify(
        [words[held] for held in said],
        [item.holds for item in items],
        [item.sentence for item in items],
        statuses=[
            Status.FAILED
            if reply.status in ANSWERED and held is None and reply.text
            else reply.status
            for reply, held in zip(replies, said, strict=True)
        ],
    )
    numbers = _means('accuracy', found.accuracy, resamples)
    numbers['consistency'] = _plain(found.consistency, found.sentences.answered)
    return LanguageScore(numbers, found.accuracy.coverage, found.accuracy.values)


def _caption(
    items: Sequence[Captioned], replies: Sequence[ReplyRecord], resamples: int
) -> LanguageScore:
    wordnet, release = find_wordnet()
    found = captions.describe(
        [captions.Captioning(reply.text, reply.status) for reply in replies],
        [item.captions for item in items],
        wordnet=wordnet,
    )
    none = np.full(len(items), np.nan)
    cider = found.values.get('cider', none)
    numbers = {
        'CIDEr': bootstrap(cider, resamples=resamples),
        **{
            f'BLEU-{n}': _plain(value, found.coverage.answered)
            for n, value in enumerate(found.bleu, 1)
        },
        'ROUGE-L': bootstrap(found.values.get('rouge_l', none), resamples=resamples),
        'METEOR': bootstrap(found.values.get('meteor', none), resamples=resamples),
    }
    about = {'METEOR': release or 'stems only'}
    return LanguageScore(numbers, found.coverage, cider, about=about)


def _means(name: str, found: Score | answers.YesNoScore, resamples: int) -> dict[str, Interval]:
    return {
        name: bootstrap(found.values, resamples=resamples),
        f'{name} of all': bootstrap(np.nan_to_num(found.values), resamples=resamples),
    }


def _groups(groups: Sequence[str], values: Values, resamples: int) -> dict[str, Interval]:
    return {
        group: bootstrap(values[[own == group for own in groups]], resamples=resamples)
        for group in sorted(set(groups))
        if group
    }


def _most(given: Sequence[str]) -> str:
    plain = [answer.strip().lower() for answer in given]
    return max(plain, key=plain.count)


def _plain(value: float, items: int = 0) -> Interval:
    return Interval(value, float('nan'), float('nan'), 0.95, items)
