"""Conversations with one server: asked, streamed, tried again, given up."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
import functools
from typing import Any, TypeVar

import openai

from vlm_ros.backends.openai_api.api import Api
from vlm_ros.backends.openai_api.line import Line, TalkError, Tell
from vlm_ros.backends.openai_api.pictures import Picture
from vlm_ros.backends.openai_api.replies import Reply
from vlm_ros.backends.openai_api.rest import Rest, Sign
from vlm_ros.backends.openai_api.troubles import Explainer, Trouble
from vlm_ros.errors import DeadlineExceeded, ModelError
from vlm_ros.tasks import Ticket

T = TypeVar('T')
Talk = Callable[[Tell], Coroutine[Any, Any, T]]

FIRST_WAIT_S = 0.25
"""Before a second try where the server does not say how long to wait; doubles each time."""
LONGEST_WAIT_S = 30.0
"""A server that asks for more is given up at once."""
SILENCE_S = 5.0
"""A deadline that passes after so long a silence says something about the server, too."""
# What a server or a model may not take; asked without it from then on.
_OPTIONAL = ('temperature', 'top_logprobs', 'logprobs')


class SilentDeadline(DeadlineExceeded):
    """The deadline passed while the server said nothing for long."""


class TroubleError(ModelError):
    """A request that failed, with what is known about why."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(frozen=True)
class Manner:
    """How a server is asked.

    Attributes:
        max_tokens: How long an answer may be.
        temperature: 0 for the same answer each time.
        detail: OpenAI's `auto`, `low` or `high`; `auto` is not sent.
        retries: How often a request that failed in passing is tried again.
        extra: More fields of the request's body, of the server's own.
    """

    max_tokens: int
    temperature: float
    detail: str
    retries: int
    extra: Mapping[str, Any] = field(default_factory=dict)


class Chat:
    """A server, and the model that is used there.

    Args:
        explainer: Has the address, the model and the key.
        manner: How it is asked.
        rest_s: How long it is left alone after several failures.
    """

    def __init__(self, explainer: Explainer, manner: Manner, rest_s: float) -> None:
        self._explainer, self._manner = explainer, manner
        self._rest = Rest(rest_s, _sign_of)
        self._last = ''
        self._left_out: set[str] = set()
        self._limit_name = 'max_tokens'
        self._line = Line()
        self._api = Api(explainer.base_url, explainer.key, explainer.timeout_s)

    @property
    def model(self) -> str:
        """The model that is used."""
        return self._explainer.model

    @model.setter
    def model(self, name: str) -> None:
        self._explainer = replace(self._explainer, model=name)

    def close(self) -> None:
        """Hang up; may be called twice."""
        self._line.close(self._api.close)

    def raise_if_resting(self) -> None:
        """Spare a server that was down a moment ago; costs next to nothing.

        Raises:
            ModelError: It is left alone.
        """
        if self._rest.is_on:
            raise ModelError(
                f'{self._last} (it failed several times in a row and is left alone for '
                f'{self._rest.rest_s:g} s)'
            )

    def models(self, ticket: Ticket) -> dict[str, int]:
        """Return the names of the served models, and when each was made (0: not told).

        Raises:
            TroubleError: The server does not say.
        """
        return self._tried(lambda _: self._api.models(), ticket)

    def ask(
        self,
        pictures: Sequence[Picture],
        question: str,
        *,
        ticket: Ticket,
        max_tokens: int | None = None,
        top_logprobs: int = 0,
        partial: bool = False,
    ) -> Reply:
        """Ask about pictures.

        Args:
            pictures: They come before the question, so that the server can reuse what it made of
                them for the next one.
            question: The prompt.
            ticket: The caller's deadline and cancel.
            max_tokens: How long the answer may be; None for the manner's.
            top_logprobs: How many alternatives to tell for each token.
            partial: Whether to report the text while it grows.

        Raises:
            ModelError: The server fails.
        """
        limit = self._manner.max_tokens if max_tokens is None else max_tokens
        for _ in range(len(_OPTIONAL) + 2):
            body = self._body(pictures, question, limit, top_logprobs)
            try:
                return self._tried(functools.partial(self._api.complete, body, partial), ticket)
            except TroubleError as error:
                if not self._does_without(error):
                    raise self._with_models(error, ticket) from error
        raise ModelError(f'{self._explainer.base_url} refuses every form of the request')

    def _body(
        self, pictures: Sequence[Picture], question: str, limit: int, top_logprobs: int
    ) -> dict[str, Any]:
        detail = {} if self._manner.detail == 'auto' else {'detail': self._manner.detail}
        content: list[dict[str, Any]] = [
            {'type': 'image_url', 'image_url': {'url': picture.url, **detail}}
            for picture in pictures
        ]
        content.append({'type': 'text', 'text': question})
        optional = {'temperature': self._manner.temperature, 'logprobs': True}
        if top_logprobs:
            optional['top_logprobs'] = top_logprobs
        return {
            'model': self.model,
            'messages': [{'role': 'user', 'content': content}],
            self._limit_name: limit,
            'extra_body': dict(self._manner.extra),
            **{name: value for name, value in optional.items() if name not in self._left_out},
        }

    def _does_without(self, error: TroubleError) -> bool:
        """Change how the server is asked, where it refused a part of the request by its name."""
        cause = error.__cause__
        if not isinstance(cause, openai.APIStatusError) or cause.status_code not in (400, 422):
            return False
        said = f'{cause.param} {cause.message}'
        if 'max_completion_tokens' in said and self._limit_name == 'max_tokens':
            self._limit_name = 'max_completion_tokens'  # OpenAI's since o1
            return True
        refused = next((n for n in _OPTIONAL if n in said and n not in self._left_out), '')
        if refused:
            self._left_out |= {refused, *(['top_logprobs'] if refused == 'logprobs' else [])}
        return bool(refused)

    def _with_models(self, error: TroubleError, ticket: Ticket) -> TroubleError:
        """Add what the server has, where it lacks the model."""
        if not error.trouble.is_unknown_model:
            return error
        try:
            names = ', '.join(self.models(ticket))
        except ModelError:
            return error
        message = f'{error}; it has: {names[:500] or "none"}'
        return TroubleError(replace(error.trouble, message=message))

    def _tried(self, talk: Talk[T], ticket: Ticket) -> T:
        """Run a conversation, again where that may help and the deadline allows it."""
        wait_s = FIRST_WAIT_S
        for attempt in range(self._manner.retries + 1):
            ticket.check()
            self.raise_if_resting()
            try:
                return self._rest.call(lambda: self._once(talk, ticket))
            except SilentDeadline as error:
                self._last = str(error)
                raise
            except TroubleError as error:
                self._last = str(error)
                asked_s = error.trouble.wait_s
                pause_s = wait_s if asked_s is None else asked_s
                left_s = ticket.remaining_s
                is_last = attempt == self._manner.retries or pause_s > LONGEST_WAIT_S
                if not error.trouble.may_retry or is_last:
                    raise
                if left_s is not None and pause_s >= left_s:
                    raise
            ticket.sleep(pause_s)
            wait_s *= 2
        raise AssertionError('the last attempt returns or raises')

    def _once(self, talk: Talk[T], ticket: Ticket) -> T:
        try:
            return self._line.call(talk, ticket)
        except DeadlineExceeded as error:
            if self._api.silent_for_s < min(SILENCE_S, self._explainer.timeout_s):
                raise
            url = self._explainer.base_url
            raise SilentDeadline(f'the deadline passed while {url} said nothing') from error
        except TalkError as error:
            raise TroubleError(self._explainer.explain(error.__cause__)) from error.__cause__


def _sign_of(error: Exception) -> Sign:
    if isinstance(error, TroubleError):
        return Sign.DOWN if error.trouble.is_servers else Sign.UP
    if isinstance(error, SilentDeadline):
        return Sign.DOWN
    return Sign.NONE
