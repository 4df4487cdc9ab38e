"""The arguments that verbs share."""

import argparse
import math
import os

_MODEL = ('embedded', '', 'cpu')
"""The backend, the model and the device where none is given."""


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is looked at, with what, and where the results go."""
    parser.add_argument(
        'sources',
        nargs='+',
        metavar='SOURCE',
        help='a photograph, a folder of them, a video, a camera (0), an address (rtsp://...), or '
        'sample: for photographs that are at hand, sample:chelsea for one',
    )
    add_model_arguments(parser)
    frames = parser.add_argument_group('frames')
    frames.add_argument(
        '--every', type=positive, default=1, metavar='N', help='look at every Nth image only'
    )
    frames.add_argument(
        '--limit', type=positive, metavar='N', help='look at N images of each source at most'
    )
    output = parser.add_argument_group('output')
    output.add_argument(
        '--json', action='store_true', help='one JSON object an image on stdout, nothing else'
    )
    output.add_argument(
        '--save', metavar='DIR', help='write the images with what was found drawn in; overwrites '
        'nothing'
    )  # fmt: skip
    output.add_argument(
        '-q', '--quiet', action='store_true', help='results and errors only, no progress'
    )


def add_model_arguments(
    parser: argparse.ArgumentParser,
    *,
    are_defaults_left_out: bool = False,
    is_backend_needed: bool = True,
) -> argparse._ArgumentGroup:
    """Declare with what is looked; return the group.

    Args:
        parser: The verb's.
        are_defaults_left_out: Whether what is not given is None, for a verb that takes it from
            elsewhere then.
        is_backend_needed: Whether the verb takes the default backend where none is given.
    """
    backend, name, device = (None, None, None) if are_defaults_left_out else _MODEL
    model = parser.add_argument_group('model')
    usual = f' ({_MODEL[0]})' if is_backend_needed else ''
    model.add_argument(
        '--backend', default=backend, metavar='NAME', help=f'see vlm-ros backends{usual}'
    )
    model.add_argument(
        '--model', default=name, metavar='NAME', help="which of the backend's models"
    )
    model.add_argument(
        '--device', default=device, help=f'auto, cpu, cuda, cuda:N or mps ({_MODEL[2]})'
    )
    model.add_argument(
        '--option',
        type=text,
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help="a setting of the backend's own, such as dtype=float32; may be given several times",
    )
    return model


def add_score_threshold(parser: argparse._ActionsContainer) -> None:
    """Declare `--score-threshold`."""
    parser.add_argument(
        '--score-threshold',
        type=fraction,
        metavar='SCORE',
        help="leave out what scores less, 0 to 1 (the model's own)",
    )


def text(argument: str) -> str:
    """Return what is to be given to a model, for `add_argument(type=...)`."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        # A locale such as C keeps the bytes of other letters as they came; they are UTF-8 still.
        try:
            return os.fsencode(argument).decode()
        except UnicodeError as error:
            raise argparse.ArgumentTypeError('the text is not UTF-8') from error
    return argument


def positive(text: str) -> int:
    """Return a whole number from 1 on, for `add_argument(type=...)`."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 1 on')
    return number


def fraction(text: str) -> float:
    """Return a number from 0 to 1, for `add_argument(type=...)`."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 to 1')
    return number


def number(text: str) -> float:
    """Return a number that is not negative, for `add_argument(type=...)`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a number from 0 on')
    return value
