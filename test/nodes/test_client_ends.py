"""That every request ends, and ends once, whatever becomes of node, client or server."""

import asyncio
from dataclasses import replace
import gc
import threading
import time
import weakref

import numpy as np
from py_trees.common import Status as LeafStatus
import pytest
from rclpy.action import ActionServer, GoalResponse
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor

from vlm_ros.behaviours import FindObject, Policy
from vlm_ros.client import requests, VlmClient
from vlm_ros.errors import InputError
from vlm_ros.results import Status
from vlm_ros_interfaces import srv
from vlm_ros_interfaces.action import AnswerQuestion

from scripted_server import OK, ScriptedServer  # isort: skip

IMAGE = np.full((48, 64, 3), 128, np.uint8)


def test_where_no_executor_runs_every_way_to_wait_ends(node):
    client = VlmClient(node, timeout_s=0.1)
    leaf = FindObject('find', client, 'cup', blind=Policy.FAILURE)
    leaf.tick_once()
    polled = client.send(requests.detect(['cup']))

    async def wait():
        return await client.aio.detect(['cup'])

    def spin_robot():  # named as an executor's own functions are, and none of them
        return client.detect(['cup'])

    outcomes = [spin_robot(), asyncio.run(wait())]
    assert polled.done()
    for outcome in (*outcomes, polled.outcome()):
        assert outcome.status is Status.FAILED
        assert 'does not run: spin the node on another thread' in outcome.message
    leaf.tick_once()
    assert leaf.status is LeafStatus.FAILURE
    assert 'does not run' in leaf.feedback_message
    client.close()


def test_a_request_that_meets_the_end_of_the_client_ends_too():
    client = VlmClient(timeout_s=60.0)

    class Closing(threading.Event):
        def clear(self):
            client.close()
            super().clear()

    client._dispatcher._idle = closing = Closing()
    closing.set()
    call = client.send(requests.detect(['cup']))
    assert call.done()
    assert call.outcome().message == 'the client is closed'


def test_a_closed_client_watches_nothing_and_ends_what_watched():
    client = VlmClient()

    async def main():
        async def watch():
            return [state async for state in client.aio.watch('door_open')]

        watching = asyncio.create_task(watch())
        while not client._watches:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(client.close)
        return await asyncio.wait_for(watching, 20.0)

    assert asyncio.run(main()) == []
    with pytest.raises(InputError, match='the client is closed'):
        client.watch('door_open', print)


def test_what_cannot_be_a_name_is_said_before_a_client_is_made():
    threads = threading.active_count()
    with pytest.raises(InputError, match="the namespace 'front left' cannot be part of a topic"):
        VlmClient(namespace='front left')
    assert threading.active_count() == threads
    with VlmClient(namespace='/front/') as client:
        with pytest.raises(InputError, match="the statement 'tür' cannot be part of a topic"):
            client.watch('tür', print)


@pytest.fixture
def detecting(graph, node):
    """A server that finds nothing, a client of a node with many threads, and their ends."""

    def respond(request, response):
        response.status = OK

    client = VlmClient(node, timeout_s=15.0)
    graph.start(lambda shared: ScriptedServer({'detect_objects': (srv.DetectObjects, respond)}))
    executor = MultiThreadedExecutor(2, context=node.context)
    executor.add_node(node)

    def spin():
        try:
            executor.spin()
        except ExternalShutdownException:
            pass
        except Exception as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    raised = []
    thread = threading.Thread(target=spin)
    thread.start()
    yield client
    client.close()
    node.context.try_shutdown()
    thread.join(20.0)
    assert raised == []


def test_a_response_that_takes_its_time_to_read_is_not_asked_for_again(graph, detecting):
    request = requests.detect(['cup'])

    def read_slowly(response):
        time.sleep(0.5)  # in which the client's timer fires on the other thread
        return request.read(response)

    outcome = detecting.wait(detecting.send(replace(request, read=read_slowly)))
    assert outcome.ok
    assert detecting.detect(['cup']).ok  # what was sent before it has arrived before it
    assert len(graph.nodes[0].requests) == 2


def test_a_response_that_cannot_be_read_at_all_ends_only_its_request(detecting):
    def fail(response):
        raise KeyError('no such thing')

    outcome = detecting.wait(detecting.send(replace(requests.detect(['cup']), read=fail)))
    assert (outcome.status, outcome.result) == (Status.FAILED, None)
    assert 'no such thing' in outcome.message
    assert detecting.detect(['cup']).ok


@pytest.mark.parametrize('reply', ['refused', 'withheld'])
def test_a_question_that_a_server_leaves_does_not_keep_its_image(graph, reply):
    goals = []

    def decide(goal):
        goals.append(goal)
        if reply == 'withheld':
            time.sleep(1.0)
        return GoalResponse.REJECT

    def serve(shared):
        server = ScriptedServer({})
        server.actions = ActionServer(
            server, AnswerQuestion, 'answer', lambda handle: None, goal_callback=decide
        )
        return server

    with VlmClient(timeout_s=15.0) as client:
        graph.start(serve)
        request = requests.ask('Is there a cup?', image=IMAGE)
        call = client.send(request)
        graph.spin_until(lambda: goals, 'the question at the server')
        if reply == 'withheld':
            call.cancel()
        outcome = client.wait(call)
        expected = Status.FAILED if reply == 'refused' else Status.CANCELLED
        assert outcome.status is expected, outcome
        kept, request = weakref.ref(request), None
        graph.spin_until(lambda: [gc.collect()] and kept() is None, 'the end of the image')
        graph.nodes[0].actions.destroy()
