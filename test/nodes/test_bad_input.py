"""What no camera and no client should send: every message gets a status, and the node lives on."""

import math
import random

from builtin_interfaces.msg import Time
import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes.cameras import CameraParameters
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros.results import Detections
from vlm_ros_interfaces.msg import PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import (
    AnswerQuestion,
    DescribeImage,
    DetectObjects,
    GroundPhrases,
    SetVocabulary,
    VerifyStatement,
)

FAKE = {'backend': 'fake', 'vocabulary': '[lamp, door]'}
LONGEST_MESSAGE = 500
TEXTS = (
    '',
    ' ',
    'x' * 100_000,
    'person ' * 250,
    '\x01\x02\n\r\t\x7f',
    'a\nb\nc',
    '🦊🏳️‍🌈 👩‍👩‍👧',
    '\u202egnp.tac',
    'Is there a %s %n {0} $(reboot)?',
    "'; DROP TABLE cups; --",
    '../../../etc/passwd',
    'Is there a person?',
    '?' * 500,
    'ﷺ' * 99,
    'and or not no of the',
)
NUMBERS = (0.0, -1.0, 1e-30, 0.5, 1.0, 2.0, 3.4e38, math.nan, math.inf, -math.inf)


def one_line(text):
    return '\n' not in text and '\r' not in text and len(text) <= LONGEST_MESSAGE


def bad_raw(rng):
    """Make an image message that says one thing and holds another."""
    width, height = (rng.choice((0, 1, 7, 64, 4_000_000_000)) for _ in range(2))
    return Image(
        height=height,
        width=width,
        encoding=rng.choice(('rgb8', 'mono16', 'yuv422', 'bayer_rggb8', '8UC3', '64FC4', *TEXTS)),
        is_bigendian=rng.choice((0, 1, 255)),
        step=rng.choice((0, 1, 3 * 64, 4_294_967_295)),
        data=rng.randbytes(rng.choice((0, 1, 100, 48 * 192 - 1))),
    )


def bad_compressed(rng):
    """Make a compressed image that is cut, or has bytes that are wrong, or is another thing."""
    picture = np.random.default_rng(rng.randrange(99)).integers(0, 255, (48, 64, 3), np.uint8)
    data = bytearray(cv2.imencode(rng.choice(('.jpg', '.png')), picture)[1].tobytes())
    match rng.randrange(4):
        case 0:
            data = data[: rng.randrange(len(data))]
        case 1:
            for _ in range(50):
                data[rng.randrange(20, len(data))] = rng.randrange(256)
        case 2:
            data = bytearray(rng.randbytes(rng.randrange(300)))
    return CompressedImage(format=rng.choice(('jpeg', 'png', 'rgb8; ', 'tiff', *TEXTS)), data=data)


@pytest.mark.parametrize('make', [bad_raw, bad_compressed])
def test_500_bad_images_get_a_status_each(graph, make):
    rng = random.Random(make.__name__)
    graph.start(DetectorNode, detector=FAKE)
    detections = graph.collect(Detection2DArray, 'detections')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    good = graph.stamped()
    if make is bad_compressed:
        pixels = np.full((48, 64, 3), 128, np.uint8)
        good = CompressedImage(format='png', data=cv2.imencode('.png', pixels)[1].tobytes())
    graph.connect('image', type(good))
    failed = 0
    for number in range(500):
        bad = make(rng)
        bad.header.frame_id = f'bad {number}'
        bad.header.stamp = Time(
            sec=rng.choice((0, 1, rng.randrange(-(2**31), 2**31))),
            nanosec=rng.choice((0, rng.randrange(2**32))),
        )
        graph.publish(bad)

        def about(frame_id=bad.header.frame_id):
            return [s for s in statuses if s.header.frame_id == frame_id]

        graph.spin_until(about)
        if number % 50 == 49:
            good.header.frame_id = f'good {number}'
            found = graph.show(detections, good)
            names = [d.results[0].hypothesis.class_id for d in found.detections]
            assert names == ['lamp', 'door']
            for earlier in range(number - 49, number + 1):
                (status,) = about(f'bad {earlier}')
                failed += status.status.code == ResultStatus.FAILED
                assert one_line(status.status.message)
                assert status.provenance.age.sec >= -1
                assert status.status.code in (ResultStatus.FAILED, ResultStatus.OK)
                assert (status.status.code == ResultStatus.FAILED) == bool(status.status.message)
            statuses.clear()
            detections.clear()
    assert failed > 300


def text_list(rng):
    return rng.choice(
        (
            [],
            [rng.choice(TEXTS) for _ in range(3)],
            [f'name {n}' for n in range(5000)],
            ['lamp'],
            ['', ''],
        )
    )


def region(rng):
    values = [rng.choice((0, 1, 10, 64, 1000, 4_294_967_295)) for _ in range(4)]
    return RegionOfInterest(
        x_offset=values[0], y_offset=values[1], width=values[2], height=values[3]
    )


def image(rng):
    if rng.random() < 0.3:
        return Image()
    if rng.random() < 0.5:
        return bad_raw(rng)
    return Image(height=2, width=2, encoding='rgb8', step=6, data=bytes(12))


def requests(rng):
    """Make one request of every service, every field of it a bad day."""
    about = {'camera': rng.choice(('', '', '', *TEXTS)), 'image': image(rng)}
    limits = {
        'timeout_s': rng.choice(NUMBERS),
        'max_image_age_s': rng.choice(NUMBERS),
    }
    threshold = {'score_threshold': rng.choice(NUMBERS)}
    text = rng.choice(TEXTS)
    return (
        (
            AnswerQuestion,
            'answer_question',
            AnswerQuestion.Request(
                question=text,
                choices=text_list(rng),
                roi=region(rng),
                require_evidence=rng.random() < 0.5,
                **about,
                **limits,
            ),
        ),
        (
            VerifyStatement,
            'verify_statement',
            VerifyStatement.Request(statement=text, **about, **limits),
        ),
        (GroundPhrases, 'ground_phrases', GroundPhrases.Request(text=text, **about, **threshold)),
        (
            DetectObjects,
            'detect_objects',
            DetectObjects.Request(vocabulary=text_list(rng), **about, **threshold),
        ),
        (DescribeImage, 'describe_image', DescribeImage.Request(prompt=text, **about)),
    )


def test_every_request_is_answered_whatever_is_in_it(graph):
    rng = random.Random(11)
    graph.start(QueryNode, query={'backend': 'fake', 'max_image_age_s': '3600.0'})
    good = graph.stamped()
    graph.publish(good)
    codes = set()
    for _ in range(120):
        for srv_type, name, request in requests(rng):
            response = graph.call(srv_type, name, request)
            codes.add(response.status.code)
            assert ResultStatus.OK <= response.status.code <= ResultStatus.FAILED, request
            assert one_line(response.status.message), request
            if response.status.code not in (ResultStatus.OK, ResultStatus.NOTHING_FOUND):
                assert response.status.message, request
    assert {ResultStatus.OK, ResultStatus.FAILED} <= codes
    request = AnswerQuestion.Request(question='Is there a person?', image=good)
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert (response.status.code, response.answer) == (ResultStatus.OK, 'yes')


@pytest.mark.parametrize('seconds', [3.4e38, 1e12, 3601.0])
def test_a_time_out_beyond_any_clock_is_refused(graph, seconds):
    graph.start(QueryNode, query={'backend': 'fake'})
    request = AnswerQuestion.Request(
        question='Is there a person?', image=graph.stamped(), timeout_s=seconds
    )
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.FAILED
    assert response.status.message.startswith('timeout_s must be 0 or more seconds, 3600 at most')
    request.timeout_s = 3600.0
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.OK


def test_every_vocabulary_is_taken_or_refused(graph):
    rng = random.Random(5)
    graph.start(DetectorNode, detector={**FAKE, 'cameras': '[front]'})
    for service in ('set_vocabulary', 'front/set_vocabulary'):
        for _ in range(40):
            request = SetVocabulary.Request(vocabulary=text_list(rng))
            response = graph.call(SetVocabulary, service, request)
            assert response.success == (not response.message)
            assert one_line(response.message)
            assert response.vocabulary_id


@pytest.mark.parametrize('name', ['', 'two words', '1st', 'a/b', '~', 'a\n', 'é', 'x' * 300])
def test_a_camera_name_that_makes_no_topic_is_refused(name):
    with pytest.raises(ValueError, match=r'^the camera name .*(use letters|at most)') as refusal:
        CameraParameters(cameras=(name,))
    assert one_line(str(refusal.value))


class Odd:
    """A backend whose results are none, or cannot be carried by any message."""

    model_id, model_revision, device, needs_warm_up = 'odd', '1', 'cpu', False

    def __init__(self, result):
        self.result = result

    def detect(self, image, vocabulary, **options):
        return self.result

    def close(self):
        pass


NO_TEXT = Detections(np.array([[0, 0, 1, 1]], np.float32), np.ones(1, np.float32), (7,))


@pytest.mark.parametrize('result', [None, NO_TEXT])
def test_a_result_that_cannot_be_published_is_a_failure(graph, monkeypatch, result):
    monkeypatch.setattr('vlm_ros.backends.load', lambda *_, **__: Odd(result))
    graph.start(DetectorNode, detector=FAKE)
    detections = graph.collect(Detection2DArray, 'detections')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    assert graph.show(statuses).status.code == ResultStatus.FAILED
    assert not detections


def test_a_result_that_is_none_is_a_failed_request(graph, monkeypatch):
    monkeypatch.setattr('vlm_ros.backends.load', lambda *_, **__: Odd(None))
    graph.start(QueryNode, query={'backend': 'fake'})
    request = DetectObjects.Request(vocabulary=['cup'], image=graph.stamped())
    response = graph.call(DetectObjects, 'detect_objects', request)
    assert response.status.code == ResultStatus.FAILED
    assert one_line(response.status.message)
