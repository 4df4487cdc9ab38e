"""KITTI's tracking benchmark: `label_02/0000.txt` and the pictures `image_02/0000/000000.png`.

A sequence has a file, with a line for each box: frame, track, type, truncated, occluded, alpha,
the box (4), height, width and length in metres (3), the place in metres (3), rotation, and of
predictions a score (Geiger et al., CVPR 2012; https://www.cvlibs.net/datasets/kitti/eval_tracking.php).
As in the benchmark, what is truncated at all or occluded 3 does not count; nor do boxes on nothing
that are no higher than 25 pixels, or mostly in a region of `DontCare`. A van may be tracked as a
car, and who sits as a pedestrian.
"""

from collections.abc import Sequence
from pathlib import Path

from vlm_ros.data.formats import TruthBox, TruthImage, TruthSet
from vlm_ros.data.formats.kitti import DONT_CARE
from vlm_ros.data.formats.pictures import pictures_of, size_of
from vlm_ros.data.formats.truth import Box, Fitting, lines, numbers, whole_number
from vlm_ros.data.truths.box_truth import BoxTruth, Moment
from vlm_ros.errors import InputError

RATE_HZ = 10.0
MIN_HEIGHT_PX = 25.0
LENIENT = {
    'Car': frozenset({'Van'}),
    'Pedestrian': frozenset({'Person', 'Person_sitting'}),
}
_COLUMNS = (17, 18)
_MAX_TRUNCATED, _MAX_OCCLUDED = 0, 2


def read_kitti_tracking(
    folder: Path, *, split: str | None = None, images: Path | None = None
) -> BoxTruth:
    """Read sequences; keys are `SEQUENCE/FRAME`.

    Args:
        folder: The one with `label_02` and `image_02` in it.
        split: One sequence, such as `0001`; None for all that have labels.
        images: Another folder that has a folder of pictures for each sequence.

    Raises:
        InputError: A file is no such label, the pictures of a sequence are missing, or a box is
            impossible.
    """
    labels, pictures = folder / 'label_02', images or folder / 'image_02'
    names = [split] if split else sorted(path.stem for path in labels.glob('*.txt'))
    if not names:
        raise InputError(f'{labels} has no labels')
    fitting = Fitting()
    truths: list[TruthImage] = []
    moments: list[Moment] = []
    as_written: list[Sequence[Box]] = []
    for name in names:
        path = labels / f'{name}.txt'
        frames = _frames(pictures / name)
        size = size_of(next(iter(frames.values())))
        boxes = _boxes(path, size, fitting)
        if strange := sorted(set(boxes) - set(frames)):
            raise InputError(
                f'{path} has frame {strange[0]}, of which there is no picture in '
                f'{pictures / name}; put it back'
            )
        for frame, picture in frames.items():
            own = boxes.get(frame, [])
            key, file = f'{name}/{picture.stem}', f'{name}/{picture.name}'
            truths.append(TruthImage(key, file, *size, tuple(box for box, _ in own)))
            as_written.append([edges for _, edges in own])
            moments.append(Moment(name, frame, frame / RATE_HZ))
    used = {box.label for truth in truths for box in truth.boxes if not box.crowd}
    truth = TruthSet(tuple(truths), tuple(sorted(used)), fitting.clipped)
    return BoxTruth(
        truth,
        pictures,
        as_written=as_written,
        moments=moments,
        min_tracked_height_px=MIN_HEIGHT_PX,
        lenient=LENIENT,
    )


def _frames(folder: Path) -> dict[int, Path]:
    """Return the pictures of a sequence, which are of one size, by their numbers."""
    found = {
        whole_number(picture.stem, f'the name of {picture}'): picture
        for picture in pictures_of(folder)
    }
    if not found:
        raise InputError(f'{folder} has no pictures; put them there, or choose a --split that has')
    return dict(sorted(found.items()))


def _boxes(
    path: Path, size: tuple[int, int], fitting: Fitting
) -> dict[int, list[tuple[TruthBox, Box]]]:
    """Return the boxes of each frame, fitted into the picture and as they are written."""
    found: dict[int, list[tuple[TruthBox, Box]]] = {}
    for number, row in enumerate(lines(path), 1):
        words, where = row.split(), f'line {number} of {path}'
        if not words:
            continue
        if len(words) not in _COLUMNS:
            raise InputError(f'{where}: has {len(words)} columns; labels of tracks have 17')
        frame, track = (whole_number(word, where) for word in words[:2])
        truncated, occluded, _, left, top, right, bottom = numbers(words[3:10], where)
        crowd = words[2] == DONT_CARE
        edges = (left, top, right, bottom)
        box = TruthBox(
            words[2],
            fitting.fit(edges, *size, where),
            difficult=not crowd and (truncated > _MAX_TRUNCATED or occluded > _MAX_OCCLUDED),
            crowd=crowd,
            track_id=None if crowd else track,
        )
        found.setdefault(frame, []).append((box, edges))
    return found
