"""A cache and a lock file of each test's own."""

from huggingface_hub import constants
import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Return a function that goes to another machine: another cache and another lock file."""

    def use(name):
        monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path / name / 'vlm_ros'))
        monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / name / 'hub'))
        return tmp_path / name

    monkeypatch.delenv('VLM_ROS_MODELS_LOCK', raising=False)
    use('first')
    return use
