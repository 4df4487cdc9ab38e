"""`annotation.sources`: folders that hold all kinds of files, themselves, or the dataset."""

import errno
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
import pytest
from skimage import data

from vlm_ros.annotation.annotator import Annotator, Models
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.run import annotate
from vlm_ros.annotation.work import Alone
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.errors import InputError, SourceError, StorageError
from vlm_ros.records import FrameRecord, read_lines

PHOTO = np.ascontiguousarray(data.astronaut()[:96, :128])


def go(plan, folder, **options):
    crew = Alone(plan, Annotator(plan, Models(FakeBackend())))
    manifest = annotate(plan, folder, crew=crew, **options)
    return manifest, list(read_lines(folder / 'annotations.jsonl', FrameRecord))


def plan_of(*sources, **options):
    return AnnotationPlan(sources=tuple(map(str, sources)), vocabulary=('car',), **options)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name in ('a', 'b', 'c'):
        Pillow.fromarray(PHOTO).save(folder / f'{name}.png')
    return folder


def test_photographs_of_every_kind_are_annotated_and_the_rest_is_listed(tmp_path):
    folder = tmp_path / 'a folder'
    folder.mkdir()
    turned = Pillow.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees
    picture = Pillow.fromarray(PHOTO)
    picture.save(folder / 'turned.jpg', exif=turned)
    picture.convert('L').save(folder / 'grey.png')
    picture.convert('RGBA').save(folder / 'alpha.webp')
    picture.resize((40, 30)).save(folder / 'small one.bmp')
    deep = (PHOTO[..., 0].astype(np.uint16) << 8).copy()
    cv2.imwrite(str(folder / 'deep.tiff'), deep)
    picture.save(folder / 'ünï\n 写真.png')
    (folder / 'notes.txt').write_text('not a photograph')
    (folder / '.hidden.png').write_bytes(b'')
    good = {path.name for path in folder.iterdir()} - {'notes.txt', '.hidden.png'}
    (folder / 'empty.png').write_bytes(b'')
    (folder / 'text.jpg').write_bytes(b'no photograph')
    (folder / 'cut.png').write_bytes((folder / 'grey.png').read_bytes()[:300])
    odd = os.fsencode(folder) + b'/caf\xe9.png'
    with open(odd, 'wb') as stream:
        stream.write((folder / 'grey.png').read_bytes())
    manifest, records = go(plan_of(folder, images='jpeg'), tmp_path / 'out')
    assert {os.path.basename(record.source) for record in records} == good
    sizes = {os.path.basename(row.source): (row.image.width, row.image.height) for row in records}
    assert (sizes['turned.jpg'], sizes['small one.bmp']) == ((96, 128), (40, 30))
    assert sizes['deep.tiff'] == (128, 96)
    skipped = {os.path.basename(row.name): row.reason for row in manifest.skipped}
    assert set(skipped) == {'empty.png', 'text.jpg', 'cut.png', 'caf\\udce9.png'}
    assert 'the name is not UTF-8' in skipped['caf\\udce9.png']
    kept = {row.image.file for row in records}
    assert len(kept) == len(good)
    assert all((tmp_path / 'out' / file).is_file() for file in kept)


def test_a_dataset_is_never_its_own_source(photos, tmp_path):
    out = tmp_path / 'out'
    go(plan_of(photos, images='png'), out)
    before = sorted((out / 'images').iterdir())
    with pytest.raises(InputError, match=r'is in the dataset .*; choose another folder'):
        go(plan_of(out / 'images'), out, anew=True)
    assert sorted((out / 'images').iterdir()) == before
    with pytest.raises(InputError, match='is in the dataset'):
        go(plan_of(photos), photos)


def test_a_dataset_in_its_source_can_be_gone_on_with(photos):
    plan = plan_of(photos, images='png')
    go(plan, photos / 'dataset')
    content = (photos / 'dataset' / 'annotations.jsonl').read_bytes()
    go(plan, photos / 'dataset')
    assert (photos / 'dataset' / 'annotations.jsonl').read_bytes() == content
    (photos / 'd.png').write_bytes((photos / 'a.png').read_bytes())
    with pytest.raises(InputError, match='has changed since'):
        go(plan, photos / 'dataset')


def test_no_image_is_annotated_twice(photos, tmp_path):
    with pytest.raises(InputError, match=r'a\.png is in .*photos, which is a source, too'):
        go(plan_of(photos / 'a.png', photos), tmp_path / 'out')
    with pytest.raises(InputError, match='sample: is all samples'):
        go(plan_of('sample:', 'sample:coffee'), tmp_path / 'out')
    with pytest.raises(SourceError, match='is not UTF-8'):
        go(plan_of(photos, tmp_path / 'caf\udce9'), tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    _, records = go(plan_of(photos / 'a.png', photos / 'b.png'), tmp_path / 'out')
    assert len(records) == 2


def test_only_what_this_package_made_is_removed(photos, tmp_path):
    theirs = tmp_path / 'theirs'
    (theirs / 'images').mkdir(parents=True)
    (theirs / 'images' / 'mine.jpg').write_bytes(b'a picture')
    (theirs / 'dataset.json').write_text('{"name": "mine"}')
    with pytest.raises(InputError, match=r'dataset\.json is not a Manifest'):
        go(plan_of(photos), theirs, anew=True)
    assert (theirs / 'images' / 'mine.jpg').is_file()
    out = tmp_path / 'out'
    go(plan_of(photos, images='png'), out)
    (out / 'images' / 'mine.jpg').write_bytes(b'a picture')
    (out / 'reviews.jsonl').write_bytes(b'')
    go(plan_of(photos / 'a.png', images='jpeg'), out, anew=True)
    assert {path.suffix for path in (out / 'images').iterdir()} == {'.jpg'}
    assert (out / 'images' / 'mine.jpg').is_file()
    assert (out / 'reviews.jsonl').is_file()


def test_a_removal_that_was_cut_off_is_gone_on_with(photos, tmp_path, monkeypatch):
    out = tmp_path / 'out'
    go(plan_of(photos, images='png'), out)
    (out / 'reviews.jsonl').write_bytes(b'')

    def killed(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr('vlm_ros.annotation.run.write_manifest', killed)
        with pytest.raises(KeyboardInterrupt):
            go(plan_of(photos, images='jpeg'), out, anew=True)
    go(plan_of(photos, images='jpeg'), out, anew=True)
    assert {path.suffix for path in (out / 'images').iterdir()} == {'.jpg'}


def test_a_run_that_ended_before_its_first_file_is_begun_again(photos, tmp_path):
    out = tmp_path / 'out'
    out.mkdir()
    (out / '.dataset.json.0123abcd.part').write_bytes(b'{"for')
    (out / '.annotate.lock').write_bytes(b'')
    (out / '.reviews.lock').write_bytes(b'')
    go(plan_of(photos), out)
    assert not list(out.glob('.*.part'))


def test_a_source_that_was_replaced_by_one_of_its_size_is_noticed(photos, tmp_path):
    plan = plan_of(photos)
    go(plan, tmp_path / 'out')
    (photos / 'c.png').rename(photos / '0.png')
    with pytest.raises(InputError, match='has changed since'):
        go(plan, tmp_path / 'out')
    (photos / '0.png').rename(photos / 'c.png')
    go(plan, tmp_path / 'out')
    content = (photos / 'c.png').read_bytes()
    (photos / 'c.png').write_bytes(content[:-1] + b'x')
    with pytest.raises(InputError, match='has changed since'):
        go(plan, tmp_path / 'out')


def test_what_could_not_be_read_just_now_is_tried_again(photos, tmp_path, monkeypatch):
    read_bytes = Path.read_bytes

    def unplugged(path):
        if path.name == 'b.png':
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        return read_bytes(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, 'read_bytes', unplugged)
        manifest, records = go(plan_of(photos), tmp_path / 'out')
    assert [os.path.basename(row.source) for row in records] == ['a.png', 'c.png']
    assert 'No such file' in manifest.skipped[0].reason
    manifest, records = go(plan_of(photos), tmp_path / 'out')
    assert len(records) == 3
    assert manifest.skipped == ()


def test_a_picture_that_is_gone_is_told_and_made_again(photos, tmp_path):
    plan = plan_of(photos, images='png', chunk_frames=2)
    _, records = go(plan, tmp_path / 'out')
    content = (tmp_path / 'out' / 'annotations.jsonl').read_bytes()
    picture = tmp_path / 'out' / records[2].image.file
    picture.unlink()
    part = tmp_path / 'out' / 'parts' / '00001.jsonl'
    with pytest.raises(StorageError, match=f'{picture} is missing; .*remove {part}, and the same'):
        go(plan, tmp_path / 'out')
    part.unlink()
    go(plan, tmp_path / 'out')
    assert picture.is_file()
    assert (tmp_path / 'out' / 'annotations.jsonl').read_bytes() == content
