"""How well `embedded` finds things: mAP at 0.5 and false alarms, by `vlm-ros evaluate`.

Run as `python -m benchmarks.detection_quality [--frames N] [--keep DIR]`.

Three test sets. `worlds`: films of the MuJoCo worlds that the tests drive, in which toys fall
and boards with photographs glide by; MuJoCo's segmentation is the truth. `scenes`: cut-out
photographs put on grounds, as in the benchmark of grounded answers. `photographs`: those of
scikit-image with boxes drawn by hand, and each also mirrored, darker, brighter and at half the
size; the model was made with these at hand. It is asked for what is there and for names of which
nothing is there, all at once. Intervals are bootstraps over images; neighbouring frames of a film
are alike, so those of `worlds` are too narrow.
"""

import argparse
from collections.abc import Iterable, Iterator
import json
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from benchmarks._cutouts import BOXED, cutouts
from benchmarks._scenes import make_scene
from benchmarks.reporting import Figure, parse, print_figures
from vlm_ros.data.formats import TruthBox

TESTS = Path(__file__).parents[1] / 'test'
ABSENT = (
    'elephant', 'airplane', 'car', 'dog', 'pizza', 'sofa', 'horse', 'bus', 'banana', 'piano',
    'zebra', 'train', 'refrigerator', 'umbrella', 'sheep', 'boat', 'traffic light', 'bear',
)  # fmt: skip
BOARDS = (('cat', 'cup'), ('person', 'cat'), ('cup', 'person'))
SHOTS = 8
BETWEEN_S = 0.4
"""Between two pictures of a film: so long that things have moved on."""

Image = npt.NDArray[np.uint8]
Labelled = tuple[Image, tuple[TruthBox, ...]]
"""A picture and what it shows."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--frames', type=int, default=240, help='of films and scenes, each (%(default)s)'
    )
    parser.add_argument('--seed', type=int, default=3_000_000, help='of the first (%(default)s)')
    parser.add_argument('--keep', type=Path, help='keep the test sets in this folder')
    args = parse(parser)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.keep or Path(scratch)
        print_figures(figures(folder, args.frames, args.seed), as_json=args.json)


def figures(folder: Path, frames: int, seed: int) -> Iterator[Figure]:
    """Measure all sets, yielding each figure as soon as it is known."""
    count = -(-frames // SHOTS)
    for name, pictures, what in (
        ('worlds', films(range(seed, seed + count)), f'{count} films of {SHOTS}, 320x240'),
        ('scenes', scenes(range(seed, seed + frames)), f'{frames}, 640x480'),
        ('photographs', photographs(), 'four, each in five versions'),
    ):
        scores = evaluated(labelled(pictures, folder / name))
        setting = f'embedded, {what}, {len(scores["classes"])} names'
        for key in ('ap50', 'precision', 'recall', 'alarms_per_image'):
            yield figure(f'{name}.{key}', scores['overall'][key], setting)
        for label, score in scores['classes'].items():
            if score['things']:
                yield figure(f'{name}.ap50.{label}', score['ap50'], f'{score["things"]} things')


def films(seeds: Iterable[int]) -> Iterator[Labelled]:
    """Yield pictures of simulated worlds."""
    # The world is a helper of the tests, so that they and this see the same one.
    sys.path.insert(0, str(TESTS / 'simulation'))
    from world import World

    for seed in seeds:
        with World(seed, boards=BOARDS[seed % len(BOARDS)]) as world:
            for _ in range(SHOTS):
                shot = world.shoot()
                yield shot.image, shot.boxes()
                world.step(BETWEEN_S)


def scenes(seeds: Iterable[int]) -> Iterator[Labelled]:
    """Yield composed scenes of things that the model's box network knows."""
    chosen = [cutout for cutout in cutouts(BOXED) if not cutout.recipe.fit]
    for seed in seeds:
        scene = make_scene(seed, chosen)
        # One thing must not have two names, when all names are asked for at once.
        yield (
            scene.image,
            tuple(
                TruthBox('cup' if thing.name == 'mug' else thing.name, tuple(thing.xyxy.tolist()))
                for thing in scene.things
            ),
        )


def photographs() -> Iterator[Labelled]:
    """Yield each photograph with boxes drawn by hand, in five versions."""
    for entry in json.loads((TESTS / 'data' / 'photographs.json').read_text('utf-8')):
        photo = getattr(skimage.data, entry['photo'])()
        photo = photo[0] if isinstance(photo, tuple) else photo
        height, width = photo.shape[:2]
        boxes = [(item['names'][0], tuple(item['xyxy'])) for item in entry['objects']]
        mirrored = [(name, (width - x2, y1, width - x1, y2)) for name, (x1, y1, x2, y2) in boxes]
        half = [(name, tuple(side / 2 for side in box)) for name, box in boxes]
        small = cv2.resize(photo, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        for image, things in (
            (photo, boxes),
            (photo[:, ::-1], mirrored),
            ((photo * 0.5).astype(np.uint8), boxes),
            (np.clip(photo * 1.4, 0, 255).astype(np.uint8), boxes),
            (small, half),
        ):
            yield np.ascontiguousarray(image), tuple(TruthBox(*thing) for thing in things)


def labelled(pictures: Iterable[Labelled], folder: Path) -> Path:
    """Write a test set in COCO's layout and return its file."""
    (folder / 'images').mkdir(parents=True)
    numbers: dict[str, int] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (image, things) in enumerate(pictures, 1):
        file = f'{number:05d}.png'
        if not cv2.imwrite(str(folder / 'images' / file), image[..., ::-1]):
            raise OSError(f'{folder / "images" / file} cannot be written')
        height, width = image.shape[:2]
        images.append({'id': number, 'file_name': file, 'width': width, 'height': height})
        for thing in things:
            left, top, right, bottom = thing.xyxy
            bbox = [left, top, right - left, bottom - top]
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': number,
                    'category_id': numbers.setdefault(thing.label, len(numbers) + 1),
                    'bbox': bbox,
                    'area': bbox[2] * bbox[3],
                    # What is too small to be asked for may be found and may be missed.
                    'iscrowd': int(thing.difficult),
                }
            )
    for name in ABSENT:
        numbers.setdefault(name, len(numbers) + 1)
    categories = [{'id': number, 'name': name} for name, number in numbers.items()]
    truth = {'images': images, 'annotations': annotations, 'categories': categories}
    path = folder / 'instances.json'
    path.write_text(json.dumps(truth), 'utf-8')
    return path


def evaluated(truth: Path) -> dict[str, Any]:
    """Return what `vlm-ros evaluate --backend embedded --json` says."""
    command = [sys.executable, '-m', 'vlm_ros.cli', 'evaluate', '--backend', 'embedded']
    command += ['--truth', str(truth), '--json', '--quiet']
    command += ['--output', str(truth.parent / 'predictions')]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(ended.stderr)
    scores: dict[str, Any] = json.loads(ended.stdout)
    return scores


def figure(name: str, given: dict[str, Any], setting: str) -> Figure:
    """Make a figure of an estimate with its interval."""
    low, high = given['low'], given['high']
    within = '' if low is None else f'; 95 % from {low:.3g} to {high:.3g}'
    value = float('nan') if given['value'] is None else given['value']
    return Figure(f'detection_quality.{name}', value, '', f'{setting}{within}')


if __name__ == '__main__':
    main()
