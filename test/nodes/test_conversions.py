"""Messages to values and back."""

import array
import sys

from builtin_interfaces.msg import Time
import cv2
import cv_bridge
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from vlm_ros.errors import DeadlineExceeded, ImageError, InputError, ModelError, WorkCancelled
from vlm_ros.nodes import conversions
from vlm_ros.phrases import Vocabulary
from vlm_ros.results import (
    Caption,
    Detections,
    PhraseGrounding,
    PhraseGroundings,
    Provenance,
    Status,
    Truth,
)
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import VerifyStatement

HEADER = Header(stamp=Time(sec=12, nanosec=345), frame_id='front')
DETECTIONS = Detections(
    np.array([[1, 2, 11, 22], [0, 0, 640, 480]], np.float32), [0.25, 1.0], ('cup', '猫')
)


def test_the_codes_are_those_of_the_messages():
    codes = {name: getattr(ResultStatus, name) for name in Status.__members__}
    assert codes == {status.name: status.value for status in Status}
    assert ResultStatus.UNSET == 0
    verdicts = {name: getattr(VerifyStatement.Response, name) for name in Truth.__members__}
    assert verdicts == {truth.name: truth.value for truth in Truth}


def test_detections_survive_the_way_there_and_back():
    msg = conversions.detections_to_msg(DETECTIONS, HEADER)
    assert msg.header == HEADER
    box = msg.detections[0].bbox
    assert (box.center.position.x, box.center.position.y) == (6.0, 12.0)
    assert (box.size_x, box.size_y, box.center.theta) == (10.0, 20.0, 0.0)
    back = conversions.msg_to_detections(msg)
    np.testing.assert_allclose(back.xyxy, DETECTIONS.xyxy)
    np.testing.assert_allclose(back.scores, DETECTIONS.scores)
    assert back.labels == DETECTIONS.labels


def test_no_detections_survive_too():
    msg = conversions.detections_to_msg(Detections(), HEADER)
    assert len(msg.detections) == 0
    assert len(conversions.msg_to_detections(msg)) == 0


def test_provenance_survives_the_way_there_and_back():
    provenance = Provenance(12_000_000_345, 'front', 'left', 'fake', '1', 'abc', 0.25, 1.5)
    assert conversions.msg_to_provenance(conversions.provenance_to_msg(provenance)) == provenance
    unknown = Provenance()
    assert conversions.msg_to_provenance(conversions.provenance_to_msg(unknown)) == unknown


@pytest.mark.parametrize(
    ('stamp_ns', 'now_ns', 'age_s'),
    [
        (1_000_000_000, 1_500_000_000, 0.5),
        (None, 1_500_000_000, None),
        (1_000_000_000, 0, None),
        (2_000_000_000, 1_500_000_000, None),
    ],
)
def test_an_age_is_told_only_where_it_is_known(stamp_ns, now_ns, age_s):
    assert conversions.published_at(Provenance(stamp_ns), now_ns).age_s == age_s


def test_images_survive_the_way_there_and_back():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    msg = conversions.image_to_msg(image, HEADER)
    assert (msg.height, msg.width, msg.step, msg.encoding) == (5, 7, 21, 'rgb8')
    assert msg.header == HEADER
    np.testing.assert_array_equal(conversions.msg_to_image(msg), image)
    np.testing.assert_array_equal(cv_bridge.CvBridge().imgmsg_to_cv2(msg, 'rgb8'), image)


def test_an_image_that_is_not_contiguous_can_be_published():
    image = np.random.default_rng(0).integers(0, 256, (5, 14, 3), np.uint8)[:, ::2]
    np.testing.assert_array_equal(
        conversions.msg_to_image(conversions.image_to_msg(image, HEADER)), image
    )


def test_the_format_and_the_size_that_is_enough_are_heeded():
    image = (
        np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    )
    msg = CompressedImage(format='bgr8; jpeg compressed rgb8')
    msg.data.frombytes(cv2.imencode('.jpg', image)[1].tobytes())
    back = conversions.msg_to_image(msg)
    assert back.shape == image.shape
    assert np.abs(back.astype(int) - image).mean() < 30
    assert conversions.msg_to_image(msg, 40).shape == (40, 56, 3)
    raw = conversions.image_to_msg(image, HEADER)
    assert conversions.msg_to_image(raw, 40).shape == image.shape


def test_rare_encodings_go_through_cv_bridge(monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    msg = Image(height=6, width=8, step=24, encoding='8SC3')
    msg.data = array.array('B', data.tobytes())
    asked = []

    def imgmsg_to_cv2(self, image_msg, desired_encoding):
        asked.append((image_msg, desired_encoding))
        return data

    monkeypatch.setattr(cv_bridge.CvBridge, 'imgmsg_to_cv2', imgmsg_to_cv2)
    np.testing.assert_array_equal(conversions.msg_to_image(msg), data)
    assert asked == [(msg, 'rgb8')]


def test_what_cv_bridge_cannot_read_is_an_image_error():
    msg = Image(height=6, width=8, step=24, encoding='8SC3', data=bytes(6 * 24))
    with pytest.raises(ImageError, match="cv_bridge cannot read encoding '8SC3'"):
        conversions.msg_to_image(msg)


def test_without_cv_bridge_its_encodings_say_so(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    msg = Image(height=6, width=8, step=24, encoding='8SC3', data=bytes(6 * 24))
    with pytest.raises(ImageError, match="'8SC3' needs cv_bridge"):
        conversions.msg_to_image(msg)


def test_compressed_images_are_read():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    png = cv2.imencode('.png', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    msg = CompressedImage(format='rgb8; png compressed bgr8', data=png.tobytes())
    np.testing.assert_array_equal(conversions.msg_to_image(msg), image)
    with pytest.raises(ImageError):
        conversions.msg_to_image(CompressedImage(format='png', data=b'nonsense'))


def test_groundings_keep_spans_and_indices():
    groundings = PhraseGroundings(
        'a cup', DETECTIONS, (PhraseGrounding('cup', (2, 5), (0,), (0.25,)),)
    )
    (msg,) = conversions.groundings_to_msg(groundings)
    assert (msg.phrase, msg.start, msg.end) == ('cup', 2, 5)
    assert (list(msg.detections), list(msg.scores)) == ([0], [0.25])


def test_vocabularies_survive_the_way_there_and_back():
    vocabulary = Vocabulary(('cup', '猫'))
    msg = conversions.vocabulary_to_msg(vocabulary, 0.5, Time(sec=1))
    assert conversions.msg_to_vocabulary(msg) == vocabulary
    assert msg.threshold == 0.5


def test_a_failed_caption_has_its_reason():
    msg = conversions.caption_to_msg(None, Status.FAILED, 'why', Provenance(1, 'front'))
    assert (msg.text, msg.status.code, msg.status.message) == ('', ResultStatus.FAILED, 'why')
    msg = conversions.caption_to_msg(Caption('a cup', 0.5), Status.OK, '', Provenance())
    assert (msg.text, msg.score) == ('a cup', 0.5)


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        (DeadlineExceeded('late'), Status.TIMEOUT),
        (WorkCancelled('taken back'), Status.CANCELLED),
        (ModelError('broken'), Status.FAILED),
        (RuntimeError('CUDA out\nof memory'), Status.FAILED),
    ],
)
def test_errors_become_a_status_and_one_line(error, status):
    got, message = conversions.error_to_status(error)
    assert got is status
    assert message and '\n' not in message


def test_regions_are_corners_and_none_means_everything():
    region = RegionOfInterest(x_offset=1, y_offset=2, width=10, height=20)
    assert conversions.msg_to_region(region) == (1.0, 2.0, 11.0, 22.0)
    assert conversions.msg_to_region(RegionOfInterest()) is None


@pytest.mark.parametrize('fields', [{'width': 5}, {'height': 5}, {'x_offset': 5}])
def test_a_region_without_both_sides_is_refused(fields):
    with pytest.raises(InputError, match='give both sides, or none for the whole image'):
        conversions.msg_to_region(RegionOfInterest(**fields))


def test_stamps_survive_and_the_zero_stamp_is_none():
    assert conversions.stamp_to_ns(Time()) is None
    assert conversions.ns_to_stamp(conversions.stamp_to_ns(HEADER.stamp)) == HEADER.stamp
    assert conversions.ns_to_stamp(None) == Time()


@pytest.mark.parametrize('sec', [2**31 - 1, -(2**31)])
def test_a_stamp_beyond_all_others_stays_one(sec):
    came = Time(sec=sec, nanosec=2**32 - 1)
    assert conversions.ns_to_stamp(conversions.stamp_to_ns(came)).sec == min(sec + 4, 2**31 - 1)
    assert conversions.ns_to_stamp(-(10**30)).sec == -(2**31)
