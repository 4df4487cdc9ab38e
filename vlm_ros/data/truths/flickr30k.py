"""Flickr30k Entities (arXiv 1505.04870): `Sentences/ID.txt` and `Annotations/ID.xml`.

A file of sentences has one a line, in which `[/EN#283585/people A man]` is a phrase, the number of
its chain and what it is. Chains have boxes in the annotations, or none where nothing is seen; the
number 0 is for what cannot be. Pixels count from 1, and the dataset's own tools take 1 off all
four edges, as is done here (https://github.com/BryanPlummer/flickr30k_entities).
"""

from pathlib import Path
import re
import xml.etree.ElementTree as ET

from vlm_ros.data.formats.truth import content, lines, whole_number
from vlm_ros.data.truths.items import Box, Expression, LanguageTruth
from vlm_ros.data.truths.pictures import pictures_near
from vlm_ros.errors import InputError

_PHRASE = re.compile(r'\[/EN#(?P<chain>\d+)/(?P<kinds>[^\s\]]+) (?P<words>[^\]]*)\]')


def read_flickr30k(
    folder: Path, *, split: str | None = None, images: Path | None = None
) -> LanguageTruth:
    """Read phrases; keys are `IMAGE#SENTENCE#PHRASE`, numbers from 0.

    Phrases without boxes are left out, as the benchmark does.

    Args:
        folder: The one with `Sentences` and `Annotations` in it.
        split: A list `SPLIT.txt` beside them; None for all images.
        images: The folder of the pictures; None to look around.

    Raises:
        InputError: A file is missing, damaged or no such dataset's.
    """
    if split is None:
        keys = sorted(path.stem for path in (folder / 'Sentences').glob('*.txt'))
    else:
        keys = [row.strip() for row in lines(folder / f'{split}.txt') if row.strip()]
    items: list[Expression] = []
    unseen = 0
    for key in keys:
        file, boxes = _annotations(folder / 'Annotations' / f'{key}.xml')
        for number, row in enumerate(lines(folder / 'Sentences' / f'{key}.txt')):
            for place, phrase in enumerate(_PHRASE.finditer(row)):
                own = boxes.get(phrase['chain'])
                if not own:
                    unseen += 1
                    continue
                text = ' '.join(phrase['words'].split())
                name = f'{key}#{number}#{place}'
                group = phrase['kinds'].split('/')[0]
                items.append(Expression(name, (file,), text, group, tuple(own)))
    if not items:
        raise InputError(f'{folder / "Sentences"} has no phrases with boxes')
    told = f'{unseen} phrases without boxes' if unseen else ''
    pictures = images or pictures_near(folder, [items[0].images[0]])
    return LanguageTruth(items, 'flickr30k', pictures, told)


def _annotations(path: Path) -> tuple[str, dict[str, list[Box]]]:
    text = content(path)
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise InputError(f'{path} is no annotation of Flickr30k Entities: {error}') from error
    found: dict[str, list[Box]] = {}
    for thing in root.findall('object'):
        edges = thing.find('bndbox')
        if edges is None:
            continue
        left, top, right, bottom = (
            whole_number(edges.findtext(edge) or '', f'{edge} of {path}') - 1
            for edge in ('xmin', 'ymin', 'xmax', 'ymax')
        )
        if right < left or bottom < top:
            raise InputError(f'{path}: a box ends before it begins; correct or remove it')
        for name in thing.findall('name'):
            found.setdefault((name.text or '').strip(), []).append((left, top, right, bottom))
    return root.findtext('filename') or f'{path.stem}.jpg', found
