"""What every test shares."""

import gc

import pytest


@pytest.fixture(autouse=True)
def quick_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the collector off what other tests left in this process.

    With all model libraries imported, as in no node, a full collection holds every thread up for
    half a second and more, and whatever closes a model asks for one.
    """
    gc.collect()
    gc.freeze()
    monkeypatch.setattr(gc, 'unfreeze', lambda: None)
