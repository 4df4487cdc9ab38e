"""What one item of a language dataset is, whatever the files it was read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_ros.data.truths.pictures import picture_in

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Item:
    """Something that is asked about one image or two.

    Attributes:
        key: What tells it from the others of the dataset; predictions bear it.
        images: The files, below the folder of pictures.
        text: The expression, phrase, question or statement; empty for captions.
        group: What it is of, such as a type of question; empty for none.
    """

    key: str
    images: tuple[str, ...]
    text: str = ''
    group: str = ''


@dataclass(frozen=True)
class Expression(Item):
    """A referring expression, or a phrase, with the boxes of what it means, in pixels."""

    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Question(Item):
    """A question with what people answered, or the one right answer."""

    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement(Item):
    """A statement about one image or two.

    Attributes:
        holds: Whether it is true.
        sentence: The same for the same sentence with other images.
    """

    holds: bool = False
    sentence: str = ''


@dataclass(frozen=True)
class Captioned(Item):
    """An image with what people said about it."""

    captions: tuple[str, ...] = ()


@dataclass(frozen=True)
class LanguageTruth:
    """A dataset.

    Attributes:
        items: All of one kind, but for the layout `questions`; in the order of the files.
        layout: Of the files.
        pictures: The folder of the pictures; None where it was not found.
        left_out: How many items cannot be scored, and why; empty for none.
    """

    items: Sequence[Any]
    layout: str
    pictures: Path | None = None
    left_out: str = ''

    def picture(self, file: str) -> Path | None:
        """Return a picture; None where it is not there."""
        return picture_in(self.pictures, file)
