"""The demo's pictures in a browser: works over ssh, in a container and without a display."""

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading
from typing import Any

import cv2

from vlm_ros.tasks import Image

_PAGE = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>vlm_ros demo</title>
<style>
  body { margin: 0; background: #111; color: #ddd; font: 16px sans-serif; text-align: center }
  img { max-width: 100vw; max-height: 90vh }
</style>
<h1>vlm_ros demo</h1><img src="/stream" alt="the newest annotated image"></html>
"""
_BOUNDARY = 'frame'
_WAIT_S = 0.5


class View:
    """A page on the loopback interface that shows the newest picture.

    Attributes:
        url: Where it is.
    """

    def __init__(self) -> None:
        self._jpeg = b''
        self._new = threading.Condition()
        self._closed = False
        view = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == '/':
                    _reply(self, 'text/html; charset=utf-8', _PAGE)
                elif self.path == '/stream':
                    view._stream(self)
                else:
                    self.send_error(HTTPStatus.NOT_FOUND)

            def log_message(self, *_: Any) -> None:
                """Keep the terminal for the demo."""

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self._server.server_port}/'
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(self, image: Image) -> None:
        """Show an `(H, W, 3)` uint8 RGB picture to whoever watches."""
        jpeg = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
        with self._new:
            self._jpeg = jpeg
            self._new.notify_all()

    def close(self) -> None:
        """End the page."""
        with self._new:
            self._closed = True
            self._new.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _stream(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(HTTPStatus.OK)
        handler.send_header('Content-Type', f'multipart/x-mixed-replace; boundary={_BOUNDARY}')
        handler.end_headers()
        sent = b''
        try:
            while not self._closed:
                with self._new:
                    if self._jpeg is sent:
                        self._new.wait(_WAIT_S)
                    jpeg = self._jpeg
                if jpeg is not sent:
                    part = f'--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n'
                    part += f'Content-Length: {len(jpeg)}\r\n\r\n'
                    handler.wfile.write(part.encode() + jpeg + b'\r\n')
                    sent = jpeg
        except (BrokenPipeError, ConnectionResetError):
            pass  # the browser went away


def _reply(handler: BaseHTTPRequestHandler, content_type: str, content: bytes) -> None:
    handler.send_response(HTTPStatus.OK)
    handler.send_header('Content-Type', content_type)
    handler.send_header('Content-Length', str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
