"""Freed models leave, and the collector has little to look at while one is in use."""

import gc
import weakref

from vlm_ros.backends.fake import FakeBackend
from vlm_ros.runtime.memory import collect_garbage, free_models


class Cyclic(FakeBackend):
    """A model that holds itself, as those of torch do through their hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.itself = self


def test_what_is_alive_is_spared_by_later_collections():
    model = Cyclic()
    collect_garbage()
    assert gc.get_freeze_count() > 0
    assert not any(known is model for known in gc.get_objects())


def test_a_model_that_holds_itself_is_freed_after_it_was_spared():
    models = [Cyclic()]
    gone = weakref.ref(models[0])
    collect_garbage()
    free_models(models)
    assert gone() is None
