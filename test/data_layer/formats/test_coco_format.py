"""COCO files, held against pycocotools and faster-coco-eval."""

import json
from pathlib import Path

import faster_coco_eval
import numpy as np
import pycocotools.coco
import pytest
import supervision as sv

from vlm_ros.data.formats import read_coco, write_coco
from vlm_ros.data.formats.masks import pixels_of
from vlm_ros.errors import InputError
from vlm_ros.records import MaskRecord
from vlm_ros.results import Status

# Its compiled part is older than the way in which NumPy 2 asks for copies.
of_pycocotools = pytest.mark.filterwarnings('ignore:__array__ implementation:DeprecationWarning')


@pytest.fixture
def written(dataset, tmp_path):
    return write_coco(dataset.records, dataset.vocabulary, tmp_path / 'coco').path


@of_pycocotools
@pytest.mark.parametrize('reader', [pycocotools.coco.COCO, faster_coco_eval.COCO])
def test_reference_readers_read_all(reader, written, dataset):
    coco = reader(str(written))
    assert [coco.loadCats(number)[0]['name'] for number in coco.getCatIds()] == list(
        dataset.vocabulary
    )
    assert sorted(coco.getImgIds()) == [1, 2, 3, 4]
    first = coco.loadImgs(1)[0]
    assert first['file_name'] == dataset.records[0].image.file
    assert first['stamp_ns'] == dataset.records[0].stamp_ns
    assert (first['source'], first['topic'], first['index']) == ('drive', '/front', 0)
    cat, person, masked = coco.loadAnns(sorted(coco.getAnnIds(imgIds=[1])))
    assert cat['bbox'] == [80.25, 60, 240.25, 240]
    assert (cat['score'], cat['track_id'], cat['category_id']) == (0.91, 7, 1)
    assert 'track_id' not in person
    assert (person['id'], person['category_id'], person['area']) == (2, 3, 29 * 38)
    pixels = pixels_of(dataset.records[0].detections[2].mask, (300, 451), '')
    np.testing.assert_array_equal(coco.annToMask(masked), pixels)
    assert masked['area'] == pixels.sum() > 30_000
    assert coco.getAnnIds(imgIds=[3]) == []


def test_supervision_reads_boxes_and_masks(dataset, tmp_path):
    out = tmp_path / 'coco'
    path = write_coco(dataset.records, dataset.vocabulary, out, images=dataset.folder).path
    read = sv.DetectionDataset.from_coco(str(out / 'images'), str(path), force_masks=True)
    assert tuple(read.classes) == dataset.vocabulary
    found = {Path(name).stem: detections for name, _, detections in read}
    assert [len(found[record.key]) for record in dataset.records[:3]] == [3, 1, 0]
    cats = found[dataset.records[0].key]
    np.testing.assert_allclose(cats.xyxy[0], dataset.records[0].detections[0].xyxy)
    pixels = pixels_of(dataset.records[0].detections[2].mask, (300, 451), '')
    np.testing.assert_array_equal(cats.mask[2], pixels.astype(bool))


def test_masks_come_back_as_they_were(written, dataset):
    boxes = read_coco(written, masks=True).images[0].boxes
    assert [box.mask for box in boxes] == [box.mask for box in dataset.records[0].detections]


def test_names_that_could_not_be_looked_for_are_said(dataset, tmp_path):
    update = {'status': Status.UNSURE, 'unrecognized': ('rocket',)}
    entry = dataset.records[0].model_copy(update=update)
    path = write_coco([entry], dataset.vocabulary, tmp_path).path
    assert json.loads(path.read_bytes())['images'][0]['not_exhaustive_category_ids'] == [4]


def test_a_damaged_mask_is_one_line(dataset, tmp_path):
    first = dataset.records[0]
    for mask, words in (
        (MaskRecord(size=(300, 451), counts='0150'), 'the mask is damaged'),
        (MaskRecord(size=(3, 4), counts='0<'), r'the mask is of \(3, 4\), the image'),
    ):
        box = first.detections[0].model_copy(update={'mask': mask})
        entry = first.model_copy(update={'detections': (box,)})
        with pytest.raises(InputError, match=words) as caught:
            write_coco([entry], dataset.vocabulary, tmp_path)
        assert '\n' not in str(caught.value)
        assert first.key in str(caught.value)
    assert not list(tmp_path.rglob('*.json'))


FILE = {
    'info': {'year': 2017},
    'categories': [{'id': 18, 'name': 'dog', 'supercategory': 'animal'}, {'id': 1, 'name': 'man'}],
    'images': [
        {'id': 139, 'file_name': '000000000139.jpg', 'width': 64, 'height': 48, 'license': 2},
        {'id': 7, 'coco_url': 'http://x/val2017/000000000007.jpg', 'width': 9, 'height': 9},
    ],
    'annotations': [
        {
            'id': 5,
            'image_id': 139,
            'category_id': 18,
            'bbox': [10.5, 5, 53.6, 20],
            'iscrowd': 0,
            'area': 900.0,
            'segmentation': [[10.0, 5.0, 40.0, 5.0, 40.0, 25.0, 10.0, 25.0]],
        },
        {
            'id': 6,
            'image_id': 139,
            'category_id': 1,
            'bbox': [0, 0, 8, 4],
            'iscrowd': 1,
            'segmentation': {'size': [48, 64], 'counts': [0, 4, 44, 4, 3020]},
        },
    ],
}


@of_pycocotools
def test_the_public_layout_is_read(tmp_path):
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(FILE))
    assert [box.mask for box in read_coco(path).images[0].boxes] == [None, None]
    truth = read_coco(path, masks=True)
    assert truth.labels == ('man', 'dog')  # by number
    first, second = truth.images
    assert (first.key, second.file) == ('000000000139', 'val2017/000000000007.jpg')
    assert first.labels == ('dog', 'man')
    np.testing.assert_allclose(first.xyxy, [[10.5, 5, 64, 25], [0, 0, 8, 4]])
    assert truth.clipped == 1  # a tenth of a pixel
    assert first.crowd.tolist() == [False, True]
    assert second.boxes == ()
    coco = pycocotools.coco.COCO(str(path))
    for number, box in zip((5, 6), first.boxes, strict=True):
        pixels = pixels_of(box.mask, (48, 64), '')
        np.testing.assert_array_equal(pixels, coco.annToMask(coco.loadAnns(number)[0]))


def changed(part, index, **values):
    entries = [dict(entry) for entry in FILE[part]]
    entries[index].update(values)
    return {**FILE, part: entries}


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (
            changed('annotations', 0, bbox=[1, 2, -3, 4]),
            'annotation 5 of .* ends before',
        ),
        (changed('annotations', 1, bbox=[1, 2, float('nan'), 4]), 'annotation 6 of .* not finite'),
        (changed('annotations', 0, bbox=[50, 2, 30, 4]), 'annotation 5 .* 16 pixels out'),
        (changed('annotations', 0, bbox=[500, 2, 30, 4]), 'annotation 5 .* out of the image'),
        (changed('annotations', 0, bbox=[64.5, 2, 1, 4]), 'annotation 5 .* is outside the image'),
        (changed('annotations', 0, bbox=[1, -1, 9, 1]), 'annotation 5 .* is outside the image'),
        ({**FILE, 'images': [], 'annotations': []}, 'has no images'),
        (changed('annotations', 0, bbox=[1, 2, 3]), 'annotations.0.bbox.3: Field required'),
        (changed('annotations', 0, id=6), 'annotation 6 is there twice'),
        (changed('annotations', 0, image_id=8), 'annotation 5 .* there is no image 8'),
        (changed('annotations', 0, category_id=8), 'annotation 5 .* there is no category 8'),
        (changed('annotations', 0, score=1.5), 'annotation 5 .* the score 1.5'),
        (changed('annotations', 1, segmentation={'size': [48, 64], 'counts': [1]}), 'damaged'),
        (changed('annotations', 0, segmentation=[[1, 2, 3, 4]]), 'annotation 5 .* three points'),
        (changed('annotations', 0, segmentation=[[]]), 'annotation 5 .* three points'),
        (changed('images', 0, id=7), 'image 7 is there twice'),
        (changed('images', 1, file_name='000000000139.jpg'), "'000000000139.jpg' is there twice"),
        (changed('images', 0, width=0), 'images.0.width: .*greater than 0'),
        (changed('categories', 0, name='man'), "category 'man' is there twice"),
        ([], 'not a COCO file of instances: .*object'),
        ({'images': []}, 'categories: Field required'),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, content, words):
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=words) as caught:
        read_coco(path, masks=True)
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_no_json_or_missing(tmp_path):
    path = tmp_path / 'instances.json'
    for content, words in ((b'{"images": [', 'not a COCO file'), (b'\xff\xd8\xff\xe0', 'no|text')):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_coco(path)
    with pytest.raises(InputError, match='is missing'):
        read_coco(tmp_path / 'other.json')
    path.write_text(json.dumps(FILE))
    with pytest.raises(InputError, match=r'000000000139\.jpg of .* is missing'):
        read_coco(path, images=tmp_path)


def test_more_tolerance_reads_what_overshoots(tmp_path):
    path = tmp_path / 'instances.json'
    path.write_text(json.dumps(changed('annotations', 0, bbox=[50, 2, 30, 4])))
    truth = read_coco(path, tolerance_px=20)
    np.testing.assert_allclose(truth.images[0].xyxy[0], [50, 2, 64, 6])
    assert truth.clipped == 1
