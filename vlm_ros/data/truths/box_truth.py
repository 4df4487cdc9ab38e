"""What is known of labelled images, whatever the layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlm_ros.data.formats import TruthImage, TruthSet
from vlm_ros.data.formats.truth import Box
from vlm_ros.data.truths.pictures import picture_in


@dataclass(frozen=True)
class Moment:
    """Where an image stands in what a camera saw.

    Attributes:
        sequence: The camera, or the drive.
        place: Its number.
        time_s: Since the beginning.
    """

    sequence: str
    place: int
    time_s: float


@dataclass(frozen=True, eq=False)
class BoxTruth:
    """A labelled dataset, with what some layouts know besides.

    Attributes:
        truth: Images and boxes.
        pictures: The folder of the pictures; None where it was not found.
        areas: For each image those of its boxes in square pixels; None for the boxes' own.
        as_written: For each image its boxes as the file has them, which may reach out of it a
            little, where the layout's own evaluation takes them so; empty elsewhere.
        moments: For each image where it stands in a sequence, None for a photograph; empty where
            that is not known.
        min_tracked_height_px: Tracked boxes on nothing that are no higher do not count; 0 for all.
        lenient: Of a class those whose things may be tracked as it; that counts neither way.
        judged: For each image the names whose absence is known; None for all.
        not_exhaustive: For each image the names of which not all things are labelled.
        groups: Of LVIS, whether a class is rare, common or frequent.
        image_ids: The dataset's own numbers of the images; empty where it has none.
        label_ids: Its numbers of the classes.
    """

    truth: TruthSet
    pictures: Path | None = None
    areas: Sequence[Sequence[float] | None] = ()
    as_written: Sequence[Sequence[Box]] = ()
    moments: Sequence[Moment | None] = ()
    min_tracked_height_px: float = 0.0
    lenient: Mapping[str, frozenset[str]] = field(default_factory=dict)
    judged: Sequence[frozenset[str] | None] = ()
    not_exhaustive: Sequence[frozenset[str]] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    image_ids: Sequence[int] = ()
    label_ids: Mapping[int, str] = field(default_factory=dict)

    def picture(self, image: TruthImage) -> Path | None:
        """Return the file of an image; None where it is not there."""
        return picture_in(self.pictures, image.file)
