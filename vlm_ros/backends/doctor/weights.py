"""Which models are on this machine, and which would fit."""

from collections.abc import Iterator
import os

import psutil

from vlm_ros.backends.catalogue import CATALOGUE
from vlm_ros.backends.doctor.finding import Finding, State
from vlm_ros.backends.embedded.assets import EMBEDDED_WEIGHTS
from vlm_ros.backends.hub.lock import read_lock
from vlm_ros.backends.hub.store import faults
from vlm_ros.backends.weights import is_present
from vlm_ros.errors import WeightsError

GROUP = 'weights'


def examine_weights() -> Iterator[Finding]:
    """Look at the embedded weights, the prefetched models, and what there is room for."""
    missing = [each.name for each in EMBEDDED_WEIGHTS if not is_present(each)]
    if missing:
        text = f'{len(missing)} of {len(EMBEDDED_WEIGHTS)} files are missing'
        yield Finding(GROUP, 'embedded', State.LIMITED, text, 'vlm-ros fetch embedded')
    else:
        yield Finding(GROUP, 'embedded', State.GOOD, f'all {len(EMBEDDED_WEIGHTS)} files')
    yield from _prefetched()
    yield _room()
    yield _network()


def _prefetched() -> Iterator[Finding]:
    try:
        locked = read_lock()
    except WeightsError as error:
        yield Finding(GROUP, 'lock file', State.BROKEN, str(error), 'see docs/weights.md')
        return
    if not locked:
        yield Finding(
            GROUP,
            'models',
            State.LIMITED,
            'none was prefetched: only embedded, fake and openai_api can be used',
            'vlm-ros models list, then vlm-ros models prefetch ID',
        )
    for model_id, model in locked.items():
        found = next(iter(faults(model_id, model)), None)
        if found is not None:
            mend = f'vlm-ros models prefetch {model_id}'
            yield Finding(GROUP, model_id, State.BROKEN, str(found), mend)
        else:
            text = f'{model.size_bytes / 1e6:.0f} MB'
            yield Finding(GROUP, model_id, State.GOOD, text)


def _room() -> Finding:
    free_mb = psutil.virtual_memory().available / 1e6
    known = [card for card in CATALOGUE if card.memory_mb is not None]
    fitting = [card for card in known if (card.memory_mb or 0.0) <= free_mb]
    text = f'{len(fitting)} of {len(known)} catalogued models fit into the free memory in float32'
    if not fitting:
        return Finding(GROUP, 'room', State.LIMITED, text, 'use embedded, or openai_api')
    largest = max(fitting, key=lambda card: card.memory_mb or 0.0)
    return Finding(GROUP, 'room', State.GOOD, f'{text}, {largest.model_id} the largest')


def _network() -> Finding:
    is_offline = os.environ.get('HF_HUB_OFFLINE', '').upper() in ('1', 'ON', 'YES', 'TRUE')
    text = 'HF_HUB_OFFLINE is set: nothing is fetched' if is_offline else 'used by prefetch only'
    return Finding(GROUP, 'network', State.GOOD, text)
