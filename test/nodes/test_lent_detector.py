"""A query node whose model looks through another model's eyes."""

from pathlib import Path
import sys

import pytest

from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros_interfaces.msg import ResultStatus
from vlm_ros_interfaces.srv import AnswerQuestion, DetectObjects, GroundPhrases

sys.path.append(str(Path(__file__).parents[1] / 'backends'))

import tiny

PATIENT = {'max_image_age_s': '60.0'}


@pytest.fixture(scope='module')
def parameters(tmp_path_factory):
    """The parameters of a family's tiny model."""
    folder = tmp_path_factory.mktemp('lent')
    return {
        name: {
            'backend': name,
            'model': tiny.save(name, folder / name)['model'],
            'backend_options': 'dtype=float32',
            **PATIENT,
        }
        for name in ('blip', 'clip')
    }


def show(graph):
    graph.connect()
    graph.publish(graph.stamped())
    graph.spin_for(0.3)


def test_an_answer_is_the_models_and_its_evidence_the_detectors(graph, parameters):
    graph.start(QueryNode, query={**parameters['blip'], 'detector': 'fake'})
    show(graph)
    found = graph.call(
        AnswerQuestion, 'answer_question', AnswerQuestion.Request(question='Is there a cup?')
    )
    assert (found.status.code, found.answer) == (ResultStatus.OK, 'yes')
    assert [d.results[0].hypothesis.class_id for d in found.evidence.detections] == ['cup']
    missing = graph.call(
        AnswerQuestion,
        'answer_question',
        AnswerQuestion.Request(question='What colour is the absentee?'),
    )
    assert missing.status.code == ResultStatus.NOT_IN_VIEW
    assert missing.provenance.model_id == 'blip:blip'


def test_regions_of_the_detector_are_matched_with_words_by_a_two_tower_model(graph, parameters):
    graph.start(QueryNode, query={**parameters['clip'], 'detector': 'fake'})
    show(graph)
    request = GroundPhrases.Request(text='a person and two dogs')
    response = graph.call(GroundPhrases, 'ground_phrases', request)
    assert response.status.code in (ResultStatus.OK, ResultStatus.NOTHING_FOUND)
    assert [(g.phrase, g.start, g.end) for g in response.groundings] == [
        ('person', 2, 8),
        ('dogs', 17, 21),
    ]
    request = DetectObjects.Request(vocabulary=['person'])
    response = graph.call(DetectObjects, 'detect_objects', request)
    assert [d.results[0].hypothesis.class_id for d in response.detections.detections] == ['person']


def test_without_one_it_says_what_the_model_cannot(graph, parameters):
    graph.start(QueryNode, query=parameters['clip'])
    show(graph)
    response = graph.call(GroundPhrases, 'ground_phrases', GroundPhrases.Request(text='a dog'))
    assert response.status.code == ResultStatus.FAILED
    assert 'cannot ground' in response.status.message


def test_a_detector_that_fails_is_named_and_the_model_stays(graph, parameters):
    graph.start(QueryNode, query={**parameters['blip'], 'detector': 'fake script=fail'})
    show(graph)
    request = AnswerQuestion.Request(question='Is there a cup?')
    for _ in range(4):
        response = graph.call(AnswerQuestion, 'answer_question', request)
        assert response.status.code == ResultStatus.FAILED
        assert response.status.message.startswith('the detector failed')


def test_the_weights_of_a_detector_node_are_shared(graph, parameters):
    fake = {'backend': 'fake', 'vocabulary': 'cup'}
    graph.start(
        DetectorNode,
        QueryNode,
        detector=fake,
        query={**parameters['blip'], 'detector': 'fake'},
    )
    show(graph)
    request = AnswerQuestion.Request(question='Is there a cup?')
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.OK
    detector, query = graph.nodes
    assert query.worker is not detector.worker
    assert len(graph.shared._users) == 2


def test_the_backend_itself_as_its_detector_is_no_deadlock(graph):
    graph.start(QueryNode, query={'backend': 'fake', 'detector': 'fake', **PATIENT})
    show(graph)
    request = AnswerQuestion.Request(question='Is there a person?', timeout_s=20.0)
    response = graph.call(AnswerQuestion, 'answer_question', request)
    assert response.status.code == ResultStatus.OK


@pytest.mark.parametrize(
    ('detector', 'message'),
    [
        ('nonsense', 'nonsense'),
        ('fake latency_s', 'not name=value'),
        ('fake api_key=x', 'api_key'),
    ],
)
def test_a_detector_that_cannot_be_had_is_said(graph, parameters, detector, message):
    graph.start(QueryNode, query={'backend': 'fake', 'detector': detector}, active=False)
    (query,) = graph.nodes
    graph.spin_until(lambda: query.trouble, 'the reason')
    assert message in query.trouble
