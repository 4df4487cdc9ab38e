import pytest
from review_dataset import make_dataset


@pytest.fixture
def folder(tmp_path):
    """A dataset that waits for its reviewer."""
    return make_dataset(tmp_path / 'drive')
