"""Pictures of things, added over services and looked for by every node with the same gallery."""

import os
from pathlib import Path
import sys
import threading
import time

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import RegionOfInterest
from vision_msgs.msg import Detection2DArray, LabelInfo

from vlm_ros import backends
from vlm_ros.data.gallery import Gallery
from vlm_ros.data.photographs import samples
from vlm_ros.images import decode_compressed
from vlm_ros.nodes.conversions import image_to_msg, msg_to_detections
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import Detections
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import (
    AddExemplar,
    AnswerQuestion,
    DetectObjects,
    GroundPhrases,
    ListExemplars,
    RemoveExemplars,
    SetVocabulary,
)

sys.path.append(str(Path(__file__).parents[1] / 'backends'))

import tiny

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
CUP = RegionOfInterest(x_offset=173, y_offset=17, width=235, height=291)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'gallery'


class Calls:
    """The services of a node under test."""

    def __init__(self, graph):
        self.graph = graph

    def add(self, name='zorp', **fields):
        fields.setdefault('image', self.graph.stamped())
        return self.graph.call(
            AddExemplar, 'add_exemplar', AddExemplar.Request(name=name, **fields)
        )

    def remove(self, name='zorp', exemplar_id=''):
        request = RemoveExemplars.Request(name=name, exemplar_id=exemplar_id)
        return self.graph.call(RemoveExemplars, 'remove_exemplars', request)

    def list(self):
        return self.graph.call(ListExemplars, 'list_exemplars', ListExemplars.Request())

    def detect(self, image, *names):
        request = DetectObjects.Request(vocabulary=names, image=image)
        return self.graph.call(DetectObjects, 'detect_objects', request)

    def ground(self, image, text):
        request = GroundPhrases.Request(text=text, image=image)
        return self.graph.call(GroundPhrases, 'ground_phrases', request)

    def ask(self, image, question):
        request = AnswerQuestion.Request(question=question, image=image, require_evidence=True)
        return self.graph.call(AnswerQuestion, 'answer_question', request)


def start_slowly(graph, node, **parameters):
    """Start a node whose model may take its time to load."""
    graph.start(node, active=False, **parameters)
    until_s = time.monotonic() + 80.0
    while not graph.nodes[0].is_active:
        assert time.monotonic() < until_s, 'it did not become active'
        graph.spin_for(0.05)


@pytest.fixture
def query(graph, folder):
    def start(backend='fake', **parameters):
        parameters = {'backend': backend, 'gallery': str(folder), **parameters}
        start_slowly(graph, QueryNode, query=parameters)
        return Calls(graph)

    return start


def photograph(graph, name, view=lambda image: image):
    """Return a message with a photograph."""
    (_, path), *_ = samples(name)
    image = np.ascontiguousarray(view(decode_compressed(path.read_bytes())))
    return image_to_msg(image, graph.stamped().header)


def mirrored(image):
    return image[20:, ::-1]


def names_of(msg):
    return [d.results[0].hypothesis.class_id for d in msg.detections]


def test_pictures_are_added_listed_and_removed(graph, query, folder):
    calls = query()
    msg = graph.stamped()
    first = calls.add(image=msg, roi=RegionOfInterest(x_offset=4, y_offset=8, width=40, height=30))
    assert first.status.code == ResultStatus.OK
    assert first.count == 1
    assert first.provenance.image_header == msg.header
    second = calls.add('ZORP')
    assert (second.status.code, second.count) == (ResultStatus.OK, 2)
    other = calls.add('blick', image=graph.stamped())
    listed = calls.list()
    assert listed.status.code == ResultStatus.OK
    assert listed.names == ['zorp', 'zorp', 'blick']
    assert listed.exemplar_ids == [first.exemplar_id, second.exemplar_id, other.exemplar_id]
    assert listed.stamps[0] == msg.header.stamp
    kept = Gallery(folder).pictures()[0]
    assert kept.image.shape == (30, 40, 3)
    assert kept.xyxy == (4.0, 8.0, 44.0, 38.0)
    gone = calls.remove('zorp', first.exemplar_id)
    assert (gone.status.code, gone.removed) == (ResultStatus.OK, 1)
    assert calls.remove('zorp').removed == 1
    nothing = calls.remove('zorp')
    assert (nothing.status.code, nothing.removed) == (ResultStatus.NOTHING_FOUND, 0)
    assert "no such picture of 'zorp'" in nothing.status.message
    assert calls.list().names == ['blick']


def test_the_newest_image_is_taken_where_none_is_given(graph, query, folder):
    calls = query()
    empty = AddExemplar.Request().image
    response = calls.add(image=empty)
    assert response.status.code == ResultStatus.NO_IMAGE
    msg = graph.stamped()
    graph.publish(msg)
    response = calls.add(image=empty)
    assert response.status.code == ResultStatus.OK
    assert response.provenance.image_header == msg.header
    graph.spin_for(0.3)
    response = calls.add(image=empty, max_image_age_s=0.1)
    assert response.status.code == ResultStatus.STALE
    assert len(Gallery(folder).pictures()) == 1


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'name': ''}, 'blank name'),
        ({'name': 'x' * 101}, '101 characters'),
        ({'name': 'bell \a'}, 'cannot be shown'),
        ({'roi': RegionOfInterest(x_offset=50, width=20, height=20)}, 'reaches out of the 64x48'),
        ({'roi': RegionOfInterest(x_offset=900, width=20, height=20)}, 'reaches out of the 64x48'),
        ({'roi': RegionOfInterest(width=15, height=40)}, 'less than 16 pixels a side'),
        ({'roi': RegionOfInterest(width=0, height=40)}, 'give both sides'),
        ({'roi': RegionOfInterest(width=2**32 - 1, height=2**32 - 1)}, 'reaches out of'),
        ({'camera': 'rear'}, "no camera 'rear'"),
        ({'max_image_age_s': -1.0}, 'max_image_age_s must be 0 or more'),
    ],
)
def test_a_bad_request_is_refused_in_one_line(query, folder, fields, message):
    calls = query()
    response = calls.add(**fields)
    assert response.status.code == ResultStatus.FAILED
    assert message in response.status.message
    assert '\n' not in response.status.message
    assert response.exemplar_id == '' and response.count == 0
    assert Gallery(folder).pictures() == ()
    assert calls.add().status.code == ResultStatus.OK


def test_a_bad_image_and_a_bad_name_to_remove_are_refused(graph, query):
    calls = query()
    assert 'rgb9' in calls.add(image=graph.stamped(encoding='rgb9')).status.message
    response = calls.remove('')
    assert response.status.code == ResultStatus.FAILED
    assert 'blank name' in response.status.message


def test_a_backend_that_cannot_detect_by_pictures_says_so_and_goes_on(graph, query, folder):
    calls = query()
    message = calls.add('person').status.message
    assert message == (
        'kept, but fake cannot detect by pictures; use owl, clip, open_clip or embedded'
    )
    assert len(Gallery(folder).pictures()) == 1
    assert names_of(calls.detect(graph.stamped(), 'person').detections) == ['person']


def test_a_model_that_knows_no_names_finds_what_was_shown(graph, query, tmp_path):
    model = tiny.save('clip', tmp_path / 'clip')['model']
    calls = query('clip', model=model, backend_options='dtype=float32')
    msg = photograph(graph, 'coffee')
    assert calls.add(image=msg).status.message == ''
    found = calls.detect(msg, 'zorp', 'cup')
    # Random weights know no things, but a photograph is most like itself.
    assert (found.status.code, names_of(found.detections)[0]) == (ResultStatus.OK, 'zorp')
    unknown = calls.detect(msg, 'cup')
    assert unknown.status.code == ResultStatus.UNSURE
    assert 'cannot say whether there is: cup' in unknown.status.message


def test_a_folder_that_cannot_be_written_is_named_and_asking_goes_on(graph, query, tmp_path):
    (tmp_path / 'file').touch()
    calls = query(gallery=str(tmp_path / 'file' / 'gallery'))
    for response in (calls.add(), calls.list()):
        assert response.status.code == ResultStatus.FAILED
        assert 'Not a directory' in response.status.message
    assert names_of(calls.detect(graph.stamped(), 'cup').detections) == ['cup']


def test_a_full_disk_loses_nothing_and_says_so(graph, query, folder, monkeypatch):
    calls = query()
    kept = calls.add()

    def refuse(*_args):
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as full:
        full.setattr(os, 'fsync', refuse)
        response = calls.add()
    assert response.status.code == ResultStatus.FAILED
    assert 'No space left on device; what was kept before is as it was' in response.status.message
    assert calls.list().exemplar_ids == [kept.exemplar_id]
    assert calls.add().count == 2


def test_a_full_gallery_refuses(query, monkeypatch):
    monkeypatch.setattr('vlm_ros.data.gallery.MAX_PER_NAME', 1)
    calls = query()
    calls.add()
    response = calls.add()
    assert response.status.code == ResultStatus.FAILED
    assert "has 1 pictures of 'zorp' and takes no more" in response.status.message


def test_many_that_add_at_once_are_all_served(graph, query, folder):
    query()
    request = AddExemplar.Request(name='zorp', image=graph.stamped())
    futures = [graph.ask(AddExemplar, 'add_exemplar', request) for _ in range(8)]
    graph.spin_until(lambda: all(future.done() for future in futures), 'the answers')
    assert {future.result().status.code for future in futures} == {ResultStatus.OK}
    assert len({future.result().exemplar_id for future in futures}) == 8
    assert len(Gallery(folder).pictures()) == 8


def test_a_thing_that_was_shown_is_found_asked_about_and_forgotten(graph, query):
    calls = query('embedded')
    before = calls.detect(photograph(graph, 'coffee', mirrored), 'zorp')
    assert before.status.code == ResultStatus.UNSURE
    assert calls.add(image=photograph(graph, 'coffee'), roi=CUP).status.message == ''
    found = calls.detect(photograph(graph, 'coffee', mirrored), 'zorp')
    assert (found.status.code, names_of(found.detections)) == (ResultStatus.OK, ['zorp'])
    left, top, right, bottom = msg_to_detections(found.detections).xyxy[0]
    assert left < 310 < right and top < 142 < bottom
    grounded = calls.ground(photograph(graph, 'coffee', mirrored), 'put the zorp away')
    assert [each.phrase for each in grounded.groundings if len(each.detections)] == ['zorp']
    absent = calls.detect(photograph(graph, 'chelsea'), 'zorp')
    assert absent.status.code == ResultStatus.NOTHING_FOUND
    answer = calls.ask(photograph(graph, 'coffee', mirrored), 'Is there a zorp?')
    assert (answer.status.code, answer.answer) == (ResultStatus.OK, 'yes')
    assert names_of(answer.evidence) == ['zorp']
    answer = calls.ask(photograph(graph, 'chelsea'), 'Is there a zorp?')
    assert (answer.status.code, answer.answer) == (ResultStatus.OK, 'no')
    assert calls.remove().removed == 1
    after = calls.detect(photograph(graph, 'coffee', mirrored), 'zorp')
    assert after.status.code == ResultStatus.UNSURE


def test_a_lent_detector_is_shown_the_pictures(graph, query):
    calls = query('fake', detector='embedded')
    assert calls.add(image=photograph(graph, 'coffee'), roi=CUP).status.message == ''
    found = calls.detect(photograph(graph, 'coffee', mirrored), 'zorp', 'cat')
    assert found.status.code == ResultStatus.OK
    assert set(names_of(found.detections)) == {'zorp'}


class Eyes:
    """A model that sees nothing."""

    model_id, model_revision, device = 'eyes', '1', 'cpu'

    def detect(self, image, vocabulary, *, score_threshold=None, ticket=None):
        return Detections()

    def detect_like(self, image, exemplars, names, *, score_threshold=None, ticket=None):
        return Detections()

    def close(self):
        pass


def test_a_slow_disk_keeps_no_camera_waiting(graph, folder, monkeypatch):
    monkeypatch.setattr(backends, 'load', lambda *_, **__: Eyes())
    graph.start(DetectorNode, detector={'backend': 'eyes', 'gallery': str(folder)})
    messages = graph.collect(Detection2DArray, 'detections')
    graph.show(messages)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(self, **_):
        hangs.set()
        goes_on.wait(60.0)
        return ()

    monkeypatch.setattr(Gallery, 'pictures', hang)
    graph.spin_until(hangs.is_set, 'a look at the folder')
    graph.show(messages)
    assert graph.state_of('detector') == 'active'
    goes_on.set()


def test_a_disk_that_hangs_is_said_in_time(graph, query, monkeypatch):
    calls = query(timeout_s='0.5')
    pictures, goes_on = Gallery.pictures, threading.Event()

    def hang(self, **how):
        goes_on.wait(60.0)
        return pictures(self, **how)

    monkeypatch.setattr(Gallery, 'pictures', hang)
    for response in (calls.add(), calls.list(), calls.remove()):
        assert response.status.code == ResultStatus.TIMEOUT
        assert 'does not answer; once it does, list_exemplars' in response.status.message
    goes_on.set()
    monkeypatch.undo()
    assert calls.list().status.code == ResultStatus.OK


def test_the_executor_never_waits_for_the_disk(graph, query, monkeypatch):
    calls = query()
    threads = set()
    pictures = Gallery.pictures

    def noted(self, **how):
        threads.add(threading.current_thread())
        return pictures(self, **how)

    monkeypatch.setattr(Gallery, 'pictures', noted)
    assert calls.add().count == 1
    assert calls.list().names == ['zorp']
    assert calls.remove().removed == 1
    assert threads and graph._thread not in threads


def test_the_detector_looks_for_what_another_process_added(graph, folder):
    Gallery(folder).add('zorp', _cup())
    start_slowly(
        graph,
        DetectorNode,
        detector={'backend': 'embedded', 'gallery': str(folder), 'vocabulary': '[dog]'},
    )
    vocabularies = graph.collect(LabelInfo, 'vocabulary', LATCHED)
    graph.spin_until(lambda: vocabularies and len(vocabularies[-1].class_map) == 2)
    assert [entry.class_name for entry in vocabularies[-1].class_map] == ['dog', 'zorp']
    messages = graph.collect(Detection2DArray, 'detections')
    assert names_of(graph.show(messages, photograph(graph, 'coffee', mirrored))) == ['zorp']
    assert names_of(graph.show(messages, photograph(graph, 'chelsea'))) == []
    response = graph.call(
        SetVocabulary, 'set_vocabulary', SetVocabulary.Request(vocabulary=['cat'])
    )
    graph.spin_until(lambda: vocabularies[-1].class_map[0].class_name == 'cat')
    assert [entry.class_name for entry in vocabularies[-1].class_map] == ['cat', 'zorp']
    assert response.vocabulary_id == Vocabulary(('cat', 'zorp')).vocabulary_id
    Gallery(folder).remove('zorp')
    graph.spin_until(lambda: len(vocabularies[-1].class_map) == 1)
    assert names_of(graph.show(messages, photograph(graph, 'chelsea'))) == ['cat']


def test_pictures_can_be_left_alone(graph, folder):
    Gallery(folder).add('zorp', _cup())
    start_slowly(
        graph,
        DetectorNode,
        detector={
            'backend': 'embedded', 'gallery': str(folder), 'vocabulary': '[cat]',
            'use_exemplars': 'false',
        },
    )  # fmt: skip
    vocabularies = graph.collect(LabelInfo, 'vocabulary', LATCHED)
    messages = graph.collect(Detection2DArray, 'detections')
    graph.show(messages, photograph(graph, 'coffee'))
    graph.spin_for(1.5)
    assert [entry.class_name for entry in vocabularies[-1].class_map] == ['cat']


def _cup():
    (_, path), *_ = samples('coffee')
    image = decode_compressed(path.read_bytes())
    return np.ascontiguousarray(image[17:308, 173:408])
