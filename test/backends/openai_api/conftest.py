from api_servers.scripted import scripted_server
from api_servers.transformers_serve import transformers_serve
import numpy as np
import pytest

from vlm_ros import backends

OPTIONS = {'auth_variable': '', 'timeout_s': 5.0, 'rest_s': 0.2}


@pytest.fixture(scope='session')
def running_server():
    with scripted_server() as server:
        yield server


@pytest.fixture
def server(running_server):
    """A scripted server with an empty script."""
    running_server.reset()
    yield running_server
    running_server.reset()


@pytest.fixture
def load(server):
    """Loads the backend for the scripted server."""
    models = []

    def get(**options):
        models.append(
            backends.load('openai_api', **{**OPTIONS, 'base_url': server.url, **options})
        )
        return models[-1]

    yield get
    for model in models:
        model.close()


@pytest.fixture
def model(load):
    return load()


@pytest.fixture(scope='session')
def served(tmp_path_factory):
    """What to load the backend with for `transformers serve`."""
    with transformers_serve(tmp_path_factory.mktemp('transformers_serve')) as options:
        yield options


@pytest.fixture(scope='session')
def image():
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
