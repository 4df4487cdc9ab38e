"""YOLO labels, held against supervision's reader."""

import shutil

import cv2
import numpy as np
import pytest
import supervision as sv
import yaml

from vlm_ros.data.formats import read_yolo, write_yolo
from vlm_ros.data.formats.masks import pixels_of
from vlm_ros.errors import InputError


def by_supervision(folder, **options):
    return sv.DetectionDataset.from_yolo(
        images_directory_path=str(folder / 'images'),
        annotations_directory_path=str(folder / 'labels'),
        data_yaml_path=str(folder / 'data.yaml'),
        **options,
    )


@pytest.fixture
def out(dataset, tmp_path):
    folder = tmp_path / 'yolo'
    write_yolo(dataset.records, dataset.vocabulary, folder, images=dataset.folder)
    return folder


def test_the_reference_reader_reads_all(out, dataset):
    read = by_supervision(out)
    assert tuple(read.classes) == dataset.vocabulary
    ours = {image.file: image for image in read_yolo(out / 'data.yaml').images}
    assert sorted(ours) == sorted(str(path) for path in read.image_paths)
    for path, image, detections in read:
        truth = ours[path]
        assert image.shape[:2] == (truth.height, truth.width)
        np.testing.assert_allclose(detections.xyxy.reshape(-1, 4), truth.xyxy, atol=0.002)
        assert [read.classes[number] for number in detections.class_id] == list(truth.labels)


def test_labels_are_five_columns_from_zero(out, dataset):
    lines = (out / 'labels' / f'{dataset.records[0].key}.txt').read_text().splitlines()
    assert lines[0] == '0 0.444290 0.600000 0.532705 0.800000'
    assert [len(line.split()) for line in lines] == [5, 5, 5]
    assert (out / 'labels' / f'{dataset.records[2].key}.txt').read_bytes() == b''
    settings = yaml.safe_load((out / 'data.yaml').read_text())
    assert settings['names'] == dict(enumerate(dataset.vocabulary))
    listed = (out / settings['train']).read_text().splitlines()
    assert [(out / row).is_file() for row in listed] == [True] * 4


def test_outlines_are_the_masks(dataset, tmp_path):
    write_yolo(dataset.records, dataset.vocabulary, tmp_path, images=dataset.folder, masks=True)
    read = by_supervision(tmp_path, force_masks=True)
    key = dataset.records[0].key
    detections = next(found for path, _, found in read if key in path)
    pixels = pixels_of(dataset.records[0].detections[2].mask, (300, 451), '').astype(bool)
    # The line that joins the parts is the only difference.
    differing = np.argwhere(detections.mask[2] != pixels)
    assert 0 < len(differing) < 200
    assert not (pixels & ~detections.mask[2]).any()
    rectangle = detections.mask[1]
    assert rectangle[2:40, 1:30].all()
    assert rectangle.sum() <= 30 * 39


def test_a_mask_of_one_pixel_is_an_outline_too(dataset, tmp_path):
    from faster_coco_eval.core.mask import encode

    pixels = np.zeros((300, 451), np.uint8, order='F')
    pixels[20, 10] = 1
    first = dataset.records[0]
    mask = first.detections[2].mask.model_copy(
        update={'counts': encode(pixels)['counts'].decode()}
    )
    box = first.detections[0].model_copy(update={'mask': mask})
    entry = first.model_copy(update={'detections': (box,)})
    write_yolo([entry], dataset.vocabulary, tmp_path, images=dataset.folder, masks=True)
    (_, _, detections), *_ = by_supervision(tmp_path, force_masks=True)
    np.testing.assert_array_equal(detections.mask[0], pixels.astype(bool))


def test_predictions_have_scores(dataset, tmp_path):
    for masks in (False, True):
        folder = tmp_path / str(masks)
        written = write_yolo(
            dataset.records,
            dataset.vocabulary,
            folder,
            images=dataset.folder,
            masks=masks,
            scores=True,
        )
        first = read_yolo(written.path).images[0]
        assert [box.score for box in first.boxes] == [0.91, 0.2, 0.5]


def test_splits_share_a_file_of_settings(out, dataset):
    # Training begins with `train` and `val` alone.
    assert yaml.safe_load((out / 'data.yaml').read_text())['val'] == 'train.txt'
    write_yolo(dataset.records[:1], dataset.vocabulary, out, images=dataset.folder, split='val')
    assert len(read_yolo(out / 'data.yaml').images) == 4
    assert len(read_yolo(out / 'data.yaml', split='val').images) == 1
    other = out.with_name('other')
    write_yolo(dataset.records[:1], dataset.vocabulary, other, images=dataset.folder, split='val')
    assert len(read_yolo(other / 'data.yaml').images) == 1


def test_the_public_layout_is_read(out, dataset):
    (out / 'images' / 'val').mkdir()
    (out / 'labels' / 'val').mkdir()
    picture = out / 'images' / f'{dataset.records[0].key}.png'
    shutil.copy(picture, out / 'images' / 'val' / 'a.png')
    shutil.copy(picture, out / 'images' / 'val' / 'b.png')
    (out / 'labels' / 'val' / 'a.txt').write_text(
        '1 0.5 0.5 1.0000001 1 \n0 0.1 0.1 0.2 0.1 0.2 0.3\n'
    )
    (out / 'data.yaml').write_text('path: .\nval: images/val\nnames: [cat, dog]\n')
    truth = read_yolo(out / 'data.yaml', split='val')
    first, second = truth.images
    np.testing.assert_allclose(first.xyxy, [[0, 0, 451, 300], [45.1, 30, 90.2, 90]], atol=1e-4)
    assert first.labels == ('dog', 'cat')
    assert second.boxes == ()
    assert (first.key, second.key) == ('val/a', 'val/b')
    assert truth.clipped == 1


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('0 0.5 0.5 -0.1 0.1', 'line 2 of .* ends before it begins'),
        ('0 0.5 0.5 nan 0.1', 'line 2 of .* not finite'),
        ('0 0.9 0.5 0.4 0.1', 'line 2 of .* pixels out of the image of 451×300'),
        ('0 80 60 320 300', 'line 2 of .* out of the image'),
        ('4 0.5 0.5 0.1 0.1', 'line 2 of .* class 4 is not among the names'),
        ('cat 0.5 0.5 0.1 0.1', "line 2 of .* 'cat' is not a number"),
        ('0 0.5 0.5 0.1', 'line 2 of .* has 4 numbers'),
        ('0 0.5 0.5 0.1 0.1 7', 'line 2 of .* the score 7'),
    ],
)
def test_a_bad_line_is_named(out, dataset, line, words):
    path = out / 'labels' / f'{dataset.records[0].key}.txt'
    path.write_text(f'0 0.5 0.5 0.1 0.1\n{line}\n')
    with pytest.raises(InputError, match=words) as caught:
        read_yolo(out / 'data.yaml')
    assert '\n' not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ('settings', 'words'),
    [
        ('names: [a', 'is not YAML'),
        ('7', 'has no names'),
        ('train: images', 'has no `names`'),
        ('names: [a]', 'has no `train`'),
        ('names: [a]\ntrain: ..', 'has no pictures|has no picture in'),
        ('names: [a, a]\ntrain: images', 'a class is there twice'),
        ('names: [cat, dog, man, cup]\ntrain: nowhere.txt', r'nowhere\.txt is missing'),
        ('names: [cat, dog, man, cup]\ntrain: [images, images]', 'is there twice in `train`'),
    ],
)
def test_bad_settings_are_named(out, settings, words):
    (out / 'data.yaml').write_text(settings)
    with pytest.raises(InputError, match=words) as caught:
        read_yolo(out / 'data.yaml')
    assert '\n' not in str(caught.value)


def test_labels_without_a_picture_are_named(out, dataset):
    (out / 'data.yaml').write_text('train: images\nnames: [cat, dog, man, cup]\n')
    (out / 'labels' / 'classes.txt').write_text('cat\n')
    assert len(read_yolo(out / 'data.yaml').images) == 4
    key = dataset.records[0].key
    (out / 'images' / f'{key}.png').unlink()
    with pytest.raises(InputError, match=rf'{key}\.txt has no picture in .*images; put it back'):
        read_yolo(out / 'data.yaml')


def test_missing_and_damaged_pictures_are_named(out, dataset):
    picture = out / 'images' / f'{dataset.records[0].key}.png'
    picture.unlink()
    with pytest.raises(InputError, match=rf'{picture} is missing'):
        read_yolo(out / 'data.yaml')
    picture.write_bytes(b'no picture')
    with pytest.raises(InputError, match=rf'{picture} cannot be read'):
        read_yolo(out / 'data.yaml')


def test_places_are_looked_for_from_the_folder_of_data_yaml(tmp_path):
    """Roboflow writes `../valid/images` for a folder beside data.yaml."""
    folder = tmp_path / 'set' / 'valid' / 'images'
    folder.mkdir(parents=True)
    assert cv2.imwrite(str(folder / 'a.png'), np.zeros((40, 60, 3), np.uint8))
    (tmp_path / 'set' / 'valid' / 'labels').mkdir()
    (tmp_path / 'set' / 'valid' / 'labels' / 'a.txt').write_text('0 0.5 0.5 0.2 0.2\n')
    path = tmp_path / 'set' / 'data.yaml'
    path.write_text('names: [car]\nval: ../valid/images\n')
    assert [image.labels for image in read_yolo(path, split='val').images] == [('car',)]
    path.write_text('path: ../elsewhere\nnames: [car]\nval: valid/images\n')
    assert len(read_yolo(path, split='val').images) == 1
    path.write_text('names: [car]\nval: ../nowhere\n')
    with pytest.raises(InputError, match=r'nowhere is missing; correct `path` or the folders in'):
        read_yolo(path, split='val')
    path.write_text('names: [car]\nval: 5\n')
    with pytest.raises(InputError, match='is 5; give a folder of images'):
        read_yolo(path, split='val')


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('names: [yes, no]\nval: .\n', 'True is no text; put quotes'),
        ('names: {0: car, 1: null}\nval: .\n', 'None is no text; put quotes'),
        ('names: [car]\nkpt_shape: [17, 3]\nval: .\n', 'labels of poses'),
    ],
)
def test_settings_that_are_not_meant_are_told(tmp_path, text, words):
    (tmp_path / 'data.yaml').write_text(text)
    with pytest.raises(InputError, match=words):
        read_yolo(tmp_path / 'data.yaml', split='val')
