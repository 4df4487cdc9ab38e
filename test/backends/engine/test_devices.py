import pytest
import torch

from vlm_ros.backends.engine import devices
from vlm_ros.backends.engine.devices import choose_device, choose_dtype
from vlm_ros.errors import BackendError, DeviceError

CPU = torch.device('cpu')


def test_cpu_is_always_there():
    assert choose_device('cpu') == CPU
    assert choose_device('auto').type in ('cpu', 'cuda', 'mps')


@pytest.mark.parametrize(
    ('chosen', 'device'), [('auto', 'cuda:0'), ('cuda', 'cuda:0'), ('cuda:1', 'cuda:1')]
)
def test_devices_that_are_there(monkeypatch, chosen, device):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert choose_device(chosen) == torch.device(device)


@pytest.mark.parametrize(
    ('count', 'chosen', 'message'),
    [
        (1, 'cuda:1', "no device 'cuda:1' here, only 1 of them; use cpu"),
        (0, 'cuda', "no device 'cuda' here, .*; use cpu"),
        (0, 'mps', "no device 'mps' here; use cpu"),
        (1, 'cuda:256', "no device 'cuda:256' here, only 1 of them; use cpu"),
    ],
)
def test_devices_that_are_not_there(monkeypatch, count, chosen, message):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: bool(count))
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    with pytest.raises(DeviceError, match=message):
        choose_device(chosen)


@pytest.mark.parametrize(
    ('capabilities', 'dtype'),
    [
        ({'avx512_bf16': True}, torch.bfloat16),
        ({'amx_bf16': True}, torch.bfloat16),
        ({'avx512_bf16': False, 'avx512_f': True}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_a_processor_gets_bfloat16_only_where_it_has_it(monkeypatch, capabilities, dtype):
    monkeypatch.setattr(torch.cpu, 'get_capabilities', lambda: capabilities, raising=False)
    assert choose_dtype('auto', CPU) == dtype


@pytest.mark.parametrize(
    ('capability', 'dtype'),
    [((7, 5), torch.float16), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)],
)
def test_a_gpu_gets_what_its_generation_has(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: capability)
    assert choose_dtype('auto', torch.device('cuda:0')) == dtype


def test_a_dtype_that_is_asked_for_is_taken():
    assert choose_dtype('float32', torch.device('cuda:0')) == torch.float32
    with pytest.raises(BackendError, match="'half' is unknown"):
        choose_dtype('half', CPU)


def test_free_memory_is_that_of_the_machine():
    assert 1e6 < devices.free_memory_bytes(CPU) < 1e15
