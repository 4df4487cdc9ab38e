"""Prefetch, verify, list and carry the weights of models, at settled commits."""

import argparse
from collections.abc import Iterable, Sequence, Set
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vlm_ros.backends.catalogue import ModelCard
    from vlm_ros.backends.hub.lock import LockedModel

_ABOUT = {
    'prefetch': 'Bring models to this machine, or what they lack of it; ask nobody if nothing.',
    'verify': 'Read every byte of prefetched models and name the files that are not right.',
    'list': 'List the models of the catalogue, and which of them are here.',
    'export': 'Write prefetched models into one file, for a robot without a network.',
    'import': 'Take models out of such a file, once every byte of it has been checked.',
}
_EPILOG = {
    'prefetch': """\
Which commit: the one in the lock file, else the catalogue's, else what main is now. From then on
the lock file (VLM_ROS_MODELS_LOCK, else models.lock.json in the cache folder) holds the commit and
the checksums; under version control, it gives a team the same bytes. The weights lie in the cache
of huggingface_hub (HF_HOME). An interrupted download goes on where it stopped. HF_TOKEN is for
gated models, HF_ENDPOINT for another hub, and HF_HUB_OFFLINE=1 forbids to ask any.
""",
    'list': """\
HERE says pickles where the hub has no safetensors at the settled commit: such are not loaded.
PARAMETERS are in 10^6; MEMORY is to run in float32 on a CPU.
""",
    'verify': """\
What is not right is replaced by: vlm-ros models prefetch ID
""",
}  # fmt: skip
_STATUS = """
exit status:
  0    done, and all is right
  2    wrong usage, or nothing of that name to list
  3    a model could not be had, is not whole or is not the locked one
  130  interrupted; what has come until then is kept and used by the next try
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's actions and their arguments."""
    parser.epilog = 'vlm-ros models ACTION --help says more about each'
    actions = parser.add_subparsers(dest='action', metavar='ACTION', required=True)
    of = {
        name: actions.add_parser(
            name,
            help=about.partition(';')[0].rstrip('.'),
            description=about,
            epilog=_EPILOG.get(name, '') + _STATUS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for name, about in _ABOUT.items()
    }
    _add_model_ids(of['prefetch'], '+')
    add = of['prefetch'].add_argument
    add('--accept-terms', action='store_true', help='accept the terms that list names (*)')
    add('--update', action='store_true', help="settle on the catalogue's commit, or main, anew")
    add('--revision', default='', metavar='COMMIT', help='settle on another commit, tag or branch')
    _add_model_ids(of['verify'], '*')
    add = of['list'].add_argument
    add('--backend', metavar='NAME', help='those of one backend')
    add('--task', metavar='NAME', help='those for one task')
    add('--prefetched', action='store_true', help='those that are here')
    add('--json', action='store_true', help='one JSON object a model')
    for name in ('export', 'import'):
        of[name].add_argument('file', type=Path, metavar='FILE.tar', help='the bundle')
    _add_model_ids(of['export'], '+')
    of['import'].add_argument(
        '--replace', action='store_true', help='follow the bundle where the lock file differs'
    )
    for name in ('prefetch', 'export', 'import'):
        of[name].add_argument('-q', '--quiet', action='store_true', help='no progress')


def main(args: argparse.Namespace) -> int:
    """Do what is asked of the weights; return the exit status."""
    actions = {
        'prefetch': _prefetch,
        'verify': _verify,
        'list': _list,
        'export': _export,
        'import': _import,
    }
    return actions[args.action](args)


def _add_model_ids(parser: argparse.ArgumentParser, count: str) -> None:
    about = 'such as google/owlvit-base-patch32; see vlm-ros models list'
    if count == '*':
        about += ' (all in the lock file)'
    parser.add_argument('model_ids', nargs=count, metavar='ID', help=about)


def _prefetch(args: argparse.Namespace) -> int:
    from vlm_ros.backends.hub.prefetch import prefetch, size_in_words
    from vlm_ros.cli.exits import complain, Exit
    from vlm_ros.cli.transfers import Transfer
    from vlm_ros.errors import WeightsError

    status = Exit.OK
    for model_id in dict.fromkeys(args.model_ids):
        try:
            with Transfer(model_id, quiet=args.quiet) as transfer:
                done = prefetch(
                    model_id,
                    revision=args.revision,
                    update=args.update,
                    accept_terms=args.accept_terms,
                    on_bytes=transfer,
                )
        except WeightsError as error:
            # The others may be had nevertheless.
            complain(str(error))
            status = Exit.FAILED
            continue
        files = f'{len(done.fetched)} file{"" if len(done.fetched) == 1 else "s"} downloaded'
        how = files if done.fetched else 'all here'
        size = size_in_words(done.size_bytes)
        print(f'{model_id} at {done.snapshot.revision[:12]}, {size}: {how}', flush=True)
    return status


def _verify(args: argparse.Namespace) -> int:
    from vlm_ros.backends.hub.lock import read_lock
    from vlm_ros.backends.hub.prefetch import size_in_words
    from vlm_ros.backends.hub.store import faults, missing_model
    from vlm_ros.cli.exits import complain, Exit

    lock = read_lock()
    status = Exit.OK
    for model_id in dict.fromkeys(args.model_ids or sorted(lock)):
        if model_id not in lock:
            complain(str(missing_model(model_id)))
            status = Exit.FAILED
            continue
        locked = lock[model_id]
        found = list(faults(model_id, locked, reread=True))
        state = f'{len(found)} of {len(locked.files)} files not right' if found else 'ok'
        where = f'{model_id} at {locked.revision[:12]}, {size_in_words(locked.size_bytes)}'
        print(f'{where}: {state}', flush=True)
        for fault in found:
            print(f'  {fault}', flush=True)
        if found:
            complain(f'{model_id} is not whole; run: vlm-ros models prefetch {model_id}')
            status = Exit.FAILED
    return status


def _export(args: argparse.Namespace) -> int:
    from vlm_ros.backends.hub.bundle import export_bundle
    from vlm_ros.cli.transfers import Transfer

    with Transfer(str(args.file), quiet=args.quiet) as transfer:
        models = export_bundle(args.file, args.model_ids, on_bytes=transfer)
    _print_bundle(models, f'in {args.file}')
    return 0


def _import(args: argparse.Namespace) -> int:
    from vlm_ros.backends.hub.bundle import import_bundle
    from vlm_ros.cli.transfers import Transfer

    with Transfer(str(args.file), quiet=args.quiet) as transfer:
        models = import_bundle(args.file, replace_locked=args.replace, on_bytes=transfer)
    _print_bundle(models, 'here')
    return 0


def _print_bundle(models: 'dict[str, LockedModel]', where: str) -> None:
    from vlm_ros.backends.hub.prefetch import size_in_words

    for model_id, model in models.items():
        print(f'{model_id} at {model.revision[:12]}, {size_in_words(model.size_bytes)}: {where}')


def _list(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from vlm_ros.backends.catalogue import CATALOGUE
    from vlm_ros.backends.hub.lock import read_lock
    from vlm_ros.backends.hub.store import models_here
    from vlm_ros.cli.exits import Exit

    lock, here = read_lock(), models_here()
    cards = _chosen(CATALOGUE, args.backend, args.task)
    if args.prefetched:
        cards = [card for card in cards if card.model_id in here]
    known = {card.model_id for card in CATALOGUE}
    own = [] if args.backend or args.task else sorted(set(lock) - known)
    own = [name for name in own if name in here or not args.prefetched]
    if not args.json:
        _print_table([*(_row(card, here) for card in cards), *(_own_row(n, here) for n in own)])
        for card in cards:
            if card.terms:
                print(f'* {card.model_id}: {card.terms}')
        return Exit.OK
    objects = [asdict(card) for card in cards] + [{'model_id': model_id} for model_id in own]
    for found in objects:
        locked = lock.get(found['model_id'])
        commit = {'locked_revision': locked.revision if locked is not None else ''}
        print(json.dumps(found | commit | {'prefetched': found['model_id'] in here}))
    return Exit.OK


def _chosen(
    cards: 'Iterable[ModelCard]', backend: str | None, task: str | None
) -> 'list[ModelCard]':
    from vlm_ros.errors import InputError

    cards = list(cards)
    backends = {card.backend for card in cards}
    tasks = {name for card in cards for name in card.tasks}
    for what, wanted, there in (('backend', backend, backends), ('task', task, tasks)):
        if wanted is not None and wanted not in there:
            raise InputError(
                f'the catalogue has no model for the {what} {wanted!r}; there are '
                f'{", ".join(sorted(there))}'
            )
    return [
        card
        for card in cards
        if backend in (None, card.backend) and (task is None or task in card.tasks)
    ]


def _row(card: 'ModelCard', here: Set[str]) -> tuple[str, ...]:
    return (
        card.model_id,
        card.backend,
        ', '.join(card.tasks),
        '-' if card.parameters_m is None else f'{card.parameters_m:.0f} M',
        '-' if card.memory_mb is None else f'{card.memory_mb / 1000:.1f} GB',
        card.weights_licence + (' *' if card.terms else ''),
        'yes' if card.model_id in here else 'pickles' if card.safetensors is False else 'no',
    )


def _own_row(model_id: str, here: Set[str]) -> tuple[str, ...]:
    return (model_id, '-', '-', '-', '-', '-', 'yes' if model_id in here else 'no')


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    head = ('MODEL', 'BACKEND', 'TASKS', 'PARAMETERS', 'MEMORY', 'WEIGHTS', 'HERE')
    table = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (f'{cell:{width}}' for cell, width in zip(row, widths, strict=True))
        print('  '.join(cells).rstrip())
