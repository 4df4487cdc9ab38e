"""The leaves."""

from collections.abc import Sequence
from typing import Any

from vlm_ros.behaviours.leaf import Leaf
from vlm_ros.behaviours.mapping import Kind, Policy
from vlm_ros.client import requests, VlmClient
from vlm_ros.errors import InputError
from vlm_ros.results import Answer, Detections, Truth, Verdict


class AskVlm(Leaf[Answer]):
    """SUCCESS when the question is answered, FAILURE when what it is about is not in view.

    The request goes through the action `answer`; leaving the leaf stops the model.

    Args:
        name: The leaf's name.
        client: Asks.
        question: In plain language.
        accept: The answers that are a SUCCESS, whatever their case; others are a FAILURE. Empty:
            every answer is a SUCCESS.
        key: Where on the blackboard the `Outcome[Answer]` is left; empty: nowhere.
        unknown: What it becomes by UNSURE.
        blind: What it becomes where nobody looked.
        pause_s: How long it waits before it asks again.
        options: As for `client.ask`: `camera`, `choices`, `timeout_s` ...

    Raises:
        InputError: An argument cannot be used.
    """

    def __init__(
        self,
        name: str,
        client: VlmClient,
        question: str,
        *,
        accept: Sequence[str] = (),
        key: str = '',
        unknown: Policy = Policy.FAILURE,
        blind: Policy = Policy.FAILURE,
        pause_s: float = 0.5,
        **options: Any,
    ) -> None:
        if isinstance(accept, str):
            raise InputError(f'accept is the text {accept!r}; give a list of answers')
        self._accepted = {answer.casefold() for answer in accept}
        super().__init__(
            name,
            client,
            requests.ask(question, **options),
            self._of,
            key=key,
            unknown=unknown,
            blind=blind,
            pause_s=pause_s,
        )

    def _of(self, answer: Answer) -> Kind:
        accepted = not self._accepted or answer.text.casefold() in self._accepted
        return Kind.FOUND if accepted else Kind.OTHER


class CheckStatement(Leaf[Verdict]):
    """SUCCESS when the statement is true, FAILURE when it is false.

    Where nobody can tell (UNSURE, and NOT_IN_VIEW where what the statement is about is not in the
    image) it becomes what `unknown` says. A FAILURE is therefore not the statement's contrary:
    check the contrary itself instead of inverting the leaf.

    Args:
        name: The leaf's name.
        client: Asks.
        statement: A sentence that is true or false.
        key: Where on the blackboard the `Outcome[Verdict]` is left; empty: nowhere.
        unknown: What it becomes where nobody can tell.
        blind: What it becomes where nobody looked.
        pause_s: How long it waits before it asks again.
        options: As for `client.verify`: `camera`, `frames`, `agreeing`, `timeout_s` ...

    Raises:
        InputError: An argument cannot be used.
    """

    def __init__(
        self,
        name: str,
        client: VlmClient,
        statement: str,
        *,
        key: str = '',
        unknown: Policy = Policy.FAILURE,
        blind: Policy = Policy.FAILURE,
        pause_s: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(
            name,
            client,
            requests.verify(statement, **options),
            _of_verdict,
            key=key,
            absent=unknown,
            unknown=unknown,
            blind=blind,
            pause_s=pause_s,
        )


class FindObject(Leaf[Detections]):
    """SUCCESS when one of the things is in the image, FAILURE when none is.

    Args:
        name: The leaf's name.
        client: Asks.
        things: Its name, or several of which one suffices.
        key: Where on the blackboard the `Outcome[Detections]` is left; empty: nowhere.
        absent: What it becomes where none is in the image.
        unknown: What it becomes where the model has no way to look for them.
        blind: What it becomes where nobody looked.
        pause_s: How long it waits before it looks again.
        options: As for `client.detect`: `camera`, `score_threshold`, `timeout_s` ...

    Raises:
        InputError: An argument cannot be used.
    """

    def __init__(
        self,
        name: str,
        client: VlmClient,
        things: str | Sequence[str],
        *,
        key: str = '',
        absent: Policy = Policy.FAILURE,
        unknown: Policy = Policy.FAILURE,
        blind: Policy = Policy.FAILURE,
        pause_s: float = 0.5,
        **options: Any,
    ) -> None:
        names = (things,) if isinstance(things, str) else tuple(things)
        if not names:
            raise InputError('no thing to look for')
        super().__init__(
            name,
            client,
            requests.detect(names, **options),
            lambda _: Kind.FOUND,
            key=key,
            absent=absent,
            unknown=unknown,
            blind=blind,
            pause_s=pause_s,
        )


class WaitForObject(FindObject):
    """RUNNING until one of the things is in the image, then SUCCESS.

    `py_trees.decorators.Timeout` around it ends the wait.

    Args:
        name: The leaf's name.
        client: Asks.
        things: Its name, or several of which one suffices.
        key: Where on the blackboard each `Outcome[Detections]` is left; empty: nowhere.
        unknown: What it becomes where the model has no way to look for them.
        blind: What it becomes where nobody looked.
        pause_s: How long it waits before it looks again.
        options: As for `client.detect`.

    Raises:
        InputError: An argument cannot be used.
    """

    def __init__(
        self,
        name: str,
        client: VlmClient,
        things: str | Sequence[str],
        *,
        key: str = '',
        unknown: Policy = Policy.FAILURE,
        blind: Policy = Policy.RUNNING,
        pause_s: float = 0.5,
        **options: Any,
    ) -> None:
        super().__init__(
            name,
            client,
            things,
            key=key,
            absent=Policy.RUNNING,
            unknown=unknown,
            blind=blind,
            pause_s=pause_s,
            **options,
        )


def _of_verdict(verdict: Verdict) -> Kind:
    return {
        Truth.TRUE: Kind.FOUND,
        Truth.FALSE: Kind.OTHER,
        Truth.UNKNOWN: Kind.UNKNOWN,
    }[verdict.truth]
