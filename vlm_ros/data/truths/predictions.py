"""What was predicted: an annotated dataset, or a file of COCO's results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path

from pydantic import BaseModel, Field

from vlm_ros import vocabularies
from vlm_ros.data.formats import TruthImage
from vlm_ros.data.truths.box_truth import BoxTruth, Moment
from vlm_ros.data.truths.json_files import checked, load
from vlm_ros.data.truths.record_rows import rows_of
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, Manifest, read_lines
from vlm_ros.records.manifest import ANNOTATIONS, MANIFEST
from vlm_ros.results import Status

_MAX_PX = 1e6


@dataclass(frozen=True)
class PredictedBox:
    """A named box, its score in [0, 1], its corners in pixels, and its track if it has one."""

    label: str
    score: float
    xyxy: tuple[float, float, float, float]
    track_id: int | None = None


@dataclass(frozen=True)
class PredictedImage:
    """What was predicted of an image.

    Attributes:
        status: What became of it; an image that is missing from the predictions has FAILED.
        boxes: What was found.
        unrecognized: Names that could not be looked for.
        message: One line, where it was not looked at.
        sequence: The camera of the source that it is of; empty where it is a photograph, or where
            that is not known.
        place: Its number in the sequence.
    """

    status: Status
    boxes: tuple[PredictedBox, ...] = ()
    unrecognized: tuple[str, ...] = ()
    message: str = ''
    sequence: str = ''
    place: int = 0


MISSING = PredictedImage(Status.FAILED, message='is not among the predictions')


@dataclass(frozen=True)
class PredictedSet:
    """Predictions of the images of a truth.

    Attributes:
        images: One for each image of the truth, in its order.
        vocabulary: The names that were looked for; empty where that is not known.
        unused: How many images were predicted that the truth does not have.
        model: What made them; empty where that is not known.
        score_threshold: From which score on they count; None where that is not known.
        least_score: From which score on boxes were asked for; None where that is not known.
        prompts: What was looked for, each with the name that it is found as; empty where that is
            the same, or not known.
    """

    images: tuple[PredictedImage, ...]
    vocabulary: tuple[str, ...] = ()
    unused: int = 0
    model: str = ''
    score_threshold: float | None = None
    least_score: float | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)

    def prompts_of(self, label: str) -> tuple[str, ...]:
        """Return what was looked for to find a name; the name itself where that is not known."""
        return tuple(p for p, found in self.prompts.items() if found == label) or (label,)

    @property
    def labels(self) -> tuple[str, ...]:
        """All names that were looked for or found, in order."""
        found = {box.label for image in self.images for box in image.boxes}
        return (*self.vocabulary, *sorted(found - set(self.vocabulary)))


def read_predictions(path: Path, truth: BoxTruth) -> PredictedSet:
    """Read predictions of the images of a truth.

    Args:
        path: A folder with `annotations.jsonl`, that file itself, or a COCO file of results.
        truth: The images.

    Raises:
        InputError: It is none of these, it is damaged, or it has none of the images.
        StorageError: It cannot be read.
    """
    if path.is_dir() or path.suffix.lower() == '.jsonl':
        manifest = read_manifest(path)
        return of_records(
            read_records(path), truth.truth.images, str(path), manifest, moments=truth.moments
        )
    if not path.is_file():
        raise InputError(f'there is no file or folder {path}; it should hold the predictions')
    value = load(path)
    if isinstance(value, list):
        return _of_results(value, path, truth)
    raise InputError(
        f'{path} holds no predictions; give a folder with {ANNOTATIONS}, or a list of results as '
        'COCO has them: image_id, category_id, bbox and score'
    )


def read_records(path: Path) -> list[FrameRecord]:
    """Return the records of an annotated dataset.

    Raises:
        InputError: There are none, or they are damaged.
        StorageError: They cannot be read.
    """
    file = path / ANNOTATIONS if path.is_dir() else path
    if not file.is_file():
        raise InputError(f'{path} has no {ANNOTATIONS}; annotate to the end first')
    return list(read_lines(file, FrameRecord))


def read_manifest(path: Path) -> Manifest | None:
    """Return how an annotated dataset came about; None where that is not told.

    Raises:
        InputError: The file is damaged.
    """
    file = (path if path.is_dir() else path.parent) / MANIFEST
    return checked(load(file), Manifest, file, 'a manifest') if file.is_file() else None


def of_records(
    records: Sequence[FrameRecord],
    images: Sequence[TruthImage],
    where: str,
    manifest: Manifest | None = None,
    *,
    moments: Sequence[Moment | None] = (),
) -> PredictedSet:
    """Find the records of a truth's images, by their keys or by the files' names.

    What a person rejected is left out, and what a person named bears that name.

    Raises:
        InputError: No image has a record, or one has two.
    """
    rows = rows_of(records, images, where, moments)
    return PredictedSet(
        tuple(MISSING if row is None else _predicted(records[row]) for row in rows),
        manifest.vocabulary if manifest else (),
        len(records) - sum(row is not None for row in rows),
        ', '.join(model.model_id for model in manifest.models) if manifest else '',
        manifest.score_threshold if manifest else None,
        manifest.least_score if manifest else None,
        _prompts(manifest) if manifest else {},
    )


def _prompts(manifest: Manifest) -> dict[str, str]:
    """Return what was looked for; a set of labels has prompts of its own."""
    own, label_set = manifest.plan.get('prompts'), manifest.plan.get('label_set')
    if isinstance(own, dict):
        return own
    known = isinstance(label_set, str) and label_set in vocabularies.names()
    return vocabularies.named(str(label_set)).prompts() if known else {}


def _predicted(record: FrameRecord) -> PredictedImage:
    if record.is_rejected:
        return PredictedImage(Status.FAILED, message='was rejected in review')
    if record.status is None:
        return PredictedImage(Status.FAILED, message='nobody was asked to look for boxes')
    boxes = [
        PredictedBox(box.name, box.score, box.xyxy, box.track_id)
        for box in record.detections
        if not box.is_rejected
    ]
    is_moving = record.topic or record.time_s is not None
    return PredictedImage(
        record.status,
        tuple(boxes),
        record.unrecognized,
        record.message,
        f'{record.source}:{record.topic}' if is_moving else '',
        record.index,
    )


class _Result(BaseModel):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float = Field(ge=0, le=1, allow_inf_nan=False)


def _check_box(result: _Result, where: str) -> None:
    width, height = result.bbox[2:]
    # This also holds for what is not a number.
    if all(abs(edge) <= _MAX_PX for edge in result.bbox) and width >= 0 and height >= 0:
        return
    shown = ', '.join(f'{edge:g}' for edge in result.bbox)
    raise InputError(
        f'{where}: the box [{shown}] (left, top, width, height) is impossible; correct or '
        'remove it'
    )


def _of_results(value: object, path: Path, truth: BoxTruth) -> PredictedSet:
    if not truth.image_ids:
        raise InputError(
            f"{path} names images by COCO's numbers; give the COCO file of the truth, or records"
        )
    results = checked(value, list[_Result], path, "COCO's results")
    boxes: dict[int, list[PredictedBox]] = {number: [] for number in truth.image_ids}
    strange: set[int] = set()
    for row, result in enumerate(results):
        _check_box(result, f'result {row} of {path}, of image {result.image_id}')
        if result.category_id not in truth.label_ids:
            raise InputError(
                f'result {row} of {path} has category {result.category_id}, which the truth does '
                f'not have: {json.dumps(truth.label_ids)}'
            )
        if result.image_id not in boxes:
            strange.add(result.image_id)
            continue
        left, top, width, height = result.bbox
        label = truth.label_ids[result.category_id]
        boxes[result.image_id].append(
            PredictedBox(label, result.score, (left, top, left + width, top + height))
        )
    if results and len(strange) == len({result.image_id for result in results}):
        raise InputError(
            f'{path} is of other images than the truth: it begins with {results[0].image_id}, '
            f'the truth with {truth.image_ids[0]}'
        )
    # Results say nothing of an image where nothing was found.
    images = tuple(
        PredictedImage(Status.OK if boxes[n] else Status.NOTHING_FOUND, tuple(boxes[n]))
        for n in truth.image_ids
    )
    return PredictedSet(images, unused=len(strange))
