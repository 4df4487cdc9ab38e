"""KITTI's object labels: a text file an image, a line a box (Geiger et al., CVPR 2012).

The 15 columns, and a 16th with the score: type, truncated, occluded, alpha, the box (4), height,
width and length in metres (3), the place in metres (3), rotation, score. What an image does not
tell has the values that the development kit gives to regions that do not count: -1 truncated and
occluded, -10 alpha, -1 sizes, -1000 places, -10 rotation. Coordinates of boxes count from 0, and
the kit's overlaps take their edges as they are, so they are this package's own. Spaces of names
become `_`, as columns are separated by spaces. Tracks and stamps have no place here.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from vlm_ros.data.formats.exporting import (
    checked_names,
    Export,
    ExportedBox,
    write_text,
    Written,
)
from vlm_ros.data.formats.pictures import pictures_of, size_of
from vlm_ros.data.formats.truth import (
    Fitting,
    in_score_range,
    lines,
    numbers,
    TOLERANCE_PX,
    TruthBox,
    TruthImage,
    TruthSet,
)
from vlm_ros.errors import InputError, VocabularyError
from vlm_ros.records import FrameRecord

DONT_CARE = 'DontCare'
"""The type of regions in which nothing counts."""

_BEFORE = '-1 -1 -10'
_AFTER = '-1 -1 -1 -1000 -1000 -1000 -10'
_COLUMNS = 15
# The hardest level of the benchmark; what is beyond it does not count as missed.
_MIN_HEIGHT_PX, _MAX_OCCLUDED, _MAX_TRUNCATED = 25, 2, 0.5


def write_kitti(
    records: Iterable[FrameRecord],
    vocabulary: Sequence[str],
    folder: Path,
    *,
    images: Path | None = None,
    split: str = 'train',
    scores: bool = True,
) -> Written:
    """Write `label_2/KEY.txt`, and `ImageSets/SPLIT.txt` that lists the keys.

    Args:
        records: The images; see `Export` for those that are left out.
        vocabulary: The names.
        folder: Where the files go.
        images: The folder that the records' pictures are in; they are linked, or copied, into
            `image_2/`, with the suffix that they have. None leaves that to others.
        split: Of the list.
        scores: Whether to write the 16th column.

    Raises:
        InputError: A key is there twice, a label is not in the vocabulary, or a picture is
            missing.
        VocabularyError: Two names are the same without their spaces, or one is `DontCare`.
        StorageError: The disk is full, or the folder cannot be written.
    """
    export = Export(vocabulary, folder, images, 'image_2')
    types = list(_types(export.vocabulary))
    if DONT_CARE in types:
        raise VocabularyError(
            f'{DONT_CARE} marks regions in which nothing counts in KITTI labels; rename the class'
        )
    for record, _, boxes in export.frames(records, 'label_2/{}.txt'):
        rows = [_row(box, types[box.number], scores) for box in boxes]
        write_text(folder / 'label_2' / f'{record.key}.txt', rows)
    path = folder / 'ImageSets' / f'{split}.txt'
    write_text(path, export.keys)
    return export.written(path)


def _types(vocabulary: Sequence[str]) -> dict[str, str]:
    types: dict[str, str] = {}
    for name in vocabulary:
        kind = '_'.join(name.split())
        if kind in types:
            raise VocabularyError(
                f'{types[kind]!r} and {name!r} are both {kind} in KITTI labels; rename one'
            )
        types[kind] = name
    return types


def _row(box: ExportedBox, kind: str, scores: bool) -> str:
    edges = ' '.join(f'{edge:.2f}' for edge in box.xyxy)
    row = f'{kind} {_BEFORE} {edges} {_AFTER}'
    return f'{row} {box.detection.score:.4f}' if scores else row


def read_kitti(
    folder: Path,
    *,
    split: str | None = None,
    vocabulary: Sequence[str] = (),
    images: Path | None = None,
    labels: Path | None = None,
    tolerance_px: float = TOLERANCE_PX,
) -> TruthSet:
    """Read KITTI's labels, or predictions in their form.

    `DontCare` regions are crowds. What is beyond the benchmark's hardest level (less than 25
    pixels high, occluded 3, truncated by more than half) is difficult.

    Args:
        folder: The one with `label_2` and `image_2` in it.
        split: The list of `ImageSets`; None reads all labels.
        vocabulary: Names with spaces, to have them back; others stay as they are.
        images: Another folder of pictures, which are needed for their sizes.
        labels: Another folder of labels.
        tolerance_px: How far a box may reach out of its image; such boxes are clipped and counted.

    Raises:
        InputError: A file is no such label, a picture is missing, or a box is impossible.
        VocabularyError: A name is blank or there twice.
    """
    labels, images = labels or folder / 'label_2', images or folder / 'image_2'
    if not labels.is_dir():
        raise InputError(f'{labels}, the folder of labels, is missing')
    pictures = {
        picture.relative_to(images).with_suffix('').as_posix(): picture
        for picture in pictures_of(images)
    }
    types = _types(checked_names(vocabulary)) if vocabulary else {}
    if split is None:
        keys = sorted(path.stem for path in labels.glob('*.txt'))
    else:
        listed = folder / 'ImageSets' / f'{split}.txt'
        keys = [row.strip() for row in lines(listed) if row.strip()]
        if len(set(keys)) < len(keys):
            raise InputError(f'an image is there twice in {listed}; remove one')
    if not keys:
        raise InputError(f'{labels} has no labels')
    fitting = Fitting(tolerance_px)
    truths = []
    for key in keys:
        path = labels / f'{key}.txt'
        if key not in pictures:
            raise InputError(f'the picture {images / key} of {path} is missing; put it back')
        size = size_of(pictures[key])
        boxes = tuple(
            _box(row.split(), types, size, fitting, f'line {number} of {path}')
            for number, row in enumerate(lines(path), 1)
            if row.strip()
        )
        truths.append(TruthImage(key, key + pictures[key].suffix, *size, boxes))
    used = {box.label for truth in truths for box in truth.boxes if not box.crowd}
    known = tuple(types.values())
    return TruthSet(tuple(truths), known + tuple(sorted(used - set(known))), fitting.clipped)


def _box(
    words: list[str], types: dict[str, str], size: tuple[int, int], fitting: Fitting, where: str
) -> TruthBox:
    if len(words) not in (_COLUMNS, _COLUMNS + 1):
        raise InputError(
            f'{where}: has {len(words)} columns; labels of objects have 15, predictions 16'
        )
    truncated, occluded, _, *rest = numbers(words[1:], where)
    xyxy = fitting.fit(rest[:4], *size, where)
    crowd = words[0] == DONT_CARE
    low = xyxy[3] - xyxy[1] < _MIN_HEIGHT_PX
    beyond = low or occluded > _MAX_OCCLUDED or truncated > _MAX_TRUNCATED
    return TruthBox(
        types.get(words[0], words[0]),
        xyxy,
        difficult=beyond and not crowd,
        crowd=crowd,
        score=in_score_range(rest[-1], where) if len(words) > _COLUMNS else None,
    )
