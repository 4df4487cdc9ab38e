"""The published models that the backends are made for, with what is known of each.

Facts only, and no model library: which model, how large, under which licence, for which tasks.
The first card of a backend is the model it loads when none is named.
"""

from vlm_ros.backends.catalogue.card import memory_to_run_mb, ModelCard
from vlm_ros.backends.catalogue.chat import CHAT
from vlm_ros.backends.catalogue.detectors import DETECTORS
from vlm_ros.backends.catalogue.fusion import FUSION
from vlm_ros.backends.catalogue.generators import GENERATORS
from vlm_ros.backends.catalogue.segmenters import SEGMENTERS
from vlm_ros.backends.catalogue.two_towers import TWO_TOWERS

__all__ = ['CATALOGUE', 'ModelCard', 'find', 'memory_to_run_mb', 'of_backend']

CATALOGUE: tuple[ModelCard, ...] = (
    *DETECTORS,
    *TWO_TOWERS,
    *FUSION,
    *GENERATORS,
    *CHAT,
    *SEGMENTERS,
)


def find(model_id: str) -> ModelCard | None:
    """Return the card of a model, or None where the catalogue has none."""
    return next((card for card in CATALOGUE if card.model_id == model_id), None)


def of_backend(backend: str) -> tuple[ModelCard, ...]:
    """Return the cards of a backend, its default model first."""
    return tuple(card for card in CATALOGUE if card.backend == backend)
