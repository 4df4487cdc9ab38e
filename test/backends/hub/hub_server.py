"""A model hub of the test's own on 127.0.0.1, with the parts of the API that clients use.

It speaks `/api/models/ID[/revision/R]`, `/api/models/ID/tree/R` and `/ID/resolve/R/FILE` with
ranges, commits, checksums and a redirect to another address for large files, as the real one does
(https://huggingface.co/docs/hub/api), and misbehaves as it is told.
"""

from dataclasses import dataclass, field
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import re
import threading
import time
from urllib.parse import unquote, urlsplit

LARGE = ('.safetensors', '.bin', '.model')


def git_id(content):
    return hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()


def etag_of(name, content):
    return hashlib.sha256(content).hexdigest() if name.endswith(LARGE) else git_id(content)


@dataclass
class Repository:
    """A model's files by name, at one commit; `announced` replaces what the API says of them."""

    files: dict
    commit: str = 'c0ffee' * 6 + 'beef'
    announced: dict = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    headers: dict


class Hub:
    """The server; `address` is what HF_ENDPOINT takes.

    Attributes:
        repositories: By model id.
        requests: All so far.
        misbehave: Called with the handler before each answer; returns True where it has answered.
        cut: Names of files and after how many bytes, counted from the answer's first, the
            connection is dropped; each one once, unless `cut_always`.
        ignores_range: Send the whole file, whatever was asked for.
    """

    def __init__(self):
        self.repositories = {}
        self.requests = []
        self.misbehave = lambda handler: False
        self.cut = {}
        self.cut_always = False
        self.ignores_range = False
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.address = f'http://127.0.0.1:{self._server.server_port}'
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, model_id, files, **kwargs):
        self.repositories[model_id] = Repository(dict(files), **kwargs)
        return self.repositories[model_id]

    def asked(self, part=''):
        return [request for request in self.requests if part in request.path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self._handle()

    def do_GET(self):
        self._handle()

    def _handle(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(Request(self.command, path, dict(self.headers)))
        try:
            if not self.hub.misbehave(self):
                self._route(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self, path):
        for pattern, answer in (
            (r'/api/models/(.+?)/tree/([^/]+).*', self._tree),
            (r'/api/models/(.+?)(?:/revision/(.+))?', self._info),
            (r'/cdn/(.+?)/resolve/([^/]+)/(.+)', self._content),
            (r'/(.+?)/resolve/([^/]+)/(.+)', self._resolve),
        ):
            if match := re.fullmatch(pattern, path):
                model_id, revision, *rest = match.groups()
                repository = self.hub.repositories.get(model_id)
                if repository is None:
                    return self.refuse(401, 'RepoNotFound')
                if revision not in (None, 'main', repository.commit):
                    return self.refuse(404, 'RevisionNotFound')
                return answer(repository, *rest)
        return self.refuse(404)

    def _info(self, repository):
        siblings = [
            {'rfilename': name, 'size': len(content), 'blobId': git_id(content)}
            | ({'lfs': _lfs(content, 'sha256')} if name.endswith(LARGE) else {})
            | repository.announced.get(name, {})
            for name, content in repository.files.items()
        ]
        self.send_json({'id': 'x/y', 'sha': repository.commit, 'siblings': siblings})

    def _tree(self, repository):
        self.send_json(
            [
                {'type': 'file', 'path': name, 'size': len(content), 'oid': git_id(content)}
                | ({'lfs': _lfs(content, 'oid')} if name.endswith(LARGE) else {})
                for name, content in repository.files.items()
            ]
        )

    def _resolve(self, repository, name):
        if name not in repository.files:
            return self.refuse(404, 'EntryNotFound')
        if not name.endswith(LARGE):
            return self._content(repository, name)
        content = repository.files[name]
        self.send_response(302)
        self.send_header('Location', f'{self.hub.address}/cdn{self.path}')
        self.send_header('X-Repo-Commit', repository.commit)
        self.send_header('X-Linked-Size', str(len(content)))
        self.send_header('X-Linked-Etag', f'"{etag_of(name, content)}"')
        self.send_header('Content-Length', '0')
        return self.end_headers()

    def _content(self, repository, name):
        content = repository.files[name]
        start = 0
        asked = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        if asked and not self.hub.ignores_range:
            start = int(asked[1])
            self.send_response(206)
            self.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        else:
            self.send_response(200)
        self.send_header('Content-Length', str(len(content) - start))
        self.send_header('ETag', f'"{etag_of(name, content)}"')
        self.send_header('X-Repo-Commit', repository.commit)
        self.end_headers()
        if self.command == 'HEAD':
            return
        cut = self.hub.cut.get(name) if self.hub.cut_always else self.hub.cut.pop(name, None)
        if cut is not None:
            self.wfile.write(content[start : start + cut])
            self.close_connection = True
            return
        self.wfile.write(content[start:])

    def send_json(self, found, status=200):
        self.send_body(json.dumps(found).encode(), status)

    def send_body(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def refuse(self, status, code='', **headers):
        self.send_body(b'{"error": "no"}', status, X_Error_Code=code, **headers)

    def hang(self, seconds):
        time.sleep(seconds)
        self.close_connection = True


def _lfs(content, key):
    return {'size': len(content), key: hashlib.sha256(content).hexdigest(), 'pointerSize': 130}
