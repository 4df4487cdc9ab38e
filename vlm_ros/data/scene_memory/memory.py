"""The memory: moments go in, the oldest go out, the best come back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from vlm_ros.boxes import FloatArray
from vlm_ros.data.scene_memory.database import (
    is_damaged,
    move_aside,
    open_database,
    open_for_reading,
    storing,
    transaction,
)
from vlm_ros.data.scene_memory.moments import Match, Moment, Pose, Search
from vlm_ros.data.scene_memory.scoring import Background, to_deviations, to_score
from vlm_ros.errors import InputError, StorageError

SAME_SIMILARITY = 0.98
"""Cosine from which on two images show the same."""
SAME_WITHIN_S = 600.0
"""A view that does not change is remembered anew after so long."""
_FORGET_AT_ONCE = 20
_NEIGHBOURS = """
SELECT 1 FROM moments
WHERE camera = :camera AND stamp_ns BETWEEN :since AND :until
    AND vec_distance_cosine(embedding, :embedding) <= :distance
LIMIT 1
"""
_FITTING = """
SELECT id, deviations FROM (
    SELECT id, (1 - vec_distance_cosine(embedding, :embedding) - mean) / deviation AS deviations
    FROM moments
    WHERE (:camera = '' OR camera = :camera)
        AND (:since IS NULL OR stamp_ns >= :since) AND (:until IS NULL OR stamp_ns <= :until)
)
WHERE deviations >= :least
ORDER BY deviations DESC, id DESC
"""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How much is remembered.

    Attributes:
        max_moments: How many moments at most.
        max_bytes: How large the file may become; what waits to be written into it, 4 MB at most,
            comes on top.
        same_similarity: Cosine from which on two images of a camera show the same, so that only
            the first is remembered.
        same_within_s: Unless so many seconds lie between them.
    """

    max_moments: int = 20_000
    max_bytes: int = 500_000_000
    same_similarity: float = SAME_SIMILARITY
    same_within_s: float = SAME_WITHIN_S


class SceneMemory:
    """Moments in a file. One process writes, any number read; each object is for one thread.

    Args:
        path: The file.
        model: Identifies the model and its weights: vectors of another are never compared.
        background: Where the model places everyday names; see `scoring`.
        limits: How much is remembered.
        reset: Begin anew; what is there is moved aside.
        read_only: Only search.
        report: Told, in one line, where a file was moved aside.

    Raises:
        InputError: The file holds another model's moments, or is no scene memory.
        MissingDependencyError: sqlite-vec is missing, or this Python cannot load it.
        StorageError: The file cannot be read or written.
    """

    def __init__(
        self,
        path: str | Path,
        model: str,
        background: Background,
        *,
        limits: Limits | None = None,
        reset: bool = False,
        read_only: bool = False,
        report: Callable[[str], None] = _logger.warning,
    ) -> None:
        self.path = Path(path).expanduser()
        self.limits = limits or Limits()
        self._background = background
        dimensions = background.vectors.shape[1]
        if read_only:
            self._connection = open_for_reading(self.path, model, dimensions)
            return
        if is_damaged(self.path):
            aside = move_aside(self.path, 'damaged')
            report(f'the scene memory {self.path} was damaged; it is now {aside}')
        elif reset and self.path.exists():
            aside = move_aside(self.path, 'old')
            report(f'the scene memory {self.path} begins anew; what was in it is now {aside}')
        self._connection = open_database(self.path, model, dimensions)
        with storing(self.path), transaction(self._connection):
            self._forget_oldest()

    def __len__(self) -> int:
        """Return how many moments are remembered."""
        return int(self._number('SELECT count(*) FROM moments'))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose moments are remembered."""
        with storing(self.path):
            rows = self._connection.execute('SELECT DISTINCT camera FROM moments ORDER BY camera')
            return tuple(camera for (camera,) in rows)

    @property
    def used_bytes(self) -> int:
        """What the moments take in the file."""
        pages = self._number('PRAGMA page_count') - self._number('PRAGMA freelist_count')
        return int(pages * self._number('PRAGMA page_size'))

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._connection.close()

    def add(self, moment: Moment, embedding: FloatArray) -> int | None:
        """Remember a moment, and forget the oldest where there is no more room.

        Args:
            moment: The moment.
            embedding: `(D,)` float32 of length 1, where the model places its image.

        Returns:
            Its number; None where the camera showed the same shortly before.

        Raises:
            InputError: The embedding cannot be one of the model's.
            StorageError: It cannot be written; all that was remembered is kept.
        """
        blob = self._to_blob(embedding)
        mean, deviation = self._background.level(embedding)
        row = {
            'stamp_ns': moment.stamp_ns,
            'frame_id': moment.frame_id,
            'camera': moment.camera,
            'labels': _to_json(moment.labels),
            'pose': _to_json(asdict(moment.pose)) if moment.pose else None,
            'embedding': blob,
            'mean': mean,
            'deviation': deviation,
        }
        with storing(self.path), transaction(self._connection):
            if self._is_known(moment, blob):
                return None
            columns = ', '.join(row)
            places = ', '.join(f':{name}' for name in row)
            number = self._connection.execute(
                f'INSERT INTO moments ({columns}) VALUES ({places})', row
            ).lastrowid
            if moment.picture:
                self._connection.execute(
                    'INSERT INTO pictures VALUES (?, ?)', (number, moment.picture)
                )
            self._forget_oldest()
        return number

    def label(self, number: int, labels: tuple[str, ...]) -> None:
        """Say what was detected in a moment, once that is known.

        Raises:
            StorageError: It cannot be written.
        """
        with storing(self.path), transaction(self._connection):
            self._connection.execute(
                'UPDATE moments SET labels = ? WHERE id = ?', (_to_json(labels), number)
            )

    def search(self, embedding: FloatArray, search: Search) -> list[Match]:
        """Find moments that fit a text; those that look the same count as one.

        Args:
            embedding: `(D,)` float32 of length 1, where the model places the text.
            search: Which moments are wanted.

        Returns:
            The best first.

        Raises:
            InputError: The embedding cannot be one of the model's.
            StorageError: The file cannot be read.
        """
        blob = self._to_blob(embedding)
        found: list[Match] = []
        seen: list[FloatArray] = []
        with storing(self.path):
            for number, deviations in self._connection.execute(
                _FITTING,
                {
                    'embedding': blob,
                    'camera': search.camera,
                    'since': search.since_ns,
                    'until': search.until_ns,
                    'least': to_deviations(search.min_score),
                },
            ):
                moment, place = self._read(number, with_picture=search.with_pictures)
                if seen and float(np.max(np.stack(seen) @ place)) >= self.limits.same_similarity:
                    continue
                seen.append(place)
                found.append(Match(moment, to_score(deviations)))
                if len(found) == search.max_moments:
                    break
        return found

    def _is_known(self, moment: Moment, embedding: bytes) -> bool:
        window_ns = round(self.limits.same_within_s * 1e9)
        neighbours = self._connection.execute(
            _NEIGHBOURS,
            {
                'camera': moment.camera,
                'since': moment.stamp_ns - window_ns,
                'until': moment.stamp_ns + window_ns,
                'embedding': embedding,
                'distance': 1 - self.limits.same_similarity,
            },
        )
        return neighbours.fetchone() is not None

    def _forget_oldest(self) -> None:
        """Keep to the limits; the newest moment always stays."""
        count = len(self)
        surplus = max(0, count - self.limits.max_moments)
        while surplus or (self.used_bytes > self.limits.max_bytes and count > 1):
            surplus = min(surplus or _FORGET_AT_ONCE, count - 1)
            self._connection.execute(
                'DELETE FROM moments WHERE id IN (SELECT id FROM moments ORDER BY id LIMIT ?)',
                (surplus,),
            )
            count, surplus = count - surplus, 0
        # In steps: rows come one a page that is given back.
        self._connection.execute('PRAGMA incremental_vacuum').fetchall()

    def _read(self, number: int, *, with_picture: bool) -> tuple[Moment, FloatArray]:
        row = self._connection.execute(
            'SELECT stamp_ns, frame_id, camera, labels, pose, embedding FROM moments WHERE id = ?',
            (number,),
        ).fetchone()
        if row is None:  # forgotten by the process that writes, a moment ago
            raise StorageError('the scene memory changed meanwhile; ask again')
        stamp_ns, frame_id, camera, labels, pose, blob = row
        moment = Moment(
            stamp_ns,
            frame_id,
            camera,
            tuple(json.loads(labels)),
            _to_pose(pose),
            self._picture(number) if with_picture else b'',
        )
        return moment, np.frombuffer(blob, np.float32)

    def _picture(self, number: int) -> bytes:
        rows = self._connection.execute('SELECT jpeg FROM pictures WHERE moment = ?', (number,))
        return next((bytes(jpeg) for (jpeg,) in rows), b'')

    def _to_blob(self, embedding: FloatArray) -> bytes:
        dimensions = self._background.vectors.shape[1]
        if embedding.shape != (dimensions,) or not np.isfinite(embedding).all():
            raise InputError(f'an embedding must have {dimensions} finite numbers')
        return np.ascontiguousarray(embedding, np.float32).tobytes()

    def _number(self, statement: str) -> int:
        with storing(self.path):
            [(number,)] = self._connection.execute(statement).fetchall()
        return int(number)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _to_pose(text: str | None) -> Pose | None:
    if text is None:
        return None
    pose = json.loads(text)
    return Pose(pose['frame_id'], tuple(pose['position']), tuple(pose['orientation']))
