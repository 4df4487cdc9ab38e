"""Annotates in processes of this machine, each with models of its own.

They talk through pipes and not through a pool of the standard library: when one of its processes
is killed, such a pool ends them all, and with them every model that is loaded.
"""

from collections.abc import Iterator, Sequence
import contextlib
from dataclasses import dataclass
import multiprocessing
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
import os
from pathlib import Path
import signal
from typing import Any

import cv2

from vlm_ros.annotation.attempts import ATTEMPTS, Attempts
from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.work import annotate_chunk, Step
from vlm_ros.errors import ModelError, VlmRosError
from vlm_ros.records import ModelRecord

THREAD_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS')
"""What the libraries under numpy and torch read, once."""
END_S = 5.0
"""A worker that has not ended by itself after so long is killed."""


class Workers:
    """Some processes, started together.

    A worker that ends before its time is replaced, and its chunk is begun again.

    Args:
        plan: What is wanted.
        count: How many processes at most.
        threads: Of each model; 0 to share the cores.
    """

    def __init__(self, plan: AnnotationPlan, count: int, *, threads: int = 0) -> None:
        self._plan = plan
        self._count = count
        self._threads = threads or max(1, cores() // count)
        self._workers: list[_Worker] = []
        self._models: tuple[ModelRecord, ...] = ()

    def models(self, chunks: int = 1) -> tuple[ModelRecord, ...]:
        """Begin to load, and say what was loaded as soon as one has.

        Args:
            chunks: How many there are to do: no more processes than that are started.

        Raises:
            BackendError: A model cannot be had.
            ModelError: The process ended before that.
        """
        while len(self._workers) < max(1, min(self._count, chunks)):
            self._start()
        if not self._models:
            for _, message in self._messages(Attempts(())):
                if isinstance(message, tuple):
                    self._models = message
                    break
        return self._models

    def work(self, chunks: Sequence[Chunk], folder: Path) -> Iterator[tuple[Chunk, Step | None]]:
        """Write the parts of some chunks; yields each step, and None when a chunk is done.

        Raises:
            ModelError: A chunk ended its worker again and again.
            VlmRosError: What a worker raised.
        """
        self.models(len(chunks))
        attempts = Attempts(chunks)
        for worker in self._workers:
            worker.begin(attempts.next(), folder)
        for worker, message in self._messages(attempts):
            chunk = worker.chunk
            if isinstance(message, Step) and chunk is not None:
                yield chunk, message
                continue
            if isinstance(message, tuple) and chunk is not None:
                continue  # it is loaded, and has got its chunk already
            if chunk is not None:
                yield chunk, None
            worker.begin(attempts.next(), folder)
            if not len(attempts) and not any(worker.chunk for worker in self._workers):
                return

    def close(self) -> None:
        """End the processes; what they had begun is lost, what is written is whole."""
        with interrupts_held_back():  # a second Ctrl-C would leave some of them
            for worker in self._workers:
                worker.end()
        self._workers.clear()

    def _messages(self, attempts: Attempts) -> Iterator[tuple['_Worker', Any]]:
        """Yield what workers say; replaces those that ended."""
        failed_starts = 0
        while True:
            ready = wait([worker.pipe for worker in self._workers])
            for worker in [worker for worker in self._workers if worker.pipe in ready]:
                try:
                    message = worker.pipe.recv()
                except (EOFError, OSError):
                    failed_starts += not worker.is_ready
                    if failed_starts >= ATTEMPTS:
                        raise ModelError(
                            f'{ATTEMPTS} workers ended while they loaded their models, the last '
                            f'one {worker.why_ended()}; if memory is short, use fewer workers'
                        ) from None
                    self._replace(worker, attempts)
                    if worker.chunk is not None:
                        yield worker, Step.LOST
                    continue
                if isinstance(message, BaseException):
                    raise message
                worker.is_ready = True
                yield worker, message

    def _start(self) -> None:
        self._workers.append(_Worker.start(self._plan, self._threads))

    def _replace(self, worker: '_Worker', attempts: Attempts) -> None:
        self._workers.remove(worker)
        why = worker.why_ended()
        worker.end()
        if worker.chunk is not None:
            attempts.lost(worker.chunk, why)
        self._start()


@dataclass(eq=False)
class _Worker:
    """One process, as the one that started it sees it.

    Attributes:
        process: It.
        pipe: To it.
        is_ready: Whether its models are loaded.
        chunk: What it is at.
    """

    process: Any
    pipe: Any
    is_ready: bool = False
    chunk: Chunk | None = None

    @classmethod
    def start(cls, plan: AnnotationPlan, threads: int) -> '_Worker':
        # Spawned, as neither torch nor OpenVINO bears being forked.
        context = multiprocessing.get_context('spawn')
        ours, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, plan, threads), name='annotate', daemon=True
        )
        # Numpy's threads are settled when it is imported, and those of several processes spin for
        # the same cores: two workers on two cores were three times as fast with one thread each.
        with _environment(threads), interrupts_held_back():
            process.start()
        theirs.close()  # so that its end is noticed here
        return cls(process, ours)

    def begin(self, chunk: Chunk | None, folder: Path) -> None:
        self.chunk = chunk
        if chunk is not None:
            # One that has just ended is noticed when it is listened to.
            with contextlib.suppress(OSError):
                self.pipe.send((chunk, folder))

    def why_ended(self) -> str:
        self.process.join(END_S)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f'by {signal.Signals(-code).name}'
        return f'with status {code}'

    def end(self) -> None:
        self.pipe.close()
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(END_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


def cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C come after a block; processes that are started in it never have it at all."""
    # Which would let it through again, if it were begun in the block.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _environment(threads: int) -> Iterator[None]:
    """Tell processes that are started meanwhile how many threads they may have."""
    own = {name: str(threads) for name in THREAD_VARIABLES if name not in os.environ}
    os.environ.update(own)
    try:
        yield
    finally:
        for name in own:
            del os.environ[name]


def sendable(error: Exception) -> Exception:
    """Return what can be said of an error elsewhere, in one line."""
    if isinstance(error, VlmRosError | OSError):
        return error
    return ModelError(f'a worker failed: {type(error).__name__}: {" ".join(str(error).split())}')


# What follows runs in the processes.


# Ctrl-C reaches all processes of a terminal, and is held back here; the first says what to do.


def _serve(pipe: Any, plan: AnnotationPlan, threads: int) -> None:
    cv2.setNumThreads(threads)
    # Whoever started this one is gone where the pipe breaks.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            _work(pipe, plan, threads)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - said by the process that has a terminal
            pipe.send(sendable(error))


def _work(pipe: Any, plan: AnnotationPlan, threads: int) -> None:
    from vlm_ros.annotation.loading import load_annotator
    from vlm_ros.annotation.reading import Reader

    annotator = load_annotator(plan, threads=threads)
    pipe.send(annotator.models.records())
    with Reader(plan) as reader:
        while True:
            chunk, folder = pipe.recv()
            for step in annotate_chunk(plan, chunk, folder, annotator, reader):
                pipe.send(step)
            pipe.send(None)
