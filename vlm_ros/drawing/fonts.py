"""Fonts that can write a given text, and text that fits a given width."""

from collections.abc import Iterable
import functools
import importlib.util
from pathlib import Path
import shutil
import subprocess

import numpy as np
from PIL import ImageFont

from vlm_ros.boxes import FloatArray

_PROBE_PX = 16
_FONTCONFIG_TIMEOUT_S = 5.0


def font_for(texts: list[str]) -> tuple[str, list[str]]:
    """Find a font for texts in any script.

    Returns:
        The font's path, and the texts, in which `?` stands for what no font here can write.
    """
    characters = frozenset(''.join(texts)) - frozenset(' \n\t')
    path = default_font()
    missing = _missing(path, characters)
    if missing:
        # Most fonts of another script have the Latin letters too, but not every accent.
        others = [_system_font(characters), _system_font(missing)]
        for other in (other for other in others if other is not None):
            if len(_missing(other, characters)) < len(missing):
                path, missing = other, _missing(other, characters)
    table = {ord(character): '?' for character in missing}
    return path, [text.translate(table) for text in texts]


@functools.cache
def default_font() -> str:
    """Return the path of DejaVu Sans (Latin, Greek, Cyrillic, Arabic, ...) or the like.

    supervision depends on matplotlib, which carries it, so that drawings look alike everywhere.
    """
    spec = importlib.util.find_spec('matplotlib')
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder, 'mpl-data/fonts/ttf/DejaVuSans.ttf')
        if path.is_file():
            return str(path)
    # Debian's matplotlib links to the system's copy, which Pillow finds by name.
    return 'DejaVuSans.ttf'


@functools.lru_cache(maxsize=64)
def _system_font(characters: frozenset[str]) -> str | None:
    """Ask fontconfig for a font that has every character."""
    if not shutil.which('fc-list'):
        return None
    charset = ' '.join(f'{ord(character):x}' for character in sorted(characters))
    try:
        listed = subprocess.run(
            ['fc-list', '--format', '%{file}\n', f':charset={charset}'],
            capture_output=True,
            text=True,
            timeout=_FONTCONFIG_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    scalable = (
        path for path in listed.stdout.split('\n') if path.endswith(('.ttf', '.otf', '.ttc'))
    )
    # Plain cuts have the shortest names: no Bold, no Condensed, no Oblique.
    return min(scalable, key=lambda path: (len(path), path), default=None)


@functools.lru_cache(maxsize=256)
def _missing(path: str, characters: frozenset[str]) -> frozenset[str]:
    """Return the characters that a font draws as its sign for an unknown one."""
    font = ImageFont.truetype(path, _PROBE_PX)
    # The last code point is never a character.
    unknown = bytes(font.getmask('\U0010ffff'))
    return frozenset(
        character
        for character in characters
        if not character.isprintable() or bytes(font.getmask(character)) == unknown
    )


def sizes_wh(texts: list[str], font: ImageFont.FreeTypeFont) -> FloatArray:
    """Return `(N, 2)` float32: the width and height of each text in pixels."""
    boxes = [font.getbbox(text) for text in texts]
    return np.array([(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes], np.float32).reshape(-1, 2)


def shorten(texts: list[str], font: ImageFont.FreeTypeFont, width_px: int) -> list[str]:
    """Cut what is wider than `width_px`, with `…` in its place."""
    return [
        text if font.getlength(text) <= width_px else _cut(text, font, width_px) for text in texts
    ]


def _cut(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> str:
    while text and font.getlength(f'{text}…') > width_px:
        text = text[:-1].rstrip()
    return f'{text}…'


def wrap(text: str, font: ImageFont.FreeTypeFont, width_px: int, max_lines: int) -> list[str]:
    """Break a text into lines of at most `width_px`; the last ends in `…` where it is cut.

    A word that is wider than a line, or a script without spaces, is broken anywhere.
    """
    lines: list[str] = []
    rest = ' '.join(text.split())
    while rest:
        line = _first_line(rest, font, width_px)
        rest = rest[len(line) :].strip()
        if rest and len(lines) + 1 == max_lines:
            return [*lines, _cut(line.rstrip(), font, width_px)]
        lines.append(line.rstrip())
    return lines


def _first_line(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> str:
    line = ''
    for piece in _pieces(text):
        if font.getlength((line + piece).rstrip()) <= width_px:
            line += piece
            continue
        if line:
            return line
        end = 1
        while end < len(piece) and font.getlength(piece[: end + 1]) <= width_px:
            end += 1
        return piece[:end]
    return line


def _pieces(text: str) -> Iterable[str]:
    """Yield the words, each with the space behind it."""
    *words, last = text.split(' ')
    yield from (f'{word} ' for word in words)
    yield last
