"""How a dataset came about."""

from importlib import metadata
from pathlib import Path

from pydantic import Field

from vlm_ros.errors import StorageError
from vlm_ros.records.lines import parse
from vlm_ros.records.model import Json, Record
from vlm_ros.whole_files import writing

ANNOTATIONS, MANIFEST = 'annotations.jsonl', 'dataset.json'
"""In a dataset's folder: its records, and how they came about."""
FORMAT = 1
"""Grows when files of an earlier version can no longer be read."""


class ModelRecord(Record):
    """The model that did a task; see `vlm_ros.results.Provenance`.

    Attributes:
        task: What it did.
        model_id: What it is called.
        model_revision: Of which version.
        score_threshold: From which score on it takes a box for found; None where it does not tell.
    """

    task: str
    model_id: str
    model_revision: str
    score_threshold: float | None = None

    @classmethod
    def of(cls, task: str, model: object) -> 'ModelRecord':
        """Return the record of a model."""
        own = getattr(model, 'score_threshold', None)
        return cls(
            task=task,
            model_id=str(getattr(model, 'model_id', type(model).__name__)),
            model_revision=str(getattr(model, 'model_revision', '')),
            score_threshold=own if isinstance(own, float) else None,
        )


class SourceRecord(Record):
    """Where images came from.

    Attributes:
        source: As it was given.
        topics: Those that were read; empty for other sources than bags and running systems.
        size_bytes: Of the files, together; None where there are none.
        fingerprint: Of the files' names, sizes, first and last bytes; empty where there are none.
        frames: How many images were annotated.
        topic_frames: Of a bag, how many of each topic.
        dropped: Of a running system, how many images went by while the models were busy.
    """

    source: str
    topics: tuple[str, ...] = ()
    size_bytes: int | None = None
    fingerprint: str = ''
    frames: int = 0
    topic_frames: dict[str, int] = Field(default_factory=dict)
    dropped: int = 0


class SkippedRecord(Record):
    """What could not be read, or could not be looked at."""

    name: str
    reason: str


class PassingRecord(SkippedRecord):
    """What could not be read just now, as a disk or a network was not there."""


class Manifest(Record):
    """A dataset's `dataset.json`.

    Attributes:
        format: The version of these files.
        version: Of vlm_ros.
        plan: What was asked for.
        plan_id: Short hash of it: what another plan made is not mixed in.
        vocabulary: The names that were looked for.
        models: What did the work.
        sources: What it was done on.
        skipped: What is missing, in the order of the sources.
    """

    format: int = Field(default=FORMAT, le=FORMAT)
    version: str
    plan: Json
    plan_id: str
    vocabulary: tuple[str, ...] = ()
    models: tuple[ModelRecord, ...] = ()
    sources: tuple[SourceRecord, ...] = ()
    skipped: tuple[SkippedRecord, ...] = ()

    @property
    def least_score(self) -> float | None:
        """From which score on boxes were asked for, as it was said, or else the model's own."""
        asked = self.plan.get('score_threshold')
        return float(asked) if isinstance(asked, int | float) else self._own_threshold

    @property
    def score_threshold(self) -> float | None:
        """From which score on boxes count: all of a dataset do, and of a run what the model says.

        A run that is evaluated has weak boxes besides, which AP needs.
        """
        return self.least_score if 'sources' in self.plan else self._own_threshold

    @property
    def _own_threshold(self) -> float | None:
        own = [row.score_threshold for row in self.models if row.score_threshold is not None]
        return own[0] if own else None


def read_manifest(folder: Path) -> Manifest:
    """Return the `dataset.json` of a folder.

    Raises:
        InputError: It is damaged.
        StorageError: It cannot be read.
    """
    path = folder / MANIFEST
    try:
        return parse(path.read_bytes(), Manifest, str(path))
    except OSError as error:
        raise StorageError(f'{path} cannot be read: {error.strerror or error}') from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the `dataset.json` of a folder, whole or not at all.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    with writing(folder / MANIFEST) as stream:
        stream.write(manifest.model_dump_json(indent=2).encode() + b'\n')


def package_version() -> str:
    """Return the version of vlm_ros; empty where it runs from a checkout."""
    try:
        return metadata.version('vlm_ros')
    except metadata.PackageNotFoundError:
        return ''
