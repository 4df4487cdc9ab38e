"""The entry point of `vlm-ros`: finds and runs the verb, turns errors into a line and a status."""

import argparse
import ast
from collections.abc import Mapping, Sequence
import contextlib
from difflib import get_close_matches
import importlib
import io
import os
from pathlib import Path
import re
import sys
from types import ModuleType
from typing import NoReturn

from vlm_ros.cli.exits import complain, Exit
from vlm_ros.errors import BackendError, ModelError, VlmRosError

LOOKING_VERBS = ('detect', 'ground', 'classify', 'caption', 'ask')
VERBS = (
    *LOOKING_VERBS,
    'annotate',
    'review',
    'evaluate',
    'calibrate',
    'questions',
    'backends',
    'fetch',
    'models',
    'doctor',
    'benchmark',
)

_EPILOG = """\
exit status of detect, ground, classify, caption and ask:
  0    something was found, or the question answered, in at least one image
  1    every image was looked at; nothing was found or answered in any of them
  2    wrong usage, or something given could not be read; what could be was worked on
  3    the backend could not be loaded, or failed
  130  interrupted; pictures saved until then are whole
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vlm-ros` with these arguments, or those of the process; return its exit status."""
    argv = sys.argv[1:] if argv is None else list(argv)
    # Nobody listens where the caller closed a stream, as `>&-` does.
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    # A file's name may hold what the terminal's encoding cannot say.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')
    try:
        parser, verbs = _parsers(argv)
        args, unknown = parser.parse_known_args(argv)
        if unknown:
            _refuse(verbs.get(args.verb, parser), unknown)
        if args.verb is None:
            parser.print_help(sys.stderr)
            return Exit.UNUSABLE
        status = int(_module(args.verb).main(args))
        sys.stdout.flush()
    except VlmRosError as error:
        complain(str(error))
        return Exit.FAILED if isinstance(error, BackendError | ModelError) else Exit.UNUSABLE
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        about = f'{error.filename}: ' if error.filename else ''
        complain(f'{about}{error.strerror or error}')
        return Exit.UNUSABLE
    except KeyboardInterrupt:
        complain('interrupted', kind='')
        return Exit.INTERRUPTED
    return status


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, where to read more, and not the whole usage."""

    def error(self, message: str) -> NoReturn:
        complain(f'{message}; see {self.prog} --help')
        raise SystemExit(Exit.UNUSABLE)


def _refuse(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> NoReturn:
    """Say that a verb has no such arguments, and which option was perhaps meant."""
    known = re.findall(r'--[a-z][a-z-]*', parser.format_usage())
    options = [word.partition('=')[0] for word in unknown if word.startswith('--')]
    close = get_close_matches(options[0], known, 1) if options else []
    hint = f' (did you mean {close[0]}?)' if close else ''
    parser.error(f'unrecognized arguments: {" ".join(unknown)}{hint}')


def _parsers(
    argv: Sequence[str],
) -> tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and that of each verb."""
    parser = _Parser(
        prog='vlm-ros',
        description='Finds things in photographs and videos, describes them, answers questions.',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--version', action=_Version, nargs=0, help='show the version and exit')
    verbs = parser.add_subparsers(dest='verb', metavar='VERB', parser_class=_Parser)
    for name in VERBS:
        about = _about(name)
        verb = verbs.add_parser(
            name,
            help=about,
            description=about,
            epilog=_EPILOG if name in LOOKING_VERBS else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        # Only the verb in question is imported.
        if name in argv:
            _module(name).add_arguments(verb)
    return parser, verbs.choices


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *args: object) -> NoReturn:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f'vlm-ros {version("vlm_ros")}')
        except PackageNotFoundError:
            print('vlm-ros, not installed')
        raise SystemExit(0)


def _about(verb: str) -> str:
    """Return the first line of a verb's docstring without importing it."""
    source = Path(__file__).with_name(f'{verb}.py').read_text(encoding='utf-8')
    return (ast.get_docstring(ast.parse(source)) or '').partition('\n')[0]


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f'vlm_ros.cli.{verb}')


def _reader_left() -> int:
    """End quietly when whoever reads stdout (`head`) has enough, as the shell's own tools do."""
    with contextlib.suppress(OSError):
        # Python flushes stdout once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.READER_LEFT
