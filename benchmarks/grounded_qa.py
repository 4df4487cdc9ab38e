"""How right grounded answers are. Run as `python -m benchmarks.grounded_qa [--json]`.

Scenes are made of cut-out photographs, so what is where is known exactly; questions, statements
and expressions about them are made with their true answers. Each is asked with the guard (what a
question takes for granted is looked for, what boxes cannot support is not said) and without it.
`docs/grounded-qa.md` says how, and what it means.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import math
import os

from rich.console import Console
from rich.table import Table

from benchmarks._answering import (
    Asked,
    Blind,
    Guarded,
    Guess,
    judged,
    Remembering,
    Reply,
    Unguarded,
)
from benchmarks._cutouts import BOXED, Cutout, cutouts, NAMED
from benchmarks._questions import (
    ABSENT,
    Asker,
    COLOUR,
    COUNT,
    EXISTENCE,
    LEFT_RIGHT,
    Query,
    TYPES,
)
from benchmarks._scenes import make_scene, Scene
from benchmarks._scoring import both_right, Outcome, Score, score, wilson
from benchmarks.reporting import Figure, parse, print_figures
from vlm_ros import backends
from vlm_ros.grounded import GroundedAnswerer
from vlm_ros.tasks import Detector

QUERIES = {'boxed': 1600, 'named': 600}
"""How many of a full run are about things of either kind."""
FIT_SEED = 1_000_000
"""Seeds from here on are for fitting; cut-outs that are shown there are never in a test."""
TARGETS = {EXISTENCE: 0.85, ABSENT: 0.95, COUNT: 0.7, LEFT_RIGHT: 0.8, COLOUR: 0.8}
"""Accuracies to reach, on things that the embedded backend's boxes were trained on. An absent
thing's question is right as `not in view` only."""


@dataclass(frozen=True)
class Contender:
    """One way to answer: with the guard and without."""

    name: str
    guarded: Asked
    unguarded: Asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--limit', type=int, default=0, help='so many queries in all')
    parser.add_argument('--backend', default='', help='ask this one, after embedded and blind')
    parser.add_argument('--model', default='', help='its model')
    parser.add_argument('--device', default='auto', help='its device')
    parser.add_argument('--failures', type=int, default=0, help='print so many wrong answers')
    parser.add_argument('--only', default='', help='one type of queries, such as colour')
    parser.add_argument('--seed', type=int, default=0, help='of the first scene')
    parser.add_argument('--calibrate', action='store_true', help='fit the curves of confidences')
    parser.add_argument('--no-cost', action='store_true', help="leave out the guard's own time")
    arguments = parse(parser)
    try:
        cutouts((*BOXED, *NAMED))
    except RuntimeError as error:
        parser.exit(1, f'{error}\n')
    if arguments.calibrate:
        from benchmarks._calibrating import calibrate

        calibrate(
            lambda fit: [
                row
                for group in QUERIES
                for row in shown(group, arguments.limit, arguments.seed, fit=fit)
            ]
        )
        return
    found = figures(arguments)
    if not arguments.json:  # the tables tell the rest
        found = (figure for figure in found if figure.is_met is not None)
    print_figures(found, as_json=arguments.json)


def figures(arguments: argparse.Namespace) -> Iterator[Figure]:
    """Ask everybody everything, yielding each figure as soon as it is known."""
    sets = {group: shown(group, arguments.limit, arguments.seed, fit=False) for group in QUERIES}
    for contender in contenders(arguments):
        for group, asked in sets.items():
            chosen = [(s, q) for s, q in asked if arguments.only in ('', q.type)]
            on = [ask(contender.guarded, scene, query) for scene, query in chosen]
            off = [ask(contender.unguarded, scene, query) for scene, query in chosen]
            outcomes = [outcome for outcome, _ in on], [outcome for outcome, _ in off]
            if not arguments.json:
                print_table(f'{contender.name}, {group} things', *outcomes)
                replies = [reply for _, reply in on]
                print_failures(chosen, outcomes[0], replies, arguments.failures)
            setting = f'{len(on)} queries on {group} things, 640x480, {os.cpu_count()} cores'
            prefix = f'grounded_qa.{contender.name}' + ('' if group == 'boxed' else f'.{group}')
            aimed = contender.name == 'embedded' and group == 'boxed'
            yield from scored(prefix, *outcomes, setting, aimed)
    if not arguments.no_cost and not arguments.only:
        from benchmarks._guard_cost import guard_cost

        yield from guard_cost()


def contenders(arguments: argparse.Namespace) -> Iterator[Contender]:
    """Make them one after the other."""
    detector = remembering(backends.load('embedded'))
    guarded = Guarded(GroundedAnswerer(detector))
    yield Contender('embedded', guarded, Guess(detector))
    blind = Blind()
    yield Contender('blind', Guarded(GroundedAnswerer(detector, blind)), Unguarded(blind))
    if arguments.backend:
        model = backends.load(arguments.backend, model=arguments.model, device=arguments.device)
        looks = remembering(model) if isinstance(model, Detector) else detector
        yield Contender(
            arguments.backend, Guarded(GroundedAnswerer(looks, model)), Unguarded(model)
        )


def remembering(detector: Detector) -> Remembering:
    """Let a detector look once at each scene."""
    return Remembering(detector, [[recipe.name for recipe in set_] for set_ in (BOXED, NAMED)])


def shown(group: str, limit: int, first: int, *, fit: bool) -> list[tuple[Scene, Query]]:
    """Make scenes and their queries until there are enough."""
    recipes = {'boxed': BOXED, 'named': NAMED}[group]
    chosen: list[Cutout] = [c for c in cutouts(recipes) if c.recipe.fit == fit]
    queries: list[tuple[Scene, Query]] = []
    seed = first + (FIT_SEED if fit else 0)
    while len(queries) < QUERIES[group]:
        scene = make_scene(seed, chosen)
        queries.extend((scene, query) for query in Asker(scene).queries())
        seed += 1
    # Fewer queries are taken from everywhere, so that they are of all types.
    return queries[:: max(1, sum(QUERIES.values()) // limit) if limit else 1]


def ask(asked: Asked, scene: Scene, query: Query) -> tuple[Outcome, Reply]:
    """Ask one query and hold the reply against the truth."""
    reply = asked.ask(scene.image, query)
    return judged(query, reply, scene), reply


def scored(
    prefix: str, on: Sequence[Outcome], off: Sequence[Outcome], setting: str, aimed: bool
) -> Iterator[Figure]:
    """Yield what was reached: with the guard, and as the baseline without."""
    for type_ in TYPES:
        mine, other = of_type(on, type_), of_type(off, type_)
        if not mine:
            continue
        with_guard, without = score(mine), score(other)
        low, high = with_guard.interval
        of = f'{len(mine)} queries, 95 % in {low:.2f}-{high:.2f}; {setting}'
        name = f'{prefix}.{type_.replace("/", "_")}'
        target = TARGETS.get(type_) if aimed else None
        yield Figure(name, with_guard.accuracy, 'right', of, without.accuracy, at_least=target)
        yield Figure(f'{name}.abstention', 1 - with_guard.coverage, 'of all', of)
        if not math.isnan(with_guard.false_alarms):
            base = without.false_alarms
            yield Figure(f'{name}.false_alarms', with_guard.false_alarms, 'of absent', of, base)
        if not math.isnan(with_guard.ece):
            base = None if math.isnan(without.ece) else without.ece
            yield Figure(f'{name}.ece', with_guard.ece, 'error', of, base)
    right, pairs = both_right(on)
    if pairs:
        low, high = wilson(right, pairs)
        of = f'{pairs} pairs, 95 % in {low:.2f}-{high:.2f}; {setting}'
        yield Figure(f'{prefix}.word_order', right / pairs, 'both', of, both_right(off)[0] / pairs)


def of_type(outcomes: Sequence[Outcome], type_: str) -> list[Outcome]:
    """Return the outcomes of one type."""
    return [outcome for outcome in outcomes if outcome.type == type_]


def print_table(title: str, on: Sequence[Outcome], off: Sequence[Outcome]) -> None:
    """Print what came of each type of queries, with the guard and without."""
    table = Table(title=title)
    for column in (
        'type', 'n', 'right', '95 %', 'abstained', 'right if answered', 'false alarms',
        'not in view', 'ECE', 'off: right', 'false alarms', 'ECE',
    ):  # fmt: skip
        table.add_column(column, justify='left' if column == 'type' else 'right')
    for type_ in (*TYPES, 'all'):
        mine = list(on) if type_ == 'all' else of_type(on, type_)
        if mine:
            without = score(list(off) if type_ == 'all' else of_type(off, type_))
            table.add_row(type_, *_cells(score(mine), without))
    (right, pairs), (other, _) = both_right(on), both_right(off)
    if pairs:
        table.caption = f'word order: both right in {right} of {pairs} pairs, guard off {other}'
    Console(width=140).print(table)


def _cells(on: Score, off: Score) -> list[str]:
    values = [1 - on.coverage, on.selective, on.false_alarms, on.not_in_view, on.ece]
    low, high = on.interval
    shares = [_share(value) for value in values]
    without = [_share(value) for value in (off.accuracy, off.false_alarms, off.ece)]
    return [str(on.count), _share(on.accuracy), f'{low:.2f}-{high:.2f}', *shares, *without]


def _share(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.3f}'


def print_failures(
    asked: Sequence[tuple[Scene, Query]],
    outcomes: Sequence[Outcome],
    replies: Sequence[Reply],
    most: int,
) -> None:
    """Print wrong answers, those of the most frequent kind first."""
    wrong = [
        (query, scene, reply)
        for (scene, query), outcome, reply in zip(asked, outcomes, replies, strict=True)
        if not outcome.right
    ]
    kinds = Counter((query.type, reply.status.name) for query, _, reply in wrong)
    wrong.sort(key=lambda row: -kinds[row[0].type, row[2].status.name])
    for query, scene, reply in wrong[:most]:
        there = ', '.join(f'{thing.colour} {thing.name}'.strip() for thing in scene.things)
        expected = query.expected or ('that one' if query.box is not None else 'NOT_IN_VIEW')
        said = reply.text or reply.status.name
        print(
            f'{query.type} | {query.text} | true: {expected} | said: {said} {reply.message}'
            f' | scene {scene.seed} ({scene.ground}): {there}'
        )


if __name__ == '__main__':
    main()
