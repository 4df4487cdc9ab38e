"""The report of a detector."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vlm_ros.data.truths.box_truth import BoxTruth
from vlm_ros.drawing import draw_detections
from vlm_ros.errors import ImageError
from vlm_ros.evaluation.detection import SIZES
from vlm_ros.evaluation.failures import confusion, Failure, false_alarms, misses
from vlm_ros.evaluation.figures import (
    shown,
    shown_difference,
    shown_interval,
    TITLES,
    TRACKING,
    tracking_title,
)
from vlm_ros.evaluation.pairing import Paired
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
from vlm_ros.evaluation.running import read_picture
from vlm_ros.evaluation.summary import NUMBERS, RunComparison, Summary
from vlm_ros.evaluation.tables import covered
from vlm_ros.evaluation.tracks import TrackedClass
from vlm_ros.results import Detections

PICTURES = 12
"""How many failures of each kind are shown."""
CLASSES = 10
"""How many classes a plot can hold; those with the most things are shown."""


def write_report(
    folder: Path,
    summary: Summary,
    paired: Paired,
    truth: BoxTruth,
    *,
    title: str,
    runs: RunComparison | None = None,
    versus: str = '',
    tracks: Mapping[str, TrackedClass] | None = None,
) -> Path:
    """Write `index.html` about a run; the same run gives the same bytes.

    Args:
        folder: Made where it is missing.
        summary: The numbers.
        paired: What they are of.
        truth: Whose pictures are shown, where they are there.
        title: What was evaluated.
        runs: How it compares with another run.
        versus: What the two are called, as `run less other`.
        tracks: How well things were followed.

    Returns:
        The file.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    at = summary.threshold
    told = f'{at:g}' if isinstance(at, float | int) else 'of each class'
    page = Page(
        f'Detection: {title}',
        (
            covered(summary.score.coverage, 'images') + '.',
            f'Precision, recall, false alarms: at a score of {told} and overlap {summary.iou:g}.',
            'Intervals are 95 % bootstraps over images.',
        ),
        (*_tables(summary, paired, runs, versus), *_track_tables(tracks or {})),
        _plots(summary, paired),
        _galleries(summary, paired, truth),
    )
    return write_page(folder, page)


def _tables(
    summary: Summary, paired: Paired, runs: RunComparison | None, versus: str
) -> tuple[Table, ...]:
    overall = summary.score.overall
    absent = len(paired.labels) - len(summary.present)
    rows = [(TITLES[name], shown_interval(summary.intervals[name])) for name in NUMBERS]
    rows.append(('AP75', shown(overall.ap75)))
    rows += [
        (f'AR, {limit} box{"es" * (limit > 1)} an image', shown(value))
        for limit, value in overall.ar.items()
    ]
    tables = [
        Table('Overall', ('', 'value, 95 % interval'), tuple(rows)),
        Table(
            'By size',
            ('size', 'AP', 'AR'),
            tuple(
                (size, shown(overall.ap_of_size[size]), shown(overall.ar_of_size[size]))
                for size in SIZES
            ),
        ),
        Table(
            'By class',
            ('class', 'things', 'AP', 'AP50', 'precision', 'recall', 'alarms/image'),
            tuple(
                (
                    label,
                    str(summary.score.truths[label]),
                    *(
                        shown_interval(summary.intervals_of[label][name])
                        for name in ('ap', 'ap50', 'precision', 'recall', 'alarms_per_image')
                    ),
                )
                for label in summary.present
            ),
            f'{absent} more have neither things nor boxes.' if absent else '',
        ),
    ]
    if runs is not None:
        found = [
            (TITLES[name], shown_difference(own), shown(runs.p_values[name]))
            for name, own in runs.differences.items()
        ]
        found += [
            (f'images with fewer, more {what}', f'{c.better}, {c.worse}', shown(c.p_value))
            for what, c in (('misses', runs.missed), ('false boxes', runs.false))
        ]
        head = ('', 'difference, 95 % interval', 'p')
        tables.append(Table(versus, head, tuple(found)))
    return tuple(tables)


def _track_tables(tracks: Mapping[str, TrackedClass]) -> tuple[Table, ...]:
    if not tracks:
        return ()
    head = ('class', 'tracks', *(tracking_title(name) for name in TRACKING), 'switches')
    rows = tuple(
        (
            label,
            str(own.things),
            *(shown(getattr(own.score, name)) for name in TRACKING),
            str(own.score.identity_switches),
        )
        for label, own in tracks.items()
    )
    return (Table('Tracks', head, rows),)


def _plots(summary: Summary, paired: Paired) -> tuple[Plot, ...]:
    most = sorted(paired.labels, key=lambda label: (-summary.score.truths[label], label))[:CLASSES]
    shown_labels = [label for label in paired.labels if label in most]
    curves = {label: curve(summary, label) for label in shown_labels}

    def draw_curves(axes: Any) -> None:
        # Curves that lie upon each other are all seen: the upper ones are thinner, and have gaps.
        widths = np.linspace(3.5, 1.0, max(2, len(curves)))
        for width, (label, (recall, precision)) in zip(widths, curves.items(), strict=False):
            if len(recall):
                # A name that begins with _ would not be listed.
                shown_as = short(label.lstrip('_') or label)
                style = ('--', '-.', ':')[len(axes.lines) % 3] if axes.lines else '-'
                axes.step(
                    recall,
                    precision,
                    where='pre',
                    label=shown_as,
                    linewidth=width,
                    linestyle=style,
                )
        axes.set(xlabel='recall', ylabel='precision', xlim=(0, 1.02), ylim=(0, 1.04))
        if axes.lines:
            axes.legend(fontsize=7, loc='upper left', bbox_to_anchor=(1, 1), frameon=False)

    matches = summary.matches
    right = matches.right[:, summary.overlap]
    wrong = ~right & ~matches.ignored[:, summary.overlap]

    def draw_scores(axes: Any) -> None:
        bins = np.linspace(0, 1, 21)
        given = [matches.score[right], matches.score[wrong]]
        axes.hist(given, bins, label=['right', 'false'], color=['#2a7f4f', '#c4462d'])
        axes.set(xlabel='score', ylabel='boxes', xlim=(0, 1))
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.legend(fontsize=7)

    if not len(matches.score):
        return (_confusion_plot(summary, paired),)
    return (
        plot('Precision over recall', draw_curves, size=(6.2, 3.6)),
        plot('Scores of right and false boxes', draw_scores),
        _confusion_plot(summary, paired),
    )


def _confusion_plot(summary: Summary, paired: Paired) -> Plot:
    names, table = confusion(summary, paired)
    busy = np.argsort(-(table.sum(0) + table.sum(1))[:-1], kind='stable')[:CLASSES]
    kept = [*sorted(busy.tolist()), len(names) - 1]
    table = table[np.ix_(kept, kept)]

    def draw(axes: Any) -> None:
        share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap='Blues', vmin=0, vmax=1)
        for row, column in np.ndindex(table.shape):
            colour = 'white' if share[row, column] > 0.5 else 'black'
            axes.text(
                column, row, str(table[row, column]), ha='center', va='center', color=colour,
                fontsize=7,
            )  # fmt: skip
        labels = [short(names[number]) for number in kept]
        axes.set_xticks(range(len(kept)), labels, rotation=45, ha='right')
        axes.set_yticks(range(len(kept)), labels)
        axes.set(xlabel='predicted', ylabel='true')

    longest = max(len(short(names[number])) for number in kept)
    side = 1.2 + 0.07 * longest + 0.36 * len(kept)
    return plot('Which class is taken for which', draw, size=(side, side))


def curve(summary: Summary, label: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return recall and precision of a class at each of its scores, best first."""
    matches = summary.matches
    number = matches.labels.index(label)
    things = int(matches.things[:, number].sum())
    rows = (matches.label == number) & ~matches.ignored[:, summary.overlap]
    if not things or not rows.any():
        return (), ()
    hits = np.cumsum(matches.right[rows, summary.overlap])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / things
    return [0.0, *recall.tolist()], [float(precision[0]), *precision.tolist()]


def _galleries(summary: Summary, paired: Paired, truth: BoxTruth) -> tuple[Gallery, ...]:
    alarms = false_alarms(summary, paired, PICTURES)
    missed = misses(summary, paired, PICTURES)
    return (
        _gallery('Surest false alarms', 'The box that is wrong; true boxes of the same class '
                 'are named “true”.', alarms, paired, truth),
        _gallery('Largest misses', 'The thing that has no box.', missed, paired, truth),
    )  # fmt: skip


def _gallery(
    title: str, about: str, failures: Sequence[Failure], paired: Paired, truth: BoxTruth
) -> Gallery:
    pictures: list[Picture] = []
    unread: list[ImageError] = []
    for failure in failures:
        image = truth.truth.images[failure.image]
        try:
            pixels = read_picture(truth, image)
        except ImageError as error:
            unread.append(error)
            continue
        score = '' if failure.score is None else f', score {failure.score:.2f}'
        drawn = draw_detections(pixels, _boxes(failure, paired), scores=False)
        pictures.append(picture(drawn, f'{failure.label}{score}: {image.file}'))
    if not failures:
        about = 'There is none.'
    elif unread:
        about += f' {len(unread)} cannot be shown; the first: {unread[0]}.'
    return Gallery(title, about, tuple(pictures))


def _boxes(failure: Failure, paired: Paired) -> Detections:
    image = paired.images[failure.image]
    rows: list[tuple[Sequence[float], float, str]] = []
    if failure.score is not None:
        for xyxy, label in zip(np.asarray(image.truth_xyxy), image.truth_labels, strict=True):
            if label == failure.label:
                rows.append((xyxy, 1.0, f'true {label}'))
    wanted = failure.label if failure.score is not None else f'missed {failure.label}'
    rows.append((failure.xyxy, 1.0 if failure.score is None else failure.score, wanted))
    return Detections(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        tuple(row[2] for row in rows),
    )
