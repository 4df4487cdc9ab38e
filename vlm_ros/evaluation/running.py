"""A detector run over the images of a truth, kept as records, so that a second run goes on."""

from collections.abc import Callable, Sequence
from pathlib import Path
import re

from vlm_ros import vocabularies
from vlm_ros.data.formats import TruthImage
from vlm_ros.data.formats.kitti import DONT_CARE
from vlm_ros.data.truths.box_truth import BoxTruth
from vlm_ros.errors import (
    BackendError,
    ImageError,
    InputError,
    InterruptedWork,
    StorageError,
    VocabularyError,
)
from vlm_ros.evaluation.parts import in_parts, kept_in, manifest_of
from vlm_ros.images import decode_compressed, Image
from vlm_ros.phrases import Vocabulary
from vlm_ros.records import (
    DetectionRecord,
    FrameRecord,
    ImageRecord,
    Manifest,
    write_lines,
)
from vlm_ros.records.manifest import ANNOTATIONS
from vlm_ros.records.model import Json
from vlm_ros.results import Detections, Status
from vlm_ros.tasks import Detector


def prompts_of(labels: Sequence[str]) -> dict[str, str]:
    """Return what to look for, each with the class that it is found as.

    Where a set of `vlm_ros.vocabularies` has all classes, its prompts; else the names themselves,
    with spaces for `_`.

    Raises:
        InputError: A name is blank, or two are the same but for case, `_` and spaces.
    """
    wanted = [label for label in labels if label != DONT_CARE]
    for name in vocabularies.names():
        known = vocabularies.named(name)
        try:
            found = {known.find(label).label: label for label in wanted}
        except VocabularyError:
            continue
        own = {p: found[label] for p, label in known.prompts().items() if label in found}
        if set(own.values()) == set(wanted):
            return own
    prompts: dict[str, str] = {}
    for label in wanted:
        prompt = ' '.join(label.replace('_', ' ').split())
        if not prompt:
            raise InputError('a class of the truth has a blank name; give it one')
        alike = [prompts[known] for known in prompts if known.casefold() == prompt.casefold()]
        if alike:
            raise InputError(
                f'the classes {alike[0]!r} and {label!r} of the truth are the same to look for; '
                'rename one'
            )
        prompts[prompt] = label
    return prompts


def run_detector(
    model: Detector,
    truth: BoxTruth,
    *,
    score_threshold: float | None,
    settings: Json,
    folder: Path | None = None,
    progress: Callable[[], None] = lambda: None,
) -> tuple[list[FrameRecord], Manifest]:
    """Look for the classes of a truth in its images.

    What cannot be read, or what the model fails at, is FAILED in the records.

    Args:
        model: The detector.
        truth: The images.
        score_threshold: See `Detector.detect`.
        settings: What else decides the result: the backend and its options.
        folder: Where records are kept, and taken from when they are there; None to keep none.
            What FAILED is tried again.
        progress: Told after each image.

    Raises:
        InputError: The folder holds something else, or another run.
        StorageError: The disk is full, or the folder cannot be written.
    """
    prompts = prompts_of(truth.truth.labels)
    plan: Json = {**settings, 'score_threshold': score_threshold, 'prompts': prompts}
    files = [image.file for image in truth.truth.images]
    manifest = manifest_of(model, 'detect', plan, files, tuple(prompts.values()))
    vocabulary = Vocabulary(tuple(prompts))

    def look(number: int, image: TruthImage) -> FrameRecord:
        return _look(model, truth, number, image, vocabulary, prompts, score_threshold)

    with kept_in(folder, manifest):
        records = in_parts(
            truth.truth.images,
            look,
            FrameRecord,
            folder=folder,
            pictures=lambda image: [truth.picture(image)],
            progress=progress,
        )
        if folder is not None:
            write_lines(folder / ANNOTATIONS, records)
    return records, manifest


def read_picture(truth: BoxTruth, image: TruthImage) -> Image:
    """Return the pixels of an image of a truth, `(H, W, 3)` uint8 RGB.

    Raises:
        ImageError: It is not there, cannot be read, or has another size than the truth says.
    """
    path = truth.picture(image)
    if path is None:
        raise ImageError(
            f'the picture {image.file} is not there; say where the pictures are with --images'
        )
    try:
        pixels = decode_compressed(path.read_bytes())
    except OSError as error:
        raise ImageError(f'{path} cannot be read: {error.strerror or error}') from error
    if pixels.shape[:2] != (image.height, image.width):
        raise ImageError(
            f'{path} is {pixels.shape[1]}×{pixels.shape[0]}, and the truth says '
            f'{image.width}×{image.height}'
        )
    return pixels


def _look(
    model: Detector,
    truth: BoxTruth,
    number: int,
    image: TruthImage,
    vocabulary: Vocabulary,
    prompts: dict[str, str],
    score_threshold: float | None,
) -> FrameRecord:
    stem = re.sub(r'[^A-Za-z0-9]+', '-', Path(image.file).stem).strip('-')[:40]
    found, message = Detections(), ''
    status: Status = Status.FAILED
    try:
        pixels = read_picture(truth, image)
        seen = model.detect(pixels, vocabulary, score_threshold=score_threshold)
        found, status = seen.renamed(prompts), seen.status
    except ImageError as error:
        message = str(error)
    except (BackendError, InputError, InterruptedWork, StorageError):
        raise
    except Exception as error:  # noqa: BLE001 - a model's library may raise anything
        message = ' '.join(f'{type(error).__name__}: {error}'.split())
    rows = [
        DetectionRecord(label=label, score=float(score), xyxy=tuple(xyxy.tolist()))
        for label, score, xyxy in zip(found.labels, found.scores, found.xyxy, strict=True)
    ]
    return FrameRecord(
        key=f'{number:06d}-{stem}'.rstrip('-'),
        source=image.file,
        index=number,
        image=ImageRecord(width=image.width, height=image.height),
        status=status,
        message=message,
        detections=tuple(sorted(rows, key=lambda row: (-row.score, row.label, row.xyxy))),
        unrecognized=found.unrecognized,
    )
