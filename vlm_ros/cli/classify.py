"""Say which of some names goes with each image as a whole: zero-shot classification."""

import argparse
from typing import Any

from vlm_ros.cli.options import add_source_arguments, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_source_arguments(parser)
    parser.add_argument(
        '--vocabulary',
        type=text,
        required=True,
        metavar='NAMES',
        help="what to choose from, with commas between: 'sunny, rainy, snow'",
    )


def main(args: argparse.Namespace) -> int:
    """Score the names for every image; return the exit status."""
    from vlm_ros.cli.findings import Finding
    from vlm_ros.cli.looking import Look, look_at_sources
    from vlm_ros.phrases import Vocabulary
    from vlm_ros.tasks import Image

    vocabulary = Vocabulary.parse(args.vocabulary)

    def prepare(model: Any) -> Look:
        def look(image: Image) -> Finding:
            found = model.classify(image, vocabulary)
            scores = dict(zip(found.labels, map(float, found.scores), strict=True))
            ranked = sorted(scores, key=scores.__getitem__, reverse=True)
            return Finding(
                found.status,
                answer=', '.join(f'{name} {scores[name]:.2f}' for name in ranked),
                fields={
                    'label': found.label,
                    'exclusive': found.exclusive,
                    'scores': {name: round(scores[name], 4) for name in ranked},
                },
                vocabulary_id=vocabulary.vocabulary_id,
            )

        return look

    return look_at_sources(args, ('classify',), prepare)
