"""A yes/no question by its probability. Run as `python -m benchmarks.yes_no [--json]`.

Scored here in one forward behind the image that was read before, against writing the answer: in
the library's plain way, from the image on, and in this package's own way behind the same image.
Random weights do not stop, so the length of the written answer is given: 16 tokens, and 3, which
is a `Yes.` and its end.
"""

from collections.abc import Iterator

import torch

from benchmarks._smolvlm import GEOMETRY, Library, smolvlm_256m
from benchmarks.embedded import Frames, seconds
from benchmarks.reporting import Figure, run
from vlm_ros import backends
from vlm_ros.backends.chat import ChatBackend
from vlm_ros.backends.chat.prompts import ANSWER, ANSWER_YES_NO

CLOSED = 'Is the door open?'
OPEN = 'What is open?'
"""As long, and answered in words."""
PROMPTS = [ANSWER_YES_NO.format(question=CLOSED), ANSWER.format(question=OPEN)]
LENGTHS = (16, 3)
RESOLUTION_WH = (1920, 1080)
REPETITIONS = 3
AT_MOST = 1 / 5


def main() -> None:
    run(figures())


def figures() -> Iterator[Figure]:
    """Measure everything, yielding each figure as soon as it is known."""
    frames = Frames(RESOLUTION_WH)
    with smolvlm_256m(PROMPTS) as folder:
        library = Library(folder)
        for tokens in LENGTHS:
            model = backends.load(
                'chat', model=str(folder), device='cpu', dtype='float32', answer_tokens=tokens
            )
            assert isinstance(model, ChatBackend)
            yield from compared(model, library, frames, tokens)
            model.close()


def compared(
    model: ChatBackend, library: Library, frames: Frames, tokens: int
) -> Iterator[Figure]:
    """Compare with answers of one length."""
    words = ANSWER_YES_NO.format(question=CLOSED)
    plain, own, scored, on_new = [], [], [], []
    library.ask(next(frames), words, 1)
    model.answer(next(frames), CLOSED)
    # By turns, so that all meet the same bad moments of a shared machine.
    for _ in range(REPETITIONS):
        image = next(frames)
        plain += seconds(lambda i=image: library.ask(i, words, tokens), 1)
        on_new += seconds(lambda i=image: model.answer(i, CLOSED), 1)
        own += seconds(lambda i=image: model.answer(i, OPEN), 1)
        scored += seconds(lambda i=image: model.answer(i, CLOSED), 1)
    setting = (
        f'{tokens} tokens against none, {frames}, {GEOMETRY}, float32, {model.device}, '
        f'{torch.get_num_threads()} threads'
    )
    plain_ms, own_ms = min(plain) * 1e3, min(own) * 1e3
    value_ms = min(scored) * 1e3
    name = f'yes_no.{tokens}_tokens'
    yield Figure(f'{name}.library', value_ms, 'ms', setting, plain_ms, AT_MOST * plain_ms)
    yield Figure(f'{name}.same_prefix', value_ms, 'ms', setting, own_ms)
    yield Figure(f'{name}.new_frame', min(on_new) * 1e3, 'ms', setting, plain_ms)


if __name__ == '__main__':
    main()
