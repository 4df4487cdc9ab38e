"""Find what each phrase of a text names."""

import argparse
from typing import Any

from vlm_ros.cli.options import add_score_threshold, add_source_arguments, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_source_arguments(parser)
    parser.add_argument(
        '--text', type=text, required=True, help="a phrase or a sentence: 'a cat on a red chair'"
    )
    add_score_threshold(parser)


def main(args: argparse.Namespace) -> int:
    """Ground the text in every image; return the exit status."""
    from vlm_ros.cli.findings import Finding
    from vlm_ros.cli.looking import Look, look_at_sources
    from vlm_ros.phrases import check_text
    from vlm_ros.results import PhraseGroundings
    from vlm_ros.tasks import Image

    check_text(args.text, 'text')

    def prepare(model: Any) -> Look:
        def look(image: Image) -> Finding:
            found: PhraseGroundings = model.ground(
                image, args.text, score_threshold=args.score_threshold
            )
            return Finding(
                found.status,
                _message(found),
                found.detections,
                fields={'text': found.text, 'groundings': _groundings(found)},
            )

        return look

    return look_at_sources(args, ('ground',), prepare)


def _message(found: Any) -> str:
    absent = [grounding.phrase for grounding in found.groundings if not grounding.detections]
    nowhere = f'not found: {", ".join(absent)}' if absent else ''
    return '; '.join(filter(None, [nowhere, found.message]))


def _groundings(found: Any) -> list[dict[str, Any]]:
    return [
        {
            'phrase': grounding.phrase,
            'span': list(grounding.span),
            'detections': list(grounding.detections),
            'scores': [round(float(score), 4) for score in grounding.scores],
        }
        for grounding in found.groundings
    ]
