"""The requests that a server is sent, as conversations of an event loop."""

import asyncio
import json
import time
from typing import Any

import openai
from openai.types.chat import ChatCompletion

from vlm_ros.backends.openai_api.line import SLICE_S, Tell
from vlm_ros.backends.openai_api.replies import Listening, Reply
from vlm_ros.backends.openai_api.troubles import BrokeOffError, RubbishError

CONNECT_S = 5.0
_JSON = 'application/json'


class Api:
    """The client of one server.

    Args:
        base_url: The server.
        key: What it wants to see.
        timeout_s: How long it may be silent.
    """

    def __init__(self, base_url: str, key: str, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._heard_s = time.monotonic()
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=key,
            max_retries=0,  # the ticket bounds the retries
            timeout=openai.Timeout(timeout_s + SLICE_S, connect=min(CONNECT_S, timeout_s)),
        )

    @property
    def silent_for_s(self) -> float:
        """Seconds since the server said something, or was last asked something."""
        return time.monotonic() - self._heard_s

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, body: dict[str, Any], partial: bool, tell: Tell) -> Reply:
        """Have a prompt completed.

        Args:
            body: The request, without `stream`.
            partial: Whether to tell the text while it grows.
            tell: Takes the text so far.
        """
        self._heard_s = time.monotonic()
        listening = Listening()
        create: Any = self._client.chat.completions.create
        stream = await asyncio.wait_for(create(**body, stream=True), self._timeout_s)
        async with stream:
            kind = stream.response.headers.get('content-type', '').partition(';')[0].strip()
            if kind == _JSON:  # a server that does not stream
                await asyncio.wait_for(stream.response.aread(), self._timeout_s)
                _take_whole(listening, stream.response.content)
            else:
                await self._listen(stream, listening, tell if partial else None)
        if not listening.heard_anything:
            raise RubbishError(f'no completion but {kind or "nothing"}')
        if not listening.finish:
            raise BrokeOffError
        return listening.reply()

    async def models(self) -> dict[str, int]:
        """Return the names of the served models, and when each was made (0: not told)."""
        self._heard_s = time.monotonic()
        raw = await asyncio.wait_for(self._client.models.with_raw_response.list(), self._timeout_s)
        data = _object(raw.content).get('data')
        if not isinstance(data, list):
            raise RubbishError('JSON that is no list of models')
        entries = [entry for entry in data if isinstance(entry, dict) and entry.get('id')]
        return {
            str(entry['id']): entry['created'] if isinstance(entry.get('created'), int) else 0
            for entry in entries
        }

    async def _listen(self, stream: Any, listening: Listening, tell: Tell | None) -> None:
        pieces = stream.__aiter__()
        while not listening.is_too_long:
            try:
                piece = await asyncio.wait_for(pieces.__anext__(), self._timeout_s)
            except StopAsyncIteration:
                return
            except openai.APIConnectionError as error:
                raise BrokeOffError from error
            self._heard_s = time.monotonic()
            if listening.take(piece) and tell is not None:
                tell(listening.said)
        listening.finish = 'length'


def _take_whole(listening: Listening, content: bytes) -> None:
    try:
        listening.take(ChatCompletion.model_validate(_object(content)))
    except ValueError as error:  # pydantic's is one
        raise RubbishError('JSON that is no completion') from error
    listening.finish = listening.finish or 'stop'


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        start = content[:200].lstrip().lower()
        raise RubbishError('a web page' if start.startswith(b'<') else 'no JSON') from error
    if not isinstance(found, dict):
        raise RubbishError('JSON that is no object')
    return found
