"""Any boxes come back as far as each format can say where they are."""

from pathlib import Path
import tempfile

import cv2
from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
import numpy as np

from vlm_ros.data.formats import (
    read_coco,
    read_kitti,
    read_voc,
    read_yolo,
    write_coco,
    write_kitti,
    write_voc,
    write_yolo,
)
from vlm_ros.records import DetectionRecord, FrameRecord, ImageRecord
from vlm_ros.results import Status

NAMES = ('car', 'traffic light', 'Fußgänger & Co <1>', '人')


@st.composite
def frames(draw):
    width, height = draw(st.integers(1, 4000)), draw(st.integers(1, 3000))
    boxes = []
    for _ in range(draw(st.integers(0, 4))):
        left, right = sorted(draw(st.tuples(*[st.integers(0, 100 * width)] * 2)))
        top, bottom = sorted(draw(st.tuples(*[st.integers(0, 100 * height)] * 2)))
        if left == right or top == bottom:
            continue
        boxes.append(
            DetectionRecord(
                label=draw(st.sampled_from(NAMES)),
                score=draw(st.floats(0, 1)),
                xyxy=tuple(edge / 100 for edge in (left, top, right, bottom)),
                track_id=draw(st.none() | st.integers(1, 10**6)),
            )
        )
    return FrameRecord(
        key='one',
        source=draw(st.text(max_size=8)),
        index=0,
        image=ImageRecord(file='one.png', width=width, height=height),
        status=Status.OK if boxes else Status.NOTHING_FOUND,
        detections=tuple(boxes),
    )


def check(truth, frame, error_px, *, scores=True, tracks=False):
    (image,) = truth.images
    assert (image.width, image.height) == (frame.image.width, frame.image.height)
    assert image.labels == tuple(box.label for box in frame.detections)
    expected = np.array([box.xyxy for box in frame.detections]).reshape(-1, 4)
    # float32 of a coordinate of thousands has some 0.0003 pixels of its own.
    np.testing.assert_allclose(image.xyxy, expected, rtol=0, atol=error_px + 0.001)
    if scores:
        assert [box.score for box in image.boxes] == [box.score for box in frame.detections]
    if tracks:
        assert [box.track_id for box in image.boxes] == [b.track_id for b in frame.detections]


ours = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@ours
@given(frames())
def test_coco_keeps_hundredths_scores_and_tracks(frame):
    with tempfile.TemporaryDirectory() as name:
        written = write_coco([frame], NAMES, Path(name))
        truth = read_coco(written.path)
    check(truth, frame, 0.0, tracks=True)
    assert truth.labels == NAMES


@ours
@given(frames())
def test_voc_keeps_whole_pixels_scores_and_tracks(frame):
    with tempfile.TemporaryDirectory() as name:
        write_voc([frame], NAMES, Path(name))
        truth = read_voc(Path(name))
    # A box of less than a pixel is made one large.
    check(truth, frame, 1.0, tracks=True)
    assert truth.clipped == 0


@ours
@given(frames(), st.booleans())
def test_yolo_keeps_millionths_and_kitti_hundredths(frame, masks):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        picture = np.zeros((frame.image.height, frame.image.width), np.uint8)
        cv2.imwrite(str(root / 'one.png'), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        yolo, kitti = root / 'yolo', root / 'kitti'
        written = write_yolo([frame], NAMES, yolo, images=root, masks=masks, scores=True)
        check(read_yolo(written.path), frame, 4000 * 1.1e-6)
        write_kitti([frame], NAMES, kitti, images=root)
        check(read_kitti(kitti, vocabulary=NAMES), frame, 0.0)
