"""`annotation`: real photographs, a bag and a video become datasets, whole and the same again."""

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco
from pydantic import ValidationError
import pytest
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_typestore, Stores
from skimage import data

from vlm_ros.annotation.annotator import Annotator, Models
from vlm_ros.annotation.failures import failure_of
from vlm_ros.annotation.plan import AnnotationPlan, SamplingPlan
from vlm_ros.annotation.run import annotate
from vlm_ros.annotation.summary import summary_of
from vlm_ros.annotation.work import Alone
from vlm_ros.backends.embedded.backend import EmbeddedBackend
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.errors import InputError, OutOfMemory, StorageError
from vlm_ros.records import FrameRecord, read_lines
from vlm_ros.results import Classification, Detections, Masks, Status

STORE = get_typestore(Stores.ROS2_JAZZY)
Time = STORE.types['builtin_interfaces/msg/Time']
Header = STORE.types['std_msgs/msg/Header']
RawImage = STORE.types['sensor_msgs/msg/Image']
PHOTO = np.ascontiguousarray(data.astronaut()[:96, :128])
TOPICS = ('/front', '/rear')
COUNT = 10


@pytest.fixture
def bag(tmp_path):
    """Two cameras at 10 Hz, ten images each, the fourth of the front one damaged."""
    path = tmp_path / 'drive'
    with Writer(path, version=9) as writer:
        kind = RawImage.__msgtype__
        connections = [writer.add_connection(topic, kind, typestore=STORE) for topic in TOPICS]
        for index in range(COUNT):
            stamp_ns = 1_700_000_000_000_000_000 + index * 100_000_000
            header = Header(stamp=Time(*divmod(stamp_ns, 1_000_000_000)), frame_id='camera')
            pixels = np.roll(PHOTO, 4 * index, axis=1)
            for connection in connections:
                msg = RawImage(header, 96, 128, 'rgb8', 0, 384, pixels.reshape(-1))
                content = bytes(STORE.serialize_cdr(msg, kind))
                if index == 3 and connection.topic == TOPICS[0]:
                    content = content[:40]
                writer.write(connection, stamp_ns, content)
    return str(path)


class Halves:
    """Says which half of each box belongs to the thing, and what a picture is."""

    model_id, model_revision = 'halves', '1'

    def segment(self, image, boxes, *, ticket=None):
        masks = np.zeros((len(boxes), *image.shape[:2]), bool)
        for mask, (left, top, right, bottom) in zip(masks, boxes.xyxy.astype(int), strict=True):
            mask[top:bottom, left : (left + right) // 2] = True
        return Masks(masks, boxes)

    def classify(self, image, vocabulary, *, ticket=None):
        light = float(image.mean()) / 255
        return Classification(vocabulary.names, np.array([light, 1 - light], np.float32), True)


def go(plan, folder, *, progress=lambda _: None, **options):
    fake = FakeBackend(**options)
    halves = Halves()
    models = Models(fake, halves, fake, fake, halves)
    manifest = annotate(plan, folder, crew=Alone(plan, Annotator(plan, models)), progress=progress)
    return manifest, list(read_lines(folder / 'annotations.jsonl', FrameRecord)), fake


def everything(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_a_bag_becomes_records_with_all_that_was_asked(bag, tmp_path):
    plan = AnnotationPlan(
        sources=(bag,),
        label_set='kitti',
        masks=True,
        caption=True,
        questions=('is there a car?',),
        tags={'light': ('day', 'night')},
        track=True,
        images='png',
        chunk_frames=7,
    )
    manifest, records, _ = go(plan, tmp_path / 'out')
    assert [(r.topic, r.index) for r in records] == [
        (topic, i) for i in range(COUNT) for topic in TOPICS if (topic, i) != ('/front', 3)
    ]
    assert len({record.key for record in records}) == 19
    assert [row.name for row in manifest.skipped] == [f'message 3 of /front in {bag}']
    assert manifest.sources[0].frames == 19
    last = records[-1]
    kept = cv2.imread(str(tmp_path / 'out' / last.image.file))[..., ::-1]
    np.testing.assert_array_equal(kept, np.roll(PHOTO, 36, axis=1))
    assert {row.label for row in last.detections} == {
        'Car',
        'Van',
        'Truck',
        'Pedestrian',
        'Cyclist',
        'Tram',
    }
    box = last.detections[0]
    area = coco.area({'size': box.mask.size, 'counts': box.mask.counts.encode()})
    left, top, right, bottom = (int(edge) for edge in box.xyxy)
    assert area == (bottom - top) * ((left + right) // 2 - left) > 0
    assert last.caption.text.startswith('a 128 by 96 picture')
    assert last.answers[0].status is Status.OK
    assert last.answers[0].answer == 'yes'
    assert last.tags['light'].scores['day'] == pytest.approx(kept.mean() / 255, abs=1e-3)
    front = [r for r in records if r.topic == '/front']
    assert len({tuple(row.track_id for row in record.detections) for record in front}) == 1
    assert len({row.track_id for row in front[0].detections} - {None}) == 6


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(bag, tmp_path):
    plan = AnnotationPlan(
        sources=(bag, 'sample:'), vocabulary=('car',), track=True, images='jpeg', chunk_frames=3
    )

    def interrupt(progress):
        if progress.frames == 11:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(plan, tmp_path / 'cut', progress=interrupt)
    done = len(list((tmp_path / 'cut' / 'parts').glob('?????.jsonl')))
    assert done == 2  # of four images each: what was recorded at one time stays together
    assert not (tmp_path / 'cut' / 'annotations.jsonl').exists()
    _, _, again = go(plan, tmp_path / 'cut')
    _, records, whole = go(plan, tmp_path / 'whole')
    assert everything(tmp_path / 'cut') == everything(tmp_path / 'whole')
    assert again.calls == whole.calls - 7  # 8 places were done, one of them damaged
    assert whole.calls == len(records)
    _, _, idle = go(plan, tmp_path / 'whole')
    assert idle.calls == 0
    assert everything(tmp_path / 'cut') == everything(tmp_path / 'whole')


def test_another_plan_in_the_same_folder_is_refused(bag, tmp_path):
    plan = AnnotationPlan(sources=(bag,), vocabulary=('car',))
    go(plan, tmp_path / 'out')
    before = everything(tmp_path / 'out')
    with pytest.raises(InputError, match='another plan, which differs in vocabulary'):
        go(plan.model_copy(update={'vocabulary': ('bus',)}), tmp_path / 'out')
    with next(Path(bag).glob('*.db3')).open('ab') as stream:
        stream.write(b'x')
    with pytest.raises(InputError, match='has changed since'):
        go(plan, tmp_path / 'out')
    assert everything(tmp_path / 'out') == before
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'letter.txt').write_text('dear')
    with pytest.raises(InputError, match='is not empty'):
        go(plan, tmp_path / 'other')


def test_a_full_disk_loses_nothing_that_was_written(bag, tmp_path, monkeypatch):
    plan = AnnotationPlan(sources=(bag,), vocabulary=('car',), images='png', chunk_frames=4)
    synced = []

    def fsync(descriptor):
        synced.append(descriptor)
        if len(synced) == 21:  # that of a file, and not of its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, 'fsync', fsync)
        with pytest.raises(StorageError, match='No space left on device; make room'):
            go(plan, tmp_path / 'full')
    assert (tmp_path / 'full' / 'parts' / '00000.jsonl').exists()
    assert not list((tmp_path / 'full').rglob('.*.part'))
    go(plan, tmp_path / 'full')
    go(plan, tmp_path / 'whole')
    assert everything(tmp_path / 'full') == everything(tmp_path / 'whole')


def test_two_runs_in_one_folder_do_not_meet(bag, tmp_path):
    plan = AnnotationPlan(sources=(bag,), vocabulary=('car',))

    def begin_another(progress):
        with pytest.raises(InputError, match='another process is writing'):
            go(plan, tmp_path / 'out')

    _, _, model = go(plan, tmp_path / 'out', progress=begin_another)
    assert model.calls == 19


def test_a_dataset_is_begun_anew_when_asked(bag, tmp_path):
    plan = AnnotationPlan(sources=(bag,), vocabulary=('car',), chunk_frames=3, images='png')
    go(plan, tmp_path / 'out')
    other = plan.model_copy(update={'vocabulary': ('bus',), 'images': ''})
    model = FakeBackend()
    annotate(
        other, tmp_path / 'out', crew=Alone(other, Annotator(other, Models(model))), anew=True
    )
    annotate(other, tmp_path / 'new', crew=Alone(other, Annotator(other, Models(model))))
    assert everything(tmp_path / 'out') == everything(tmp_path / 'new')


def test_a_video_that_breaks_off_is_listed_and_what_was_read_stays(tmp_path):
    path = Path(video(tmp_path / 'a.avi', [1.0] * 20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    plan = AnnotationPlan(sources=(str(path),), vocabulary=('car',), chunk_frames=4)
    manifest, records, _ = go(plan, tmp_path / 'out')
    assert 0 < len(records) < 20
    assert [row.name for row in manifest.skipped] == [str(path)]


def test_a_failed_model_is_a_failed_record(tmp_path):
    plan = AnnotationPlan(sources=('sample:',), vocabulary=('car',))
    _, records, _ = go(plan, tmp_path / 'out', script='ok fail crash ok')
    assert [record.status for record in records[:4]] == [
        Status.OK,
        Status.FAILED,
        Status.FAILED,
        Status.OK,
    ]
    assert 'failed on purpose' in records[1].message
    assert records[2].detections == ()


def test_what_a_model_failed_at_is_done_again_and_nothing_else(bag, tmp_path):
    plan = AnnotationPlan(
        sources=(bag,),
        vocabulary=('car',),
        caption=True,
        tags={'light': ('day', 'night')},
        chunk_frames=7,
        images='png',
        sampling={'every': 2},
    )
    _, whole, _ = go(plan, tmp_path / 'whole')
    # Of each image boxes are asked for first, then the caption.
    script = ' '.join(['ok'] * 2 + ['fail', 'ok'] + ['ok', 'fail'] + ['ok'] * 30)
    _, records, _ = go(plan, tmp_path / 'out', script=script)
    assert [bool(failure_of(record, plan)) for record in records] == [False, True, True] + [
        False
    ] * (len(whole) - 3)
    _, records, again = go(plan, tmp_path / 'out', script='ok ok fail')
    assert again.calls == 4
    assert records[1] == whole[1]
    assert [index for index, row in enumerate(records) if failure_of(row, plan)] == [2]
    seen = []
    _, records, again = go(plan, tmp_path / 'out', progress=seen.append)
    assert again.calls == 2
    assert (seen[0].chunks_done, seen[-1].chunks_done, seen[-1].frames) == (1, 2, 1)
    assert everything(tmp_path / 'out') == everything(tmp_path / 'whole')
    _, _, idle = go(plan, tmp_path / 'out')
    assert idle.calls == 0


class Flickering(Halves):
    """Has no memory left at its first call."""

    def __init__(self):
        self.calls = 0

    def classify(self, image, vocabulary, *, ticket=None):
        self.calls += 1
        if self.calls == 1:
            raise OutOfMemory('no memory is left')
        return super().classify(image, vocabulary, ticket=ticket)

    def segment(self, image, boxes, *, ticket=None):
        self.calls += 1
        if self.calls == 1:
            raise OutOfMemory('no memory is left')
        return super().segment(image, boxes, ticket=ticket)


@pytest.mark.parametrize('wanted', [{'masks': True}, {'tags': {'light': ('day', 'night')}}])
def test_masks_and_tags_that_failed_are_failures_too(tmp_path, wanted):
    plan = AnnotationPlan(sources=('sample:',), vocabulary=('car',), **wanted)
    model = Flickering()
    crew = Alone(plan, Annotator(plan, Models(FakeBackend(), model, classifier=model)))
    annotate(plan, tmp_path / 'out', crew=crew)
    summary = summary_of(tmp_path / 'out', plan)
    assert (summary.failed, 'no memory is left' in summary.failure) == (1, True)
    before = model.calls
    annotate(plan, tmp_path / 'out', crew=crew)
    assert model.calls == before + 1
    assert summary_of(tmp_path / 'out', plan).failed == 0


def test_a_damaged_part_says_what_to_remove(bag, tmp_path):
    plan = AnnotationPlan(sources=(bag,), vocabulary=('car',), chunk_frames=7)
    go(plan, tmp_path / 'out')
    before = everything(tmp_path / 'out')
    part = tmp_path / 'out/parts/00001.jsonl'
    part.write_bytes(part.read_bytes()[:-30])
    with pytest.raises(StorageError, match=f'remove {part}, and the same command'):
        go(plan, tmp_path / 'out')
    part.unlink()
    go(plan, tmp_path / 'out')
    assert everything(tmp_path / 'out') == before


def test_names_that_could_not_be_looked_for_are_those_of_the_labels(tmp_path):
    class Blinkered(FakeBackend):
        def detect(self, image, vocabulary, **options):
            found = super().detect(image, vocabulary, **options)
            return Detections(
                found.xyxy, found.scores, found.labels, unrecognized=('road barrier',)
            )

    plan = AnnotationPlan(sources=('sample:coffee',), label_set='nuscenes')
    assert plan.prompts()['road barrier'] != 'road barrier'
    annotator = Annotator(plan, Models(Blinkered()))
    annotate(plan, tmp_path / 'out', crew=Alone(plan, annotator))
    (record,) = read_lines(tmp_path / 'out' / 'annotations.jsonl', FrameRecord)
    assert record.unrecognized == (plan.prompts()['road barrier'],)
    assert record.message == '', 'each record would say the names twice'


def test_a_picture_too_wide_for_its_kind_is_listed_and_the_rest_is_done(tmp_path):
    photos = tmp_path / 'photos'
    photos.mkdir()
    for name, shape in (('a', (48, 64, 3)), ('b', (2, 65536, 3)), ('c', (48, 64, 3))):
        cv2.imwrite(str(photos / f'{name}.png'), np.full(shape, 90, np.uint8))
    plan = AnnotationPlan(sources=(str(photos),), vocabulary=('car',), images='jpeg')
    manifest, records, _ = go(plan, tmp_path / 'out')
    assert [record.index for record in records] == [0, 2]
    (row,) = manifest.skipped
    assert row.reason.endswith('65536x2 pixels cannot be kept as jpeg; use --images png')


def video(path, shades):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (128, 96))
    for shade in shades:
        writer.write(np.ascontiguousarray((PHOTO * shade).astype(np.uint8)[..., ::-1]))
    writer.release()
    return str(path)


@pytest.mark.parametrize(
    ('sampling', 'indices'),
    [
        ({'every': 4}, [0, 4, 8, 12, 16]),
        ({'rate_hz': 2.5}, [0, 4, 8, 12, 16]),
        ({'rate_hz': 5.0, 'start_s': 0.4, 'stop_s': 1.0}, [4, 6, 8]),
        ({'scene_change': 0.1}, [0, 6, 10, 15]),
    ],
)
def test_a_video_is_sampled(tmp_path, sampling, indices):
    path = video(tmp_path / 'a.avi', [1.0] * 6 + [0.2] * 9 + [1.0] * 5)
    # The chunk bounds at 10 and, for every=4, at 40, must not move what rate and number choose.
    plan = AnnotationPlan(
        sources=(path,), vocabulary=('car',), sampling=SamplingPlan(**sampling), chunk_frames=10
    )
    _, records, _ = go(plan, tmp_path / 'out')
    assert [record.index for record in records] == indices


def test_the_embedded_backend_annotates_photographs(tmp_path):
    plan = AnnotationPlan(
        sources=('sample:chelsea', 'sample:astronaut'),
        vocabulary=('cat', 'person'),
        caption=True,
        questions=('is there a cat?',),
    )
    model = EmbeddedBackend()
    annotator = Annotator(plan, Models(model, None, model, model))
    annotate(plan, tmp_path / 'out', crew=Alone(plan, annotator))
    cat, person = read_lines(tmp_path / 'out' / 'annotations.jsonl', FrameRecord)
    assert cat.detections[0].label == 'cat'
    assert person.detections[0].label == 'person'
    assert 'cat' in cat.caption.text
    assert cat.answers[0].answer == 'yes'
    manifest = json.loads((tmp_path / 'out' / 'dataset.json').read_bytes())
    assert manifest['models'][0]['model_id'] == model.model_id
    assert [source['frames'] for source in manifest['sources']] == [1, 1]


def test_plans_that_cannot_be_followed_say_so(tmp_path):
    with pytest.raises(ValidationError, match='named twice'):
        AnnotationPlan(sources=(str(tmp_path), f'{tmp_path}/.'))
    with pytest.raises(ValidationError, match='not both'):
        AnnotationPlan(sources=('a',), label_set='kitti', vocabulary=('car',))
    with pytest.raises(InputError, match='needs a segmenter'):
        Annotator(
            AnnotationPlan(sources=('a',), vocabulary=('car',), masks=True), Models(FakeBackend())
        )
