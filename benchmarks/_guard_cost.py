"""What the guard adds to the time of a chat model's answer."""

from collections.abc import Iterator, Sequence
import time

import numpy as np
import torch

from benchmarks._smolvlm import GEOMETRY, smolvlm_256m
from benchmarks.embedded import Frames
from benchmarks.reporting import Figure
from vlm_ros import backends
from vlm_ros.backends.chat import ChatBackend
from vlm_ros.backends.chat.prompts import ANSWER
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.results import Answer
from vlm_ros.tasks import Detector, Image, QuestionAnswerer, Ticket

QUESTION = 'What is the cup made of?'
"""Takes a cup for granted, which is there, and is answered in words."""
RESOLUTION_WH = (640, 480)
REPETITIONS = 6
TOKENS = 16
AT_MOST = 0.2


class Timed:
    """An answerer whose time for the question itself is taken, not for what the guard asks."""

    def __init__(self, answerer: QuestionAnswerer) -> None:
        self._answerer = answerer
        self.seconds = 0.0

    def answer(
        self,
        image: Image,
        question: str,
        *,
        choices: Sequence[str] = (),
        ticket: Ticket | None = None,
    ) -> Answer:
        """Answer, and add the time to `seconds`."""
        started = time.perf_counter()
        try:
            return self._answerer.answer(image, question, choices=choices, ticket=ticket)
        finally:
            if question == QUESTION:
                self.seconds += time.perf_counter() - started


def guard_cost() -> Iterator[Figure]:
    """Measure the guard's part of an answer about a new frame."""
    frames = Frames(RESOLUTION_WH)
    detector = backends.load('embedded')
    assert isinstance(detector, Detector)
    with smolvlm_256m([ANSWER.format(question=QUESTION)]) as folder:
        model = backends.load(
            'chat', model=str(folder), device='cpu', dtype='float32', answer_tokens=TOKENS
        )
        assert isinstance(model, ChatBackend)
        timed = Timed(model)
        answerer = GroundedAnswerer(detector, timed)
        wholes, parts = [], []
        for _ in range(1 + REPETITIONS):
            timed.seconds = 0.0
            started = time.perf_counter()
            answerer.answer(next(frames), QUESTION)
            wholes.append(time.perf_counter() - started)
            parts.append(timed.seconds)
        model.close()
    # The first is what both models do once.
    whole_s, guard_s = np.median(wholes[1:]), np.median(np.subtract(wholes, parts)[1:])
    setting = (
        f'{TOKENS} tokens, {frames}, new frames, {GEOMETRY}, float32, guard by embedded, '
        f'{torch.get_num_threads()} threads'
    )
    yield Figure('grounded_qa.guard_cost.answer', whole_s * 1e3, 'ms', setting)
    yield Figure('grounded_qa.guard_cost.guard', guard_s * 1e3, 'ms', setting)
    yield Figure(
        'grounded_qa.guard_cost', guard_s / whole_s, 'of answer', setting, at_most=AT_MOST
    )
