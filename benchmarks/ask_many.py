"""Five questions about one frame. Run as `python -m benchmarks.ask_many [--json]`.

The image is read once here, and once a question in the library's plain way. The same random
weights in float32, the same single tile and the same 16 tokens an answer, which are compared. Each
repetition has a new frame, so reading it is part of every figure.
"""

from collections.abc import Iterator

import torch

from benchmarks._smolvlm import GEOMETRY, Library, smolvlm_256m
from benchmarks.embedded import Frames, seconds
from benchmarks.reporting import Figure, run
from vlm_ros import backends
from vlm_ros.backends.chat import ChatBackend
from vlm_ros.backends.chat.prompts import ANSWER
from vlm_ros.tasks import Image

QUESTIONS = (
    'What colour is the cup?',
    'How many spoons are on the table?',
    'What lies beside the cup?',
    'Where does the light come from?',
    'What could fall down?',
)
PROMPTS = [ANSWER.format(question=question) for question in QUESTIONS]
TOKENS = 16
RESOLUTION_WH = (1920, 1080)
REPETITIONS = 4
AT_MOST = 1 / 4


def main() -> None:
    run(figures())


def figures() -> Iterator[Figure]:
    """Measure everything, yielding each figure as soon as it is known."""
    frames = Frames(RESOLUTION_WH)
    with smolvlm_256m(PROMPTS) as folder:
        library = Library(folder)
        model = backends.load(
            'chat', model=str(folder), device='cpu', dtype='float32', answer_tokens=TOKENS
        )
        assert isinstance(model, ChatBackend)
        compare(model, library, next(frames))
        # By turns, so that both meet the same bad moments of a shared machine.
        plain, one_by_one, at_once = [], [], []
        for _ in range(REPETITIONS):
            image = next(frames)
            plain += seconds(lambda i=image: ask_library(library, i), 1)
            one_by_one += seconds(lambda i=image: ask_in_turn(model, i), 1)
            model.release_memory()
            at_once += seconds(lambda i=image: model.answer_many(i, QUESTIONS), 1)
    setting = (
        f'{len(QUESTIONS)} questions, {TOKENS} tokens each, {frames}, {GEOMETRY}, float32, '
        f'{model.device}, {torch.get_num_threads()} threads'
    )
    baseline_ms = min(plain) * 1e3
    yield Figure('ask_many.in_turn', min(one_by_one) * 1e3, 'ms', setting, baseline_ms)
    limit = AT_MOST * baseline_ms
    yield Figure('ask_many.at_once', min(at_once) * 1e3, 'ms', setting, baseline_ms, limit)


def compare(model: ChatBackend, library: Library, image: Image) -> None:
    """Hold the texts against the library's, before anything is timed."""
    expected = [library.text(tokens) for tokens in ask_library(library, image)]
    assert len(set(expected)) == len(QUESTIONS), 'the weights answer all questions alike'
    assert [answer.text for answer in ask_in_turn(model, image)] == expected
    assert [answer.text for answer in model.answer_many(image, QUESTIONS)] == expected
    model.release_memory()


def ask_library(library: Library, image: Image) -> list[list[int]]:
    """Ask the plain way, one generation from the image on a question."""
    return [list(library.ask(image, ANSWER.format(question=q), TOKENS)) for q in QUESTIONS]


def ask_in_turn(model: ChatBackend, image: Image) -> list[object]:
    """Ask one question after the other."""
    return [model.answer(image, question) for question in QUESTIONS]


if __name__ == '__main__':
    main()
