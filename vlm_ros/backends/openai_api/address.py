"""Where the server is, and what it wants to see of its client."""

import os
import re
from urllib.parse import urlsplit, urlunsplit

from vlm_ros.errors import BackendError

OPENAI_URL = 'https://api.openai.com/v1'
NO_KEY = 'none'
"""What is sent where there is no key: the client insists on one, and local servers ignore it."""


def check_address(base_url: str) -> str:
    """Return the address to append paths to.

    Args:
        base_url: As `http://localhost:8000/v1`; without a path, `/v1` is added, which all the
            servers have. Empty for the environment's `OPENAI_BASE_URL`, or OpenAI itself.

    Raises:
        BackendError: It is no HTTP address, or it holds a secret.
    """
    text = (base_url or '').strip() or os.environ.get('OPENAI_BASE_URL', '').strip() or OPENAI_URL
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(''), None
    # Its user and query are not shown in any of these lines: they may hold the secret.
    if parts.username or parts.password or '@' in parts.netloc:
        raise BackendError(
            'base_url has a user or a password in it, and everybody can read options; put the key '
            'into the environment and leave the address without'
        )
    if parts.query or parts.fragment:
        raise BackendError(
            'base_url must end with its path; what follows a ? or a # may be secret'
        )
    if parts.scheme not in ('http', 'https') or not parts.hostname or port == 0:
        raise BackendError(
            'base_url must be an address such as http://localhost:8000/v1, got '
            f'{text.partition("?")[0][:80]!r}'
        )
    path = parts.path.rstrip('/') or '/v1'
    return urlunsplit((parts.scheme, parts.netloc, path, '', ''))


def read_key(auth_variable: str, base_url: str) -> str:
    """Return the key that the environment has, or `NO_KEY`.

    Args:
        auth_variable: The name of an environment variable; empty to send no key at all.
        base_url: The server; OpenAI's own is of no use without a key.

    Raises:
        BackendError: That is no name of a variable, or the key is missing or cannot be sent.
    """
    if auth_variable and not re.fullmatch(r'[A-Z_][A-Z0-9_]{0,99}', auth_variable):
        raise BackendError(
            'auth_variable must be the name of an environment variable, in capitals (it is not '
            'repeated here, in case it is the key itself)'
        )
    key = os.environ.get(auth_variable, '').strip() if auth_variable else ''
    if not key and base_url.startswith(OPENAI_URL):
        raise BackendError(
            f'{base_url} wants a key: put it into the environment variable '
            f'{auth_variable or "OPENAI_API_KEY"} of this process'
        )
    if not (key.isascii() and key.isprintable()):
        raise BackendError(
            f'the environment variable {auth_variable} holds what cannot be sent as a key'
        )
    return key or NO_KEY
