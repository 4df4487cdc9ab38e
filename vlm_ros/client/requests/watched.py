"""What the nodes look for by themselves: names and statements."""

from collections.abc import Mapping, Sequence
from functools import partial

from vlm_ros.client import responses
from vlm_ros.client.endpoints import Address
from vlm_ros.client.requests.request import names_of, Request, timeout
from vlm_ros.errors import InputError
from vlm_ros.phrases import check_text
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
        statements: A sentence by name; the name becomes part of a topic. Empty: watch nothing.
        timeout_s: How long the whole may take, with the wait for a server; None: the
            client's.

    Raises:
        InputError: An argument cannot be used.
    """
    for name, statement in statements.items():
        if not name.isidentifier():
            raise InputError(f'the name {name!r} cannot be part of a topic')
        check_text(statement, f'statement {name}')
    lines = [f'{name}: {statement}' for name, statement in statements.items()]
    return Request(
        Address('set_statements', srv.SetStatements),
        lambda _: srv.SetStatements.Request(check_fields=True, statements=lines),
        partial(responses.statements, tuple(statements)),
        timeout(timeout_s),
    )
