"""The review page over HTTP, for one person on this machine, who writes back with every key.

Other programs, and pages of other sites in the same browser, can reach the port as well. So the
address holds a secret, `Host` has to be this machine by number or by `localhost` (names that
somebody points at it are refused), and what comes from another page is refused by its `Origin`.
Only the page, the pictures that the records name, and the reviews can be had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import mimetypes
from pathlib import Path
import secrets
from types import TracebackType
from urllib.parse import quote, unquote

from vlm_ros.errors import InputError, StorageError, VlmRosError
from vlm_ros.records.lines import parse
from vlm_ros.records.reviews import append_reviews, kept_reviews, latest, ReviewLine
from vlm_ros.review.applying import apply_reviews
from vlm_ros.review.exports import outdated_exports
from vlm_ros.review.page import read_reviewed, render

HOST = '127.0.0.1'
PORTS = range(8377, 8387)
"""Where pages are served, the first that is free, and any where none is. A browser keeps what no
server has taken yet under the port, and a page of the next run finds it there."""
MAX_BODY_BYTES = 4_000_000
_TIMEOUT_S = 30.0
_HEADERS = {
    'Cache-Control': 'no-store',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}


class ReviewServer:
    """Serves the review page of a dataset and keeps what is said there; to be used in a `with`.

    Args:
        folder: The dataset's.
        port: Of 127.0.0.1; None for the first of `PORTS` that is free, or any.
        other: A dataset of the same images, made by another model, to compare with.
        by: Who reviews.

    Raises:
        InputError: There is no dataset, or the port is taken.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, other: Path | None = None, by: str = ''
    ) -> None:
        reviewed = read_reviewed(folder, other)
        pictures = {name: quote(name) for name in reviewed.files}
        page = render(reviewed, pictures, by=by, served=True)
        self._token = secrets.token_urlsafe(18)
        site = _Site(folder, self._token, page, reviewed.files)
        self._server = _listen(site, (*PORTS, 0) if port is None else (port,))
        self.port: int = self._server.server_address[1]
        self.url = f'http://{HOST}:{self.port}/{self._token}/'

    def serve(self) -> None:
        """Serve until `close` is called on another thread, or Ctrl-C."""
        self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """End serving and let go of the port."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> 'ReviewServer':
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.server_close()


class _Site:
    """What can be had, and what can be told.

    Args:
        folder: The dataset's.
        token: What an address begins with.
        page: The review page.
        files: The pictures, by their name in the records.
    """

    def __init__(self, folder: Path, token: str, page: bytes, files: Mapping[str, Path]) -> None:
        self.token = token
        self._folder, self._page, self._files = folder, page, files

    def get(self, path: str) -> tuple[str, bytes] | None:
        """Return the type and the content of a place; None where there is nothing."""
        if not path:
            return 'text/html; charset=utf-8', self._page
        if path == 'reviews':
            held = latest(kept_reviews(self._folder)).values()
            rows = ''.join(line.line() + '\n' for line in held)
            return 'application/x-ndjson', rows.encode()
        file = self._files.get(path)
        if file is None or not file.is_file():
            return None
        kind, _ = mimetypes.guess_type(file.name)
        is_picture = (kind or '').startswith('image/') and kind != 'image/svg+xml'
        return kind if is_picture and kind else 'application/octet-stream', file.read_bytes()

    def post(self, path: str, body: bytes) -> tuple[str, bytes] | None:
        """Keep reviews, or apply those that are kept; None where nothing can be told."""
        if path == 'reviews':
            lines = [
                parse(row, ReviewLine, f'line {number}')
                for number, row in enumerate(body.splitlines(), 1)
            ]
            append_reviews(self._folder, lines)
            return 'application/json', json.dumps({'kept': len(lines)}).encode()
        if path == 'apply':
            applied = asdict(apply_reviews(self._folder))
            applied['unknown'] = [row.name for row in applied['unknown']]
            applied['outdated'] = outdated_exports(self._folder)
            return 'application/json', json.dumps(applied).encode()
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], site: _Site) -> None:
        self.site = site
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a browser that went away is none of the reviewer's business."""


def _listen(site: _Site, ports: Sequence[int]) -> _Server:
    for port in ports:
        try:
            return _Server((HOST, port), site)
        except OSError as error:
            failure = error
    raise InputError(
        f'port {ports[-1]} cannot be had: {failure.strerror or failure}; choose another'
    ) from failure


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT_S
    server_version, sys_version = 'vlm_ros', ''

    def do_GET(self) -> None:
        self._answer(b'')

    def do_POST(self) -> None:
        if not self._is_own(self.headers.get('Origin', '')):
            self._refuse(HTTPStatus.FORBIDDEN, 'open the page by its address and say it there')
            return
        length = self.headers.get('Content-Length', '')
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f'say it in {MAX_BODY_BYTES} bytes at most'
            )
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self._refuse(HTTPStatus.BAD_REQUEST, 'the request was cut off')
            return
        self._answer(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Say nothing: the address holds the secret."""

    def _answer(self, body: bytes) -> None:
        site = self.server.site
        if not self._is_own('http://' + self.headers.get('Host', '')):
            self._refuse(HTTPStatus.FORBIDDEN, 'this server is for this machine alone')
            return
        if self.headers.get('Sec-Fetch-Site', 'none') not in ('none', 'same-origin'):
            self._refuse(HTTPStatus.FORBIDDEN, 'another page asked for this')
            return
        _, _, path = unquote(self.path.partition('?')[0]).partition('/')
        token, slash, path = path.partition('/')
        # The comparison takes text of ASCII alone.
        if not slash or not secrets.compare_digest(token.encode(), site.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, 'open the whole address that was printed')
            return
        try:
            found = site.post(path, body) if self.command == 'POST' else site.get(path)
        except StorageError as error:
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, str(error))
        except VlmRosError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        else:
            if found is None:
                self._refuse(HTTPStatus.NOT_FOUND, 'there is no such thing')
            else:
                self._send(HTTPStatus.OK, *found)

    def _is_own(self, origin: str) -> bool:
        port = self.server.server_address[1]
        return origin in (f'http://{HOST}:{port}', f'http://localhost:{port}')

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        # What was not read of a request must not be taken for the next one.
        self.close_connection = True
        self._send(status, 'text/plain; charset=utf-8', f'{message}\n'.encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
