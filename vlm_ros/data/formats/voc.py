"""Pascal VOC: an XML file an image (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/).

Pixels count from 1 and the last one is included, as in the VOC development kit and in the readers
that were made for it: a box over the whole of a 640×480 image is 1, 1, 640, 480. They are whole
numbers, because many readers take no others, so an edge moves by up to half a pixel. Elements that
VOC does not have are left alone by its readers: `score`, `track_id`, `stamp_ns`, `key`.
"""

from collections.abc import Iterable, Sequence
import math
from pathlib import Path
import xml.etree.ElementTree as ET

from vlm_ros.data.formats.exporting import Export, ExportedBox, write_text, Written
from vlm_ros.data.formats.truth import (
    content,
    Fitting,
    in_score_range,
    lines,
    numbers,
    TOLERANCE_PX,
    TruthBox,
    TruthImage,
    TruthSet,
    whole_number,
)
from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord
from vlm_ros.whole_files import writing

_EDGES = ('xmin', 'ymin', 'xmax', 'ymax')


def write_voc(
    records: Iterable[FrameRecord],
    vocabulary: Sequence[str],
    folder: Path,
    *,
    images: Path | None = None,
    split: str = 'train',
) -> Written:
    """Write `Annotations/KEY.xml`, and `ImageSets/Main/SPLIT.txt` that lists the keys.

    Args:
        records: The images; see `Export` for those that are left out.
        vocabulary: The names; their order is kept in `labels.txt`, as VOC has no numbers.
        folder: Where the files go.
        images: The folder that the records' pictures are in; they are linked, or copied, into
            `JPEGImages/`, with the suffix that they have. None leaves that to others.
        split: Of the list.

    Raises:
        InputError: A key is there twice, a label is not in the vocabulary, or a picture is
            missing.
        StorageError: The disk is full, or the folder cannot be written.
    """
    export = Export(vocabulary, folder, images, 'JPEGImages')
    for record, name, boxes in export.frames(records, 'Annotations/{}.xml'):
        root = _annotation(record, name, boxes)
        ET.indent(root)
        with writing(folder / 'Annotations' / f'{record.key}.xml') as stream:
            stream.write(ET.tostring(root, 'utf-8') + b'\n')
    write_text(folder / 'labels.txt', export.vocabulary)
    path = folder / 'ImageSets' / 'Main' / f'{split}.txt'
    write_text(path, export.keys)
    return export.written(path)


def _annotation(record: FrameRecord, name: str, boxes: Sequence[ExportedBox]) -> ET.Element:
    root = ET.Element('annotation')
    _add(root, 'folder', 'JPEGImages')
    _add(root, 'filename', name)
    _add(root, 'key', record.key)
    source = ET.SubElement(root, 'source')
    _add(source, 'database', record.source)
    _add(source, 'annotation', 'vlm_ros')
    if record.topic:
        _add(source, 'image', record.topic)
    if record.stamp_ns is not None:
        _add(root, 'stamp_ns', record.stamp_ns)
    size = ET.SubElement(root, 'size')
    _add(size, 'width', record.image.width)
    _add(size, 'height', record.image.height)
    _add(size, 'depth', 3)
    _add(root, 'segmented', 0)
    for box in boxes:
        thing = ET.SubElement(root, 'object')
        _add(thing, 'name', box.label)
        _add(thing, 'pose', 'Unspecified')
        _add(thing, 'truncated', 0)
        _add(thing, 'difficult', 0)
        _add(thing, 'score', box.detection.score)
        if box.detection.track_id is not None:
            _add(thing, 'track_id', box.detection.track_id)
        edges = ET.SubElement(thing, 'bndbox')
        for edge, value in zip(_EDGES, _pixels(box), strict=True):
            _add(edges, edge, value)
    return root


def _pixels(box: ExportedBox) -> tuple[int, int, int, int]:
    left, top, right, bottom = box.xyxy
    (xmin, xmax), (ymin, ymax) = _span(left, right), _span(top, bottom)
    return xmin + 1, ymin + 1, xmax, ymax


def _span(start: float, stop: float) -> tuple[int, int]:
    first, last = math.floor(start + 0.5), math.floor(stop + 0.5)
    if last > first:
        return first, last
    middle = math.floor((start + stop) / 2)  # less than a pixel is the one that it is in
    return middle, middle + 1


def _add(parent: ET.Element, name: str, value: object) -> None:
    # XML has no place for most control characters, whatever a path has in it.
    text = ''.join(character if character.isprintable() else '�' for character in str(value))
    ET.SubElement(parent, name).text = text


def read_voc(
    folder: Path,
    *,
    split: str | None = None,
    images: Path | None = None,
    tolerance_px: float = TOLERANCE_PX,
) -> TruthSet:
    """Read a Pascal VOC dataset.

    Args:
        folder: The one with `Annotations` in it.
        split: The list of `ImageSets/Main`; None reads all annotations.
        images: The folder of the pictures, to see that all are there; None does not look.
        tolerance_px: How far a box may reach out of its image. Programs that count pixels from 0
            overshoot by one; such boxes are clipped and counted.

    Raises:
        InputError: A file is no such annotation, a picture is missing or there twice, or a box is
            impossible.
    """
    fitting = Fitting(tolerance_px)
    truths = [_read(path, fitting) for path in _annotations(folder, split)]
    if not truths:
        raise InputError(f'{folder / "Annotations"} has no annotations')
    keys: set[str] = set()
    for truth in truths:
        if truth.key in keys:
            raise InputError(f'the image {truth.key} is there twice in {folder}; remove one')
        keys.add(truth.key)
        if images is not None and not (images / truth.file).is_file():
            raise InputError(f'the picture {images / truth.file} of {folder} is missing')
    used = sorted({label for truth in truths for label in truth.labels})
    kept = lines(folder / 'labels.txt') if (folder / 'labels.txt').is_file() else []
    labels = [*kept, *(label for label in used if label not in kept)]
    return TruthSet(tuple(truths), tuple(labels), fitting.clipped)


def _annotations(folder: Path, split: str | None) -> list[Path]:
    place = folder / 'Annotations'
    if not place.is_dir():
        raise InputError(f'{folder} has no folder Annotations; is it the right one?')
    if split is None:
        return sorted(place.glob('*.xml'))
    listed = lines(folder / 'ImageSets' / 'Main' / f'{split}.txt')
    # Lists of one class have a second column.
    return [place / f'{row.split()[0]}.xml' for row in listed if row.strip()]


def _read(path: Path, fitting: Fitting) -> TruthImage:
    text = content(path)
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError) as error:
        raise InputError(f'{path} is not an annotation of VOC: {error}') from error
    width = whole_number(_text(root, 'size/width', path), f'width of {path}')
    height = whole_number(_text(root, 'size/height', path), f'height of {path}')
    if width <= 0 or height <= 0:
        raise InputError(f'{path}: the image is {width}×{height}; write its real size')
    boxes = tuple(
        _box(thing, width, height, fitting, f'object {number} of {path}')
        for number, thing in enumerate(root.findall('object'), 1)
    )
    key = root.findtext('key') or path.stem
    return TruthImage(key, _text(root, 'filename', path), width, height, boxes)


def _box(thing: ET.Element, width: int, height: int, fitting: Fitting, where: str) -> TruthBox:
    words = [_text(thing, f'bndbox/{edge}', where) for edge in _EDGES]
    left, top, right, bottom = numbers(words, where)
    score, track_id = thing.findtext('score'), thing.findtext('track_id')
    return TruthBox(
        _text(thing, 'name', where).strip(),
        fitting.fit((left - 1, top - 1, right, bottom), width, height, where),
        difficult=(thing.findtext('difficult') or '0').strip() == '1',
        score=None if score is None else in_score_range(numbers([score], where)[0], where),
        track_id=None if track_id is None else whole_number(track_id, where),
    )


def _text(root: ET.Element, path: str, where: object) -> str:
    text = root.findtext(path)
    if not text:
        raise InputError(f'{where}: there is no {path}; add it')
    return text
