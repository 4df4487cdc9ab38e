"""Describe images in a sentence."""

import argparse
from typing import Any

from vlm_ros.cli.options import add_source_arguments, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_source_arguments(parser)
    parser.add_argument(
        '--prompt',
        type=text,
        default='',
        help='what the description should be about, for models that listen',
    )


def main(args: argparse.Namespace) -> int:
    """Describe every image; return the exit status."""
    from vlm_ros.cli.findings import Finding
    from vlm_ros.cli.looking import Look, look_at_sources
    from vlm_ros.tasks import Image

    def prepare(model: Any) -> Look:
        def look(image: Image) -> Finding:
            caption = model.caption(image, prompt=args.prompt)
            fields = {'caption': caption.text, 'score': round(float(caption.score), 4)}
            return Finding(caption.status, caption.message, answer=caption.text, fields=fields)

        return look

    return look_at_sources(args, ('caption',), prepare)
