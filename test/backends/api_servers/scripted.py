"""A scripted server, for what a working one does not do: refuse, stall, break off, answer rubbish.

It speaks HTTP over a real socket (uvicorn), holds every request against the types of OpenAI's own
client and builds its completions from them; only what it says is made up.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import json
import math
import threading
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk, CompletionCreateParams
from pydantic import TypeAdapter
import uvicorn

from api_servers.transformers_serve import free_port

Behaviour = Callable[[Request, dict[str, Any]], Awaitable[Response]]
_REQUEST = TypeAdapter(CompletionCreateParams)


class ScriptedServer:
    """Plays its script, one behaviour a request, and `say('a cat')` when it is through."""

    def __init__(self) -> None:
        self.script: deque[Behaviour] = deque()
        self.models: Any = {'object': 'list', 'data': [model('tiny')]}
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.hung_up = threading.Event()
        """Set when a client hung up before its answer was through."""
        self.port = free_port()
        app = FastAPI()
        app.post('/v1/chat/completions')(self._complete)
        app.get('/v1/models')(self._models)
        self._server = uvicorn.Server(
            uvicorn.Config(app, host='127.0.0.1', port=self.port, log_level='critical')
        )
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.port}/v1'

    @property
    def prompts(self) -> list[str]:
        return [request['messages'][0]['content'][-1]['text'] for request in self.requests]

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)

    def reset(self) -> None:
        self.script.clear()
        self.requests.clear()
        self.headers.clear()
        self.hung_up.clear()
        self.models = {'object': 'list', 'data': [model('tiny')]}

    async def _models(self, request: Request) -> Response:
        self.headers.append(request.headers)
        if isinstance(self.models, Response):
            return self.models
        return JSONResponse(self.models)

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        checked = _REQUEST.validate_python(body)
        list(checked['messages'])  # pydantic looks at an iterable only when it is gone through
        self.requests.append(body)
        self.headers.append(request.headers)
        behave = self.script.popleft() if self.script else say('a cat')
        request.state.server = self
        return await behave(request, body)


def model(name: str, created: int = 1700000000) -> dict[str, Any]:
    return {'id': name, 'object': 'model', 'created': created, 'owned_by': 'tests'}


def say(
    text: str,
    *,
    finish: str = 'stop',
    refusal: str = '',
    scores: Sequence[Mapping[str, float]] = (),
    fingerprint: str | None = None,
    pause_s: float = 0.0,
) -> Behaviour:
    """Stream a text word by word; `scores` has the probabilities of tokens, best first, a word."""

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        words = text.split(' ')
        pieces = [word + ' ' * (i < len(words) - 1) for i, word in enumerate(words)]
        told = scores if body.get('logprobs') else ()
        chunks = [
            _chunk({'content': piece}, scores=told[i] if i < len(told) else None)
            for i, piece in enumerate(pieces)
        ]
        if refusal:
            chunks = [_chunk({'refusal': refusal})]
        chunks.append(_chunk({}, finish=finish, fingerprint=fingerprint))
        return _streamed(request, _lines(chunks, pause_s))

    return behave


def say_at_once(text: str) -> Behaviour:
    """Answer without streaming, as a server may that does not know how to."""

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        choice = {
            'index': 0,
            'finish_reason': 'stop',
            'message': {'role': 'assistant', 'content': text},
        }
        whole = ChatCompletion.model_validate(
            {**_HEAD, 'object': 'chat.completion', 'choices': [choice]}
        )
        return JSONResponse(whole.model_dump(exclude_none=True))

    return behave


def fail(status: int, message: str = 'no', *, code: str = '', **headers: str) -> Behaviour:
    """Answer with an error, as OpenAI words it."""
    error = {'message': message, 'type': 'error', 'param': None, 'code': code or None}

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        return JSONResponse({'error': error}, status_code=status, headers=named)

    return behave


def reply(content: str, media_type: str, status: int = 200) -> Behaviour:
    """Answer with anything."""

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        return Response(content, status_code=status, media_type=media_type)

    return behave


def stall() -> Behaviour:
    """Take the request and never answer, not even with a header."""

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        while not await request.is_disconnected():
            await asyncio.sleep(0.01)
        request.state.server.hung_up.set()
        return Response()

    return behave


def stall_after(text: str) -> Behaviour:
    """Say something and then nothing more, without an end."""

    async def lines() -> AsyncIterator[str]:
        yield _line(_chunk({'content': text}))
        await asyncio.sleep(3600)

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        return _streamed(request, lines())

    return behave


def break_off_after(text: str) -> Behaviour:
    """Say something and drop the connection."""

    async def lines() -> AsyncIterator[str]:
        yield _line(_chunk({'content': text}))
        await asyncio.sleep(0.05)
        raise ConnectionResetError

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        return StreamingResponse(lines(), media_type='text/event-stream')

    return behave


def stream(*lines: str) -> Behaviour:
    """Stream lines as they are."""

    async def behave(request: Request, body: dict[str, Any]) -> Response:
        return Response(''.join(f'{line}\n\n' for line in lines), media_type='text/event-stream')

    return behave


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


_HEAD: dict[str, Any] = {'id': 'x', 'created': 1, 'model': 'tiny'}


def _chunk(
    delta: Mapping[str, str],
    *,
    finish: str | None = None,
    scores: Mapping[str, float] | None = None,
    fingerprint: str | None = None,
) -> ChatCompletionChunk:
    logprobs = None
    if scores:
        listed = [
            {'token': token, 'logprob': math.log(value), 'bytes': None}
            for token, value in scores.items()
        ]
        logprobs = {'content': [{**listed[0], 'top_logprobs': listed}], 'refusal': None}
    choice = {'index': 0, 'delta': dict(delta), 'finish_reason': finish, 'logprobs': logprobs}
    return ChatCompletionChunk.model_validate(
        {
            **_HEAD,
            'object': 'chat.completion.chunk',
            'choices': [choice],
            'system_fingerprint': fingerprint,
        }
    )


def _line(chunk: ChatCompletionChunk) -> str:
    return f'data: {json.dumps(chunk.model_dump(exclude_none=True))}\n\n'


async def _lines(chunks: Sequence[ChatCompletionChunk], pause_s: float) -> AsyncIterator[str]:
    for chunk in chunks:
        await asyncio.sleep(pause_s)
        yield _line(chunk)
    yield 'data: [DONE]\n\n'


def _streamed(request: Request, lines: AsyncIterator[str]) -> StreamingResponse:
    async def watched() -> AsyncIterator[str]:
        try:
            async for line in lines:
                yield line
        except (asyncio.CancelledError, GeneratorExit):
            request.state.server.hung_up.set()
            raise

    return StreamingResponse(watched(), media_type='text/event-stream')
