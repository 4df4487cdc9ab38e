"""The demo: photographs played as a camera through the real graph, and what comes out of it."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time

import rclpy
from rclpy.executors import ExternalShutdownException
import yaml

from vlm_ros.backends.registry import weights_of
from vlm_ros.errors import InputError, VlmRosError
from vlm_ros.nodes.demo_client import DemoClient
from vlm_ros.nodes.demo_report import Report
from vlm_ros.nodes.demo_view import View
from vlm_ros.phrases import Vocabulary

VOCABULARY = 'person, cat, coffee cup, motorcycle, building, elephant'
QUESTIONS = ('How many people are there?', 'Is there an elephant?', 'Where is the elephant?')
LOADING_TIMEOUT_S = 120.0
SHOWN_S = 3.0
"""How long each photograph is shown."""
EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def make_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog='scripts/demo',
        description='Play images as a camera topic through the perception graph, print what it '
        'finds, ask it questions, and write annotated pictures and a report.',
        epilog='Exit codes: 0 all went well, 1 something in the chain failed, 2 wrong arguments, '
        '130 interrupted.',
    )
    parser.add_argument(
        '--source',
        default='sample:',
        help='a photograph, a folder of them, a video, a webcam index or a stream address '
        '(default: the sample photographs)',
    )
    parser.add_argument(
        '--vocabulary', default=VOCABULARY, help='class names to detect (default: %(default)s)'
    )
    parser.add_argument(
        '--ask',
        action='append',
        metavar='QUESTION',
        help='a question to ask; may be repeated (default: three)',
    )
    parser.add_argument(
        '--seconds', type=float, default=21.0, help='how long to watch (default: %(default)g)'
    )
    parser.add_argument(
        '--output',
        type=Path,
        default=Path('demo_output'),
        metavar='DIR',
        help='where pictures and report.json go (default: %(default)s)',
    )
    parser.add_argument('--backend', default='embedded', help='the model (default: %(default)s)')
    parser.add_argument(
        '--view', action='store_true', help='serve a page that shows the annotated pictures'
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    args = make_parser().parse_args(argv)
    try:
        _check(args)
    except (VlmRosError, OSError) as error:
        print(f'demo: error: {error}', file=sys.stderr)
        return EXIT_WRONG_INPUT
    report = Report(args.output, sys.argv[1:] if argv is None else list(argv))
    try:
        with Processes(args) as processes:
            rclpy.init()
            view = View() if args.view else None
            if view is not None:
                print(f'Open {view.url} in a browser to watch.')
            _watch(DemoClient(report, view), processes, args)
    except (KeyboardInterrupt, ExternalShutdownException):
        print('demo: interrupted')
        return EXIT_INTERRUPTED
    except _ChainFailed as error:
        report.failures.append(str(error))
    finally:
        rclpy.try_shutdown()
    report.finish()
    print(report.summary())
    return EXIT_FAILED if report.failures else 0


class _ChainFailed(Exception):  # noqa: N818 - never leaves this module
    """Something between the source and the answers does not work."""


def _check(args: argparse.Namespace) -> None:
    from vlm_ros.data.media import open_media  # here, because it loads OpenCV

    if not args.seconds > 0:
        raise InputError(f'--seconds must be more than 0, got {args.seconds:g}')
    weights_of(args.backend)
    Vocabulary.parse(args.vocabulary)
    with open_media(args.source):
        pass
    args.output.mkdir(parents=True, exist_ok=True)


class Processes:
    """The camera and the graph as processes of their own, ended with the context.

    Args:
        args: The demo's command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / 'demo.yaml'
        parameters = {
            'image_source': {'source': args.source, 'repeat_s': SHOWN_S, 'loop': True},
            'detector': {'backend': args.backend, 'vocabulary': args.vocabulary},
            'captioner': {'backend': args.backend},
            'query': {'backend': args.backend},
        }
        self._file.write_text(
            yaml.safe_dump(
                {f'/**/{node}': {'ros__parameters': given} for node, given in parameters.items()}
            )
        )

    def start(self, name: str) -> None:
        """Start an executable of this package."""
        command = [sys.executable, '-m', f'vlm_ros.nodes.{name}', '--ros-args']
        command += ['-r', '__ns:=/demo', '--params-file', str(self._file), '--log-level', 'warn']
        # In a session of its own, so that Ctrl-C reaches it only once, from here.
        self._running[name] = subprocess.Popen(command, start_new_session=True)

    def check(self) -> None:
        """Raise `_ChainFailed` where a process has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise _ChainFailed(f'{name} ended with exit code {process.returncode}')

    def __enter__(self) -> 'Processes':
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGINT)
        for process in self._running.values():
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()


def _watch(client: DemoClient, processes: Processes, args: argparse.Namespace) -> None:
    """Load the model, start the camera, watch and ask."""

    def spin(until_s: float, done: Callable[[], bool] = lambda: False) -> bool:
        while not done() and time.monotonic() < until_s:
            client.spin_once()
            processes.check()
        return done()

    print(f'Loading {args.backend!r} ...', flush=True)
    started_s = time.monotonic()
    processes.start('perception')
    if not spin(started_s + LOADING_TIMEOUT_S, client.is_ready):
        raise _ChainFailed(f'not ready after {LOADING_TIMEOUT_S:g} s: {client.last_status}')
    if client.trouble:
        raise _ChainFailed(client.trouble)
    print(f'Ready after {time.monotonic() - started_s:.1f} s.', flush=True)
    print(f'Playing {args.source!r} for {args.seconds:g} s.\n', flush=True)
    client.report.start()
    processes.start('image_source')
    if not spin(time.monotonic() + LOADING_TIMEOUT_S, client.is_looking):
        raise _ChainFailed(f'no image was looked at: {client.last_status}')
    questions = args.ask or list(QUESTIONS)
    started_s = time.monotonic()
    for number, question in enumerate(questions):
        spin(started_s + args.seconds * number / len(questions) + min(0.3, args.seconds / 4))
        answer = client.ask(question)
        if not spin(time.monotonic() + LOADING_TIMEOUT_S, answer.done):
            raise _ChainFailed(f'no response to {question!r}')
    spin(started_s + args.seconds)


if __name__ == '__main__':
    sys.exit(main())
