"""The networks by themselves: what comes out is what their authors' own code gives."""

import subprocess
import sys

import numpy as np
import pytest

from vlm_ros.backends.embedded import assets
from vlm_ros.backends.embedded.activation import box_around_peak
from vlm_ros.backends.embedded.features import Classifier, FeatureExtractor, Level
from vlm_ros.backends.embedded.memory import remembered
from vlm_ros.backends.embedded.minilm import MiniLm
from vlm_ros.backends.embedded.ssd import decode, make_anchors, SsdMobileNet
from vlm_ros.backends.weights import locate


@pytest.fixture(scope='module')
def ssd():
    return SsdMobileNet(locate(assets.SSD), 1)


@pytest.fixture(scope='module')
def features():
    return FeatureExtractor(locate(assets.EFFICIENTNET), 1)


@pytest.fixture(scope='module')
def minilm():
    return MiniLm(locate(assets.MINILM), locate(assets.MINILM_TOKENIZER))


def test_nobody_is_told_that_the_networks_run():
    program = (
        'import sys, vlm_ros.backends.embedded.backend, openvino.tools.ovc as ovc;'
        'print(sys.modules["openvino_telemetry"], type(ovc.telemetry).__module__)'
    )
    done = subprocess.run([sys.executable, '-c', program], check=True, capture_output=True)
    assert done.stdout.split() == [b'None', b'openvino.tools.ovc.telemetry_stub']


def test_anchors_are_the_models():
    anchors = make_anchors()
    assert anchors.shape == (1917, 4)
    np.testing.assert_allclose(anchors[0], [0.5 / 19, 0.5 / 19, 0.1, 0.1], rtol=1e-5)
    # Ratio 2 of scale 0.2 is wider than high.
    np.testing.assert_allclose(anchors[1, 2:], [0.2 / 2**0.5, 0.2 * 2**0.5], rtol=1e-5)
    np.testing.assert_allclose(anchors[-1], [0.5, 0.5, (0.95) ** 0.5, (0.95) ** 0.5], rtol=1e-5)


def test_decoding_moves_and_scales_anchors():
    anchor = np.float32([[0.5, 0.5, 0.2, 0.4]])
    np.testing.assert_allclose(
        decode(np.zeros((1, 4), np.float32), anchor), [[0.3, 0.4, 0.7, 0.6]]
    )
    # y by one tenth of the height, width doubled.
    moved = decode(np.float32([[1, 0, 0, 5 * np.log(2)]]), anchor)
    np.testing.assert_allclose(moved, [[0.1, 0.42, 0.9, 0.62]], atol=1e-6)


def test_box_network_finds_the_cat(ssd, photos):
    found = ssd.run(photos['chelsea'], 0.15)
    assert len(ssd.labels) == found.scores.shape[1] == 23
    anchor, column = np.unravel_index(found.scores.argmax(), found.scores.shape)
    assert ssd.labels[column] == 'Cat'
    assert found.scores[anchor, column] > 0.7
    assert found.scores.max(1).min() >= 0.15
    assert 0 < len(ssd.run(photos['chelsea'], 0.5).xyxy) < len(found.xyxy)


@pytest.mark.parametrize(
    ('photo', 'index'), [('chelsea', 285), ('coffee', 967)], ids=['Egyptian cat', 'espresso']
)
def test_feature_network_classifies(photo, index, features, photos):
    level = features.run(photos[photo], 224)
    assert level.probabilities.shape == (1, 1000)
    assert level.probabilities[0].argmax() == index
    assert level.probabilities[0].max() > 0.5


def test_windows_cover_the_map_and_are_the_mean_of_their_cells(features, photos):
    level = features.run(photos['stereo_motorcycle'], 448)
    rows, columns, _ = level.cells.shape
    covered = np.zeros((rows, columns), int)
    for (left, top, right, bottom), probabilities in zip(
        level.windows, level.probabilities, strict=True
    ):
        covered[top:bottom, left:right] += 1
        box = np.float32([[left / columns, top / rows, right / columns, bottom / rows]])
        np.testing.assert_allclose(level.pool(box)[0], probabilities, atol=1e-4)
    assert covered.min() > 0


@pytest.mark.parametrize('resolution_wh', [(1, 1), (5000, 3), (3, 5000), (640, 480)], ids=str)
def test_any_shape_gives_a_map(resolution_wh, features):
    width, height = resolution_wh
    level = features.run(np.zeros((height, width, 3), np.uint8), 448)
    assert level.cells.shape[0] * level.cells.shape[1] <= 220
    assert np.isfinite(level.probabilities).all()


def test_box_around_the_peak_of_the_window():
    activation = np.zeros((8, 10), np.float32)
    activation[1:3, 1:4] = 1.0
    activation[5:8, 6:9] = 5.0
    expected = {(0, 0, 5, 5): [0.1, 0.125, 0.4, 0.375], (5, 3, 10, 8): [0.6, 0.625, 0.9, 1.0]}
    for window, box in expected.items():
        np.testing.assert_allclose(box_around_peak(activation, window), box, atol=0.06)


def test_box_of_a_flat_map_is_all_of_it():
    np.testing.assert_array_equal(
        box_around_peak(np.zeros((4, 4), np.float32), (0, 0, 4, 4)), [0, 0, 1, 1]
    )


def test_activation_is_what_the_classes_say_beyond_the_rest():
    classifier = Classifier(np.eye(4, dtype=np.float32), np.float32([0, 0, 1, 0]))
    cells = np.zeros((1, 3, 4), np.float32)
    cells[0, 1, 2] = 4
    cells[0, 2, 3] = 8
    level = Level(cells, np.zeros((0, 4), int), np.zeros((0, 4), np.float32), classifier)
    np.testing.assert_allclose(level.activation(np.float32([0, 0, 1, 0])), [[0.75, 3.75, 0]])


def test_texts_that_mean_the_same_are_near(minilm):
    vectors = minilm.encode(['motorbike', 'motorcycle', 'banana'])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    alike = vectors @ vectors.T
    # The reference implementation gives 0.81 for the first pair.
    assert alike[0, 1] == pytest.approx(0.81, abs=0.01)
    assert alike[0, 2] < 0.4


def test_order_and_company_do_not_change_an_embedding(minilm):
    texts = ['a dog', 'a very long description of a cup of coffee on a table', 'x']
    together = minilm.encode(texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(minilm.encode([text])[0], vector, atol=1e-5)
    assert minilm.encode([]).shape == (0, 384)


def test_remembers_embeddings_and_mends_a_damaged_file(minilm, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    first = remembered(minilm, ['cat', 'dog'])
    (path,) = (tmp_path / 'derived').iterdir()
    monkeypatch.setattr(minilm, 'encode', lambda texts: pytest.fail('encoded again'))
    np.testing.assert_array_equal(remembered(minilm, ['cat', 'dog']), first)
    monkeypatch.undo()
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    path.write_bytes(b'\x93NUMPY garbage')
    np.testing.assert_allclose(remembered(minilm, ['cat', 'dog']), first, atol=1e-6)


def test_a_cache_that_cannot_be_written_only_costs_time(minilm, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path / 'file'))
    assert remembered(minilm, ['cat']).shape == (1, 384)
