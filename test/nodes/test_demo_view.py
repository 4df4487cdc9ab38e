"""The demo's page, fetched over HTTP."""

import http.client
from urllib.error import HTTPError
from urllib.request import urlopen

import cv2
import numpy as np
import pytest

from vlm_ros.nodes.demo_view import View


@pytest.fixture
def view():
    view = View()
    yield view
    view.close()


def read_picture(stream):
    """Read one part of a multipart stream."""
    headers = {}
    assert stream.readline() == b'--frame\r\n'
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(': ')
        headers[name] = value
    jpeg = stream.read(int(headers['Content-Length']))
    assert stream.readline() == b'\r\n'
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_the_page_shows_the_stream(view):
    with urlopen(view.url, timeout=5) as page:
        assert b'src="/stream"' in page.read()


def test_the_stream_follows_the_pictures(view):
    red, blue = np.zeros((2, 40, 60, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    view.show(red)
    with urlopen(f'{view.url}stream', timeout=5) as stream:
        assert read_picture(stream)[20, 30, 2] > 200
        view.show(blue)
        assert read_picture(stream)[20, 30, 0] > 200


def test_another_path_is_not_found(view):
    with pytest.raises(HTTPError, match='404'):
        urlopen(f'{view.url}etc/passwd', timeout=5)


def test_it_listens_on_this_machine_only(view):
    assert view.url.startswith('http://127.0.0.1:')
    connection = http.client.HTTPConnection(view.url.split('/')[2], timeout=5)
    connection.request('GET', '/')
    assert connection.getresponse().status == 200
    connection.close()
