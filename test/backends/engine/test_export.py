import shutil

import pytest
import torch

from vlm_ros.backends.engine import export
from vlm_ros.backends.engine.export import run_in
from vlm_ros.errors import BackendError

EXAMPLE = torch.zeros(1, 3, 8, 8)


class Tower(torch.nn.Module):
    def __init__(self, gain=1.0):
        super().__init__()
        torch.manual_seed(7)
        self.mix = torch.nn.Conv2d(3, 4, 4, stride=4)
        self.gain = gain

    def forward(self, pixels):
        mixed = self.mix(pixels).flatten(2)
        return mixed * self.gain, mixed.mean(-1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    return tmp_path / 'exported'


def run(runtime, module, revision='1'):
    return run_in(runtime, module, EXAMPLE, ('a', 'b'), name='org/tower', revision=revision)


@pytest.mark.parametrize('runtime', export.RUNTIMES)
def test_all_runtimes_compute_the_same(runtime):
    module, noise = Tower(), torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        for expected, got in zip(module(noise), run(runtime, module)(noise), strict=True):
            torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('runtime', ['onnx', 'openvino'])
def test_what_was_exported_once_is_kept_by_revision(runtime, cache):
    run(runtime, Tower())
    noise = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        # Another network under the same revision: the kept one is run, so it was not exported.
        kept = run(runtime, Tower(gain=3.0))(noise)[0]
        torch.testing.assert_close(kept, Tower()(noise)[0], atol=1e-5, rtol=1e-5)
        newer = run(runtime, Tower(gain=3.0), revision='2')(noise)[0]
        torch.testing.assert_close(newer, Tower(gain=3.0)(noise)[0], atol=1e-5, rtol=1e-5)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize('runtime', ['onnx', 'openvino'])
def test_what_computes_something_else_is_refused_and_not_kept(runtime, cache, monkeypatch):
    real = export._export
    monkeypatch.setattr(
        export, '_export', lambda kind, module, *rest: real(kind, Tower(gain=1.1), *rest)
    )
    with pytest.raises(BackendError, match=r'computes something else .*runtime=torch'):
        run(runtime, Tower())
    assert list(cache.iterdir()) == []


def test_what_cannot_be_exported_says_what_to_do(cache):
    class Impossible(torch.nn.Module):
        def forward(self, pixels):
            raise RuntimeError('no\nway')

    with pytest.raises(BackendError, match=r'tower cannot be run in openvino: .*=torch'):
        run('openvino', Impossible())
    assert list(cache.iterdir()) == []


def test_a_disk_without_room_is_named(cache, monkeypatch):
    usage = shutil.disk_usage(cache.parent)._replace(free=100)
    monkeypatch.setattr(export.shutil, 'disk_usage', lambda folder: usage)
    with pytest.raises(BackendError, match=r'no room in .*exported, .* set VLM_ROS_CACHE'):
        run('openvino', Tower())


def test_a_cache_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path / 'file'))
    with pytest.raises(BackendError, match=r'cannot be written \(Not a directory\); set VLM_ROS'):
        run('openvino', Tower())


def test_a_library_that_is_missing_is_named(monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'onnxscript'", name='onnxscript')

    monkeypatch.setattr(export, '_export', missing)
    with pytest.raises(BackendError, match="needs 'onnxscript'; run: pip install onnxscript"):
        run('onnx', Tower())
