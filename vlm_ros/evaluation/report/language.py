"""The report of replies to a language dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlm_ros.data.truths.items import Expression, Item, LanguageTruth, Question, Statement
from vlm_ros.data.truths.replies import ReplyRecord
from vlm_ros.drawing import draw_detections
from vlm_ros.errors import ImageError
from vlm_ros.evaluation.asking import read
from vlm_ros.evaluation.figures import shown, shown_interval
from vlm_ros.evaluation.intervals import Comparison
from vlm_ros.evaluation.language import LanguageScore
from vlm_ros.evaluation.report.page import Gallery, Page, Picture, picture, plot, Table, write_page
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
) -> Path:
    """Write `index.html`; the same replies give the same bytes.

    Args:
        folder: Made where it is missing.
        found: The numbers.
        truth: The items, whose pictures are shown where they are there.
        replies: One for each item; none where items were ranked.
        title: What was evaluated.
        comparison: With another run.

    Returns:
        The file.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    tables = [Table('Overall', ('', '95 % interval'), _rows(found.numbers))]
    if found.groups:
        tables.append(Table('By group', ('', '95 % interval'), _rows(found.groups)))
    if comparison is not None:
        own = comparison.difference
        row = (
            f'{own.value:+.3f} [{own.low:+.3f}, {own.high:+.3f}]',
            f'{comparison.better}, {comparison.worse}',
            f'{shown(comparison.p_value)} ({comparison.test})',
        )
        head = ('difference, 95 % interval', 'items better, worse', 'p')
        tables.append(Table('Against the other run', head, (row,)))
    known = found.values[~np.isnan(found.values)]

    def draw(axes: Any) -> None:
        axes.hist(known, 20, color='#33658a')
        axes.set(xlabel=next(iter(found.numbers)), ylabel='items')

    about = [covered(found.coverage, 'items') + '.']
    if truth.left_out:
        about.append(f'Left out: {truth.left_out}.')
    galleries = (_worst(found, truth, replies),) if replies else ()
    plots = (plot('How many items score how much', draw),)
    return write_page(folder, Page(title, tuple(about), tuple(tables), plots, galleries))


def _rows(numbers: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, shown_interval(value)) for name, value in numbers.items())


def _worst(found: LanguageScore, truth: LanguageTruth, replies: Sequence[ReplyRecord]) -> Gallery:
    order = np.argsort(found.values, kind='stable')  # what was not answered comes last
    best = np.nanmax(found.values) if np.isfinite(found.values).any() else 0.0
    pictures: list[Picture] = []
    unread = 0
    for row in order.tolist():
        if len(pictures) == PICTURES or not found.values[row] < max(best, 1e-9):
            break
        item, reply = truth.items[row], replies[row]
        try:
            images = [read(truth, file) for file in item.images]
        except ImageError:
            unread += 1
            if unread > PICTURES:
                break
            continue
        image = _beside(images)
        if isinstance(item, Expression):
            image = draw_detections(image, _boxes(item, reply))
        pictures.append(picture(image, _caption(item, reply)))
    about = 'The lowest first.' if pictures else 'There is none to show.'
    if unread:
        about += f' {unread} pictures are not there.'
    return Gallery('Worst items', about, tuple(pictures))


def _caption(item: Item, reply: ReplyRecord) -> str:
    said = reply.text or reply.status.name.lower().replace('_', ' ')
    if isinstance(item, Question):
        return f'{item.text} – {said}; true: {", ".join(dict.fromkeys(item.answers))}'
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
