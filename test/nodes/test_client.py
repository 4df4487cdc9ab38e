"""The client, blocking and polled, against real nodes."""

import contextlib
import inspect
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor

from vlm_ros.client import Outcome, requests, VlmClient
from vlm_ros.errors import ImageError, InputError, QuestionError, VocabularyError
from vlm_ros.nodes.detector import DetectorNode
from vlm_ros.nodes.query import QueryNode
from vlm_ros.results import Status, Truth

IMAGE = np.full((48, 64, 3), 128, np.uint8)
HANGING = 'Why does the person smile?'


@pytest.fixture
def start(graph):
    """Start a query node with the fake backend; returns a client with a node of its own."""
    clients = []

    def start(**parameters):
        client = VlmClient(timeout_s=15.0)  # before the nodes: those find each other at once
        clients.append(client)
        graph.start(QueryNode, query={'backend': 'fake', 'max_image_age_s': '100.0', **parameters})
        # Refused before the model is called; from then on they know each other.
        assert "no camera 'nowhere'" in client.ask('Why?', camera='nowhere').message
        return client

    yield start
    for client in clients:
        client.close()


def show(graph):
    """Publish an image and wait until the query node has it."""
    graph.publish(graph.stamped())
    graph.spin_until(lambda: graph.nodes[0].feeds[''].newest, 'the image')


def test_a_question_is_answered_with_evidence_and_provenance(graph, start):
    client = start()
    show(graph)
    outcome = client.ask('Is there a person?')
    assert (outcome.status, outcome.message, outcome.line) == (Status.OK, '', 'OK')
    assert outcome.ok and outcome.looked
    assert outcome.result.text == 'yes'
    assert outcome.result.confidence == pytest.approx(0.9)
    assert outcome.result.evidence.labels == ('person',)
    assert outcome.provenance.model_id == 'fake'
    assert outcome.provenance.frame_id == 'front'
    assert outcome.provenance.age_s > 0


def test_every_question_to_the_query_node_has_its_result(start):
    client = start()
    absent = client.ask('What colour is the absentee?', image=IMAGE)
    assert (absent.status, absent.result.status) == (Status.NOT_IN_VIEW, Status.NOT_IN_VIEW)
    assert 'absentee' in absent.message and absent.looked and not absent.ok
    verdict = client.verify('There is a person.', image=IMAGE)
    assert (verdict.status, verdict.result.truth) == (Status.OK, Truth.TRUE)
    assert verdict.result.evidence.labels == ('person',)
    found = client.detect(['cup', 'absentee'], image=IMAGE)
    assert (found.status, found.result.labels) == (Status.OK, ('cup',))
    assert found.provenance.vocabulary_id
    none = client.detect(['absentee'], image=IMAGE)
    assert (none.status, none.result.labels) == (Status.NOTHING_FOUND, ())
    grounded = client.ground('a person with a cup', image=IMAGE)
    assert [g.phrase for g in grounded.result.groundings] == ['person', 'cup']
    assert grounded.result.text == 'a person with a cup'
    caption = client.describe(image=IMAGE)
    assert '64 by 48' in caption.result.text
    located = client.locate('the person', image=IMAGE)
    assert located.result.status is located.status


def test_choices_and_regions_arrive(start):
    client = start()
    outcome = client.ask('How many cups are there?', image=IMAGE, choices=['1', '2'])
    assert outcome.result.text == '1'
    left = outcome.result.evidence.xyxy[0][0]
    elsewhere = (40.0, 0.0, 60.0, 48.0) if left < 20 else (0.0, 0.0, 4.5, 48.0)
    outcome = client.ask('Is there a cup?', image=IMAGE, region_xyxy=elsewhere)
    assert outcome.result.text == 'no'


def test_nobody_looked_is_an_outcome_without_a_result(graph, start):
    client = start()
    outcome = client.ask('Is there a person?')
    assert (outcome.status, outcome.result, outcome.looked) == (Status.NO_IMAGE, None, False)
    show(graph)
    graph.spin_for(0.3)
    stale = client.verify('There is a person.', max_image_age_s=0.2)
    assert (stale.status, stale.result) == (Status.STALE, None)
    unknown = client.ask('Is there a person?', camera='rear')
    assert unknown.status is Status.FAILED
    assert "no camera 'rear'" in unknown.message


def test_an_outcome_is_neither_true_nor_false():
    with pytest.raises(TypeError, match='neither true nor false'):
        bool(Outcome(None, Status.OK))


def test_the_answer_streams(start):
    client = start(backend_options='latency_s=0.05')
    said = []
    outcome = client.ask(HANGING, image=IMAGE, on_partial=said.append)
    assert outcome.status is Status.OK
    assert len(said) > 1 and said == sorted(said, key=len)
    assert outcome.result.text.startswith(said[0])


def test_what_on_partial_raises_costs_only_itself(start):
    client = start(backend_options='latency_s=0.02')

    def fail(text):
        raise RuntimeError(text)

    assert client.ask(HANGING, image=IMAGE, on_partial=fail).status is Status.OK


def test_the_vocabulary_is_set(graph):
    with VlmClient(timeout_s=15.0) as client:
        graph.start(DetectorNode, detector={'backend': 'fake', 'vocabulary': '[lamp]'})
        outcome = client.set_vocabulary(['cup', 'dog'])
        assert (outcome.status, outcome.message) == (Status.OK, '')
        assert outcome.provenance.vocabulary_id == outcome.result
        assert client.set_vocabulary(['cup', 'dog']).result == outcome.result
        assert client.set_vocabulary(['cup']).result != outcome.result


BAD = [
    (lambda: requests.ask(''), QuestionError, 'the question is empty'),
    (lambda: requests.ask('x' * 100_000), QuestionError, 'characters'),
    (lambda: requests.ask('why?', timeout_s=0.0), InputError, 'timeout_s must be above 0'),
    (lambda: requests.ask('why?', timeout_s=float('nan')), InputError, 'timeout_s'),
    (lambda: requests.ask('why?', choices='yes'), InputError, 'give a list'),
    (lambda: requests.ask('why?', choices=['a', 'a']), InputError, "name 'a' twice"),
    (lambda: requests.ask('why?', choices=['a', ' ']), InputError, 'empty'),
    (lambda: requests.ask('why?', region_xyxy=(5, 5, 5, 9)), InputError, 'is empty'),
    (lambda: requests.ask('why?', region_xyxy=(-1, 0, 5, 9)), InputError, 'four pixels'),
    (lambda: requests.ask('why?', window_s=-1.0), InputError, 'window_s must be from 0'),
    (lambda: requests.ask('why?', image=IMAGE[..., 0]), ImageError, 'shape'),
    (lambda: requests.ask('why?', image=IMAGE.astype(float)), ImageError, 'uint8'),
    (lambda: requests.ask('why?', camera=5), InputError, "'camera' field must be of type 'str'"),
    (lambda: requests.verify('?'), QuestionError, 'no words'),
    (lambda: requests.verify('it is so', frames=2, agreeing=3), InputError, 'more than the 2'),
    (lambda: requests.verify('it is so', frames=-1), InputError, 'frames must be a whole'),
    (lambda: requests.detect('cup'), InputError, 'give a list'),
    (lambda: requests.detect(['cup', 'cup']), VocabularyError, 'twice'),
    (lambda: requests.detect(['cup'], score_threshold=2.0), InputError, 'score_threshold'),
    (lambda: requests.set_vocabulary([]), VocabularyError, ''),
    (lambda: requests.set_statements({'a b': 'it is so'}), InputError, 'part of a topic'),
    (lambda: requests.set_statements({'tür': 'it is so'}), InputError, 'part of a topic'),
    (lambda: requests.set_statements({'a: b': 'it is so'}), InputError, 'has a colon'),
    (lambda: requests.set_statements({'a': 'it is\nso'}), InputError, 'control characters'),
    (lambda: requests.set_vocabulary(['cup'], camera='a b'), InputError, 'part of a topic'),
    (lambda: requests.add_exemplar(' '), VocabularyError, ''),
    (lambda: requests.search_memory('mug', since_ns=2, until_ns=1), InputError, 'comes after'),
]


@pytest.mark.parametrize(('make', 'error', 'message'), BAD)
def test_wrong_arguments_raise_before_anything_is_sent(make, error, message):
    with pytest.raises(error) as raised:
        make()
    assert message in str(raised.value)
    assert '\n' not in str(raised.value) and len(str(raised.value)) < 300


def test_a_service_that_is_not_there_is_named():
    with VlmClient(namespace='nowhere', timeout_s=0.3) as client:
        for outcome, name in [
            (client.ask('Is there a cup?'), 'the action /nowhere/answer'),
            (client.detect(['cup']), 'the service /nowhere/detect_objects'),
            (client.set_vocabulary(['cup'], camera='rear'), '/nowhere/rear/set_vocabulary'),
        ]:
            assert (outcome.status, outcome.result) == (Status.FAILED, None)
            assert outcome.message.startswith('nobody offers the ')
            assert f'{name}: ' in outcome.message
            assert '\n' not in outcome.message


def test_a_model_that_hangs_is_a_time_out(start):
    client = start(backend_options='script=hang')
    started_s = time.monotonic()
    outcome = client.ask(HANGING, image=IMAGE, timeout_s=1.0)
    assert (outcome.status, outcome.result) == (Status.TIMEOUT, None)
    assert time.monotonic() - started_s < 10.0
    # A service without a time-out of its own: the client's ends it.
    outcome = client.describe(image=IMAGE, timeout_s=0.5)
    assert outcome.status is Status.TIMEOUT
    assert '/describe_image did not answer' in outcome.message


def test_a_cancel_ends_the_work_at_the_server(graph, start):
    client = start(backend_options='script=[hang, ok...]')
    query = graph.nodes[0]
    call = client.send(requests.ask(HANGING, image=IMAGE, timeout_s=60.0))
    graph.spin_until(lambda: query.requests._pending, 'the question at the server')
    assert not call.done()
    call.cancel()
    assert call.done()
    assert call.outcome().status is Status.CANCELLED
    graph.spin_until(lambda: not query.requests._pending, 'the end of its work')
    assert client.ask('Is there a cup?', image=IMAGE).status is Status.OK


def test_closing_takes_back_what_is_under_way(graph, start):
    client = start(backend_options='script=[hang, ok...]')
    query = graph.nodes[0]
    call = client.send(requests.ask(HANGING, image=IMAGE, timeout_s=60.0))
    graph.spin_until(lambda: query.requests._pending, 'the question at the server')
    client.close()
    assert call.outcome().status is Status.CANCELLED
    graph.spin_until(lambda: not query.requests._pending, 'the end of its work')
    assert client.send(requests.ask(HANGING)).outcome().message == 'the client is closed'
    client.close()


def test_a_server_that_comes_later_is_waited_for(graph):
    graph.start()
    with VlmClient(timeout_s=15.0) as client:
        call = client.send(requests.ask('Is there a cup?', image=IMAGE))
        time.sleep(0.3)
        assert not call.done()
        node = QueryNode(graph.shared)
        graph.nodes.append(node)
        graph._executor.add_node(node)
        # It says that it is not active yet, or answers.
        assert client.wait(call).status in (Status.OK, Status.FAILED)
        assert '/answer' not in call.outcome().message


def test_a_first_question_to_a_new_server_arrives(graph):
    # Nobody waited until the server knew the client, and the time-out leaves time to ask again.
    # It is asked again after a second, while the model still thinks, and still answered once.
    graph.start(QueryNode, query={'backend': 'fake', 'backend_options': 'script=1.5'})
    pending = graph.nodes[0].requests._pending
    with VlmClient(timeout_s=30.0) as client:
        call = client.send(requests.ask(HANGING, image=IMAGE, require_evidence=False))
        graph.spin_until(lambda: pending, 'the question at the server')
        [exchange] = client._dispatcher._open
        graph.spin_until(lambda: exchange._sent and exchange._sent._handle, 'its acceptance')
        client.node.executor.create_task(exchange._sent._send)  # as if the first had been lost
        most = 0
        while not call.done():
            most = max(most, len(pending))
            graph.spin_for(0.02)
        assert (call.outcome().status, most) == (Status.OK, 1)


def run_with(executor_type, node):
    """Run a node on another thread; returns the executor, which the context's end ends."""
    executor = executor_type(context=node.context)
    executor.add_node(node)
    threading.Thread(target=spin_quietly, args=(executor,), daemon=True).start()
    return executor


def spin_quietly(executor):
    with contextlib.suppress(rclpy.executors.ExternalShutdownException):
        executor.spin()


@pytest.mark.parametrize('executor_type', [SingleThreadedExecutor, MultiThreadedExecutor])
def test_the_callers_node_works_from_another_thread(graph, node, executor_type):
    graph.start(QueryNode, query={'backend': 'fake'})
    executor = run_with(executor_type, node)
    client = VlmClient(node, timeout_s=15.0)
    assert client.ask('Is there a cup?', image=IMAGE).result.text == 'yes'
    client.close()
    assert node.get_name() == 'robot'  # it lives on
    executor.shutdown()


def test_blocking_on_the_executors_thread_is_refused(graph, node):
    graph.start(QueryNode, query={'backend': 'fake'})
    executor = run_with(SingleThreadedExecutor, node)
    client = VlmClient(node, timeout_s=15.0)
    caught, calls = [], []

    def tick():
        timer.cancel()
        try:
            client.ask('Is there a cup?', image=IMAGE)
        except InputError as error:
            caught.append(error)
        calls.append(client.send(requests.ask('Is there a cup?', image=IMAGE)))

    timer = node.create_timer(0.01, tick)
    graph.spin_until(lambda: calls, 'the callback')
    assert 'use client.send or client.aio' in str(caught[0])
    assert client.wait(calls[0]).result.text == 'yes'
    client.close()
    executor.shutdown()


def test_a_node_that_is_gone_ends_the_calls(node):
    executor = run_with(SingleThreadedExecutor, node)
    client = VlmClient(node, timeout_s=10.0)
    call = client.send(requests.ask('Is there a cup?'))
    executor.shutdown()
    node.destroy_node()
    client.close()
    assert call.outcome().status in (Status.CANCELLED, Status.FAILED)


def test_a_client_that_nobody_closes_ends_with_the_program():
    code = 'from vlm_ros.client import *; c = VlmClient(); print(c.describe(timeout_s=0.1).line)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stderr == ''
    assert done.stdout.startswith('FAILED: nobody offers the service /describe_image: ')


def test_the_methods_document_themselves():
    for name in requests.__all__:
        if name in ('Request', 'check_name', 'checked_timeout'):
            continue
        function, method = getattr(requests, name), getattr(VlmClient, name)
        parameters = list(inspect.signature(method).parameters)
        assert parameters == ['self', *inspect.signature(function).parameters]
        assert inspect.getdoc(function) in inspect.getdoc(method)
        for parameter in parameters[1:]:
            assert f'{parameter}: ' in method.__doc__


def test_the_client_and_the_leaves_load_no_model_library():
    heavy = ('torch', 'transformers', 'openvino', 'spacy', 'sklearn', 'vlm_ros.backends')
    code = f'import sys, vlm_ros.client, vlm_ros.behaviours; print({heavy} & sys.modules.keys())'
    code = code.replace(f'{heavy} &', f'set({heavy}) &')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'
