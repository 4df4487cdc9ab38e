"""The demo: photographs played as a camera through the real graph, and what comes out of it."""

import argparse
from collections.abc import Sequence
import contextlib
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

VOCABULARY = 'person, cat, coffee cup, motorcycle, flower, building, elephant'
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
    parser.add_argument('--view', action='store_true', help='serve a page that shows the annotated pictures')
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
        with tempfile.TemporaryDirectory() as folder, _graph(args, Path(folder)) as graph:
            rclpy.init()
            view = View() if args.view else None
            if view is not None:
                print(f'Open {view.url} in a browser to watch.')
            _watch(DemoClient(report, view), graph, args)
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


@contextlib.contextmanager
def _graph(args: argparse.Namespace, folder: Path):  # noqa: ANN202
    """Start the camera and the graph as processes of their own, and end them."""
    models = {'backend': args.backend}
    parameters = {
        '/**/image_source': {
            'source': args.source,
            'repeat_s': SHOWN_S,
            'loop': True,
        },
        '/**/detector': {**models, 'vocabulary': args.vocabulary},
        '/**/captioner': models,
        '/**/query': models,
    }
    file = folder / 'demo.yaml'
    file.write_text(
        yaml.safe_dump({node: {'ros__parameters': p} for node, p in parameters.items()})
    )
    ros_args = ['--ros-args', '-r', '__ns:=/demo', '--params-file', str(file)]
    ros_args += ['--log-level', 'warn']
    processes = {}
    try:
        for name in ('perception', 'image_source'):
            command = [sys.executable, '-m', f'vlm_ros.nodes.{name}', *ros_args]
            processes[name] = subprocess.Popen(command, start_new_session=True)
        yield processes
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGINT)
        for process in processes.values():
            try:
                process.wait(2.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _watch(client: DemoClient, graph: dict[str, subprocess.Popen], args: argparse.Namespace) -> None:
    """Wait for the first result, then watch and ask."""

    def spin(until_s: float, done=lambda: False) -> bool:  # noqa: ANN001
        while time.monotonic() < until_s and not done():
            client.spin_once()
            for name, process in graph.items():
                if process.poll() is not None:
                    raise _ChainFailed(f'{name} ended with exit code {process.returncode}')
        return done()

    print(f'Loading {args.backend!r} and waiting for the first image of {args.source!r} ...')
    started_s = time.monotonic()
    if not spin(started_s + LOADING_TIMEOUT_S, client.is_looking):
        raise _ChainFailed(f'no result within {LOADING_TIMEOUT_S:g} s: {client.last_status}')
    print(f'Ready after {time.monotonic() - started_s:.1f} s. Watching for {args.seconds:g} s.\n')
    client.report.start()
    questions = args.ask or list(QUESTIONS)
    started_s = time.monotonic()
    for number, question in enumerate(questions):
        spin(started_s + args.seconds * (number + 0.5) / (len(questions) + 1))
        answer = client.ask(question)
        if not spin(time.monotonic() + LOADING_TIMEOUT_S, answer.done):
            raise _ChainFailed(f'no response to {question!r}')
    spin(started_s + args.seconds)


if __name__ == '__main__':
    sys.exit(main())
