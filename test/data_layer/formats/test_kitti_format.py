"""KITTI's labels of objects."""

import shutil

import numpy as np
import pytest

from vlm_ros.data.formats import read_kitti, write_kitti
from vlm_ros.errors import InputError

# The columns of the development kit's readme, filled in.
LABELS = """Car 0.00 0 1.85 387.63 181.54 423.81 203.12 1.67 1.87 3.69 -16.53 2.39 58.49 1.57
Cyclist 0.00 3 -1.65 76.60 168.20 88.60 229.10 1.86 0.60 2.02 4.59 1.32 45.84 -1.55
Car 0.60 1 1.0 0.00 100.00 90.50 229.10 1.86 0.60 2.02 4.59 1.32 45.84 -1.55
DontCare -1 -1 -10 405.00 191.67 421.00 300.40 -1 -1 -1 -1000 -1000 -1000 -10
Van 0.00 1 1.0 200.00 100.00 290.50 229.10 1.86 0.60 2.02 4.59 1.32 45.84 -1.55
"""


@pytest.fixture
def public(dataset, tmp_path):
    for name in ('label_2', 'image_2'):
        (tmp_path / name).mkdir()
    source = dataset.folder / dataset.records[0].image.file
    shutil.copy(source, tmp_path / 'image_2' / '000000.png')
    path = tmp_path / 'label_2' / '000000.txt'
    path.write_text(LABELS)
    return path


def test_the_lines_are_those_of_the_development_kit(dataset, tmp_path):
    write_kitti(dataset.records, dataset.vocabulary, tmp_path)
    lines = (tmp_path / 'label_2' / f'{dataset.records[0].key}.txt').read_text().splitlines()
    assert lines[0] == (
        'cat -1 -1 -10 80.25 60.00 320.50 300.00 -1 -1 -1 -1000 -1000 -1000 -10 0.9100'
    )
    assert [len(line.split()) for line in lines] == [16, 16, 16]
    lines = (tmp_path / 'label_2' / f'{dataset.records[1].key}.txt').read_text().splitlines()
    assert lines[0].split()[0] == 'coffee_cup'
    assert (tmp_path / 'label_2' / f'{dataset.records[2].key}.txt').read_bytes() == b''
    write_kitti(dataset.records, dataset.vocabulary, tmp_path, scores=False)
    text = (tmp_path / 'label_2' / f'{dataset.records[0].key}.txt').read_text()
    assert {len(line.split()) for line in text.splitlines()} == {15}


def test_the_public_layout_is_read(public):
    truth = read_kitti(public.parents[1])
    (image,) = truth.images
    assert (image.key, image.file, image.width, image.height) == ('000000', '000000.png', 451, 300)
    assert image.labels == ('Car', 'Cyclist', 'Car', 'DontCare', 'Van')
    assert truth.labels == ('Car', 'Cyclist', 'Van')
    np.testing.assert_allclose(image.xyxy[0], [387.63, 181.54, 423.81, 203.12], atol=1e-4)
    assert image.crowd.tolist() == [False, False, False, True, False]
    # Too low, too much hidden, cut off by more than half, not a thing, and none of these.
    assert image.difficult.tolist() == [True, True, True, False, False]
    assert truth.clipped == 1
    assert image.boxes[3].xyxy[3] == 300


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('Car 0 0 0 90 10 80 20 1 1 1 1 1 1 1', 'line 6 of .* ends before it begins'),
        ('Car 0 0 0 nan 10 80 20 1 1 1 1 1 1 1', 'line 6 of .* not finite'),
        ('Car 0 0 0 90 10 480 20 1 1 1 1 1 1 1', 'line 6 of .* 29 pixels out of the image'),
        ('Car 0 0 0 90 10 180 20 1 1 1 1 1 1', 'line 6 of .* has 14 columns'),
        ('0 3 Car 0 0 0 90 10 180 20 1 1 1 1 1 1 1', 'line 6 of .* has 17 columns'),
        ('Car 0 0 0 90 ten 180 20 1 1 1 1 1 1 1', "line 6 of .* 'ten' is not a number"),
        ('Car 0 0 0 90 10 180 20 1 1 1 1 1 1 1 2.5', r'line 6 of .* the score 2\.5'),
    ],
)
def test_a_bad_line_is_named(public, line, words):
    public.write_text(f'{LABELS}{line}\n')
    with pytest.raises(InputError, match=words) as caught:
        read_kitti(public.parents[1])
    assert '\n' not in str(caught.value)
    assert str(public) in str(caught.value)


def test_missing_files_are_named(public):
    root = public.parents[1]
    (root / 'ImageSets').mkdir()
    listed = root / 'ImageSets' / 'val.txt'
    listed.write_text('000000\n000000\n')
    with pytest.raises(InputError, match='is there twice in'):
        read_kitti(root, split='val')
    listed.write_text('000000\n000001\n')
    with pytest.raises(InputError, match=r'picture .*000001 of .* is missing'):
        read_kitti(root, split='val')
    shutil.copy(root / 'image_2' / '000000.png', root / 'image_2' / '000000.jpg')
    with pytest.raises(InputError, match='would have the same labels'):
        read_kitti(root)
    shutil.rmtree(root / 'image_2')
    with pytest.raises(InputError, match=r'folder of pictures .* is missing'):
        read_kitti(root)
    shutil.rmtree(root / 'label_2')
    with pytest.raises(InputError, match='folder of labels, is missing'):
        read_kitti(root)
