"""What all formats share: which images and boxes are written, and that all is whole."""

import os
from pathlib import Path

import pytest

from vlm_ros.data.formats import read_coco, read_kitti, read_voc, read_yolo, WRITERS
from vlm_ros.errors import InputError, StorageError, VocabularyError
from vlm_ros.records import DetectionRecord, ReviewRecord, Verdict
from vlm_ros.results import Status

READERS = {
    'coco': lambda folder: read_coco(
        folder / 'annotations' / 'instances_train.json', images=folder / 'images'
    ),
    'yolo': lambda folder: read_yolo(folder / 'data.yaml'),
    'voc': lambda folder: read_voc(folder, split='train', images=folder / 'JPEGImages'),
    'kitti': lambda folder: read_kitti(
        folder, split='train', vocabulary=('cat', 'coffee cup', 'person', 'rocket')
    ),
}
ERROR_PX = {'coco': 0.011, 'yolo': 0.001, 'voc': 0.5, 'kitti': 0.0}
"""How far an edge may move."""

every_format = pytest.mark.parametrize('name', WRITERS)


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@every_format
def test_what_was_seen_is_read_again(name, dataset, tmp_path):
    out = tmp_path / 'out'
    written = WRITERS[name](dataset.records, dataset.vocabulary, out, images=dataset.folder)
    assert written.path.is_file()
    assert (written.images, written.boxes, written.clipped, written.rejected) == (4, 5, 1, 1)
    truth = READERS[name](out)
    assert [image.key for image in truth.images] == [
        entry.key for entry in dataset.records if entry.key[-1] in '0126'
    ]
    cat, coffee, rocket, astronaut = truth.images
    assert cat.labels == ('cat', 'person', 'cat')
    assert coffee.labels == ('coffee cup',)
    assert rocket.labels == ()
    assert rocket.xyxy.shape == (0, 4)
    assert astronaut.labels == ('person',)
    assert (cat.width, cat.height) == (451, 300)
    assert cat.xyxy[0] == pytest.approx((80.25, 60, 320.5, 300), abs=ERROR_PX[name])
    assert astronaut.xyxy[0] == pytest.approx((100, 0, 400, 512), abs=ERROR_PX[name])
    assert truth.labels == dataset.vocabulary
    assert not list(out.rglob('*.part'))


@every_format
def test_what_could_not_be_looked_at_is_listed_and_no_empty_image(name, dataset, tmp_path):
    written = WRITERS[name](dataset.records, dataset.vocabulary, tmp_path, images=dataset.folder)
    assert [(entry.name[-1], entry.reason) for entry in written.left_out] == [
        ('3', 'could not be looked at (FAILED): the model ran out of memory'),
        ('4', 'nobody was asked to look for boxes'),
        ('5', 'rejected in review'),
    ]
    exported = {
        file for file in files_of(tmp_path) if not file.startswith(('dataset', 'ImageSets'))
    }
    for key in ('drive-front-000003', 'drive-front-000004', 'drive-front-000005'):
        assert not [file for file in exported if key in file]


@every_format
def test_the_same_records_give_the_same_bytes(name, dataset, tmp_path):
    writer = WRITERS[name]
    for part in ('one', 'two', 'two'):
        writer(iter(dataset.records), dataset.vocabulary, tmp_path / part, images=dataset.folder)
    assert files_of(tmp_path / 'one') == files_of(tmp_path / 'two')


@every_format
def test_records_that_break_off_change_no_file_that_is_there(name, dataset, tmp_path):
    writer = WRITERS[name]
    writer(dataset.records, dataset.vocabulary, tmp_path / 'out', images=dataset.folder)
    before = files_of(tmp_path / 'out')

    def broken():
        yield from dataset.records[:2]
        raise RuntimeError('the disk with the records is gone')

    with pytest.raises(RuntimeError):
        writer(broken(), dataset.vocabulary, tmp_path / 'out', images=dataset.folder)
    assert files_of(tmp_path / 'out') == before


@every_format
def test_a_folder_that_cannot_be_written_is_one_line(name, dataset, tmp_path):
    (tmp_path / 'out').write_text('a file')
    for images in (None, dataset.folder):
        with pytest.raises(StorageError, match='cannot be written') as caught:
            WRITERS[name](dataset.records, dataset.vocabulary, tmp_path / 'out', images=images)
        assert '\n' not in str(caught.value)


@every_format
def test_an_image_rejected_later_leaves_an_earlier_export(name, dataset, tmp_path):
    out = tmp_path / 'out'
    WRITERS[name](dataset.records, dataset.vocabulary, out, images=dataset.folder)
    first, *others = dataset.records
    rejected = first.model_copy(update={'review': ReviewRecord(verdict=Verdict.REJECTED)})
    WRITERS[name]([rejected, *others], dataset.vocabulary, out, images=dataset.folder)
    assert not [file for file in files_of(out) if first.key in file]
    assert first.key not in [image.key for image in READERS[name](out).images]
    assert (dataset.folder / first.image.file).is_file()


def test_a_picture_in_the_exported_folder_itself_stays(dataset):
    last = dataset.records[5]
    image = last.image.model_copy(update={'file': f'images/{last.key}.png'})
    (dataset.folder / 'images').mkdir()
    picture = dataset.folder / image.file
    picture.write_bytes((dataset.folder / last.image.file).read_bytes())
    moved = last.model_copy(update={'image': image})
    for entry in (moved, moved.model_copy(update={'review': None})):
        WRITERS['yolo']([entry], dataset.vocabulary, dataset.folder, images=dataset.folder)
        assert picture.is_file()


def test_pictures_are_copied_where_there_are_no_links(dataset, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError('no links here')

    monkeypatch.setattr(os, 'link', refuse)
    WRITERS['yolo'](dataset.records, dataset.vocabulary, tmp_path / 'out', images=dataset.folder)
    first = dataset.records[0]
    copied = tmp_path / 'out' / 'images' / f'{first.key}.png'
    assert copied.read_bytes() == (dataset.folder / first.image.file).read_bytes()
    assert not list((tmp_path / 'out').rglob('.*'))


@every_format
def test_boxes_that_cover_nothing_do_not_make_a_negative(name, dataset, tmp_path):
    first = dataset.records[0]
    nowhere = DetectionRecord(label='cat', score=0.5, xyxy=(500, 10, 600, 20))
    entry = first.model_copy(update={'detections': (nowhere,)})
    written = WRITERS[name]([entry], dataset.vocabulary, tmp_path)
    assert written.images == 0
    assert [left.reason for left in written.left_out] == [
        '[500.0, 10.0, 600.0, 20.0] covers nothing of the image',
        'not one of its boxes can be used',
    ]


@every_format
def test_unsure_is_written_with_boxes_alone(name, dataset, tmp_path):
    update = {'status': Status.UNSURE, 'unrecognized': ('rocket',)}
    with_boxes = dataset.records[0].model_copy(update=update)
    without = dataset.records[2].model_copy(update=update)
    written = WRITERS[name]([with_boxes, without], dataset.vocabulary, tmp_path)
    assert written.images == 1
    assert [entry.name for entry in written.left_out] == [without.key]
    assert written.unrecognized == ('rocket',)


@every_format
@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (
            lambda d: {'records': [*d.records, d.records[0]]},
            'two images have the key drive',
        ),
        (lambda d: {'vocabulary': ('cat', 'person')}, "is a 'coffee cup', .* add the name"),
        (lambda d: {'vocabulary': ('cat', 'cat')}, "'cat' is in the vocabulary twice"),
        (lambda d: {'vocabulary': ('cat', 'a\nb')}, 'cannot be written'),
        (lambda d: {'vocabulary': ()}, 'at least one name'),
        (lambda d: {'images': d.folder / 'elsewhere'}, 'is missing; put it back'),
    ],
)
def test_what_cannot_be_exported_is_one_line(name, dataset, tmp_path, change, words):
    given = {
        'records': dataset.records,
        'vocabulary': dataset.vocabulary,
        'folder': tmp_path,
        'images': dataset.folder,
    }
    with pytest.raises(InputError, match=words) as caught:
        WRITERS[name](**{**given, **change(dataset)})
    assert '\n' not in str(caught.value)


def test_names_that_are_one_in_kitti_are_refused(tmp_path):
    with pytest.raises(VocabularyError, match="'a b' and 'a_b' are both a_b"):
        WRITERS['kitti']([], ['a b', 'a_b'], tmp_path)
    with pytest.raises(VocabularyError, match=r'DontCare marks .*; rename the class'):
        WRITERS['kitti']([], ['cat', 'DontCare'], tmp_path)


@every_format
def test_a_picture_that_cannot_be_read_is_named_and_not_its_copy(
    name, dataset, tmp_path, monkeypatch
):
    def refuse(*_):
        raise OSError('no links here')

    monkeypatch.setattr(os, 'link', refuse)
    first = dataset.records[0]
    picture = dataset.folder / first.image.file

    def damaged(path):
        if path == picture:
            raise OSError(5, 'Input/output error')
        return was(path)

    was = Path.read_bytes
    monkeypatch.setattr(Path, 'read_bytes', damaged)
    with pytest.raises(InputError, match=rf'the picture {picture} .* cannot be read: Input/out'):
        WRITERS[name]([first], dataset.vocabulary, tmp_path, images=dataset.folder)
