"""A client of the soak: asks all there is to ask until its standard input ends, and keeps count.

Prints one JSON object: how many requests were sent, answered and lost, and the status codes. A
request is lost when no answer came long after its deadline.
"""

from collections import Counter
from collections.abc import Callable
import json
import os
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from vlm_ros_interfaces.action import AnswerQuestion as AnswerQuestionAction
from vlm_ros_interfaces.srv import (
    AnswerQuestion,
    DescribeImage,
    DetectObjects,
    GroundPhrases,
    VerifyStatement,
)

TIMEOUT_S = 2.0
LOST_S = 15.0
"""Without an answer for so long, a request is lost; those without a deadline have 10 s."""
PAUSE_S = 0.2
BURST_PERIOD_S = 45.0
BURST = 24
"""More than may wait for the model."""


class Asker:
    """Sends requests of one kind, one at a time, and keeps count.

    Args:
        send: Sends the request of a number; its future ends with what has a `status`, or with None
            where a goal was refused.
    """

    def __init__(self, send: Callable[[int], 'Future[Any]']) -> None:
        self.sent = self.answered = self.lost = 0
        self.codes: Counter[int | str] = Counter()
        self._send = send
        self._waiting: dict[Future[Any], float] = {}
        self._next_s = 0.0

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is still to come."""
        return bool(self._waiting)

    def ask(self, count: int = 1) -> None:
        """Send requests, whether or not others wait."""
        for _ in range(count):
            future = self._send(self.sent)
            self.sent += 1
            self._waiting[future] = time.monotonic()

    def look_after(self, *, more: bool) -> None:
        """Count what came and what did not; ask again when it is time."""
        now_s = time.monotonic()
        for future, sent_s in list(self._waiting.items()):
            if future.done():
                del self._waiting[future]
                self.answered += 1
                response = future.result()
                self.codes['refused' if response is None else response.status.code] += 1
                self._next_s = now_s + PAUSE_S
            elif now_s - sent_s > LOST_S:
                del self._waiting[future]
                self.lost += 1
        if more and not self._waiting and now_s >= self._next_s:
            self.ask()


def main() -> None:
    """Ask until the standard input ends."""
    rclpy.init(args=sys.argv, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(f'client_{os.getpid()}')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    askers = _askers(node)
    next_burst_s = time.monotonic() + BURST_PERIOD_S
    while not ended.is_set() or any(asker.is_waiting for asker in askers):
        executor.spin_once(timeout_sec=0.02)
        for asker in askers:
            asker.look_after(more=not ended.is_set())
        if time.monotonic() > next_burst_s and not ended.is_set():
            next_burst_s += BURST_PERIOD_S
            askers[0].ask(BURST)
    codes = sum((asker.codes for asker in askers), Counter[int | str]())
    counts = {
        'sent': sum(asker.sent for asker in askers),
        'answered': sum(asker.answered for asker in askers),
        'lost': sum(asker.lost for asker in askers),
        'codes': {str(code): count for code, count in codes.items()},
    }
    print(json.dumps(counts), flush=True)
    os._exit(0)


def _askers(node: Node) -> list[Asker]:
    requests: list[tuple[type[Any], str, Callable[[int], Any]]] = [
        (
            AnswerQuestion,
            'answer_question',
            lambda n: AnswerQuestion.Request(question=f'is there a cup {n}?', timeout_s=TIMEOUT_S),
        ),
        (
            VerifyStatement,
            'verify_statement',
            lambda n: VerifyStatement.Request(statement='there is a cup', timeout_s=TIMEOUT_S),
        ),
        (
            GroundPhrases,
            'ground_phrases',
            lambda n: GroundPhrases.Request(text='a cup beside a dog'),
        ),
        (DetectObjects, 'detect_objects', lambda n: DetectObjects.Request(vocabulary=['cup'])),
        (DescribeImage, 'describe_image', lambda n: DescribeImage.Request()),
    ]
    askers = []
    for service, name, make_request in requests:
        client = node.create_client(service, name)
        client.wait_for_service(timeout_sec=30.0)
        askers.append(
            Asker(lambda n, client=client, make=make_request: client.call_async(make(n)))
        )
    action = ActionClient(node, AnswerQuestionAction, 'answer')
    action.wait_for_server(timeout_sec=30.0)
    return [*askers, Asker(lambda n: _send_goal(action, n))]


def _send_goal(action: ActionClient, number: int) -> 'Future[Any]':
    """Send a goal, and cancel every other one as soon as it is accepted."""
    ended: Future[Any] = Future()

    def on_accepted(future: 'Future[Any]') -> None:
        goal = future.result()
        if not goal.accepted:
            ended.set_result(None)
            return
        result = goal.get_result_async()
        result.add_done_callback(lambda future: ended.set_result(future.result().result))
        if number % 2:
            goal.cancel_goal_async()

    goal = AnswerQuestionAction.Goal(question='is there a cup?', timeout_s=TIMEOUT_S)
    action.send_goal_async(goal).add_done_callback(on_accepted)
    return ended


if __name__ == '__main__':
    main()
