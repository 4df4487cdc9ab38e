"""Where the pictures of a truth are."""

from collections.abc import Sequence
from pathlib import Path

PICTURES = ('images', 'JPEGImages', 'image_2', '.', '..', '../images')
"""Where pictures are looked for, from the truth's folder on."""


def picture_in(folder: Path | None, file: str) -> Path | None:
    """Return the place of a picture, below a folder or as it is named; None where it is not."""
    below = [] if folder is None else [folder / file, folder / Path(file).name]
    return next((place for place in (*below, Path(file)) if place.is_file()), None)


def pictures_near(folder: Path, files: Sequence[str]) -> Path | None:
    """Return the folder, at or near this one, that has the first of these files."""
    if not files:
        return None
    near = [folder / place for place in PICTURES]
    near += sorted(place for place in (*folder.glob('*/'), *folder.parent.glob('*/')))
    for place in near:
        if (place / files[0]).is_file() or (place / Path(files[0]).name).is_file():
            return place
    return None
