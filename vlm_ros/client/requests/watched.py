"""What the nodes look for by themselves: names and statements."""

from collections.abc import Mapping, Sequence
from functools import partial

from vlm_ros.client import responses
from vlm_ros.client.endpoints import Address
from vlm_ros.client.requests.request import check_name, names_of, Request, timeout
from vlm_ros.errors import InputError
from vlm_ros.statements import parse_statements
from vlm_ros_interfaces import srv


def set_vocabulary(
    vocabulary: Sequence[str], *, camera: str = '', timeout_s: float | None = None
) -> Request[str]:
    """Change what the detector looks for; the result is the vocabulary's identifier.

    Args:
        vocabulary: The names, different from each other.
        camera: Which camera, where the server has several; empty: its only one.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    names = names_of(vocabulary)
    if camera:
        check_name('camera', camera)
    return Request(
        Address(f'{camera}/set_vocabulary' if camera else 'set_vocabulary', srv.SetVocabulary),
        lambda _: srv.SetVocabulary.Request(check_fields=True, vocabulary=names),
        responses.vocabulary_id,
        timeout(timeout_s),
    )


def set_statements(
    statements: Mapping[str, str], *, timeout_s: float | None = None
) -> Request[tuple[str, ...]]:
    """Change what the monitor watches, by name; the result is the names.

    Args:
        statements: A sentence by name; the name becomes part of a topic. `name@camera` is about
            that camera only. Empty: watch nothing.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    lines = []
    for name, statement in statements.items():
        if ':' in name:
            raise InputError(f'the name {name!r} has a colon; use letters, digits and underscores')
        lines.append(f'{name}: {statement}')
        parse_statements(lines[-1:], [name.partition('@')[2].strip()])
    return Request(
        Address('set_statements', srv.SetStatements),
        lambda _: srv.SetStatements.Request(check_fields=True, statements=lines),
        partial(responses.statements, tuple(statements)),
        timeout(timeout_s),
    )
