"""Which files of a model's repository are needed: no pickles, no second copy of the weights."""

from collections.abc import Iterable
import json
from pathlib import Path
import re

from vlm_ros.errors import WeightsError

_SUFFIXES = ('.json', '.txt', '.jinja', '.model')
"""Configurations, vocabularies and merges, chat templates, sentencepiece."""
_LEGAL = re.compile(r'(LICENSE|LICENCE|NOTICE|COPYING|USE_POLICY)[\w.-]*', re.IGNORECASE)
"""A bundle hands the weights on, which most licences allow together with their text only."""
_TEMPLATES = re.compile(r'additional_chat_templates/[^/]+\.jinja')
_SHARD = re.compile(r'model-\d{5}-of-(\d{5})\.safetensors')


class UnusableRepository(WeightsError):  # noqa: N818 - what it is, to be told of a model
    """A repository's files do not make a model; the message is to follow the model's id."""


OPEN_CLIP_WEIGHTS = 'open_clip_model.safetensors'
WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
_INDEX_SUFFIX = '.index.json'


def needed(names: Iterable[str], backend: str = '') -> tuple[str, ...]:
    """Choose the files to load a model from, in order, the small ones first.

    Folders are left out, as they hold the same model for other runtimes, and so are pickles.

    Args:
        names: Every file of the repository.
        backend: Which library loads it; empty where that is not known.

    Raises:
        UnusableRepository: There are no safetensors, or not all of their parts.
    """
    root = {name for name in names if '/' not in name}
    templates = {name for name in names if _TEMPLATES.fullmatch(name)}
    weights = _weights(root, backend)
    small = {
        name
        for name in root
        if _LEGAL.fullmatch(name)
        or (name.endswith(_SUFFIXES) and not name.endswith(_INDEX_SUFFIX))
    }
    index = {INDEX} if INDEX in root and WEIGHTS not in weights else set()
    if backend == 'open_clip':
        index = set()
    return (*sorted(small | templates | index), *sorted(weights))


def require_shards(folder: Path, names: Iterable[str]) -> None:
    """Check that every file which the index of sharded weights speaks of is among the names.

    Raises:
        UnusableRepository: One is missing, or the index is damaged.
    """
    if INDEX not in (names := set(names)):
        return
    try:
        found = json.loads((folder / INDEX).read_bytes())
        spoken_of = set(found['weight_map'].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UnusableRepository(f'has a damaged {INDEX}') from error
    if lacking := sorted(str(name) for name in spoken_of - names):
        raise UnusableRepository(f'lacks {lacking[0]}, which its {INDEX} speaks of')


def _weights(root: set[str], backend: str) -> set[str]:
    if backend == 'open_clip' and OPEN_CLIP_WEIGHTS in root:
        return {OPEN_CLIP_WEIGHTS}
    if WEIGHTS in root:
        # Where the owner has not named the backend, both libraries' files are of use.
        also = {OPEN_CLIP_WEIGHTS} & root if not backend else set()
        return {WEIGHTS} | also
    shards = {name for name in root if _SHARD.fullmatch(name)}
    if shards and INDEX in root:
        announced = {int(_SHARD.sub(r'\1', name)) for name in shards}
        if announced != {len(shards)}:
            parts = f'{len(shards)} of {max(announced)} parts'
            raise UnusableRepository(f'has {parts} of its weights')
        return shards
    if not backend and OPEN_CLIP_WEIGHTS in root:
        return {OPEN_CLIP_WEIGHTS}
    pickles = sorted(name for name in root if name.endswith(('.bin', '.pt', '.pth', '.ckpt')))
    only = f' (only {pickles[0]}, which could run code when it is loaded)' if pickles else ''
    raise UnusableRepository(f'has no safetensors weights{only}')
