"""The client in asyncio, against real nodes."""

import asyncio
from collections import Counter

import numpy as np
import pytest

from vlm_ros.client import requests, VlmClient
from vlm_ros.errors import QuestionError
from vlm_ros.nodes.query import QueryNode
from vlm_ros.results import Status, Truth
from vlm_ros_interfaces.msg import StatementState

from scripted_server import OK, ScriptedServer  # isort: skip

IMAGE = np.full((48, 64, 3), 128, np.uint8)
OPEN_QUESTION = 'Why does the person smile?'


@pytest.fixture
def start(graph):
    """Start a query node with the fake backend; returns a client with a node of its own."""
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


def test_results_are_awaited(start):
    client = start()

    async def main():
        answer = await client.aio.ask('Is there a person?', image=IMAGE)
        assert (answer.status, answer.result.text) == (Status.OK, 'yes')
        verdict = await client.aio.verify('There is a person.', image=IMAGE)
        assert verdict.result.truth is Truth.TRUE
        prepared = await client.aio.send(requests.detect(['cup'], image=IMAGE))
        assert prepared.result.labels == ('cup',)
        with pytest.raises(QuestionError):
            await client.aio.ask(' ')

    asyncio.run(main())


def test_many_at_once_are_all_answered(start):
    client = start(max_waiting_requests='100')

    async def main():
        return await asyncio.gather(
            *(client.aio.ask(f'Is there a cup{i % 2 * "s"}?', image=IMAGE) for i in range(40)),
            *(client.aio.detect([f'thing {i}'], image=IMAGE) for i in range(40)),
        )

    outcomes = asyncio.run(main())
    assert Counter(outcome.line for outcome in outcomes) == {'OK': 80}
    assert [outcome.result.text for outcome in outcomes[:40]] == ['yes'] * 40
    # Each has its own answer.
    assert [o.result.labels for o in outcomes[40:]] == [(f'thing {i}',) for i in range(40)]


def test_partial_answers_come_in_the_event_loop(start):
    client = start(backend_options='latency_s=0.05')

    async def main():
        loop, said = asyncio.get_running_loop(), []

        def on_partial(text):
            assert asyncio.get_running_loop() is loop
            said.append(text)

        outcome = await client.aio.ask(OPEN_QUESTION, image=IMAGE, on_partial=on_partial)
        assert len(said) > 1
        assert outcome.result.text.startswith(said[-1])

    asyncio.run(main())


def test_a_cancelled_task_ends_the_work_at_the_server(graph, start):
    client = start(backend_options='script=[hang, ok...]')
    query = graph.nodes[0]

    async def until(done):
        for _ in range(1000):
            if done():
                return
            await asyncio.sleep(0.02)
        raise AssertionError('it did not happen')

    async def main():
        task = asyncio.create_task(client.aio.ask(OPEN_QUESTION, image=IMAGE, timeout_s=60.0))
        await until(lambda: query.requests._pending)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not query.requests._pending)
        assert (await client.aio.ask('Is there a cup?', image=IMAGE)).ok

    asyncio.run(main())


def test_time_outs_are_outcomes(start):
    client = start(backend_options='script=hang')

    async def main():
        hanging = await client.aio.ask(OPEN_QUESTION, image=IMAGE, timeout_s=0.5)
        assert hanging.status is Status.TIMEOUT
        missing = await client.aio.search_memory('a mug', timeout_s=0.2)
        assert missing.status is Status.FAILED
        assert 'nobody offers the service /search_memory' in missing.message

    asyncio.run(main())


def test_changes_of_a_statement_are_iterated(graph):
    graph.start(lambda shared: ScriptedServer({}))
    publisher = graph.nodes[0].latch('door_open')
    names = ['statement', 'verdict', 'agreeing', 'frames']
    first = dict(zip(names, ['the door is open', StatementState.TRUE, 3, 5], strict=True))
    publisher.publish(StatementState(name='door_open', status=OK, **first))

    async def main(client):
        seen = []
        async for state in client.aio.watch('door_open'):
            seen.append(state)
            if len(seen) == 2:
                return seen
            second = first | {'verdict': StatementState.FALSE}
            publisher.publish(StatementState(name='door_open', status=OK, **second))
        return seen

    with VlmClient() as client:
        states = asyncio.run(asyncio.wait_for(main(client), 20.0))
    assert [state.truth for state in states] == [Truth.TRUE, Truth.FALSE]
    assert (states[0].statement, states[0].agreeing, states[0].frames) == (
        'the door is open',
        3,
        5,
    )
