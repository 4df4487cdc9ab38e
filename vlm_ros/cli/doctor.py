"""Say what this machine can run, and how to mend what it cannot."""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument('--json', action='store_true', help='one JSON object a finding')


def main(args: argparse.Namespace) -> int:
    """Print a line a finding; return 3 where something that is installed does not work."""
    from dataclasses import asdict
    import json

    from rich.console import Console
    from rich.text import Text

    from vlm_ros.backends.doctor import examine, State
    from vlm_ros.cli.exits import Exit

    findings = examine()
    is_broken = any(finding.state is State.BROKEN for finding in findings)
    if args.json:
        for finding in findings:
            print(json.dumps(asdict(finding)))
        return Exit.FAILED if is_broken else Exit.OK
    console = Console(highlight=False, soft_wrap=True)
    marks = {
        State.GOOD: ('ok', 'green'),
        State.LIMITED: ('--', 'yellow'),
        State.BROKEN: ('!!', 'red'),
    }
    width = max(len(finding.subject) for finding in findings)
    group = ''
    for finding in findings:
        if finding.group != group:
            group = finding.group
            console.print(f'\n{group}' if finding is not findings[0] else group, style='bold')
        mark, style = marks[finding.state]
        console.print(
            Text.assemble('  ', (mark, style), f'  {finding.subject:{width}}  {finding.text}')
        )
        if finding.mend:
            console.print(f'      {"":{width}}  -> {finding.mend}')
    return Exit.FAILED if is_broken else Exit.OK
