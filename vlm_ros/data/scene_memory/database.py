"""The file: SQLite with the vector functions of sqlite-vec.

The vectors are a column of the moments, compared one by one by `vec_distance_cosine`, rather than
a `vec0` table: that also compares one by one, returns 4096 rows at most, and cannot combine its
search with a score that differs from row to row. So filters, bounds and transactions are those of
ordinary rows.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
import ctypes
from datetime import datetime
import importlib
from pathlib import Path
import sqlite3
import threading

from vlm_ros.errors import InputError, MissingDependencyError, StorageError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x564C4D52
"""`VLMR`, in SQLite's header of the file."""
BUSY_S = 5.0
"""How long to wait for another process that writes."""
_SCHEMA = """
CREATE TABLE about (model TEXT NOT NULL, dimensions INTEGER NOT NULL);
CREATE TABLE moments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    stamp_ns INTEGER NOT NULL,
    frame_id TEXT NOT NULL,
    camera TEXT NOT NULL,
    labels TEXT NOT NULL,
    pose TEXT,
    embedding BLOB NOT NULL,
    mean REAL NOT NULL,
    deviation REAL NOT NULL
);
CREATE INDEX moments_of_camera ON moments (camera, stamp_ns);
CREATE TABLE pictures (
    moment INTEGER PRIMARY KEY REFERENCES moments ON DELETE CASCADE,
    jpeg BLOB NOT NULL
);
"""
_SIDES = ('', '-wal', '-shm')
_auto_loading = threading.Lock()


def open_database(path: Path, model: str, dimensions: int) -> sqlite3.Connection:
    """Open a memory, or begin one, for the calling thread only.

    Args:
        path: The file; its folder is made.
        model: Identifies the model whose vectors are kept.
        dimensions: How many numbers a vector has.

    Raises:
        InputError: The file holds another model's vectors, or is no scene memory.
        MissingDependencyError: sqlite-vec is missing, or this Python cannot load it.
        StorageError: The file is damaged, cannot be read or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f'the folder {path.parent} cannot be made: {error.strerror}') from error
    with storing(path):
        connection = _connect(path)
        try:
            if not _is_empty(connection):
                _check(connection, path, model, dimensions)
            connection.execute('PRAGMA foreign_keys = ON')
            connection.execute('PRAGMA auto_vacuum = INCREMENTAL')
            connection.execute('PRAGMA journal_mode = WAL')
            # With WAL a killed process loses nothing that was committed, and no power cut breaks
            # the file; the last moments before one may be gone.
            connection.execute('PRAGMA synchronous = NORMAL')
            connection.execute('PRAGMA journal_size_limit = 4000000')
            with transaction(connection):
                if _is_empty(connection):
                    _begin(connection, model, dimensions)
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(path: Path, model: str, dimensions: int) -> sqlite3.Connection:
    """Open a memory that another process writes; raises what `open_database` does."""
    if not path.is_file():
        raise StorageError(f'there is no scene memory {path}')
    with storing(path):
        connection = _connect(path)
        try:
            connection.execute('PRAGMA query_only = ON')
            _check(connection, path, model, dimensions)
        except BaseException:
            connection.close()
            raise
    return connection


def is_damaged(path: Path) -> bool:
    """Tell whether a file is there that is not a sound database; reads all of it."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
            [(verdict,)] = connection.execute('PRAGMA quick_check(1)').fetchall()
    except sqlite3.OperationalError:
        return False  # it may be sound but cannot be read: that is said when it is opened
    except sqlite3.DatabaseError:
        return True
    return str(verdict) != 'ok'


def move_aside(path: Path, what: str) -> Path:
    """Rename a file, so that another can begin in its place; returns where it is now.

    Raises:
        StorageError: It cannot be renamed.
    """
    stamp = f'{datetime.now():%Y%m%d-%H%M%S}'  # noqa: DTZ005 - for people, who read their own clock
    number, aside = 1, path.with_name(f'{path.name}.{what}-{stamp}')
    while aside.exists():
        number += 1
        aside = path.with_name(f'{path.name}.{what}-{stamp}-{number}')
    try:
        # Its log first: the next file would take it for its own.
        for side in reversed(_SIDES):
            beside = path.with_name(path.name + side)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + side))
    except OSError as error:
        raise StorageError(f'{path} cannot be moved aside: {error.strerror}') from error
    return aside


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Say in one line what SQLite says of the file."""
    try:
        yield
    except sqlite3.Error as error:
        reason = ' '.join(str(error).split())
        raise StorageError(f'the scene memory {path}: {reason}{_mend(reason)}') from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all that is inside, or nothing of it."""
    connection.execute('BEGIN IMMEDIATE')
    try:
        yield
        connection.execute('COMMIT')
    except BaseException:
        if connection.in_transaction:  # a full disk has ended it already
            connection.execute('ROLLBACK')
        raise


def _mend(reason: str) -> str:
    if 'full' in reason or 'I/O' in reason:
        return '; what is remembered is kept: make room on its disk'
    if 'locked' in reason:
        return '; another process holds it'
    if 'readonly' in reason or 'unable to open' in reason:
        return '; give the user of this process the right to read and write it and its folder'
    if 'malformed' in reason or 'not a database' in reason:
        return '; it is moved aside when the memory is opened next'
    return ''


def _is_empty(connection: sqlite3.Connection) -> bool:
    [(tables,)] = connection.execute('SELECT count(*) FROM sqlite_master').fetchall()
    return not tables


def _begin(connection: sqlite3.Connection, model: str, dimensions: int) -> None:
    for statement in _SCHEMA.split(';'):
        connection.execute(statement)
    connection.execute('INSERT INTO about VALUES (?, ?)', (model, dimensions))
    connection.execute(f'PRAGMA application_id = {APPLICATION_ID}')
    connection.execute(f'PRAGMA user_version = {SCHEMA_VERSION}')


def _check(connection: sqlite3.Connection, path: Path, model: str, dimensions: int) -> None:
    [(application,)] = connection.execute('PRAGMA application_id').fetchall()
    if application != APPLICATION_ID:
        raise InputError(f'{path} is no scene memory but another database; use another file')
    [(version,)] = connection.execute('PRAGMA user_version').fetchall()
    if version != SCHEMA_VERSION:
        raise InputError(
            f'{path} has version {version} of the scene memory, and this package reads version '
            f'{SCHEMA_VERSION}; use another file, or reset it'
        )
    [(known, size)] = connection.execute('SELECT model, dimensions FROM about').fetchall()
    if (known, size) != (model, dimensions):
        raise InputError(
            f'{path} holds what {known} saw ({size} dimensions), which cannot be compared with '
            f'what {model} sees ({dimensions}); use another file, or reset it'
        )


def _connect(path: Path) -> sqlite3.Connection:
    try:
        # Here, because only who remembers needs it.
        import sqlite_vec  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise MissingDependencyError(
            'a scene memory needs sqlite-vec; run: pip install sqlite-vec'
        ) from error
    options = {'timeout': BUSY_S, 'isolation_level': None}
    if hasattr(sqlite3.Connection, 'enable_load_extension'):
        connection: sqlite3.Connection = sqlite3.connect(path, **options)  # type: ignore[call-overload]
        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        connection.enable_load_extension(False)
        return connection
    with _loaded_into_new_connections(sqlite_vec.loadable_path()):
        return sqlite3.connect(path, **options)  # type: ignore[call-overload,no-any-return]


@contextmanager
def _loaded_into_new_connections(extension: str) -> Iterator[None]:
    """Have SQLite itself load an extension, where Python was built without the way to ask for it.

    https://www.sqlite.org/c3ref/auto_extension.html
    """
    probe = sqlite3.connect(':memory:')
    [(is_left_out,)] = probe.execute("SELECT sqlite_compileoption_used('OMIT_LOAD_EXTENSION')")
    probe.close()
    try:
        if is_left_out:
            raise AttributeError('SQLite was built without extensions')
        # The library that Python's own module is linked to; None: the interpreter itself.
        sqlite = ctypes.CDLL(getattr(importlib.import_module('_sqlite3'), '__file__', None))
        vectors = ctypes.CDLL(f'{extension}.so')
        entry = ctypes.cast(vectors.sqlite3_vec_init, ctypes.c_void_p)
        load, unload = sqlite.sqlite3_auto_extension, sqlite.sqlite3_cancel_auto_extension
    except (OSError, AttributeError) as error:
        raise MissingDependencyError(
            'a scene memory needs a Python whose sqlite3 can load extensions, such as the '
            f"distribution's own ({error})"
        ) from error
    with _auto_loading:
        load(entry)
        try:
            yield
        finally:
            unload(entry)
