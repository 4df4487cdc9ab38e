import numpy as np
from photographs import PHOTOGRAPHS
import pytest
import skimage.data
import tiny
import torch

from vlm_ros import backends

# Tiny networks gain nothing from threads, and lose much where other work has the cores.
torch.set_num_threads(1)


def load_photo(name: str) -> np.ndarray:
    photo = getattr(skimage.data, name)()
    if isinstance(photo, tuple):  # a stereo pair and its disparity
        photo = photo[0]
    photo = np.ascontiguousarray(photo)
    photo.flags.writeable = False
    return photo


@pytest.fixture(scope='session')
def photos():
    return {entry['photo']: load_photo(entry['photo']) for entry in PHOTOGRAPHS}


@pytest.fixture(scope='session')
def options(tmp_path_factory):
    """What `backends.load` needs besides the name: for a family, its tiny model."""
    saved = {}

    def get(name):
        if name not in saved and name in tiny.names():
            saved[name] = tiny.save(name, tmp_path_factory.mktemp('tiny') / name)
        return saved.get(name, {})

    return get


@pytest.fixture(scope='session')
def loaded(options):
    """Every backend, loaded once."""
    models = {}

    def get(name):
        if name not in models:
            models[name] = backends.load(name, **options(name))
        return models[name]

    yield get
    for model in models.values():
        model.close()


@pytest.fixture(scope='session')
def embedded(loaded):
    return loaded('embedded')
