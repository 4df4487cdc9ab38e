"""Live cameras as sources, and the dataset that grows while they run."""

import os

import numpy as np
import pytest
from skimage import data

from vlm_ros.annotation import live
from vlm_ros.annotation.live import LiveDataset
from vlm_ros.annotation.live_camera import LiveCamera
from vlm_ros.annotation.live_models import loader
from vlm_ros.annotation.live_plan import check_live_formats, live_plan
from vlm_ros.annotation.plan import AnnotationPlan, BackendPlan, SamplingPlan
from vlm_ros.errors import ImageError, InputError, ModelError, StorageError
from vlm_ros.records import FrameRecord, Manifest, read_lines

PHOTO = np.ascontiguousarray(data.chelsea()[:60, :80])
START_NS = 1_700_000_000_000_000_000
S = 1_000_000_000
PLAN = AnnotationPlan(
    sources=('/front',),
    vocabulary=('cat',),
    backend=BackendPlan(name='fake'),
    images='jpeg',
    chunk_frames=3,
    track=True,
)


@pytest.fixture(scope='module')
def models():
    loaded = loader(PLAN)()
    yield loaded
    loaded.close()


class Live:
    """A dataset that images are put into as the node does."""

    def __init__(self, folder, models, plan=PLAN):
        self.folder = folder
        self.annotator = models.annotator
        self.dataset = LiveDataset(plan, folder, models.annotator.models.records())
        self.camera = self.dataset.camera('/front')

    def show(self, *stamps_s):
        for stamp_s in stamps_s:
            place = self.camera.take(START_NS + round(stamp_s * S), stamp_s)
            frame = place.frame(PHOTO)
            self.dataset.add(
                self.dataset.annotate(
                    frame, lambda file, frame=frame: self.annotator.annotate(frame, file=file)
                )
            )

    def places(self):
        rows = read_lines(self.folder / 'annotations.jsonl', FrameRecord)
        return [(row.source, row.index) for row in rows]

    def manifest(self):
        return Manifest.model_validate_json((self.folder / 'dataset.json').read_bytes())


def test_images_are_numbered_and_timed_by_their_stamps():
    camera = LiveCamera('/front', SamplingPlan())
    taken = [camera.take(START_NS + n * S, 50.0 + 2 * n) for n in range(3)]
    assert [(row.source, row.index, row.time_s) for row in taken] == [
        ('/front#1', 0, 0.0),
        ('/front#1', 1, 1.0),
        ('/front#1', 2, 2.0),
    ]


def test_images_without_a_stamp_are_timed_by_when_they_came():
    camera = LiveCamera('/front', SamplingPlan())
    taken = [camera.take(None, received_s) for received_s in (7.0, 7.5)]
    assert [(row.index, row.time_s, row.stamp_ns) for row in taken] == [
        (0, 0.0, None),
        (1, 0.5, None),
    ]


def test_an_image_that_comes_again_or_late_is_left_out():
    camera = LiveCamera('/front', SamplingPlan(), runs=4, last_ns=START_NS)
    assert camera.take(START_NS, 0.0) is None, 'annotated by an earlier run'
    assert camera.take(START_NS + S, 1.0).source == '/front#5'
    assert camera.take(START_NS + S, 1.1) is None
    assert camera.take(START_NS + S - 1, 1.2) is None
    assert camera.take(START_NS + 2 * S, 2.0).index == 1


def test_a_clock_that_is_set_back_begins_another_run():
    camera = LiveCamera('/front', SamplingPlan())
    camera.take(60 * S, 0.0)
    camera.take(61 * S, 1.0)
    again = camera.take(S, 2.0)
    assert (again.source, again.index, again.time_s) == ('/front#2', 0, 0.0)
    assert camera.take(2 * S, 3.0).time_s == 1.0


def test_the_rate_is_that_of_the_stamps():
    camera = LiveCamera('/front', SamplingPlan(rate_hz=2.0))
    taken = [camera.take(START_NS + n * S // 10, 0.0) for n in range(11)]
    assert [row.index for row in taken if row is not None] == [0, 5, 10]


def test_parts_are_written_when_there_are_enough_and_merged_in_the_end(models, tmp_path):
    one = Live(tmp_path, models)
    one.show(0, 1, 2, 3)
    assert (tmp_path / 'parts' / '00000.jsonl').exists()
    assert not (tmp_path / 'parts' / '00001.jsonl').exists()
    one.dataset.drop(one.camera.source, 2)
    one.dataset.finish(('coco',))
    assert one.places() == [('/front#1', index) for index in range(4)]
    (source,) = one.manifest().sources
    assert (source.frames, source.dropped) == (4, 2)
    assert (tmp_path / 'exports' / 'coco').is_dir()
    tracks = [
        [box.track_id for box in row.detections]
        for row in read_lines(tmp_path / 'annotations.jsonl', FrameRecord)
    ]
    assert tracks[-1] == [1]


def test_what_a_killed_process_left_is_completed_by_the_next(models, tmp_path):
    killed = Live(tmp_path, models)
    killed.show(0, 1, 2, 3)
    killed.dataset.drop(killed.camera.source)
    killed.dataset.close()  # as a process that ends does; nothing is finished
    assert not (tmp_path / 'annotations.jsonl').exists()
    assert len(list((tmp_path / 'images').iterdir())) == 4
    after = Live(tmp_path, models)
    assert after.places() == [('/front#1', 0), ('/front#1', 1), ('/front#1', 2)]
    assert len(list((tmp_path / 'images').iterdir())) == 3, 'the picture that has no record'
    after.show(10)
    after.dataset.finish()
    assert after.places()[3:] == [('/front#2', 0)]
    keys = [row.key for row in read_lines(tmp_path / 'annotations.jsonl', FrameRecord)]
    assert len(set(keys)) == 4
    assert [(row.source, row.frames) for row in after.manifest().sources] == [
        ('/front#1', 3),
        ('/front#2', 1),
    ]


def test_no_picture_is_left_of_an_image_that_was_not_annotated(models, tmp_path):
    one = Live(tmp_path, models)
    one.show(0)

    def fail(file):
        assert (tmp_path / file).exists()
        raise ModelError('broken')

    with pytest.raises(ModelError):
        one.dataset.annotate(one.camera.take(START_NS + S, 1.0).frame(PHOTO), fail)
    assert len(list((tmp_path / 'images').iterdir())) == 1


def test_a_run_that_adds_nothing_leaves_the_records_as_they_are(models, tmp_path):
    first = Live(tmp_path, models)
    first.show(0)
    first.dataset.finish()
    first.dataset.close()
    before = (tmp_path / 'annotations.jsonl').stat().st_mtime_ns
    again = Live(tmp_path, models)
    again.dataset.finish()
    assert (tmp_path / 'annotations.jsonl').stat().st_mtime_ns == before


def test_another_plan_other_models_and_a_second_process_are_refused(models, tmp_path):
    first = Live(tmp_path, models)
    with pytest.raises(InputError, match='another process is'):
        Live(tmp_path, models)
    first.dataset.close()
    with pytest.raises(InputError, match='another plan, which differs in caption'):
        Live(tmp_path, models, PLAN.model_copy(update={'caption': True}))
    with pytest.raises(InputError, match=r'other models \(.*\); .* or remove this one$'):
        LiveDataset(PLAN, tmp_path, ())
    Live(tmp_path, models)


def test_records_wait_while_the_disk_is_full_and_no_more_images_are_taken(
    models, tmp_path, monkeypatch
):
    one = Live(tmp_path, models, PLAN.model_copy(update={'images': ''}))
    opened = os.open

    def full(path, *args, **more):
        if str(path).startswith(str(tmp_path)):
            raise OSError(28, 'No space left on device')
        return opened(path, *args, **more)

    monkeypatch.setattr(os, 'open', full)
    one.show(0, 1)
    with pytest.raises(StorageError, match='No space left on device'):
        one.show(2)
    with pytest.raises(StorageError):
        one.show(3)
    assert 'No space left' in one.dataset.trouble
    assert one.dataset.waits_s() > 0
    with pytest.raises(StorageError):
        one.dataset.finish()
    monkeypatch.undo()
    one.show(4)
    assert (one.dataset.trouble, one.dataset.images) == ('', 4)
    one.dataset.finish()
    assert [index for _, index in one.places()] == [0, 1, 2, 4]


def test_the_same_reason_is_listed_once_in_a_part(models, tmp_path, monkeypatch):
    monkeypatch.setattr(live, '_MAX_REASONS', 2)
    one = Live(tmp_path, models)
    for number in range(7):
        place = one.camera.take(START_NS + number * S, 0.0)
        one.dataset.skip(place, ImageError(f'broken {max(0, number - 3)}'))
    one.dataset.skip_camera('/rear#1', 'nobody publishes /rear')
    one.dataset.finish()
    assert [(row.name, row.reason) for row in one.manifest().skipped] == [
        ('image 0 of /front#1 (and 3 more)', 'broken 0'),
        ('image 4 of /front#1', 'broken 1'),
        ('image 5 of /front#1 (and 1 more)', 'for other reasons'),
        ('/rear#1', 'for other reasons'),
    ]


def test_what_is_given_goes_before_the_file_of_a_plan(tmp_path):
    file = tmp_path / 'plan.yaml'
    file.write_text(
        'sources: [drive/]\ntopics: [/x]\nlabel_set: kitti\nimages: png\nsampling: {rate_hz: 5}\n'
        'backend: {name: owl, model: big, options: {max_batch: 8}}\n'
    )
    nothing = {'wanted': {}, 'backend': {}, 'options': {}, 'rate_hz': None}
    plan = live_plan(('/front',), str(file), **nothing)
    assert (plan.sources, plan.topics, plan.label_set) == (('/front',), (), 'kitti')
    assert (plan.images, plan.sampling.rate_hz) == ('png', 5)
    assert plan.backend == BackendPlan(name='owl', model='big', options={'max_batch': 8})
    plan = live_plan(
        ('/front',),
        str(file),
        wanted={'vocabulary': ('cat',), 'images': ''},
        backend={'name': 'fake'},
        options={'latency_s': 0.1},
        rate_hz=1.0,
    )
    assert (plan.vocabulary, plan.label_set, plan.images) == (('cat',), '', '')
    assert plan.backend == BackendPlan(name='fake', options={'latency_s': 0.1})
    assert plan.sampling.rate_hz == 1.0
    with pytest.raises(InputError, match='nothing to annotate'):
        live_plan(('/front',), '', **nothing)
    with pytest.raises(InputError, match='holds pictures'):
        check_live_formats(plan, ('mcap',))
