from pathlib import Path
import shutil

import pytest
from review_dataset import make_dataset

from vlm_ros.review import write_page


@pytest.fixture(scope='session')
def written(tmp_path_factory):
    """A dataset and its page, to be copied."""
    folder = make_dataset(tmp_path_factory.mktemp('written') / 'drive')
    write_page(folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A dataset that waits for its reviewer."""
    copy = shutil.ignore_patterns('review.html', '.*')
    return Path(shutil.copytree(written, tmp_path / 'drive', ignore=copy))
