"""Annotates on a Ray cluster, with models in each of its actors.

Every node needs this package and the folders of sources and dataset at the same paths. Nothing but
the plan and what became of images goes through Ray; records and pictures are written where they
are made, as the parts of a single process are.
"""

from collections.abc import Iterator, Sequence
import contextlib
import os
from pathlib import Path
import time
from typing import Any

import cv2

from vlm_ros.annotation.attempts import ATTEMPTS, Attempts
from vlm_ros.annotation.chunks import Chunk
from vlm_ros.annotation.parts import part_path
from vlm_ros.annotation.plan import AnnotationPlan
from vlm_ros.annotation.work import annotate_chunk, Step
from vlm_ros.annotation.workers import cores, interrupts_held_back, sendable, THREAD_VARIABLES
from vlm_ros.errors import InputError, MissingDependencyError, ModelError, StorageError
from vlm_ros.records import ModelRecord

SHARED_S = 60.0
"""So long a file of another node may take to be seen."""
STORE_BYTES = 100_000_000
"""Of a local cluster's object store, through which no pictures go."""


class RayWorkers:
    """Actors on a cluster, which is joined at once.

    An actor that is lost, alone or with its node, is replaced, and its chunk is begun again.

    Args:
        plan: What is wanted.
        address: `auto` for the cluster that this machine belongs to, `local` for one of its own,
            or an address that `ray.init` takes.
        count: How many actors; 0 for one a GPU where the plan may use one, or else one a node.

    Raises:
        MissingDependencyError: Ray is not installed.
        InputError: There is no such cluster.
    """

    def __init__(self, plan: AnnotationPlan, address: str, count: int = 0) -> None:
        self._plan = plan
        self._ray = _import()
        # What becomes of a task when its process, its node or its memory is gone.
        errors = self._ray.exceptions
        self._lost = (errors.RayActorError, errors.OutOfMemoryError, errors.NodeDiedError)
        self._is_own = not self._ray.is_initialized()
        if self._is_own:
            try:
                _join(self._ray, address)
            except BaseException:
                self.close()
                raise
        total = self._ray.cluster_resources()
        devices = [str(row.device) for row in (plan.backend, *plan.backends.values())]
        if any(device.startswith('cuda') for device in devices) and not total.get('GPU'):
            self.close()
            raise InputError(f'no node of the Ray cluster {address} has a GPU; use --device cpu')
        needs_gpu = bool(total.get('GPU')) and any(device != 'cpu' for device in devices)
        nodes = [node['Resources'] for node in self._ray.nodes() if node['Alive']]
        self._count = count or int(total['GPU'] if needs_gpu else len(nodes))
        # As many threads as there are on the smallest node, where nodes have equal shares.
        smallest = min(int(node.get('CPU', 1)) for node in nodes)
        self._threads = max(1, smallest // -(-self._count // len(nodes)))
        self._gpus = 1 / -(-self._count // int(total['GPU'])) if needs_gpu else 0
        self._actors: list[Any] = []
        self._models: tuple[ModelRecord, ...] | None = None

    def models(self, chunks: int = 1) -> tuple[ModelRecord, ...]:
        """Load one actor, and say what was loaded; `work` starts as many as there are chunks.

        Raises:
            BackendError: A model cannot be had.
            ModelError: The actor ended before that.
        """
        for attempt in range(ATTEMPTS if self._models is None else 0):
            actor = self._start()
            try:
                self._models = self._get(actor.models.remote())
                break
            except self._lost as error:
                self._end(actor)
                if attempt == ATTEMPTS - 1:
                    raise _too_many_lost() from error
        assert self._models is not None
        return self._models

    def work(self, chunks: Sequence[Chunk], folder: Path) -> Iterator[tuple[Chunk, Step | None]]:
        """Write the parts of some chunks; yields their steps, and None when a chunk is done.

        Raises:
            ModelError: A chunk ended its actor again and again.
            StorageError: The folder is not the same on all nodes.
            VlmRosError: What an actor raised.
        """
        self.models()
        folder = folder.resolve()
        attempts = Attempts(chunks)
        while len(self._actors) < min(self._count, len(chunks)):
            self._start()
        # By what they will say: an actor that a full cluster has no room for yet has no chunk.
        busy: dict[Any, tuple[Any, Chunk | None]] = {
            actor.models.remote(): (actor, None) for actor in self._actors
        }
        lost_early = 0
        while len(attempts) or any(chunk for _, chunk in busy.values()):
            (done,), _ = self._ray.wait(list(busy), num_returns=1)
            actor, chunk = busy.pop(done)
            try:
                said = self._get(done)
            except self._lost as error:
                self._end(actor)
                if chunk is None:
                    lost_early += 1
                    if lost_early >= ATTEMPTS:
                        raise _too_many_lost() from error
                else:
                    attempts.lost(chunk, f'with {type(error).__name__}')
                    yield chunk, Step.LOST
                actor = self._start()
                busy[actor.models.remote()] = (actor, None)
                continue
            if chunk is not None:
                for step in said:
                    yield chunk, Step(step)
                _check_shared(folder, chunk)
                yield chunk, None
            if (chunk := attempts.next()) is not None:
                busy[actor.annotate.remote(chunk, str(folder))] = (actor, chunk)

    def close(self) -> None:
        """End the actors, and a cluster of our own; what is written is whole."""
        with interrupts_held_back():  # a second Ctrl-C would leave some of them
            for actor in list(getattr(self, '_actors', ())):
                self._end(actor)
            if self._is_own:
                self._ray.shutdown()
                self._is_own = False

    def _start(self) -> Any:
        # Numpy's threads are settled when it is imported, before any line of ours runs there.
        variables = {name: str(self._threads) for name in THREAD_VARIABLES}
        options = {
            'runtime_env': {'env_vars': variables},
            'num_cpus': 1,
            'num_gpus': self._gpus,
            'scheduling_strategy': 'SPREAD',
        }
        kind = self._ray.remote(**options)(Annotating)
        actor = kind.remote(self._plan.model_dump_json(), self._threads, os.getcwd())
        self._actors.append(actor)
        return actor

    def _end(self, actor: Any) -> None:
        self._actors.remove(actor)
        self._ray.kill(actor)

    def _get(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            # Its own message is the traceback of another machine.
            cause = error.cause if isinstance(error.cause, Exception) else error
            raise sendable(cause) from None


class Annotating:
    """What an actor does; its models are loaded when they are first needed.

    Args:
        plan: As JSON.
        threads: Of each model.
        folder: Which relative paths of the plan belong to.
    """

    def __init__(self, plan: str, threads: int, folder: str) -> None:
        with contextlib.suppress(OSError):  # another node may not have it, or need it
            os.chdir(folder)
        cv2.setNumThreads(threads)
        self._plan = AnnotationPlan.model_validate_json(plan)
        self._threads = threads
        self._annotator: Any = None
        self._reader: Any = None

    def models(self) -> tuple[ModelRecord, ...]:
        """Load, and say what was loaded."""
        from vlm_ros.annotation.loading import load_annotator
        from vlm_ros.annotation.reading import Reader

        if self._annotator is None:
            self._annotator = load_annotator(self._plan, threads=self._threads)
            self._reader = Reader(self._plan)
        records: tuple[ModelRecord, ...] = self._annotator.models.records()
        return records

    def annotate(self, chunk: Chunk, folder: str) -> list[str]:
        """Write a part; return what has become of each image."""
        self.models()
        steps = annotate_chunk(self._plan, chunk, Path(folder), self._annotator, self._reader)
        return [step.value for step in steps]


def _import() -> Any:
    # It would tell its makers about each cluster, and warn of what a later release will do.
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    os.environ.setdefault('RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO', '0')
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(
            'annotating on Ray needs the library ray; run: pip install "vlm_ros[ray]"'
        ) from error
    return ray


def _join(ray: Any, address: str) -> None:
    own = {'num_cpus': cores(), 'object_store_memory': STORE_BYTES, 'include_dashboard': False}
    is_own = address == 'local'
    try:
        # A cluster that is half started when Ctrl-C comes leaves processes behind.
        with interrupts_held_back() if is_own else contextlib.nullcontext():
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level='ERROR',
                **(own if is_own else {}),
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition('\n')[0]
        raise InputError(
            f'there is no Ray cluster at {address}: {reason}; start one with ray start --head, or '
            'use --ray local'
        ) from error


def _check_shared(folder: Path, chunk: Chunk) -> None:
    path = part_path(folder, chunk.number)
    until_s = time.monotonic() + SHARED_S
    # NFS may remember that a file was not there, but not when its folder is listed.
    while not (path.parent.is_dir() and path.name in os.listdir(path.parent)):
        if time.monotonic() < until_s:
            time.sleep(0.5)
            continue
        raise StorageError(
            f'a node of the cluster wrote to a {folder} that is not the one here; choose a folder '
            'that all nodes share'
        )


def _too_many_lost() -> ModelError:
    return ModelError(
        f'{ATTEMPTS} actors ended while they loaded their models; if memory is short, use fewer '
        'workers'
    )
