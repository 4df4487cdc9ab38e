"""Freed models leave, and the collector has little to look at while one is in use."""

import gc
import weakref

import pytest

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.runtime.memory import free_models, spare_the_living


@pytest.fixture(autouse=True)
def quick_collections():
    """Collect as a node does."""


class Cyclic(FakeBackend):
    """A model that holds itself, as those of torch do through their hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self


def test_what_is_alive_is_spared_by_later_collections():
    model = Cyclic()
    spare_the_living()
    assert gc.get_freeze_count() > 0
    assert not any(known is model for known in gc.get_objects())


def test_a_model_that_holds_itself_is_freed_after_it_was_spared():
    models = [Cyclic()]
    gone = weakref.ref(models[0])
    spare_the_living()
    free_models(models)
    assert gone() is None
