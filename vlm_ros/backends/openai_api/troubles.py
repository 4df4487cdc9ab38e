"""What can go wrong between a client and its server, in lines that name the mend."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
import json
import re
import time

import openai

MAX_QUOTE = 200
_NO_IMAGES = re.compile(r'image|vision|multimodal|multi-modal|mmproj|content type', re.IGNORECASE)
_NO_PROJECTOR = re.compile(r'image input is not supported|mmproj')  # llama.cpp's, a 500
_TOO_LONG = re.compile(
    r'context|maximum (?:model )?length|too (?:long|large|many)|max_model_len|exceed',
    re.IGNORECASE,
)
_NO_HOST = re.compile(r'name or service|getaddrinfo|name resolution|nodename', re.IGNORECASE)


class RubbishError(Exception):
    """The server answered with what is no completion."""


class BrokeOffError(Exception):
    """The server stopped in the middle of its answer."""


@dataclass(frozen=True)
class Trouble:
    """What went wrong.

    Attributes:
        message: One line with the mend.
        may_retry: Whether the same request may go well a moment later.
        is_servers: Whether the server is down, and not just this request wrong.
        wait_s: How long the server asks to wait; None where it does not say.
        is_unknown_model: Whether it has no model of that name.
    """

    message: str
    may_retry: bool = False
    is_servers: bool = False
    wait_s: float | None = None
    is_unknown_model: bool = False


@dataclass(frozen=True)
class Explainer:
    """Explains errors of one server.

    Args:
        base_url: Its address.
        model: The model's name; empty where none is chosen yet.
        auth_variable: The environment variable with the key.
        key: The key, which no line may show.
        timeout_s: How long it may be silent.
    """

    base_url: str
    model: str
    auth_variable: str
    key: str
    timeout_s: float

    def explain(self, error: BaseException | None) -> Trouble:
        """Say what an error means."""
        trouble = self._explain(error)
        return Trouble(**{**vars(trouble), 'message': self.hide(trouble.message)})

    def hide(self, text: str) -> str:
        """Return a text in one line, without the key: some servers repeat what they got."""
        line = ' '.join(text.split())
        return line.replace(self.key, '***') if len(self.key) > 4 else line

    def _explain(self, error: BaseException | None) -> Trouble:
        if isinstance(error, openai.APIStatusError):
            return self._explain_status(error)
        if isinstance(error, (asyncio.TimeoutError, TimeoutError, openai.APITimeoutError)):
            silent = f'{self.base_url} said nothing for {self.timeout_s:g} s'
            return Trouble(f'{silent}: is it busy? timeout_s allows more', True, True)
        if isinstance(error, openai.APIConnectionError):
            return self._explain_connection(error)
        if isinstance(error, (RubbishError, json.JSONDecodeError)):
            what = str(error) if isinstance(error, RubbishError) else 'something that is no JSON'
            return Trouble(
                f'{self.base_url} answered with {what}: is this the address of the API? it '
                'usually ends in /v1',
                is_servers=True,
            )
        if isinstance(error, openai.APIError):  # sent as a part of the stream
            return Trouble(f'{self.base_url} failed: {_quote(error)}', is_servers=True)
        if isinstance(error, CancelledError):
            return Trouble(f'the connection to {self.base_url} was closed meanwhile')
        # Also what the HTTP client raises while it streams, whose types differ by version.
        return Trouble(f'{self.base_url} broke off in the middle of its answer', is_servers=True)

    def _explain_connection(self, error: openai.APIConnectionError) -> Trouble:
        cause = error.__cause__
        name, text = type(cause).__name__, str(cause)
        if _NO_HOST.search(text):
            message = f'no host is known by the name in {self.base_url}: is it spelled right?'
        elif 'certificate' in text.lower():
            message = f'the certificate of {self.base_url} is not trusted: {text[:MAX_QUOTE]}'
        elif name in ('ReadError', 'RemoteProtocolError', 'WriteError'):
            message = f'{self.base_url} hung up without an answer'
        elif name in ('DecodingError', 'TooManyRedirects'):
            message = f'{self.base_url} answered nonsense ({text[:MAX_QUOTE]}): is it the API?'
        else:
            message = f'nothing answers at {self.base_url}: is it running?'
        return Trouble(message, may_retry=True, is_servers=True)

    def _explain_status(self, error: openai.APIStatusError) -> Trouble:
        status, said = error.status_code, _quote(error)
        if status in (401, 403):
            return Trouble(self._explain_refusal(status))
        if status == 404:
            return Trouble(
                f'{self.base_url} has no model {self.model!r}: {said}', is_unknown_model=True
            )
        if status >= 500 and _NO_PROJECTOR.search(said):
            return Trouble(self._explain_no_images(said))
        if status in (408, 409, 429) or status >= 500:
            return self._explain_passing(error, said)
        if status in (400, 413, 415, 422) and _TOO_LONG.search(said):
            return Trouble(
                f'the request is too long for {self.model!r}: lower max_side_px or max_tokens, or '
                f'start the server with a longer context ({said})'
            )
        if status in (400, 415, 422) and _NO_IMAGES.search(said):
            return Trouble(self._explain_no_images(said))
        return Trouble(f'{self.base_url} refuses the request ({status}): {said}')

    def _explain_refusal(self, status: int) -> str:
        if not self.auth_variable:
            return f'{self.base_url} wants a key ({status}): name its variable by auth_variable'
        return (
            f'{self.base_url} refuses the key ({status}): put a valid one into the environment '
            f'variable {self.auth_variable} of this process'
        )

    def _explain_no_images(self, said: str) -> str:
        return (
            f'{self.model!r} at {self.base_url} takes no such images; serve a vision-language '
            f'model there ({said})'
        )

    def _explain_passing(self, error: openai.APIStatusError, said: str) -> Trouble:
        status = error.status_code
        if status == 429 and error.code == 'insufficient_quota':
            return Trouble(f'the account at {self.base_url} has no credit left: {said}')
        what = 'limits the rate' if status == 429 else 'cannot answer now'
        return Trouble(
            f'{self.base_url} {what} ({status}): {said}',
            may_retry=True,
            is_servers=status >= 500,
            wait_s=retry_after_s(error.response.headers),
        )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to wait; None where it does not say."""
    for name, unit_s in (('retry-after-ms', 0.001), ('retry-after', 1.0)):
        value = headers.get(name, '').strip()
        if re.fullmatch(r'\d{1,9}(\.\d{1,9})?', value):
            return float(value) * unit_s
    try:
        moment = parsedate_to_datetime(headers.get('retry-after', ''))
        return max(0.0, moment.timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _quote(error: openai.APIError) -> str:
    """What the server itself says of an error, in one line."""
    body = error.body
    said: object = error.message
    if isinstance(body, Mapping):
        said = body.get('message') or body.get('detail') or body.get('error') or said
    elif isinstance(error, openai.APIStatusError):
        said = error.response.text[:2000] or said
    text = ' '.join(str(said).split())
    if text.startswith('<'):  # a page of a proxy
        text = ' '.join(re.sub(r'<[^<>]*(?:>|$)', ' ', text).split())
    return text[:MAX_QUOTE] or 'no reason given'
