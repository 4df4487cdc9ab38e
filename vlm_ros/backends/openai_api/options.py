"""The options of the backend, checked before anything is sent anywhere."""

from collections.abc import Mapping
import json
import math
from typing import Any

from vlm_ros.backends.dialects import Dialect, dialect_of, DIALECTS
from vlm_ros.backends.openai_api.chat import Manner
from vlm_ros.backends.options import refuse_secrets
from vlm_ros.errors import BackendError, DeviceError

_OWN_FIELDS = frozenset({'model', 'messages', 'stream', 'n'})


def check_device(device: str) -> None:
    """Refuse devices: the model runs where its server does.

    Raises:
        DeviceError: It is not `cpu` or `auto`.
    """
    if device not in ('auto', 'cpu'):
        raise DeviceError(
            f'openai_api runs on cpu only, not on {device}: the model runs where its server does'
        )


def check_waits(timeout_s: float, rest_s: float) -> None:
    """Refuse times.

    Raises:
        BackendError: One is out of its range.
    """
    check_number('timeout_s', timeout_s, 0.1, 3600)
    check_number('rest_s', rest_s, 0, 3600)


def check_manner(
    max_tokens: int, temperature: float, detail: str, retries: int, extra: str | Mapping[str, Any]
) -> Manner:
    """Return how the server is asked.

    Raises:
        BackendError: One of them is out of its range.
    """
    check_number('max_tokens', max_tokens, 1, 100_000)
    check_number('temperature', temperature, 0, 2)
    check_number('retries', retries, 0, 10)
    if detail not in ('auto', 'low', 'high'):
        raise BackendError(f'detail must be auto, low or high, got {detail!r}')
    return Manner(max_tokens, temperature, detail, retries, _fields(extra))


def check_dialect(name: str) -> None:
    """Refuse what is no dialect.

    Raises:
        BackendError: It is neither `auto` nor one of `DIALECTS`.
    """
    if name not in ('auto', *DIALECTS):
        raise BackendError(f'dialect must be auto or one of {", ".join(DIALECTS)}, got {name!r}')


def choose_dialect(name: str, model: str) -> Dialect:
    """Return a dialect by its name, or by the model's for `auto`."""
    return dialect_of(model) if name == 'auto' else DIALECTS[name]


def check_number(name: str, value: float, least: float, most: float) -> None:
    """Refuse a number.

    Raises:
        BackendError: It is out of its range.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and math.isfinite(value) and least <= value <= most):
        raise BackendError(f'{name} must be from {least:g} to {most:g}, got {value!r}')


def _fields(extra: str | Mapping[str, Any]) -> dict[str, Any]:
    try:
        fields = json.loads(extra or '{}') if isinstance(extra, str) else extra
    except ValueError as error:
        raise BackendError(f'extra must be a JSON object: {error}') from error
    if not isinstance(fields, Mapping):
        raise BackendError('extra must be a JSON object, such as {"top_k": 1}')
    if own := sorted(_OWN_FIELDS & fields.keys()):
        raise BackendError(f'extra must not have {own[0]!r}, which the backend sets')
    refuse_secrets(_names(fields))
    return dict(fields)


def _names(fields: Mapping[str, Any]) -> list[str]:
    inner = [
        name for value in fields.values() if isinstance(value, dict) for name in _names(value)
    ]
    return [*(str(name) for name in fields), *inner]
