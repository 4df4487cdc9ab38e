"""Servers that are down, slow, refuse, break off or answer rubbish, on a scripted server."""

import logging
import socket
import threading
import time

from api_servers.scripted import (
    break_off_after,
    fail,
    reply,
    say,
    stall,
    stall_after,
    stream,
)
from api_servers.scripted import (
    model as served,
)
from api_servers.transformers_serve import free_port
from fastapi.responses import HTMLResponse, JSONResponse
import pytest

from vlm_ros import backends
from vlm_ros.backends.openai_api.rest import FAILURES
from vlm_ros.errors import BackendError, DeadlineExceeded, DeviceError, ModelError, WorkCancelled
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import Ticket

KEY = 'sk-test-0123456789abcdef'


def cancel_when(ticket, condition):
    """Cancel from another thread, as a client's request to cancel does."""

    def wait():
        condition.wait(10)
        ticket.cancel()

    threading.Thread(target=wait, daemon=True).start()


def test_a_server_that_is_down_is_named_at_loading(load):
    port = free_port()
    with pytest.raises(
        BackendError, match=rf'nothing answers at http://127.0.0.1:{port}/v1: is it'
    ):
        load(base_url=f'http://127.0.0.1:{port}', retries=0)


def test_a_host_that_is_not_known_is_named(load):
    with pytest.raises(BackendError, match=r'no host is known|nothing answers'):
        load(base_url='http://no-such-host.invalid/v1', retries=0)


def test_a_server_that_hangs_up_is_named(load):
    listener = socket.create_server(('127.0.0.1', 0))

    def hang_up():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(1000)
            connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    try:
        with pytest.raises(BackendError, match='hung up without an answer'):
            load(base_url=f'http://127.0.0.1:{listener.getsockname()[1]}/v1', retries=0)
    finally:
        listener.close()


@pytest.mark.parametrize(
    'answer',
    [
        b'HTTP/1.1 302 Found\r\nLocation: /v1/models\r\nContent-Length: 0\r\n\r\n',
        b'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope',
    ],
    ids=['redirects', 'gzip'],
)
def test_nonsense_of_a_server_is_not_taken_for_silence(load, answer):
    listener = socket.create_server(('127.0.0.1', 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                while connection.recv(10_000):
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        with pytest.raises(BackendError, match=r'answered nonsense \(.*: is it the API\?'):
            load(base_url=f'http://127.0.0.1:{listener.getsockname()[1]}/v1', retries=0)
    finally:
        listener.close()


@pytest.mark.parametrize(
    'url', ['ftp://a/v1', 'localhost:8000', 'http://', 'http://a:99999/v1', '/v1']
)
def test_what_is_no_address_is_refused(load, url):
    with pytest.raises(BackendError, match='must be an address such as'):
        load(base_url=url)


@pytest.mark.parametrize(
    'url',
    [
        f'http://me:{KEY}@127.0.0.1/v1',
        f'http://{KEY}@a/v1',
        f'http://a/v1?key={KEY}',
        f'http://a/#{KEY}',
    ],
)
def test_an_address_with_a_secret_is_refused_without_showing_it(load, url):
    with pytest.raises(BackendError) as refused:
        load(base_url=url)
    assert KEY not in str(refused.value)


def test_v1_is_added_where_there_is_no_path(load, server):
    assert load(base_url=server.url.removesuffix('/v1')).model_id == 'openai_api:tiny'


def test_the_only_model_is_taken(load):
    assert load().model_id == 'openai_api:tiny'


def test_one_of_several_models_has_to_be_named(load, server):
    server.models = {'data': [served('a'), served('b')]}
    with pytest.raises(BackendError, match='several models; name one as model: a, b'):
        load()
    assert load(model='b').model_id == 'openai_api:b'


def test_a_model_that_is_not_listed_may_be_there_all_the_same(load, server):
    server.models = {'data': []}
    assert load(model='other').model_id == 'openai_api:other'
    assert server.requests[0]['max_tokens'] == 1  # it was tried


@pytest.mark.parametrize('models', [{'data': []}, JSONResponse({'detail': 'Not Found'}, 404)])
def test_no_list_and_no_name_is_no_model(load, server, models):
    server.models = models
    with pytest.raises(BackendError, match='lists no models; name the one'):
        load()


def test_an_unknown_model_is_answered_with_those_that_are_there(load, server):
    server.script.append(fail(404, 'The model `x` does not exist'))
    with pytest.raises(BackendError, match=r"no model 'x': The model .* it has: tiny"):
        load(model='x')


def test_a_model_that_vanishes_is_answered_with_those_that_are_there(model, server, image):
    server.script.append(fail(404, 'gone'))
    with pytest.raises(ModelError, match="no model 'tiny': gone; it has: tiny"):
        model.caption(image)


@pytest.mark.parametrize(
    'models',
    [HTMLResponse('<html>Welcome to nginx</html>'), JSONResponse([1]), JSONResponse({'data': 3})],
)
def test_a_page_instead_of_models_is_named(load, server, models):
    server.models = models
    with pytest.raises(BackendError, match=r'is this the address of the API\? it usually ends in'):
        load()


@pytest.mark.parametrize('status', [401, 403])
def test_a_refused_key_names_its_variable(load, server, monkeypatch, status):
    monkeypatch.setenv('MY_SERVER', KEY)
    server.models = JSONResponse({'error': {'message': f'bad {KEY}'}}, status)
    with pytest.raises(BackendError, match='environment variable MY_SERVER') as refused:
        load(auth_variable='MY_SERVER')
    assert KEY not in str(refused.value)


def test_a_wanted_key_is_asked_for(load, server):
    server.models = JSONResponse({'error': {'message': 'no key'}}, 401)
    with pytest.raises(BackendError, match='wants a key'):
        load(auth_variable='')


def test_openai_itself_wants_a_key(load, monkeypatch):
    monkeypatch.delenv('OPENAI_API_KEY', raising=False)
    monkeypatch.delenv('OPENAI_BASE_URL', raising=False)
    with pytest.raises(BackendError, match='environment variable OPENAI_API_KEY'):
        load(base_url='', auth_variable='OPENAI_API_KEY')


def test_the_key_comes_from_the_environment_and_is_seen_nowhere(
    load, server, monkeypatch, image, caplog, capfd
):
    monkeypatch.setenv('OPENAI_API_KEY', KEY)
    caplog.set_level(logging.DEBUG)
    model = load(auth_variable='OPENAI_API_KEY')
    assert server.headers[-1]['authorization'] == f'Bearer {KEY}'
    server.script.append(fail(400, f'Incorrect API key provided: {KEY}'))
    with pytest.raises(ModelError) as failed:
        model.caption(image)
    shown = capfd.readouterr()
    for text in (
        str(failed.value),
        model.model_id,
        model.model_revision,
        repr(model),
        caplog.text,
    ):
        assert KEY not in text
    assert KEY not in shown.out + shown.err


@pytest.mark.parametrize('name', [KEY, 'my variable', 'A-B', 'a'])
def test_a_key_in_place_of_its_variable_is_refused_without_showing_it(load, name):
    with pytest.raises(BackendError, match='name of an environment variable') as refused:
        load(auth_variable=name)
    assert name not in str(refused.value).replace('a name', '') or name == 'a'


def test_a_key_that_cannot_be_sent_is_refused(load, monkeypatch):
    monkeypatch.setenv('MY_SERVER', 'schlüssel\n1')
    with pytest.raises(BackendError, match='MY_SERVER'):
        load(auth_variable='MY_SERVER')


@pytest.mark.parametrize('name', ['key', 'api_key', 'token'])
def test_a_key_as_an_option_is_refused(name):
    with pytest.raises(BackendError, match='looks like a secret') as refused:
        backends.load('openai_api', **{name: KEY})
    assert KEY not in str(refused.value)


@pytest.mark.parametrize('device', ['cuda', 'mps'])
def test_there_is_no_device_but_the_cpu(load, device):
    with pytest.raises(DeviceError, match='cpu only'):
        load(device=device)


@pytest.mark.parametrize('status', [408, 409, 429, 500, 503])
def test_passing_troubles_are_tried_again(model, server, image, status):
    server.script += [fail(status), say('a dog')]
    assert model.caption(image).text == 'a dog'
    assert len(server.requests) == 2


def test_the_server_says_how_long_to_wait(model, server, image):
    server.script += [fail(429, 'slow down', retry_after_ms='300'), say('a dog')]
    ticket = Ticket(10)
    waits = []
    ticket.sleep = waits.append
    assert model.caption(image, ticket=ticket).text == 'a dog'
    assert waits == [0.3]


@pytest.mark.parametrize(('header', 'timeout_s'), [('5', 2.0), ('3600', 7200.0), ('3600', None)])
def test_a_wait_that_is_too_long_ends_at_once(model, server, image, header, timeout_s):
    server.script += [fail(429, 'slow down', retry_after=header)]
    with pytest.raises(ModelError, match=r'limits the rate \(429\): slow down'):
        model.caption(image, ticket=Ticket(timeout_s))
    assert len(server.requests) == 1


def test_retries_end(load, server, image):
    server.script += [fail(503, 'loading')] * 5
    with pytest.raises(ModelError, match=r'cannot answer now \(503\): loading'):
        load(retries=1).caption(image)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ('status', 'said', 'code', 'message'),
    [
        (
            400,
            'Invalid content type. image_url is only supported by certain models.',
            '',
            'takes no such images',
        ),
        (
            500,
            'image input is not supported - you may need to provide the mmproj',
            '',
            'takes no such images',
        ),
        (
            400,
            "This model's maximum context length is 4096 tokens.",
            '',
            'lower max_side_px or max_tokens',
        ),
        (413, 'Request entity too large', '', 'lower max_side_px'),
        (422, "Unexpected fields in the request: {'top_k'}", '', r'refuses the request \(422\)'),
        (429, 'You exceeded your current quota', 'insufficient_quota', 'no credit left'),
        (418, 'I am a teapot', '', r'\(418\): I am a teapot'),
    ],
)
def test_refusals_name_the_mend(load, server, image, status, said, code, message):
    server.script.append(fail(status, said, code=code))
    with pytest.raises(ModelError, match=message) as failed:
        load(retries=0).caption(image)
    assert '\n' not in str(failed.value)
    assert len(server.requests) == 1


def test_a_page_of_a_proxy_is_cut_to_its_words(load, server, image):
    page = '<html>\n<head><title>502 Bad Gateway</title></head>' + '<br>' * 5000
    server.script.append(reply(page, 'text/html', 502))
    with pytest.raises(ModelError, match=r'\(502\): 502 Bad Gateway$'):
        load(retries=0).caption(image)


@pytest.mark.parametrize(
    ('script', 'message'),
    [
        (reply('<html>hello</html>', 'text/html'), 'is this the address of the API'),
        (reply('hello', 'text/plain'), 'is this the address of the API'),
        (reply('', 'text/event-stream'), 'is this the address of the API'),
        (reply('{"a": ', 'application/json'), 'is this the address of the API'),
        (reply('[1, 2]', 'application/json'), 'is this the address of the API'),
        (reply('{"choices": 3}', 'application/json'), 'is this the address of the API'),
        (reply('{"error": {"message": "boom"}}', 'application/json'), 'is this the address'),
        (stream('data: {"choi'), 'is this the address of the API'),
        (stream('data: [1]'), 'is this the address of the API'),
        (stream('data: {"choices": null}'), 'is this the address of the API'),
        (stream('data: {"choices": []}', 'data: [DONE]'), 'is this the address of the API'),
        (stream('data: {"error": {"message": "boom"}}'), 'failed: boom'),
        (stream('data: {"choices": [{"delta": {"content": "a"}}]}'), 'broke off'),
        (stream('data: {"choices": [{"delta": {"content": ["a"]}}]}'), 'broke off'),
        (stream('data: {"choices": [3]}', 'data: [DONE]'), 'broke off'),
        (break_off_after('a cat'), 'broke off in the middle of its answer'),
        (say(''), 'answered nothing'),
        (say('', finish='length'), 'answered nothing within max_tokens'),
        (say(' <think>hm</think> '), 'answered nothing'),
    ],
)
def test_rubbish_is_named(load, server, image, script, message):
    server.script.append(script)
    with pytest.raises(ModelError, match=message) as failed:
        load(retries=0).caption(image)
    assert '\n' not in str(failed.value)


def test_an_answer_without_end_is_ended(model, server, image):
    line = 'data: {"choices": [{"delta": {"content": "' + 'x' * 60_000 + '"}}]}'
    server.script.append(stream(*[line] * 10))
    assert len(model.caption(image).text) == 100_000


@pytest.mark.parametrize('script', [stall(), stall_after('a cat')], ids=['headers', 'middle'])
def test_a_silent_server_is_given_up(load, server, image, script):
    server.script.append(script)
    with pytest.raises(ModelError, match=r'said nothing for 0.3 s: is it busy\? timeout_s allows'):
        load(timeout_s=0.3, retries=0).caption(image)
    assert server.hung_up.wait(5)


@pytest.mark.parametrize('script', [stall(), stall_after('a cat')], ids=['headers', 'middle'])
def test_cancel_hangs_up_on_a_silent_server(load, server, image, script):
    model = load(timeout_s=60.0)
    server.script.append(script)
    ticket = Ticket()
    taken = threading.Event()
    cancel_when(ticket, taken)
    threading.Timer(0.3, taken.set).start()
    began_s = time.monotonic()
    with pytest.raises(WorkCancelled):
        model.caption(image, ticket=ticket)
    assert time.monotonic() - began_s < 5  # not the 60 s that the server may be silent
    assert server.hung_up.wait(5)
    assert model.caption(image).text == 'a cat'


@pytest.mark.parametrize('script', [stall(), stall_after('a cat')], ids=['headers', 'middle'])
def test_the_deadline_hangs_up_on_a_silent_server(load, server, image, script):
    model = load(timeout_s=60.0)
    server.script.append(script)
    with pytest.raises(DeadlineExceeded):
        model.caption(image, ticket=Ticket(0.3))
    assert server.hung_up.wait(5)
    assert model.caption(image).text == 'a cat'


def test_cancel_between_two_words_hangs_up(load, server, image):
    server.script.append(say('one two three four five six', pause_s=0.2))
    ticket = Ticket(on_partial=lambda text: ticket.cancel())
    with pytest.raises(WorkCancelled):
        load().caption(image, ticket=ticket)
    assert server.hung_up.wait(5)


def test_a_listener_that_fails_hangs_up(load, server, image):
    def listen(text):
        raise RuntimeError('no space left')

    server.script.append(say('one two three four five six', pause_s=0.2))
    with pytest.raises(RuntimeError):
        load().caption(image, ticket=Ticket(on_partial=listen))
    assert server.hung_up.wait(5)


def test_waiting_is_a_sign_of_life(load, server, image):
    server.script.append(say('one two three', pause_s=0.2))
    ticket = Ticket()
    began_s = ticket.seen_s
    load().caption(image, ticket=ticket)
    assert ticket.seen_s > began_s + 0.5


def test_closing_hangs_up(load, server, image):
    model = load(timeout_s=60.0)
    server.script.append(stall())
    failed = []

    def ask():
        try:
            model.caption(image)
        except ModelError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not server.requests:
        time.sleep(0.01)
    model.close()
    thread.join(10)
    assert not thread.is_alive()
    assert 'was closed meanwhile' in str(failed[0])
    assert server.hung_up.wait(5)


def test_a_server_that_is_down_is_left_alone_and_tried_again_later(load, server, image):
    model = load(retries=0, rest_s=0.5)
    server.script += [fail(503, 'loading')] * FAILURES
    for _ in range(FAILURES):
        with pytest.raises(ModelError, match='503'):
            model.caption(image)
    for _ in range(100):
        with pytest.raises(
            ModelError, match=r'loading \(it failed several times in a row and is left'
        ):
            model.caption(image)
    assert len(server.requests) == FAILURES
    with pytest.raises(ModelError, match='left alone'):
        # Not even encoded: it would be refused as no image.
        model.detect(image[0], Vocabulary(('cat',)))
    time.sleep(0.6)
    server.script.append(fail(503, 'still loading'))
    with pytest.raises(ModelError, match='still loading'):
        model.caption(image)
    with pytest.raises(ModelError, match='left alone'):
        model.caption(image)
    assert len(server.requests) == FAILURES + 1
    time.sleep(0.6)
    assert model.caption(image).text == 'a cat'
    assert model.caption(image).text == 'a cat'


def test_a_silent_server_is_left_alone_whatever_the_deadlines(load, server, image, monkeypatch):
    monkeypatch.setattr('vlm_ros.backends.openai_api.chat.SILENCE_S', 0.1)
    model = load(retries=0, rest_s=60.0)
    server.script += [stall()] * FAILURES
    for _ in range(FAILURES):
        with pytest.raises(DeadlineExceeded, match='said nothing'):
            model.caption(image, ticket=Ticket(0.2))
    with pytest.raises(ModelError, match=r'said nothing \(it failed several times'):
        model.caption(image)
    assert len(server.requests) == FAILURES


def test_work_that_was_ended_says_nothing_about_the_server(load, server, image):
    model = load(retries=0, rest_s=60.0)
    server.script += [fail(503), fail(503), stall(), fail(503)]
    for _ in range(2):
        with pytest.raises(ModelError, match='503'):
            model.caption(image)
    with pytest.raises(DeadlineExceeded):
        model.caption(image, ticket=Ticket(0.1))
    with pytest.raises(ModelError, match='503'):
        model.caption(image)
    with pytest.raises(ModelError, match='left alone'):
        model.caption(image)


def test_requests_that_are_wrong_do_not_count_against_the_server(load, server, image):
    model = load(retries=0)
    server.script += [fail(400, 'bad request')] * (2 * FAILURES)
    for _ in range(2 * FAILURES):
        with pytest.raises(ModelError, match='bad request'):
            model.caption(image)
    assert model.caption(image).text == 'a cat'


def test_a_clock_that_is_set_does_not_prolong_the_rest(load, server, image, monkeypatch):
    from vlm_ros.backends.openai_api import rest

    model = load(retries=0, rest_s=0.2)
    server.script += [fail(503)] * FAILURES
    for _ in range(FAILURES):
        with pytest.raises(ModelError):
            model.caption(image)
    real = rest.datetime

    class SetBack(real):
        @classmethod
        def now(cls, tz=None):
            return real.now(tz) - rest.timedelta(days=1)

    monkeypatch.setattr(rest, 'datetime', SetBack)
    monkeypatch.setattr(rest.pybreaker, 'datetime', SetBack)
    time.sleep(0.3)
    assert model.caption(image).text == 'a cat'


def test_an_ended_ticket_asks_nobody(model, server, image):
    ticket = Ticket()
    ticket.cancel()
    for work in (
        lambda ticket: model.caption(image, ticket=ticket),
        lambda ticket: model.answer(image, 'What is it?', ticket=ticket),
        lambda ticket: model.detect(image, Vocabulary(('cat',)), ticket=ticket),
        lambda ticket: model.ground(image, 'a cat', ticket=ticket),
    ):
        with pytest.raises(WorkCancelled):
            work(ticket)
        with pytest.raises(DeadlineExceeded):
            work(Ticket(0))
    assert not server.requests
