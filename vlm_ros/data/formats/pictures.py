"""The pictures of a dataset, where the labels say nothing of them."""

from pathlib import Path

from vlm_ros.data.photographs import SUFFIXES
from vlm_ros.errors import ImageError, InputError
from vlm_ros.images.headers import read_header
from vlm_ros.records import FrameRecord


def pictures_of(folder: Path) -> list[Path]:
    """Return the pictures of a folder and of those in it, by name.

    Raises:
        InputError: It is missing, or two pictures differ in their suffix alone.
    """
    if not folder.is_dir():
        raise InputError(f'the folder of pictures {folder} is missing')
    found = sorted(path for path in folder.rglob('*') if path.suffix.lower() in SUFFIXES)
    known: dict[Path, Path] = {}
    for path in found:
        other = known.setdefault(path.with_suffix(''), path)
        if other is not path:
            raise InputError(f'{other} and {path} would have the same labels; rename one')
    return found


def kept_picture(folder: Path, record: FrameRecord) -> Path:
    """Return where the picture of a record is.

    A record may come from elsewhere, and must not make an export, a page or a server give away
    what does not belong to the dataset.

    Args:
        folder: The one that the records' files are relative to.
        record: Its picture was kept.

    Raises:
        InputError: It is missing, or a link leads out of the folder.
    """
    path = folder / record.image.file
    if not path.is_file():
        raise InputError(f'the picture {path} of {record.key} is missing; put it back')
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f'the picture {path} of {record.key} is a link out of {folder}; put the picture there'
        )
    return path


def size_of(picture: Path) -> tuple[int, int]:
    """Return a picture's width and height in pixels, without decoding it.

    Raises:
        InputError: It is missing, or no picture.
    """
    try:
        header = read_header(memoryview(picture.read_bytes()))
    except FileNotFoundError as error:
        raise InputError(f'the picture {picture} is missing; put it back') from error
    except OSError as error:
        raise InputError(
            f'the picture {picture} cannot be read: {error.strerror or error}'
        ) from error
    except ImageError as error:
        raise InputError(f'the picture {picture} cannot be read: {error}') from error
    return header.width, header.height
