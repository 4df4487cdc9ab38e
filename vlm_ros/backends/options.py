"""Options of backends as people write them: `name=value`."""

from collections.abc import Iterable
import re
from typing import Any

import yaml

from vlm_ros.errors import BackendError, InputError

# `tokens` is missing on purpose: models count them.
_SECRET_WORDS = frozenset(
    'apikey credential credentials key keys passphrase passwd password passwords secret secrets '
    'token'.split()
)


def parse_options(texts: Iterable[str], where: str) -> dict[str, Any]:
    """Read options; values are YAML, so that `3`, `true` and `[1, 2]` are what they look like.

    Args:
        texts: One `name=value` each; blank ones are left out.
        where: Where they were written, for the message: `backend_options`.

    Raises:
        InputError: One cannot be read; the message does not show its value.
        BackendError: A name looks like that of a secret.
    """
    parsed = {}
    for option in filter(None, (text.strip() for text in texts)):
        name, equals, value = option.partition('=')
        if not equals:
            raise InputError(f'{where} has an option {name.split()[0]!r} that is not name=value')
        try:
            parsed[name.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise InputError(f'{where}: the value of {name!r} cannot be read') from error
    refuse_secrets(parsed)  # those of a fallback too, long before it is loaded
    return parsed


def refuse_secrets(options: Iterable[str]) -> None:
    """Raise `BackendError` where the name of an option looks like that of a secret."""
    for option in options:
        words = re.findall(r'[A-Z]+(?![a-z])|[A-Z]?[a-z]+', option)  # of api_key, apiKey, API_KEY
        if _SECRET_WORDS & {word.lower() for word in words}:
            raise BackendError(
                f'the option {option!r} looks like a secret, and everybody can read options; '
                'put it into the environment of the process and let the backend read it there'
            )
