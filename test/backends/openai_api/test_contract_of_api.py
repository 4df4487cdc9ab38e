"""What every backend promises, of this one: on `transformers serve`."""

import pytest
from test_contract import *  # noqa: F403

from vlm_ros import backends


@pytest.fixture(scope='module')
def options(served):
    return lambda name: served


@pytest.fixture
def name():
    return 'openai_api'


@pytest.fixture(scope='module')
def loaded(served):
    model = backends.load('openai_api', **served)
    yield lambda name: model
    model.close()
