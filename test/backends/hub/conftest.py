"""A cache, a lock file and a hub of each test's own."""

from hub_server import Hub
from huggingface_hub import close_session, constants
import pytest

from vlm_ros.backends.hub import remote


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


@pytest.fixture
def hub(monkeypatch):
    """A hub that the real client asks."""
    with Hub() as server:
        # The client reads HF_ENDPOINT when it is imported.
        monkeypatch.setattr(constants, 'ENDPOINT', server.address)
        template = f'{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}'
        monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE', template)
        monkeypatch.setattr(constants, 'HF_HUB_DOWNLOAD_TIMEOUT', 5)
        monkeypatch.setattr(remote, 'PAUSE_S', 0.0)
        monkeypatch.delenv('HF_TOKEN', raising=False)
        yield server
        close_session()
