"""Answer a question about images, or say why there is no answer."""

import argparse
from typing import Any

from vlm_ros.cli.options import add_source_arguments, text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_source_arguments(parser)
    parser.add_argument('--question', type=text, required=True, help="such as 'is the door open?'")
    parser.add_argument(
        '--choices',
        type=text,
        default='',
        metavar='ANSWERS',
        help="the answers to choose from: 'open, shut'",
    )
    parser.add_argument(
        '--require-evidence',
        action=argparse.BooleanOptionalAction,
        default=True,
        help="no answer without a box that supports it, or with 'no-' the model's own word",
    )


def main(args: argparse.Namespace) -> int:
    """Ask the question about every image; return the exit status."""
    from vlm_ros.cli.findings import Finding
    from vlm_ros.cli.looking import Look, look_at_sources
    from vlm_ros.grounded import GroundedAnswerer
    from vlm_ros.phrases import check_text
    from vlm_ros.tasks import Image, tasks_of

    check_text(args.question, 'question')
    choices = tuple(choice.strip() for choice in args.choices.split(',') if choice.strip())

    def prepare(model: Any) -> Look:
        able = tasks_of(model)
        answerer = GroundedAnswerer(
            model if 'detect' in able else None, model if 'answer' in able else None
        )

        def look(image: Image) -> Finding:
            answer = answerer.answer(
                image,
                args.question,
                choices=choices,
                require_evidence=args.require_evidence,
            )
            text = f'{answer.text} ({answer.confidence:.2f})' if answer.text else ''
            return Finding(
                answer.status,
                answer.message,
                answer.evidence,
                answer=f'{args.question} {text}'.strip(),
                fields={
                    'question': args.question,
                    'answer': answer.text,
                    'confidence': round(float(answer.confidence), 4),
                },
            )

        return look

    return look_at_sources(args, ('detect', 'answer'), prepare)
