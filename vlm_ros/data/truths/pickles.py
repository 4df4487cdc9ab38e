"""Pickles of plain values, read without running what is in them.

A pickle can name any function of any installed package to be called when it is read. The
referring expressions of RefCOCO are published as pickles of lists, dicts, texts and numbers, which
name none; what names one is refused (https://docs.python.org/3/library/pickle.html).
"""

import io
from pathlib import Path
import pickle
from typing import Any, NoReturn

from vlm_ros.errors import InputError


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f'it names {module}.{name}, which plain values do not')

    def persistent_load(self, pid: object) -> NoReturn:
        raise pickle.UnpicklingError('it refers to something outside')


def read_plain_pickle(path: Path) -> Any:
    """Return the lists, dicts, texts and numbers of a pickle; those of Python 2 as well.

    Raises:
        InputError: It is missing or damaged, or it holds anything else; nothing of it was run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f'{path} cannot be read: {error.strerror or error}') from error
    try:
        try:
            return _Plain(io.BytesIO(content), encoding='utf-8').load()
        except UnicodeDecodeError:  # texts of Python 2 are bytes
            return _Plain(io.BytesIO(content), encoding='latin-1').load()
    except Exception as error:  # a damaged pickle raises anything
        raise InputError(f'{path} is no pickle of plain values: {error}') from error
