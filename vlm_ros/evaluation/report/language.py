"""The report of replies to a language dataset."""

from collections.abc import Mapping, Sequence
import math
from pathlib import Path
from typing import Any

import numpy as np

from vlm_ros.data.truths.items import Expression, Item, LanguageTruth, Question, Statement
from vlm_ros.data.truths.replies import ReplyRecord
from vlm_ros.drawing import draw_detections
from vlm_ros.errors import ImageError
from vlm_ros.evaluation.asking import read
from vlm_ros.evaluation.figures import shown, shown_difference, shown_interval
from vlm_ros.evaluation.intervals import Comparison
from vlm_ros.evaluation.language import LanguageScore, shown_name
from vlm_ros.evaluation.report.page import (
    Gallery,
    Page,
    Picture,
    picture,
    Plot,
    plot,
    short,
    Table,
    write_page,
)
from vlm_ros.evaluation.tables import covered
from vlm_ros.images import Image
from vlm_ros.results import Detections

PICTURES = 16


def write_report(
    folder: Path,
    found: LanguageScore,
    truth: LanguageTruth,
    replies: Sequence[ReplyRecord],
    *,
    title: str,
    comparison: Comparison | None = None,
    versus: str = '',
) -> Path:
    """Write `index.html`; the same replies give the same bytes.

    Args:
        folder: Made where it is missing.
        found: The numbers.
        truth: The items, whose pictures are shown where they are there.
        replies: One for each item; none where items were ranked.
        title: What was evaluated.
        comparison: With another run.
        versus: What the two runs are called, as `run less other`.

    Returns:
        The file.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    numbers = {shown_name(found, name): value for name, value in found.numbers.items()}
    tables = [Table('Overall', ('', 'value, 95 % interval'), _rows(numbers))]
    if found.groups:
        tables.append(Table('By group', ('', 'value, 95 % interval'), _rows(found.groups)))
    if comparison is not None:
        row = (
            shown_difference(comparison.difference),
            f'{comparison.better}, {comparison.worse}',
            f'{shown(comparison.p_value)} ({comparison.test})',
        )
        head = ('difference, 95 % interval', 'items better, worse', 'p')
        tables.append(Table(versus, head, (row,)))
    about = [covered(found.coverage, 'items') + '.']
    if truth.left_out:
        about.append(f'Left out: {truth.left_out}.')
    galleries = (_worst(found, truth, replies),) if replies else ()
    return write_page(folder, Page(title, tuple(about), tuple(tables), _plots(found), galleries))


def _plots(found: LanguageScore) -> tuple[Plot, ...]:
    """Return the distribution of what is not just right or wrong, and the groups."""
    name = next(iter(found.numbers))
    known = found.values[~np.isnan(found.values)]

    def draw_items(axes: Any) -> None:
        axes.hist(known, 20, color='#33658a')
        axes.set(xlabel=name, ylabel='items')
        axes.yaxis.get_major_locator().set_params(integer=True)

    groups = {group: own for group, own in found.groups.items() if not math.isnan(own.value)}

    def draw_groups(axes: Any) -> None:
        values = np.array([own.value for own in groups.values()])
        ends = np.array([[own.low, own.high] for own in groups.values()])
        axes.barh(range(len(groups)), values, color='#33658a', height=0.6)
        errors = np.clip(np.abs(np.nan_to_num(ends - values[:, None])).T, 0, None)
        axes.errorbar(values, range(len(groups)), xerr=errors, fmt='none', ecolor='#1c2328')
        axes.set_yticks(range(len(groups)), [short(group, 32) for group in groups])
        axes.set(xlabel=name, xlim=(0, max(1.0, float(np.nanmax(ends, initial=0)))))
        axes.invert_yaxis()

    plots = []
    if groups:
        size = (6.2, 1.0 + 0.3 * len(groups))
        plots.append(plot('By group, with 95 % intervals', draw_groups, size=size))
    if not np.isin(known, (0, 1)).all() and len(known):
        plots.append(plot('How many items score how much', draw_items))
    return tuple(plots)


def _rows(numbers: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, shown_interval(value)) for name, value in numbers.items())


def _worst(found: LanguageScore, truth: LanguageTruth, replies: Sequence[ReplyRecord]) -> Gallery:
    order = np.argsort(found.values, kind='stable')  # what was not answered comes last
    best = np.nanmax(found.values) if np.isfinite(found.values).any() else 0.0
    pictures: list[Picture] = []
    unread: list[ImageError] = []
    for row in order.tolist():
        if len(pictures) == PICTURES or not found.values[row] < max(best, 1e-9):
            break
        item, reply = truth.items[row], replies[row]
        try:
            images = [read(truth, file) for file in item.images]
        except ImageError as error:
            unread.append(error)
            if len(unread) > PICTURES:
                break
            continue
        image = _beside(images)
        if isinstance(item, Expression):
            image = draw_detections(image, _boxes(item, reply), scores=False)
        pictures.append(picture(image, _caption(item, reply)))
    about = 'The lowest first.' if pictures else 'There is none to show.'
    if unread:
        about += f' {len(unread)} cannot be shown; the first: {unread[0]}.'
    return Gallery('Worst items', about, tuple(pictures))


def _caption(item: Item, reply: ReplyRecord) -> str:
    said = reply.text or reply.status.name.lower().replace('_', ' ')
    if isinstance(item, Question):
        true = ', '.join(dict.fromkeys(item.answers))
        of = f' ({item.group})' if item.group else ''
        return f'{item.text} – {said}; true: {true}{of}'
    if isinstance(item, Statement):
        return f'{item.text} – {said}; true: {str(item.holds).lower()}'
    return f'{item.text} ({item.images[0]})' if item.text else f'{said} ({item.images[0]})'


def _boxes(item: Expression, reply: ReplyRecord) -> Detections:
    boxes = [*item.boxes, *reply.boxes[:1]]
    labels = (*(['true'] * len(item.boxes)), *(['found'] * len(reply.boxes[:1])))
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32), labels
    )


def _beside(images: Sequence[Image]) -> Image:
    """Put pictures side by side, at their tops."""
    if len(images) == 1:
        return images[0]
    height = max(image.shape[0] for image in images)
    width = sum(image.shape[1] for image in images)
    canvas = np.full((height, width, 3), 255, np.uint8)
    left = 0
    for image in images:
        canvas[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1]
    return canvas
