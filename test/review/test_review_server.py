"""The server over real sockets: what it keeps, and all it refuses."""

from contextlib import contextmanager
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from urllib.parse import quote

import pytest

from vlm_ros.errors import InputError
from vlm_ros.records import FrameRecord, read_lines, write_lines
from vlm_ros.records.reviews import kept_reviews
from vlm_ros.review.exports import are_reviews_waiting, export_reviewed
from vlm_ros.review.serving import MAX_BODY_BYTES, PORTS, ReviewServer

LINE = '{"key": "drive-000001", "box": 0, "found": "rocket", "verdict": "rejected"}\n'


@contextmanager
def serving(folder):
    with ReviewServer(folder) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.close()
            thread.join()


def ask(server, path, body=None, host=None, **headers):
    """Send exactly this path; return the status, the headers and the content."""
    connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=10)
    own = f'127.0.0.1:{server.port}'
    method = 'GET' if body is None else 'POST'
    connection.putrequest(method, path, skip_host=True)
    connection.putheader('Host', host or own)
    if body is not None:
        headers = {'Origin': f'http://{own}', 'Content_Length': str(len(body)), **headers}
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name.replace('_', '-'), value)
    connection.endheaders(None if body is None else body.encode())
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


@pytest.fixture
def site(folder):
    with serving(folder) as server:
        server.base = '/' + server.url.split('/', 3)[3]
        yield server


def test_the_page_its_pictures_and_the_reviews(site, folder):
    status, headers, content = ask(site, site.base)
    assert (status, headers['Content-Type']) == (200, 'text/html; charset=utf-8')
    assert headers['Referrer-Policy'] == 'no-referrer'
    assert b'"served": true' in content
    status, headers, content = ask(site, f'{site.base}images/rocket.jpg')
    assert (status, headers['Content-Type']) == (200, 'image/jpeg')
    assert content == (folder / 'images' / 'rocket.jpg').read_bytes()
    assert ask(site, f'{site.base}reviews')[::2] == (200, b'')
    assert ask(site, f'{site.base}reviews', LINE)[::2] == (200, b'{"kept": 1}')
    assert [line.target for line in kept_reviews(folder)] == [('drive-000001', 0)]
    assert json.loads(ask(site, f'{site.base}reviews')[2]) == json.loads(LINE)
    status, _, content = ask(site, f'{site.base}apply', '')
    assert status == 200
    assert json.loads(content) == {
        'reviewed': 1,
        'changed': 1,
        'unknown': [],
        'new_labels': [],
        'outdated': [],
    }
    rows = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    assert rows[1].detections[0].review.verdict.value == 'rejected'


def test_a_picture_may_have_any_name(folder):
    name = 'images/ä b#1?%2e.jpg'
    (folder / 'images' / 'rocket.jpg').rename(folder / name)
    rows = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    image = rows[2].image.model_copy(update={'file': name})
    rows[2] = rows[2].model_copy(update={'image': image})
    write_lines(folder / 'annotations.jsonl', rows)
    with serving(folder) as site:
        base = '/' + site.url.split('/', 3)[3]
        assert ask(site, base + quote(name))[0] == 200
        page = ask(site, base)[2].decode()
        assert f'"{quote(name)}"' in page


def test_nothing_without_the_secret(site):
    token = site.base.strip('/')
    for path in ('/', '/reviews', f'/{token}', f'/{token[:-1]}/', f'/{token}x/', '/%C3%A9/', '//'):
        assert ask(site, path)[0] == 404
    assert ask(site, '/reviews', LINE)[0] == 404
    assert len(token) == 24


@pytest.mark.parametrize('way', ['..', '%2e%2e', '..%2f..', 'images/..', 'images%2f..%2f..'])
def test_nothing_outside_the_pictures(site, folder, way):
    (folder / 'secret.png').write_bytes(b'secret')
    (folder.parent / 'secret.png').write_bytes(b'secret')
    for name in ('secret.png', 'annotations.jsonl', 'dataset.json'):
        assert ask(site, f'{site.base}{way}/{name}')[0] == 404
        assert ask(site, f'{site.base}{name}')[0] == 404
    assert ask(site, f'{site.base}/etc/passwd')[0] == 404
    assert ask(site, f'{site.base}images/')[0] == 404


def test_other_hosts_and_pages_are_refused(site, folder):
    port = site.port
    path = f'{site.base}reviews'
    for host in ('evil.example', f'evil.example:{port}', '127.0.0.1', f'127.0.0.1:{port}.evil'):
        assert ask(site, path, host=host)[0] == 403
        assert ask(site, path, LINE, host=host)[0] == 403
    assert ask(site, path, host=f'localhost:{port}')[0] == 200
    for origin in ('https://evil.example', 'null', f'http://127.0.0.1:{port + 1}', None):
        assert ask(site, path, LINE, Origin=origin)[0] == 403
    assert ask(site, path, Sec_Fetch_Site='cross-site')[0] == 403
    assert kept_reviews(folder) == []
    assert ask(site, path, LINE, Origin=f'http://localhost:{port}')[0] == 200


def test_bad_reviews_are_refused_and_the_server_goes_on(site, folder):
    path = f'{site.base}reviews'
    status, _, content = ask(site, path, LINE + '{"verdict": 1}\n')
    assert status == 400
    assert content.startswith(b'line 2 is not a ReviewLine: key: Field required')
    status, _, content = ask(site, path, '', Content_Length=str(MAX_BODY_BYTES + 1))
    assert (status, content) == (413, b'say it in 4000000 bytes at most\n')
    assert ask(site, path, '', Content_Length='-1')[0] == 413
    assert ask(site, path, '', Content_Length=None)[0] == 413
    assert ask(site, f'{site.base}images/rocket.jpg', LINE)[0] == 404
    with socket.create_connection(('127.0.0.1', site.port), timeout=10) as stream:
        stream.sendall(b'nonsense\r\n\r\n')
        assert b'400' in stream.recv(1000)
    assert kept_reviews(folder) == []
    assert ask(site, path, LINE)[0] == 200


def test_a_full_disk_is_said_and_loses_nothing(site, folder):
    path = f'{site.base}reviews'
    assert ask(site, path, LINE)[0] == 200
    before = (folder / 'reviews.jsonl').read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        status, _, content = ask(site, path, LINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (status, content.count(b'\n')) == (507, 1)
    assert b'reviews.jsonl cannot be written: File too large' in content
    assert (folder / 'reviews.jsonl').read_bytes() == before
    assert ask(site, path, LINE)[0] == 200
    assert len(kept_reviews(folder)) == 2


def test_only_this_machine_can_connect(site):
    others = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in sorted(others - {'127.0.0.1'}) or ['127.0.0.2']:
        with pytest.raises(OSError, match='refused'):
            socket.create_connection((address, site.port), timeout=5)


def test_a_port_that_is_taken_is_named(site, folder):
    with pytest.raises(InputError, match=rf'port {site.port} cannot be had: .*; choose another'):
        ReviewServer(folder, port=site.port)
    with ReviewServer(folder) as other:
        assert other.port != site.port
        # A page that waits for its server finds the next one where it was.
        assert {other.port, site.port} <= set(PORTS)


def test_what_was_saved_is_not_waiting_and_its_exports_are_named(site, folder):
    export_reviewed(folder, ['mcap'])
    assert not are_reviews_waiting(folder)
    assert ask(site, f'{site.base}reviews', LINE)[0] == 200
    assert are_reviews_waiting(folder)
    answer = ask(site, f'{site.base}apply', '')
    assert json.loads(answer[-1])['outdated'] == ['mcap']
    assert not are_reviews_waiting(folder)


def test_the_real_process_serves_until_it_is_interrupted(folder):
    command = [sys.executable, '-m', 'vlm_ros.cli', 'review', str(folder), '--serve']
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        try:
            line = process.stdout.readline()
            port, base = re.search(r'open http://127\.0\.0\.1:(\d+)(/\S+/) on', line).groups()

            class Site:
                pass

            Site.port = int(port)
            assert ask(Site, f'{base}reviews', LINE)[0] == 200
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, err.strip()) == (0, '')
    assert out == f'put what was said into the annotations: vlm-ros review {folder} --apply\n'
    assert len(kept_reviews(folder)) == 1
