"""Find things by name: boxes with labels and scores."""

import argparse
from typing import Any

from vlm_ros.cli.options import add_score_threshold, add_source_arguments, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_source_arguments(parser)
    parser.add_argument(
        '--vocabulary',
        type=text,
        required=True,
        metavar='NAMES',
        help="what to look for, with commas between: 'person, dog'",
    )
    add_score_threshold(parser)


def main(args: argparse.Namespace) -> int:
    """Look for the vocabulary in every image; return the exit status."""
    from vlm_ros.cli.findings import Finding
    from vlm_ros.cli.looking import Look, look_at_sources
    from vlm_ros.phrases import Vocabulary
    from vlm_ros.tasks import Image

    vocabulary = Vocabulary.parse(args.vocabulary)

    def prepare(model: Any) -> Look:
        def look(image: Image) -> Finding:
            found = model.detect(image, vocabulary, score_threshold=args.score_threshold)
            return Finding(
                found.status, found.message, found, vocabulary_id=vocabulary.vocabulary_id
            )

        return look

    return look_at_sources(args, ('detect',), prepare)
