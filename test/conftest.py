"""What every test shares."""

import gc
from pathlib import Path
import uuid

import pytest

HERE = Path(__file__).parent
# Real time passes in these: discovery, deadlines, ages, processes, a browser. On a machine that
# stands still for a second now and then one of them fails that says nothing about the code, so
# each has a second try, and the summary names those that took it. One that is named often is to
# be mended.
REAL_TIME = (
    HERE / 'nodes',
    HERE / 'runtime',
    HERE / 'backends' / 'openai_api',
    HERE / 'review',
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a second try where real time passes."""
    for item in items:
        if any(folder in item.path.parents for folder in REAL_TIME):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep off what this person keeps: pictures of things, and memories."""
    folder = tmp_path_factory.getbasetemp() / f'data-{uuid.uuid4().hex[:8]}'
    monkeypatch.setenv('VLM_ROS_DATA', str(folder))


@pytest.fixture(autouse=True)
def quick_collections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the collector off what other tests left in this process.

    With all model libraries imported, as in no node, a full collection holds every thread up for
    half a second and more, and whatever closes a model asks for one.
    """
    gc.collect()
    gc.freeze()
    monkeypatch.setattr(gc, 'unfreeze', lambda: None)
