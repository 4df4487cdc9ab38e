from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the example, which stands in the documents without our mark."""
    for item in items:
        if item.path == HERE / 'test_crossing.py':
            item.add_marker('ros')
