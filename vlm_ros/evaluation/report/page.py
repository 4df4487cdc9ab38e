"""The page itself: a template filled in, with plots as SVG and pictures as JPEG inside it."""

import base64
from dataclasses import dataclass
from importlib import resources
import io
from pathlib import Path
import re
from typing import Any
import warnings

import cv2
import numpy as np

from vlm_ros.images import Image
from vlm_ros.whole_files import writing

PICTURE_PX = 480
"""The longer side of a picture on the page."""
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Picture:
    """A picture with a line below it.

    Attributes:
        source: A data address of a JPEG.
        caption: What it shows.
    """

    source: str
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Pictures under a heading, and what to say where there are none."""

    title: str
    about: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Table:
    """Rows under headings; `rows` are as wide as `head`."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    about: str = ''


@dataclass(frozen=True)
class Plot:
    """A plot as SVG."""

    title: str
    svg: str


@dataclass(frozen=True)
class Page:
    """All that is on a page."""

    title: str
    about: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    galleries: tuple[Gallery, ...] = ()


def write_page(folder: Path, page: Page) -> Path:
    """Write `index.html`, whole or not at all; equal pages give equal bytes.

    Raises:
        StorageError: The disk is full, or the folder cannot be written.
    """
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    file = resources.files('vlm_ros.evaluation.report') / 'page.html'
    template = environment.from_string(file.read_text(encoding='utf-8'))
    # Plots are this package's own; all else is escaped.
    plots = [(plot.title, markupsafe.Markup(plot.svg)) for plot in page.plots]
    path = folder / 'index.html'
    with writing(path) as stream:
        stream.write(template.render(page=page, plots=plots).encode() + b'\n')
    return path


def picture(image: Image, caption: str) -> Picture:
    """Return a picture for a page; large ones are made smaller.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        caption: What it shows.
    """
    height, width = image.shape[:2]
    scale = min(1.0, PICTURE_PX / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    content = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    encoded = base64.b64encode(content.tobytes()).decode()
    return Picture(f'data:image/jpeg;base64,{encoded}', caption)


def short(name: str, letters: int = 24) -> str:
    """Return a name as a plot has room for it."""
    return name if len(name) <= letters else f'{name[: letters - 1]}…'


def plot(title: str, draw: Any, *, size: tuple[float, float] = (5.0, 3.6)) -> Plot:
    """Return a plot.

    Args:
        title: Its heading.
        draw: Called with the `matplotlib.axes.Axes` to draw on.
        size: In inches.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The salt decides the names of the parts, which are random otherwise.
    settings: Any = {
        'svg.hashsalt': title,
        'svg.fonttype': 'none',
        'font.size': 9,
        'text.parse_math': False,  # a class may have a $ in its name
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # Letters that matplotlib's font lacks are shown by the browser's.
        warnings.filterwarnings('ignore', 'Glyph .* missing', UserWarning)
        figure = Figure(figsize=size, layout='constrained')
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        stream = io.StringIO()
        metadata = {'Date': None, 'Creator': None}
        figure.savefig(stream, format='svg', metadata=metadata)
    svg = stream.getvalue()
    svg = svg[svg.index('<svg') :]
    # Names are of a plot and there are several on a page.
    prefix = re.sub(r'[^a-z]+', '-', title.lower())
    svg = re.sub(r'(id="|href="#|url\(#)', rf'\g<1>{prefix}-', svg)
    return Plot(title, svg)
