"""The last lines of `vlm-ros annotate`: what there is, where, and what is not there."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.summary import Summary
from vlm_ros.cli.counting import counted
from vlm_ros.data.formats import Written
from vlm_ros.data.formats.datasets import BAG, EXPORTS
from vlm_ros.records import Manifest


def totals(
    summary: Summary,
    folder: Path,
    manifest: Manifest,
    plan: AnnotationPlan,
    *,
    new: int,
    taken_s: float,
) -> str:
    """Return what a dataset holds, in one line.

    Args:
        summary: Of all that is in it.
        folder: The dataset's.
        manifest: Says what was skipped.
        plan: What was wanted.
        new: How many of the images this run annotated.
        taken_s: How long it took.
    """
    parts = [f'{counted(summary.images, "image")} in {folder}']
    if new < summary.images:
        parts.append(f'{summary.images - new} of them from before')
    if 'boxes' in plan.jobs():
        parts.append(f'{counted(summary.boxes, "box")} in {counted(summary.with_boxes, "image")}')
    if plan.track:
        parts.append(counted(summary.tracks, 'track'))
    if new:
        parts.append(f'{new / taken_s:.1f} a second')
    if summary.failed:
        parts.append(f'{summary.failed} failed')
    if manifest.skipped:
        parts.append(f'{len(manifest.skipped)} skipped, see {folder / "dataset.json"}')
    return ', '.join(parts)


def notes(
    summary: Summary, folder: Path, plan: AnnotationPlan, written: Mapping[str, Written]
) -> Iterator[str]:
    """Yield what somebody who looks at the dataset would wonder about, each in a line.

    Args:
        summary: Of all that is in it.
        folder: The dataset's.
        plan: What was wanted.
        written: The exports of this run, by format.
    """
    sampling = plan.sampling
    has_range = sampling.start_s is not None or sampling.stop_s is not None
    if has_range and not summary.images:
        yield 'no image is between --start and --stop, in seconds from the beginning of a source'
    if summary.timed < summary.images and (has_range or sampling.rate_hz is not None):
        yield 'photographs have no time: --rate, --start and --stop leave none of them out'
    if summary.unknown:
        model = plan.backends.get('boxes', plan.backend).name
        yield f'not known to {model} in any image: {", ".join(summary.unknown)}'
    for question, why in summary.unanswered.items():
        yield f'not answered in any image: {question!r}: {why}'
    if written:
        yield f'exports in {folder / EXPORTS}: {", ".join(written)}'
    without = [name for name in written if name != BAG]
    if without and not plan.images:
        yield (
            f'{", ".join(without)}: without pictures, which training needs; annotate with '
            '--images jpeg into another folder for them'
        )
    for name, files in written.items():
        if files.left_out:
            first = files.left_out[0]
            yield f'{name}: {len(files.left_out)} left out, such as {first.name}: {first.reason}'
