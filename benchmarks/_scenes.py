"""Scenes made of cut-out photographs, so that what is where is known exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from benchmarks._cutouts import ALIKE, Cutout, Rgba, SOLID
from vlm_ros.boxes import FloatArray
from vlm_ros.tasks import Image

RESOLUTION_WH = (640, 480)
MAX_KINDS = 3
"""Different things in a scene."""
MAX_OF_A_KIND = 4
COVERED = 0.34
"""What part of the scene its things take together, at most."""
SIDES_PX = (95.0, 230.0)
"""Root of a thing's area: below that the smallest photographs are not sharper than a thumbnail."""
SCALES = (0.75, 1.3)
GAP_PX = 6
TRIES = 300

PAINTS = {
    'red': (190, 35, 40),
    'orange': (240, 130, 25),
    'yellow': (240, 210, 50),
    'green': (40, 140, 60),
    'blue': (40, 85, 190),
    'purple': (120, 50, 150),
    'pink': (240, 140, 180),
    'white': (235, 235, 232),
    'black': (32, 32, 34),
}
"""Basic colours (Berlin and Kay, 1969) near their foci. Brown and grey are left out: they are what
shade makes of orange and white."""
COLOURED = 64
"""From this saturation on, of 255, a pixel belongs to the coloured body of a thing."""
RELIEF = 0.75
"""How much of its light and shade a painted thing keeps."""

GROUNDS = {
    'grass': (0.78, 1.0, 0.55),
    'gravel': (1.0, 0.96, 0.9),
    'brick': (1.0, 0.8, 0.68),
    'asphalt': (0.62, 0.63, 0.66),
    'sky': (1.0, 1.0, 1.0),
}
"""What each ground's grey is multiplied with; `asphalt` is gravel from far away."""


@dataclass(frozen=True)
class Thing:
    """Something in a scene, or found in one.

    Attributes:
        name: What it is.
        xyxy: `(4,)` float32, pixels of the scene.
        colour: A basic colour; empty where it has none that is plain.
    """

    name: str
    xyxy: FloatArray
    colour: str = ''


@dataclass(frozen=True)
class Scene:
    """A picture and the truth about it.

    Attributes:
        seed: What it was made from.
        image: `(480, 640, 3)` uint8 RGB.
        things: All there is.
        absent: Names of things that could have been in it and are not.
        ground: What the things lie on.
    """

    seed: int
    image: Image
    things: tuple[Thing, ...]
    absent: tuple[str, ...]
    ground: str = ''
    counts: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        names = [thing.name for thing in self.things]
        object.__setattr__(self, 'counts', {name: names.count(name) for name in names})


def make_scene(seed: int, cutouts: Sequence[Cutout]) -> Scene:
    """Make a scene; the same seed and cut-outs make the same."""
    random = np.random.default_rng(seed)
    ground = str(random.choice(list(GROUNDS)))
    canvas = _ground(ground, random)
    by_name: dict[str, list[Cutout]] = {}
    for cutout in cutouts:
        by_name.setdefault(cutout.name, []).append(cutout)
    names = [str(name) for name in random.permutation(sorted(by_name))]
    chosen = _unlike(names)[: 1 + int(random.integers(MAX_KINDS))]
    numbers = [1 + int(random.integers(MAX_OF_A_KIND)), *(1 for _ in chosen[1:])]
    if len(chosen) > 1 and random.random() < 0.3:
        numbers[1] = 2
    wanted = [name for name, number in zip(chosen, numbers, strict=True) for _ in range(number)]
    side = np.sqrt(COVERED * canvas.shape[0] * canvas.shape[1] / len(wanted))
    side = float(np.clip(side, *SIDES_PX))
    things: list[Thing] = []
    for name in wanted:
        cutout = by_name[name][int(random.integers(len(by_name[name])))]
        rgba, colour = _varied(cutout, random)
        thing = _place(canvas, rgba, side, things, random)
        if thing is not None:
            things.append(Thing(name, thing, colour))
    there = {thing.name for thing in things}
    like = set().union(*(alike for alike in ALIKE if alike & there))
    absent = tuple(name for name in names if name not in there | like)
    image = cv2.GaussianBlur(canvas, (3, 3), 0.5)
    return Scene(seed, np.ascontiguousarray(image), tuple(things), absent, ground)


def paint(rgba: Rgba, colour: str, part: str) -> Rgba:
    """Give a thing another basic colour, keeping its light and shade.

    Args:
        rgba: The thing.
        colour: One of `PAINTS`.
        part: `all` of it, or its `body`: what is coloured already.
    """
    rgb = np.ascontiguousarray(rgba[..., :3])
    body = rgba[..., 3] >= SOLID
    if part == 'body':
        body &= cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 1] >= COLOURED
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    target = cv2.cvtColor(np.float32([[PAINTS[colour]]]) / 255, cv2.COLOR_RGB2Lab)[0, 0]
    light = target[0] + RELIEF * (lab[body, 0] - np.median(lab[body, 0]))
    light = np.clip(light, 4, 98)
    # Little chroma fits into what is nearly black or white.
    room = np.minimum(light, 100 - light) / min(target[0], 100 - target[0])
    lab[body] = np.column_stack([light, target[1:] * np.clip(room, 0, 1)[:, None]])
    painted = np.clip(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB) * 255, 0, 255).astype(np.uint8)
    return np.dstack([painted, rgba[..., 3]])


def _unlike(names: Sequence[str]) -> list[str]:
    kept: list[str] = []
    for name in names:
        if not any(name in alike and alike & set(kept) for alike in ALIKE):
            kept.append(name)
    return kept


def _varied(cutout: Cutout, random: np.random.Generator) -> tuple[Rgba, str]:
    """Mirror, light and paint a cut-out by chance."""
    rgba, colour = cutout.rgba, cutout.recipe.colour
    if cutout.recipe.paint:
        colour = str(random.choice(list(PAINTS)))
        rgba = paint(rgba, colour, cutout.recipe.paint)
    if random.random() < 0.5:
        rgba = rgba[:, ::-1]
    lit = np.clip(rgba[..., :3] * random.uniform(0.9, 1.1), 0, 255).astype(np.uint8)
    return np.dstack([lit, rgba[..., 3]]), colour


def _place(
    canvas: Image, rgba: Rgba, side: float, others: Sequence[Thing], random: np.random.Generator
) -> FloatArray | None:
    """Draw a thing where there is room; None where there is none."""
    height, width = canvas.shape[:2]
    for attempt in range(TRIES):
        shrink = 1 - 0.4 * attempt / TRIES
        scale = side * shrink * random.uniform(*SCALES) / np.sqrt(rgba[..., 3].size)
        size = np.array(rgba.shape[1::-1]) * scale
        if (size > 0.8 * np.array([width, height])).any():
            continue
        low = random.uniform((0, 0), np.array([width, height]) - np.ceil(size) - 1)
        left, top = low.astype(int)
        box = np.array([left, top, *(low.astype(int) + size.astype(int))], np.float32)
        if any(_touch(box, other.xyxy) for other in others):
            continue
        right, bottom = box[2:].astype(int)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        # Colour and cover are scaled together, so that no colour of what is cut off comes in.
        cover = rgba[..., 3:].astype(np.float32) / 255
        layers = np.dstack([rgba[..., :3] * cover, cover])
        layers = cv2.resize(layers, (right - left, bottom - top), interpolation=how)
        cover = np.clip(layers[..., 3:], 0, 1)
        under = canvas[top:bottom, left:right]
        under[:] = np.clip(layers[..., :3] + under * (1 - cover), 0, 255).astype(np.uint8)
        return box
    return None


def _touch(box: FloatArray, other: FloatArray) -> bool:
    return bool((box[:2] < other[2:] + GAP_PX).all() and (other[:2] < box[2:] + GAP_PX).all())


def _ground(name: str, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    width, height = RESOLUTION_WH
    if name == 'sky':
        ground = np.float32(_sky())
    else:
        source = skimage.data.gravel() if name == 'asphalt' else getattr(skimage.data, name)()
        side = 512 if name == 'asphalt' else int(random.integers(320, 513))
        left, top = random.integers(0, 512 - side + 1, 2)
        crop = np.float32(source)[top : top + side * 3 // 4, left : left + side]
        if name == 'asphalt':
            small = cv2.resize(crop, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            crop = np.tile(small, (2, 2))
        ground = np.repeat(crop[..., None], 3, 2)
    ground = cv2.resize(ground, (width, height))[:, :: 1 if random.random() < 0.5 else -1]
    shade = np.linspace(random.uniform(0.8, 1), random.uniform(0.8, 1), height)
    tint = np.float32(GROUNDS[name]) * shade[:, None, None]
    return np.ascontiguousarray(np.clip(ground * tint, 0, 255).astype(np.uint8))


def _sky() -> npt.NDArray[np.uint8]:
    """The part of the rocket's photograph that shows nothing but the evening sky."""
    return np.asarray(skimage.data.rocket()[:110, 405:560], np.uint8)


def gaps(things: Sequence[Thing], axis: int) -> bool:
    """Tell whether things lie apart on an axis, 0 for x and 1 for y, one after the other."""
    ordered = sorted(things, key=lambda thing: float(thing.xyxy[axis]))
    return all(a.xyxy[axis + 2] <= b.xyxy[axis] for a, b in pairwise(ordered))
