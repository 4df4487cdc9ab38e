"""Photographs of single things, cut out.

Most are stamps of Tux Paint: photographs whose background their authors made transparent, in
Debian's package `tuxpaint-stamps-default` (GPL-2, Bill Kendrick and contributors). It is read
where it is installed; elsewhere it is downloaded once by apt, and the files named here go into the
package's cache. Three more are photographs of scikit-image (public domain or CC0) from which the
thing is cut by GrabCut (https://doi.org/10.1145/1186562.1015720). Nothing of them is stored in the
repository.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
import shutil
import subprocess
import tempfile

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from vlm_ros.backends.weights import cache_folder

Rgba = npt.NDArray[np.uint8]
"""`(H, W, 4)`: red, green, blue, and how far each pixel belongs to the thing."""

PACKAGE = 'tuxpaint-stamps-default'
INSTALLED = Path('/usr/share/tuxpaint/stamps')
DOWNLOAD_S = 600
SOLID = 128
"""From this alpha on a pixel is part of the thing."""
BAND_PX, ROUNDS = 9, 4
"""GrabCut looks this far around an outline, so many times."""


@dataclass(frozen=True)
class Recipe:
    """How one cut-out is made.

    Attributes:
        name: What the thing is.
        file: A stamp, without its suffix; or a photograph of scikit-image.
        outline: Roughly where the thing ends, as `x,y` in pixels of the photograph; none for a
            stamp.
        colour: The basic colour that anybody would give it; empty where that is not so plain.
        paint: What is painted when it gets another colour: `all` of it, only its `body` (what is
            coloured already: not tyres and windows), or nothing.
        fit: Whether it is kept for fitting constants, and never asked about in a test.
    """

    name: str
    file: str
    outline: str = ''
    colour: str = ''
    paint: str = ''
    fit: bool = False


CAT = (
    '40,0 397,0 375,35 362,65 360,100 362,140 350,170 325,195 312,230 300,265 280,285 250,292'
    ' 200,280 150,260 110,235 75,200 50,165 38,120 30,70'
)
ASTRONAUT = (
    '155,70 165,45 190,30 230,15 270,22 297,55 302,85 290,115 275,135 262,150 258,172 285,195'
    ' 303,235 330,250 347,290 362,345 330,360 300,390 283,430 278,511 20,511 25,430 20,395 28,330'
    ' 45,280 62,245 110,215 113,190 128,165 150,150 182,148 180,130 165,118 155,95'
)
CUP = (
    '174,105 180,70 200,42 240,23 285,18 340,27 380,48 402,80 406,115 395,165 385,205 370,225'
    ' 345,258 320,275 285,285 255,280 240,292 225,307 205,303 196,290 200,262 212,240 195,215'
    ' 180,175'
)

BOXED = (
    Recipe('cat', 'chelsea', outline=CAT),
    Recipe('person', 'astronaut', outline=ASTRONAUT, fit=True),
    Recipe('person', 'people/fireman200b'),
    Recipe('person', 'people/fireman240a'),
    Recipe('cup', 'coffee', outline=CUP, fit=True),
    Recipe('mug', 'household/dishes/mug', paint='all'),
    Recipe('dog', 'animals/mammals/dogs/dog'),
    Recipe('cow', 'animals/mammals/bovines/cow'),
    Recipe('cow', 'animals/mammals/bovines/zebu'),
    Recipe('cow', 'animals/mammals/bovines/cow_white', fit=True),
    Recipe('car', 'vehicles/auto/beetle', paint='body'),
    Recipe('car', 'vehicles/auto/sedan', paint='body'),
    Recipe('car', 'vehicles/auto/sportscar2', paint='body', fit=True),
    Recipe('camera', 'hobbies/camera_35mm'),
)
"""Of the classes that the embedded backend's box network was trained on. It has boxes for chairs,
bottles, bicycles and others too, of which neither source has a photograph."""

NAMED = (
    Recipe('zebra', 'animals/mammals/equines/zebra'),
    Recipe('tiger', 'animals/mammals/cats/tiger', fit=True),
    Recipe('tiger', 'animals/mammals/cats/tiger_sumatran'),
    Recipe('lion', 'animals/mammals/cats/lion-2'),
    Recipe('lion', 'animals/mammals/cats/lion', fit=True),
    Recipe('elephant', 'animals/mammals/elephant'),
    Recipe('bear', 'animals/mammals/bears/bear', fit=True),
    Recipe('bear', 'animals/mammals/bears/european-bear'),
    Recipe('gorilla', 'animals/mammals/apes/gorilla', fit=True),
    Recipe('camel', 'animals/mammals/camel/dromedary'),
    Recipe('bison', 'animals/mammals/bovines/bison'),
    Recipe('koala', 'animals/marsupials/koala'),
    Recipe('squirrel', 'animals/mammals/rodents/squirrel', fit=True),
    Recipe('beaver', 'animals/mammals/rodents/beaver'),
    Recipe('flamingo', 'animals/birds/pink_flamingo', colour='pink'),
    Recipe('penguin', 'animals/birds/penguin'),
    Recipe('pelican', 'animals/birds/pelican', fit=True),
    Recipe('hen', 'animals/birds/hen'),
    Recipe('guitar', 'hobbies/music/string/guitar_classical', fit=True),
    Recipe('guitar', 'hobbies/music/string/guitar_electric'),
    Recipe('guitar', 'hobbies/music/string/guitar2'),
    Recipe('violin', 'hobbies/music/string/violin', fit=True),
    Recipe('broccoli', 'food/vegetables/broccoli', colour='green'),
    Recipe('lemon', 'food/fruit/lemon', colour='yellow'),
    Recipe('strawberry', 'food/fruit/Strawberry2', colour='red', fit=True),
    Recipe('pineapple', 'food/fruit/pineapple'),
    Recipe('basketball', 'sports/basketball', colour='orange'),
    Recipe('soccer ball', 'sports/soccer', fit=True),
    Recipe('fire engine', 'vehicles/emergency/firetruck', colour='red'),
    Recipe('garbage truck', 'vehicles/garbagetruck', fit=True),
    Recipe('bus', 'vehicles/masstransit/green_korean_bus', colour='green'),
    Recipe('teapot', 'household/dishes/teapot', colour='black'),
    Recipe('toilet', 'household/toilet'),
    Recipe('balloon', 'vehicles/flight/balloon360'),
    Recipe('tricycle', 'vehicles/cycle/pink_tricycle', colour='pink'),
)
"""Of the 1000 classes that the embedded backend can name but was never shown boxes of."""

ALIKE = ({'cup', 'mug'}, {'cow', 'bison'}, {'guitar', 'violin'})
"""Names that one thing may go by, or that a person would not hold against another."""


@dataclass(frozen=True, eq=False)
class Cutout:
    """One thing, as it was photographed."""

    recipe: Recipe
    rgba: Rgba

    @property
    def name(self) -> str:
        """What it is."""
        return self.recipe.name


@cache
def cutouts(recipes: Sequence[Recipe]) -> tuple[Cutout, ...]:
    """Make cut-outs.

    Raises:
        RuntimeError: Stamps are neither installed nor to be had; the message says what to do.
    """
    stamps = [recipe.file for recipe in recipes if not recipe.outline]
    folder = _stamps(stamps) if stamps else Path()
    return tuple(
        Cutout(recipe, _cut(recipe) if recipe.outline else _read(folder / f'{recipe.file}.png'))
        for recipe in recipes
    )


def _read(file: Path) -> Rgba:
    pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    return _cropped(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA), np.uint8))


def _cut(recipe: Recipe) -> Rgba:
    """Cut along an outline; where exactly it runs, the pixels near it decide."""
    photo = np.asarray(getattr(skimage.data, recipe.file)(), np.uint8)[..., :3]
    points = np.array([point.split(',') for point in recipe.outline.split()], np.int32)
    rough = cv2.fillPoly(np.zeros(photo.shape[:2], np.uint8), [points], 1)
    marks = np.where(rough, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    band = np.ones((BAND_PX, BAND_PX), np.uint8)
    marks[cv2.erode(rough, band, borderValue=1) > 0] = cv2.GC_FGD
    marks[cv2.dilate(rough, band) == 0] = cv2.GC_BGD
    cv2.setRNGSeed(7)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(photo[..., ::-1])
    cv2.grabCut(bgr, marks, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK)
    thing = np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    thing = _largest(cv2.morphologyEx(thing, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)))
    alpha = cv2.GaussianBlur(thing * 255, (5, 5), 0)
    return _cropped(np.dstack([photo, alpha]))


def _largest(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    return np.asarray(labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()), np.uint8)


def _cropped(rgba: Rgba) -> Rgba:
    rows, columns = np.nonzero(rgba[..., 3] >= SOLID)
    return np.ascontiguousarray(
        rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    )


def _stamps(files: Sequence[str]) -> Path:
    """Return the folder that holds stamps."""
    own = cache_folder() / 'benchmarks' / PACKAGE
    for folder in (INSTALLED, own):
        if all((folder / f'{file}.png').is_file() for file in files):
            return folder
    with tempfile.TemporaryDirectory(prefix='vlm_ros_') as temporary:
        try:
            _run(['apt-get', 'download', PACKAGE], temporary)
            archive = next(Path(temporary).glob('*.deb'))
            _run(['dpkg-deb', '--extract', str(archive), 'content'], temporary)
        except (OSError, subprocess.SubprocessError) as error:
            raise RuntimeError(
                f'the cut-outs cannot be had; run: sudo apt-get install {PACKAGE}'
            ) from error
        content = Path(temporary, 'content', *INSTALLED.parts[1:])
        every = {r.file for r in (*BOXED, *NAMED) if not r.outline}
        for file in every:
            target = own / f'{file}.png'
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(content / f'{file}.png', target)
    return own


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=DOWNLOAD_S)
