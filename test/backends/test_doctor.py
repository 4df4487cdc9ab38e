"""What the doctor says of machines that lack something."""

import fcntl
from importlib.metadata import PackageNotFoundError
import importlib.util
import json
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
import torch

from vlm_ros.backends import doctor
from vlm_ros.backends.doctor import libraries, machine, ros, State, weights


def find(findings, subject):
    found = [finding for finding in findings if finding.subject == subject]
    assert len(found) == 1, [finding.subject for finding in findings]
    return found[0]


def test_every_finding_is_a_line_and_every_trouble_has_a_mend():
    findings = doctor.examine()
    assert {finding.group for finding in findings} == {'machine', 'libraries', 'ros', 'weights'}
    for finding in findings:
        assert '\n' not in finding.text + finding.mend
        assert finding.text
        assert bool(finding.mend) == (finding.state is not State.GOOD)


def test_this_machine_is_well():
    broken = [finding for finding in doctor.examine() if finding.state is State.BROKEN]
    assert broken == []


def test_a_processor_without_bfloat16(monkeypatch):
    monkeypatch.setattr('vlm_ros.backends.engine.devices.cpu_has_bfloat16', lambda: False)
    found = find(list(machine.examine_machine()), 'processor')
    assert found.state is State.LIMITED
    assert 'float32' in found.text


def test_little_memory(monkeypatch):
    memory = SimpleNamespace(available=1e9, total=4e9)
    monkeypatch.setattr(psutil, 'virtual_memory', lambda: memory)
    assert find(list(machine.examine_machine()), 'memory').state is State.LIMITED
    room = find(list(weights.examine_weights()), 'room')
    assert room.text.startswith('0 of ') or ' the largest' in room.text


def test_a_cache_that_may_not_be_written(monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', '/proc/vlm_ros')
    monkeypatch.setattr(machine.os, 'access', lambda *_: False)
    found = find(list(machine.examine_machine()), 'disk')
    assert found.state is State.BROKEN
    assert 'VLM_ROS_CACHE' in found.mend


def test_a_gpu_that_torch_cannot_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(machine.shutil, 'which', lambda name: f'/usr/bin/{name}')
    found = find(list(machine.examine_machine()), 'GPU')
    assert found.state is State.BROKEN
    assert 'nvidia-smi' in found.mend


@pytest.mark.parametrize(
    ('release', 'state'),
    [('5.3.9', State.BROKEN), ('5.4.0', State.GOOD), ('5.40', State.GOOD), ('6.0', State.BROKEN)],
)
def test_a_library_of_another_version(monkeypatch, release, state):
    real = libraries.version
    monkeypatch.setattr(
        libraries, 'version', lambda name: release if name == 'transformers' else real(name)
    )
    found = find(list(libraries.examine_libraries()), 'transformers')
    assert found.state is state
    if state is State.BROKEN:
        assert found.mend == "pip install 'transformers>=5.4,<6'"


def test_a_library_that_is_not_installed(monkeypatch):
    def version(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(libraries, 'version', version)
    findings = list(libraries.examine_libraries())
    assert {finding.state for finding in findings} == {State.LIMITED}
    assert find(findings, 'openai').mend == "pip install 'openai>=2,<4'"


def test_a_library_that_cannot_be_imported(monkeypatch):
    def broken(name):
        raise OSError('libgomp.so.1: cannot\nopen')

    monkeypatch.setattr(libraries.importlib, 'import_module', broken)
    found = find(list(libraries.examine_libraries()), 'onnxruntime')
    assert found.state is State.BROKEN
    assert 'libgomp.so.1: cannot open' in found.text


def test_a_machine_without_ros(monkeypatch):
    monkeypatch.setattr(ros, 'find_spec', lambda name: None)
    (found,) = ros.examine_ros()
    assert found.state is State.LIMITED
    assert 'source' in found.mend


def test_interfaces_that_were_not_built(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        ros, 'find_spec', lambda name: None if name == 'vlm_ros_interfaces' else real('json')
    )
    found = find(list(ros.examine_ros()), 'vlm_ros_interfaces')
    assert found.state is State.BROKEN
    assert 'colcon' in found.mend


@pytest.mark.parametrize(
    ('profile', 'middleware', 'state'),
    [
        ('', 'rmw_fastrtps_cpp', State.LIMITED),
        ('/no/such.xml', 'rmw_fastrtps_cpp', State.BROKEN),
        (__file__, 'rmw_fastrtps_cpp', State.GOOD),
        ('', 'rmw_zenoh_cpp', State.GOOD),
    ],
)
def test_the_transport_for_large_images(monkeypatch, profile, middleware, state):
    monkeypatch.setattr(ros, 'find_spec', lambda name: object())
    for name in ros.PROFILES:
        monkeypatch.setenv(name, profile)
    monkeypatch.setenv('RMW_IMPLEMENTATION', middleware)
    assert find(list(ros.examine_ros()), 'transport').state is state


def test_shared_memory_of_killed_nodes(monkeypatch, tmp_path):
    def segment(name, size):
        with (tmp_path / name).open('wb') as stream:
            stream.truncate(size)  # takes no room on the disk
        return (tmp_path / f'{name}_el').open('wb')

    segment('fastrtps_0123456789abcdef', 300 * 2**20).close()
    segment('somebody_else', 2**30).close()
    with segment('fastdds_fedcba9876543210', 2**30) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert ros.left_in(tmp_path) == (300 * 2**20, 1)
    monkeypatch.setattr(ros, 'SHARED_MEMORY', tmp_path)
    found = {finding.subject: finding for finding in ros.examine_ros()}
    assert found['shared memory'].state is State.LIMITED
    assert 'fastdds shm clean' in found['shared memory'].mend
    (tmp_path / 'fastrtps_0123456789abcdef').unlink()
    (tmp_path / 'fastdds_fedcba9876543210').unlink()
    assert 'shared memory' not in {finding.subject for finding in ros.examine_ros()}


def test_weights_that_are_missing_and_a_damaged_lock(monkeypatch, tmp_path):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))
    findings = list(weights.examine_weights())
    assert find(findings, 'embedded').mend == 'vlm-ros fetch embedded'
    assert find(findings, 'models').state is State.LIMITED
    lock = tmp_path / 'lock.json'
    lock.write_text('{')
    monkeypatch.setenv('VLM_ROS_MODELS_LOCK', str(lock))
    assert find(list(weights.examine_weights()), 'lock file').state is State.BROKEN


def test_the_verb_prints_and_tells_by_its_status(tmp_path):
    import os

    def run(*args, **environment):
        return subprocess.run(
            [sys.executable, '-m', 'vlm_ros.cli', 'doctor', *args],
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
            env={**os.environ, **environment},
        )

    done = run('--json')
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert {'group', 'subject', 'state', 'text', 'mend'} == set(rows[0])
    lock = tmp_path / 'lock.json'
    lock.write_text('{')
    done = run(VLM_ROS_MODELS_LOCK=str(lock))
    assert done.returncode == 3
    assert '!!  lock file' in done.stdout
