"""Options of backends as people write them: `name=value`."""

from collections.abc import Callable, Iterable, Mapping
import inspect
import re
from typing import Any

import yaml

from vlm_ros.errors import BackendError, InputError

# `tokens` is missing on purpose: models count them.
_SECRET_WORDS = frozenset(
    'apikey credential credentials key keys passphrase passwd password passwords secret secrets '
    'token'.split()
)
_KINDS: dict[object, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), 'true or false'),
    int: ((int,), 'a whole number'),
    float: ((float, int), 'a number'),
    str: ((str,), 'a text'),
}
_PAIRS = {'[': ']', '{': '}'}
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_MOST_SHOWN = 60


def split_options(text: str) -> tuple[str, ...]:
    """Split `name=value, name=value` at its commas, but not at those inside of a value.

    A value that begins with a bracket or a quotation mark goes on to the one that ends it, as in
    YAML; inside any other value both are letters like others.
    """
    parts, start, index = [], 0, 0
    closing, before = '', ','
    while index < len(text):
        letter, opens = text[index], before == '=' or (closing and before in '[{,:')
        quoted = _QUOTED.match(text, index) if opens else None
        index = quoted.end() if quoted else index + 1
        if letter in _PAIRS and opens:
            closing = _PAIRS[letter] + closing
        elif closing and letter == closing[0]:
            closing = closing[1:]
        elif letter == ',' and not closing:
            parts.append(text[start : index - 1])
            start = index
        before = before if letter.isspace() else letter
    return (*parts, text[start:])


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
            # Nothing is the empty text, not YAML's null.
            parsed[name.strip()] = yaml.safe_load(value) if value.strip() else ''
        except (yaml.YAMLError, ValueError) as error:  # a date such as 2026-99-99
            raise InputError(
                f'{where}: the value of {name.strip()!r} cannot be read; a text with signs in it '
                'needs quotation marks around it'
            ) from error
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


def check_options(backend: str, make: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Hold options against what a backend's constructor takes.

    Names always; values where the parameter is annotated as `bool`, `int`, `float` or `str`. A
    whole number will do for a `float`; true and false are no numbers.

    Args:
        backend: Its name, for the messages.
        make: Its class, or a function that makes it.
        options: What is to be given to it, besides `device` and `model`.

    Raises:
        BackendError: There is no such option, or its value is of another kind.
    """
    parameters = _signature(make).parameters
    own = [key for key in parameters if key not in ('self', 'device', 'model')]
    takes_any = any(item.kind is item.VAR_KEYWORD for item in parameters.values())
    for option, value in options.items():
        if option in own:
            _check_value(backend, parameters[option], value)
        elif not takes_any:
            raise BackendError(
                f'the backend {backend!r} has no option {option!r}; '
                f'it has: {", ".join(own) or "none"}'
            )


def _signature(make: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(make, eval_str=True)
    except Exception:  # noqa: BLE001 - an annotation may name what is imported for checks only
        return inspect.signature(make)


def _check_value(backend: str, parameter: inspect.Parameter, value: object) -> None:
    kinds, what = _KINDS.get(parameter.annotation, ((object,), ''))
    is_bool_for_number = isinstance(value, bool) and bool not in kinds and object not in kinds
    if isinstance(value, kinds) and not is_bool_for_number:
        return
    shown = ' '.join(repr(value).split())
    shown = shown if len(shown) <= _MOST_SHOWN else f'{shown[:_MOST_SHOWN]}...'
    quotes = ' (quotation marks around it make it one)' if what == 'a text' else ''
    raise BackendError(
        f'the option {parameter.name!r} of {backend!r} must be {what}, got {shown}{quotes}'
    )
