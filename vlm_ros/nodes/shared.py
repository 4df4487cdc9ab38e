"""What the nodes of one process share: loaded models and image feeds, one of each kind."""

from collections.abc import Callable
from functools import partial
import logging
from typing import Any

from rclpy.logging import get_logger
from rclpy.node import Node

from vlm_ros import backends
from vlm_ros.errors import InputError
from vlm_ros.nodes.image_feed import ImageFeed
from vlm_ros.nodes.parameters import ModelParameters
from vlm_ros.runtime.candidates import Candidate, Patience
from vlm_ros.runtime.model_worker import ModelWorker
from vlm_ros.tasks import Model


class Shared:
    """Model workers and image feeds; for the executor's thread."""

    def __init__(self) -> None:
        self._workers: dict[tuple[Any, ...], ModelWorker[Model]] = {}
        self._users: dict[ModelWorker[Model], int] = {}
        self._feeds: dict[str, ImageFeed] = {}
        self._last: list[Callable[[], bool]] = []

    def acquire(self, chosen: ModelParameters) -> ModelWorker[Model]:
        """Return the worker of a model, which begins to load it when it is acquired first.

        Raises:
            InputError: The parameters name the model wrongly.
        """
        key = (
            chosen.backend,
            chosen.model,
            chosen.device,
            chosen.backend_options,
            chosen.fallback,
            chosen.watchdog_s,
            chosen.load_timeout_s,
            chosen.max_waiting_requests,
        )
        if key not in self._workers:
            self._workers[key] = _new_worker(candidates(chosen), chosen)
        worker = self._workers[key]
        self._users[worker] = self._users.get(worker, 0) + 1
        return worker

    def acquire_own(
        self, candidate: Candidate[Model], chosen: ModelParameters
    ) -> ModelWorker[Model]:
        """Return a new worker that no other node uses; `release` ends it."""
        worker = _new_worker([candidate], chosen)
        self._users[worker] = 1
        return worker

    def release(self, worker: ModelWorker[Model]) -> Callable[[], bool]:
        """Give a worker back; the last to do so ends it and frees its model.

        Returns:
            Waits, for a few seconds at most, until it has ended, and says whether it has; for
            another thread than the executor's.
        """
        self._users[worker] -= 1
        if self._users[worker]:
            return lambda: True
        del self._users[worker]
        self._workers = {key: other for key, other in self._workers.items() if other is not worker}
        worker.close(0.0)
        return partial(worker.close, 5.0)

    def feed(self, node: Node, topic: str = 'image') -> ImageFeed:
        """Return the feed of a node's image topic; nodes with the same topic share one."""
        name = node.resolve_topic_name(topic)
        if name not in self._feeds:
            self._feeds[name] = ImageFeed(node, topic)
        return self._feeds[name]

    def at_the_end(self, work: Callable[[], bool]) -> None:
        """Have something done when everything ends, after the workers.

        Args:
            work: Does it, within a time of its own; returns whether it is done.
        """
        self._last.append(work)

    def close(self) -> bool:
        """End everything; returns whether all of it ended in time."""
        for feed in self._feeds.values():
            feed.close()
        for worker in self._users:
            worker.close(0.0)
        ended = [worker.close() for worker in self._users]
        last, self._last = self._last, []
        return all([*ended, *(work() for work in last)])


def candidates(chosen: ModelParameters) -> list[Candidate[Model]]:
    """Return what a node's parameters say which models to use, best first.

    Raises:
        InputError: `backend_options` or an entry of `fallback` cannot be read.
    """
    options = backends.parse_options(
        backends.split_options(chosen.backend_options), 'backend_options'
    )
    first = {'model': chosen.model, 'device': chosen.device, **options}
    found = [Candidate(chosen.backend, partial(backends.load, chosen.backend, **first))]
    for entry in chosen.fallback:
        if not entry.strip():
            raise InputError('fallback has an empty entry; put commas between the names only')
        name, *words = entry.split()
        options = {'device': 'cpu', **backends.parse_options(words, 'fallback')}
        found.append(Candidate(name, partial(backends.load, name, **options)))
    return found


def _new_worker(
    chosen_from: list[Candidate[Model]], chosen: ModelParameters
) -> ModelWorker[Model]:
    name = chosen_from[0].name
    return ModelWorker(
        chosen_from,
        name=name,
        max_requests=chosen.max_waiting_requests,
        patience=Patience(call_s=chosen.watchdog_s, load_s=chosen.load_timeout_s),
        report=partial(_log, get_logger(name or 'model')),
    )


def _log(logger: Any, level: int, text: str) -> None:
    if level >= logging.ERROR:
        logger.error(text)
    elif level >= logging.WARNING:
        logger.warning(text)
    else:
        logger.info(text)
