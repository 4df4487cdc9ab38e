"""The leaves, ticked against real nodes and against a server that answers as told."""

import itertools
from pathlib import Path

import numpy as np
from py_trees.blackboard import Blackboard
from py_trees.common import Status as LeafStatus
from py_trees.composites import Selector
from py_trees.decorators import Timeout
from py_trees.trees import BehaviourTree
import pytest

from vlm_ros.behaviours import AskVlm, CheckStatement, FindObject, Policy, WaitForObject
from vlm_ros.behaviours.mapping import KINDS
from vlm_ros.client import Outcome, VlmClient
from vlm_ros.errors import InputError
from vlm_ros.nodes.query import QueryNode
from vlm_ros.results import Status
from vlm_ros_interfaces import srv
from vlm_ros_interfaces.msg import ResultStatus

from scripted_server import OK, ScriptedServer  # isort: skip

SUCCESS, FAILURE, RUNNING = LeafStatus.SUCCESS, LeafStatus.FAILURE, LeafStatus.RUNNING
IMAGE = np.full((48, 64, 3), 128, np.uint8)
OPEN_QUESTION = 'Why does the person smile?'
BLIND = [Status.STALE, Status.NO_IMAGE, Status.TIMEOUT, Status.CANCELLED, Status.FAILED]


@pytest.fixture(autouse=True)
def board():
    """Begin and end with an empty blackboard."""
    Blackboard.clear()
    yield Blackboard
    Blackboard.clear()


@pytest.fixture
def fake(graph):
    """Start a query node with the fake backend; returns a client."""
    clients = []

    def start(**parameters):
        client = VlmClient(timeout_s=15.0)  # before the nodes: those find each other at once
        clients.append(client)
        graph.start(QueryNode, query={'backend': 'fake', **parameters})
        assert "no camera 'nowhere'" in client.ask('Why?', camera='nowhere').message
        return client

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def told(graph):
    """Start a server that answers as `told.says` does; returns a client."""

    class Told:
        says = staticmethod(lambda response: None)
        asked = 0

    def respond(request, response):
        Told.asked += 1
        Told.says(response)

    services = {
        'verify_statement': (srv.VerifyStatement, respond),
        'detect_objects': (srv.DetectObjects, respond),
    }
    with VlmClient(timeout_s=15.0) as client:
        graph.start(lambda shared: ScriptedServer(services))
        Told.client = client
        yield Told


def say(told, status, **fields):
    def fill(response):
        response.status = ResultStatus(code=int(status), message=f'it is {status.name}')
        for name, value in fields.items():
            setattr(response, name, value)

    told.says = staticmethod(fill)


def run(graph, leaf, until=lambda leaf: leaf.status is not RUNNING):
    """Tick a leaf until it has ended; returns what it became."""

    def tick():
        leaf.tick_once()
        return until(leaf)

    graph.spin_until(tick, f'the end of {leaf.name}')
    return leaf.status


def test_a_question_becomes_success_with_its_answer_on_the_blackboard(graph, fake, board):
    leaf = AskVlm('ask', fake(), 'Is there a person?', key='answer', image=IMAGE)
    leaf.tick_once()
    assert (leaf.status, leaf.feedback_message) == (RUNNING, 'asking')
    assert run(graph, leaf) is SUCCESS
    outcome = board.get('answer')
    assert (outcome.result.text, outcome.provenance.model_id) == ('yes', 'fake')
    assert leaf.feedback_message == 'OK'
    board.clear()
    assert run(graph, leaf, lambda leaf: board.exists('answer')) is SUCCESS  # a second round


def test_what_a_question_becomes(graph, fake):
    client = fake()
    for question, accept, status in (
        ('Is there a person?', ['Yes'], SUCCESS),
        ('Is there a person?', ['no', 'none'], FAILURE),
        ('What colour is the absentee?', [], FAILURE),
        ('Is there an unknownium?', [], FAILURE),
    ):
        leaf = AskVlm('ask', client, question, accept=accept, image=IMAGE)
        assert run(graph, leaf) is status, question


def test_a_cancelled_leaf_stops_the_model(graph, fake):
    client = fake(backend_options='script=[hang, hang, ok...]')
    pending = graph.nodes[0].requests._pending
    leaf = AskVlm('ask', client, OPEN_QUESTION, image=IMAGE, timeout_s=60.0)
    run(graph, leaf, lambda leaf: pending)
    assert leaf.status is RUNNING
    leaf.stop(LeafStatus.INVALID)
    assert leaf.feedback_message == 'taken back'
    graph.spin_until(lambda: not pending, 'the end of the work')
    run(graph, leaf, lambda leaf: pending)  # it begins anew
    leaf.shutdown()
    graph.spin_until(lambda: not pending, 'the end of the work')
    assert run(graph, leaf) is SUCCESS


def test_a_branch_that_takes_over_cancels_the_question(graph, fake):
    client = fake(backend_options='script=[hang, ok...]')
    pending = graph.nodes[0].requests._pending
    urgent = CheckStatement('urgent', client, 'There is an absentee.', image=IMAGE)
    urgent.update = lambda: LeafStatus.SUCCESS if taken_over else LeafStatus.FAILURE
    urgent.initialise = lambda: None
    ask = AskVlm('ask', client, OPEN_QUESTION, image=IMAGE, timeout_s=60.0)
    tree = BehaviourTree(Selector('root', memory=False, children=[urgent, ask]))
    taken_over = False

    def tick():
        tree.tick()
        return pending

    graph.spin_until(tick, 'the question at the server')
    taken_over = True
    tree.tick()
    assert (tree.root.status, ask.status) == (SUCCESS, LeafStatus.INVALID)
    graph.spin_until(lambda: not pending, 'the end of the work')


def test_a_growing_answer_is_the_feedback(graph, fake):
    client = fake(backend_options='latency_s=0.1')
    leaf = AskVlm('ask', client, OPEN_QUESTION, image=IMAGE)
    run(
        graph, leaf, lambda leaf: leaf.feedback_message.startswith('fake: why'.title()[:4].lower())
    )
    assert leaf.status is RUNNING
    assert run(graph, leaf) is SUCCESS


def test_what_a_verdict_becomes_whatever_the_policies(graph, told, board):
    for verdict, status in ((1, SUCCESS), (2, FAILURE)):
        say(told, Status.OK, verdict=verdict, confidence=0.75)
        for policy in Policy:
            leaf = CheckStatement(
                'check', told.client, 'it is so', key='verdict', unknown=policy, blind=policy
            )
            assert run(graph, leaf) is status
            assert board.get('verdict').result.truth == verdict


def test_an_unknown_truth_follows_the_policies(graph, told):
    for status in (Status.UNSURE, Status.NOT_IN_VIEW, *BLIND):
        say(told, status)
        line = f'{status.name}: it is {status.name}'
        for policy, other in itertools.permutations(Policy):
            unknown, blind = (other, policy) if status in BLIND else (policy, other)
            leaf = CheckStatement(
                'check', told.client, 'it is so', unknown=unknown, blind=blind, pause_s=0.01
            )
            run(graph, leaf, lambda leaf: leaf.feedback_message == line)  # noqa: B023 - at once
            if policy is Policy.FAILURE:
                assert leaf.status is FAILURE
            else:
                asked = told.asked
                run(graph, leaf, lambda leaf: told.asked > asked + 1)  # noqa: B023 - at once
                assert leaf.status is RUNNING
                leaf.stop(LeafStatus.INVALID)


def test_running_ends_when_the_answer_is_there(graph, told):
    say(told, Status.UNSURE)
    leaf = CheckStatement('check', told.client, 'it is so', unknown=Policy.RUNNING, pause_s=0.0)
    run(graph, leaf, lambda leaf: told.asked > 2)
    say(told, Status.OK, verdict=1)
    assert run(graph, leaf) is SUCCESS


def test_the_pause_is_kept(graph, told):
    say(told, Status.UNSURE)
    leaf = CheckStatement('check', told.client, 'it is so', unknown=Policy.RUNNING, pause_s=60.0)
    run(graph, leaf, lambda leaf: leaf.feedback_message.startswith('UNSURE'))
    asked = told.asked
    for _ in range(20):
        leaf.tick_once()
        graph.spin_for(0.02)
    assert (leaf.status, told.asked) == (RUNNING, asked)


def test_an_object_is_found_or_not(graph, fake, board):
    client = fake()
    found = FindObject('find', client, 'cup', key='found', image=IMAGE)
    assert run(graph, found) is SUCCESS
    assert board.get('found').result.labels == ('cup',)
    either = FindObject('find', client, ['absentee', 'dog'], image=IMAGE)
    assert run(graph, either) is SUCCESS
    none = FindObject('find', client, 'absentee', key='found', image=IMAGE)
    assert run(graph, none) is FAILURE
    assert board.get('found').status is Status.NOTHING_FOUND
    unknown = FindObject('find', client, 'unknownium', image=IMAGE)
    assert run(graph, unknown) is FAILURE
    assert 'unknownium' in unknown.feedback_message


def test_an_object_is_waited_for(graph, fake):
    client = fake(backend_options='script=[empty, empty, empty, ok...]')
    leaf = WaitForObject('wait', client, 'cup', image=IMAGE, pause_s=0.01)
    run(graph, leaf, lambda leaf: leaf.feedback_message == 'NOTHING_FOUND')
    assert leaf.status is RUNNING
    assert run(graph, leaf) is SUCCESS


def test_a_wait_outlives_a_blind_camera_and_can_be_ended(graph, fake):
    wait = WaitForObject('wait', fake(), 'cup', pause_s=0.01)
    run(graph, wait, lambda leaf: leaf.feedback_message.startswith('NO_IMAGE'))
    assert wait.status is RUNNING
    wait.stop(LeafStatus.INVALID)
    assert run(graph, Timeout('patience', child=wait, duration=0.3)) is FAILURE
    assert wait.status is LeafStatus.INVALID


def test_no_server_is_blind(graph):
    graph.start()
    with VlmClient(namespace='nowhere', timeout_s=0.2) as client:
        leaf = FindObject('find', client, 'cup')
        assert run(graph, leaf) is FAILURE
        assert 'nobody offers the service /nowhere/detect_objects' in leaf.feedback_message


def test_leaves_can_be_ticked_on_the_executors_thread(graph, fake):
    client = fake()
    leaf = AskVlm('ask', client, 'Is there a person?', image=IMAGE)
    timer = client.node.create_timer(0.02, leaf.tick_once)
    graph.spin_until(lambda: leaf.status is SUCCESS, 'the answer')
    client.node.destroy_timer(timer)


def test_wrong_arguments_raise_where_the_tree_is_built():
    for make in (
        lambda: AskVlm('ask', None, ' '),
        lambda: AskVlm('ask', None, 'why?', accept='yes'),
        lambda: AskVlm('ask', None, 'why?', pause_s=-1.0),
        lambda: CheckStatement('check', None, ''),
        lambda: FindObject('find', None, []),
        lambda: WaitForObject('wait', None, ['cup', 'cup']),
    ):
        with pytest.raises(InputError):
            make()


def test_every_status_has_its_kind():
    assert set(KINDS) == set(Status)


def test_the_server_of_these_tests_says_what_it_is_told(told):
    say(told, Status.OK, verdict=1)
    assert told.client.verify('it is so').result.truth == 1
    assert OK.code == ResultStatus.OK


def test_the_table_of_the_documents_is_true():
    text = (Path(__file__).parents[2] / 'docs' / 'behaviours.md').read_text('utf-8')
    section = text.partition('| status | `AskVlm`')[2].partition('\n\n')[0]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in section.split('\n')]
    assert [row[0] for row in rows[2:]] == [status.name for status in Status]
    for word, policies in (
        ('unknown', {'unknown': Policy.RUNNING}),
        ('blind', {'blind': Policy.RUNNING}),
        ('absent', {'absent': Policy.RUNNING}),
        ('', {}),
    ):
        running = {word, 'RUNNING'}
        of_all = {name: policy for name, policy in policies.items() if name != 'absent'}
        waiting = {'blind': Policy.FAILURE} | of_all
        leaves = (
            AskVlm('ask', None, 'why?', **of_all),
            CheckStatement('check', None, 'it is so', **of_all),
            FindObject('find', None, 'cup', **policies),
            WaitForObject('wait', None, 'cup', **waiting),
        )
        for row in rows[3:]:
            outcome = Outcome(None, Status[row[0]])
            for cell, leaf in zip(row[1:], leaves, strict=True):
                expected = RUNNING if cell in running else FAILURE
                assert leaf._become(outcome) is expected, (leaf.name, row)


def test_the_defaults_are_those_of_the_documents():
    blind, unsure = Outcome(None, Status.NO_IMAGE), Outcome(None, Status.UNSURE)
    for leaf in (
        AskVlm('ask', None, 'why?'),
        CheckStatement('check', None, 'it is so'),
        FindObject('find', None, 'cup'),
    ):
        assert (leaf._become(blind), leaf._become(unsure)) == (FAILURE, FAILURE)
    wait = WaitForObject('wait', None, 'cup')
    assert (wait._become(blind), wait._become(unsure)) == (RUNNING, FAILURE)
