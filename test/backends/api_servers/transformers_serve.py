"""`transformers serve` with a tiny model, as a process of its own on the loopback interface."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import socket
import subprocess
import sys
import time
from typing import Any
import urllib.error
import urllib.request

from api_servers.tiny_llava import save_tiny_llava

START_S = 90.0
# What the console script `transformers` does, without torchvision: beside a torch that it was not
# built for, it cannot be imported, or cannot decode the images of a request. Pillow can.
_START = (
    'import sys\n'
    "sys.modules['torchvision'] = None\n"
    'from transformers.cli.transformers import main\n'
    "sys.argv[0] = 'transformers'\n"
    'main()\n'
)


@contextmanager
def transformers_serve(folder: Path) -> Iterator[dict[str, Any]]:
    """Serve a tiny LLaVA; what comes out is what `backends.load('openai_api', ...)` needs.

    Args:
        folder: An empty folder, for the checkpoint, an empty model cache and the server's log.

    Raises:
        RuntimeError: The server did not start; the end of its log says why.
    """
    model = folder / 'tiny_llava'
    save_tiny_llava(model)
    (folder / 'home' / 'hub').mkdir(parents=True)
    port = free_port()
    environment = {
        **os.environ,
        'HF_HOME': str(folder / 'home'),
        'HF_HUB_OFFLINE': '1',
        'OMP_NUM_THREADS': '1',
        'PYTHONWARNINGS': 'ignore',
    }
    arguments = ['serve', str(model), '--port', str(port), '--host', '127.0.0.1']
    with (folder / 'serve.log').open('wb') as log:
        process = subprocess.Popen(
            [sys.executable, '-c', _START, *arguments, '--device', 'cpu', '--dtype', 'float32'],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_up(process, port, folder / 'serve.log')
            yield {
                'model': str(model),
                'base_url': f'http://127.0.0.1:{port}/v1',
                'auth_variable': '',
                'max_tokens': 12,
                'max_box_tokens': 24,
                'max_side_px': 64,
            }
        finally:
            process.kill()  # asked to end, it first finishes what nobody waits for
            process.wait()


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return int(listener.getsockname()[1])


def _wait_until_up(process: 'subprocess.Popen[bytes]', port: int, log: Path) -> None:
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s and process.poll() is None:
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{port}/health', timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f'transformers serve did not start: {log.read_text("utf-8")[-2000:]}')
