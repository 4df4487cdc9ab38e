"""Least scores of single names, alone and in the detector node."""

import numpy as np
import pytest
from vision_msgs.msg import Detection2DArray

from vlm_ros.errors import InputError
from vlm_ros.nodes.detector import DetectorNode, DetectorParameters
from vlm_ros.nodes.thresholds import Thresholds
from vlm_ros.results import Detections


def test_each_name_has_its_own():
    thresholds = Thresholds.parse(['Person=0.4', 'a=b=0.9'])
    scores = np.array([0.4, 0.39, 0.95, 0.5, 0.2], np.float32)
    labels = ('person', 'Person', 'a=b', 'cup', 'cup')
    found = Detections(np.zeros((5, 4), np.float32), scores, labels)
    assert thresholds.kept(found, 0.3).labels == ('person', 'a=b', 'cup')
    assert thresholds.kept(found, None).labels == ('person', 'a=b', 'cup', 'cup')
    assert (thresholds.asked(0.5), thresholds.asked(0.1), thresholds.asked(None)) == (
        0.4,
        0.1,
        None,
    )
    nothing = Thresholds.parse([])
    assert nothing.kept(found, 0.9) is found
    assert nothing.asked(0.25) == 0.25


@pytest.mark.parametrize('pair', ['person', '=0.5', 'person=much', 'person=1.5', 'person=nan'])
def test_what_is_no_pair_is_refused(pair):
    with pytest.raises(InputError, match=r"as in 'person=0\.4'"):
        DetectorParameters(score_thresholds=(pair,))
    with pytest.raises(InputError, match='twice'):
        Thresholds.parse(['cup=0.1', 'Cup=0.2'])


def test_an_underscore_and_white_space_are_a_space():
    """Labels of nuScenes and files of calibrate have the one, vocabularies the other."""
    thresholds = Thresholds.parse(['Traffic_Light=0.4', 'stop  sign=0.5', 'cup=0.1'])
    scores = np.array([0.39, 0.41, 0.49], np.float32)
    labels = ('traffic light', 'traffic_light', 'stop sign')
    found = Detections(np.zeros((3, 4), np.float32), scores, labels)
    assert thresholds.kept(found, 0.0).labels == ('traffic_light',)
    assert thresholds.unknown(['traffic light', 'Stop_sign']) == ['cup']
    with pytest.raises(InputError, match='twice'):
        Thresholds.parse(['stop_sign=0.1', 'stop sign=0.2'])


def test_names_that_the_vocabulary_has_not_are_told_once(graph, capfd):
    graph.start(
        DetectorNode,
        detector={
            'backend': 'fake',
            'vocabulary': '[person, traffic light]',
            'score_thresholds': '[traffic_light=0.2, persn=0.4]',
        },
    )
    node = graph.nodes[0]
    node.settings.set(max_rate_hz=5.0)
    node.settings.set(score_thresholds=['cup=0.5'])
    node.settings.set(vocabulary=['cup'])
    told = [line for line in capfd.readouterr().err.splitlines() if 'WARN' in line]
    assert [line.partition('score_thresholds has ')[2].partition(',')[0] for line in told] == [
        'persn',
        'cup',
    ]


def test_the_detector_leaves_out_what_scores_less(graph):
    """The fake scores 0.9 throughout, its own threshold."""
    settings = {'backend': 'fake', 'vocabulary': '[person, cup]', 'score_thresholds': '[cup=0.91]'}
    graph.start(DetectorNode, detector=settings)
    detections = graph.collect(Detection2DArray, 'detections')
    found = graph.show(detections)
    assert [d.results[0].hypothesis.class_id for d in found.detections] == ['person']
