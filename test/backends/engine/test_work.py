import pytest
import tiny
import torch

from vlm_ros import backends
from vlm_ros.backends.engine.recent import Recent
from vlm_ros.errors import DeadlineExceeded, ModelError, OutOfMemory
from vlm_ros.phrases import Vocabulary
from vlm_ros.tasks import ReleasesMemory, Ticket

CATS = Vocabulary(('cat',))


@pytest.fixture
def model(tmp_path):
    return backends.load('owl', **tiny.save('owl', tmp_path / 'owl'))


@pytest.mark.parametrize(
    ('error', 'kind', 'message'),
    [
        (RuntimeError('mat1 and mat2\nshapes'), ModelError, 'failed: mat1 and mat2 shapes'),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), OutOfMemory, 'on the CPU'),
        (MemoryError(), OutOfMemory, 'ran out of memory on cpu'),
        (torch.OutOfMemoryError('CUDA out of memory'), OutOfMemory, 'ran out of memory'),
        (KeyError('x'), ModelError, "failed: 'x'"),
        (DeadlineExceeded('late'), DeadlineExceeded, 'late'),
    ],
    ids=repr,
)
def test_every_failure_is_one_of_ours_and_the_model_lives_on(
    model, photos, monkeypatch, error, kind, message
):
    def fail(pixels):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(model, '_vision', fail)
        with pytest.raises(kind, match=message):
            model.detect(photos['coffee'], CATS)
    model.detect(photos['coffee'], CATS)


def test_memory_is_given_back_and_the_model_goes_on(model, photos):
    before = model.detect(photos['coffee'], CATS)
    assert isinstance(model, ReleasesMemory)
    model.release_memory()
    assert repr(model.detect(photos['coffee'], CATS)) == repr(before)


def test_closing_frees_the_weights(model):
    import gc
    import weakref

    weights = weakref.ref(model._model)
    model.close()
    gc.collect()
    assert weights() is None


def test_no_gradients_are_kept(model, photos):
    model.detect(photos['coffee'], CATS, ticket=Ticket(60))
    assert not model._texts.get(CATS.vocabulary_id, None).places.requires_grad


def test_the_most_recent_are_kept():
    made = []
    recent = Recent(2)

    def get(key):
        return recent.get(key, lambda: made.append(key) or key)

    for key in 'abacab':
        assert get(key) == key
    assert made == ['a', 'b', 'c', 'b']
    recent.clear()
    get('a')
    assert made[-1] == 'a'
    assert len(made) == 5


def test_what_fails_is_not_kept():
    recent = Recent(2)
    with pytest.raises(ZeroDivisionError):
        recent.get('a', lambda: 1 // 0)
    assert recent.get('a', lambda: 1) == 1
