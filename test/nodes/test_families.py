"""Model families behind the nodes, at tiny size: what they say, and what stands in the way."""

from pathlib import Path
import sys

import pytest
from vision_msgs.msg import Detection2DArray

from vlm_ros.nodes.captioner import CaptionerNode
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros_interfaces.msg import Caption, PerceptionStatus, ResultStatus
from vlm_ros_interfaces.srv import DescribeImage, DetectObjects, SetVocabulary

sys.path.append(str(Path(__file__).parents[1] / 'backends'))

import tiny


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """The parameters of a family's tiny model."""
    folder = tmp_path_factory.mktemp('tiny')
    return {
        name: {
            'backend': name,
            'model': tiny.save(name, folder / name, *kind)['model'],
            'backend_options': 'dtype=float32',
        }
        for name, *kind in (('owl',), ('blip', 'caption'))
    }


def test_a_detector_of_the_family_publishes_what_it_finds(graph, folders):
    threshold = {'score_threshold': '0.01'}
    graph.start(
        DetectorNode,
        detector={'vocabulary': '[person, coffee cup]', **folders['owl'], **threshold},
    )
    detections = graph.collect(Detection2DArray, 'detections')
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    graph.connect()
    found = graph.show(detections)
    assert found.detections
    names = {d.results[0].hypothesis.class_id for d in found.detections}
    assert names <= {'person', 'coffee cup'}
    provenance = graph.spin_until(lambda: [s for s in statuses if s.frames_processed])[
        0
    ].provenance
    assert provenance.model_id == 'owl:owl'
    assert provenance.model_revision.startswith('local-')
    response = graph.call(
        SetVocabulary, 'set_vocabulary', SetVocabulary.Request(vocabulary=['red chair'])
    )
    assert response.success
    found = graph.show(detections)
    assert {d.results[0].hypothesis.class_id for d in found.detections} == {'red chair'}


def test_captions_of_the_family_are_published_and_given_on_request(graph, folders):
    query = {**folders['blip'], 'max_image_age_s': '60.0'}
    graph.start(CaptionerNode, QueryNode, captioner=folders['blip'], query=query)
    captions = graph.collect(Caption, 'caption')
    graph.connect()
    caption = graph.show(captions)
    assert caption.status.code in (ResultStatus.OK, ResultStatus.UNSURE)
    assert caption.provenance.model_id == 'blip:blip'
    response = graph.call(DescribeImage, 'describe_image', DescribeImage.Request())
    assert response.status.code == caption.status.code
    assert response.caption == caption.text
    # A task that the model does not have is refused by name, and the node goes on.
    request = DetectObjects.Request(vocabulary=['person'])
    refused = graph.call(DetectObjects, 'detect_objects', request)
    assert refused.status.code == ResultStatus.FAILED
    assert 'blip:blip cannot detect' in refused.status.message
    assert graph.call(DescribeImage, 'describe_image', DescribeImage.Request()).caption


@pytest.mark.parametrize(
    ('parameters', 'message'),
    [
        ({}, 'run: vlm-ros models prefetch google/owlvit-base-patch32'),
        ({'model': 'google/owlvit-bose-patch32'}, 'google/owlvit-base-patch32'),
        ({'model': '/no/such/folder'}, "there is no folder '/no/such/folder'"),
        ({'model': 'IDEA-Research/grounding-dino-tiny'}, "'grounding_dino'"),
        ({'backend_options': 'dtype=int4'}, 'float32'),
        ({'device': 'cuda:7'}, "there is no device 'cuda:7' here"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_stands_in_the_way_is_said_until_it_is_mended(
    graph, folders, tmp_path, monkeypatch, parameters, message
):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    monkeypatch.setenv('HF_HUB_CACHE', str(tmp_path))
    needs_model = set(parameters) & {'backend_options', 'device'}
    given = folders['owl'] if needs_model else {'backend': 'owl'}
    graph.start(
        DetectorNode, active=False, detector={'vocabulary': '[person]', **given, **parameters}
    )
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    status = graph.spin_until(lambda: [s for s in statuses if message in s.status.message])[0]
    assert status.status.code == ResultStatus.FAILED
    assert '\n' not in status.status.message


def test_a_family_that_cannot_be_had_has_a_fallback(graph, tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    graph.start(
        DetectorNode,
        detector={'vocabulary': '[person]', 'backend': 'owl', 'fallback': '["fake"]'},
    )
    statuses = graph.collect(PerceptionStatus, 'detections/status')
    assert graph.show(statuses).provenance.model_id == 'fake'
