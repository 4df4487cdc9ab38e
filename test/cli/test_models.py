"""The verb `models`: the real process against a hub on this machine."""

import contextlib
import json
import os
from pathlib import Path
import pty
import signal
import subprocess
import sys
import time

import pytest

from vlm_ros.backends.catalogue import CATALOGUE
from vlm_ros.cli.main import main

sys.path.append(str(Path(__file__).parents[1] / 'backends' / 'hub'))

from hub_server import Hub

VLM_ROS = [sys.executable, '-m', 'vlm_ros.cli', 'models']
FREE = next(card for card in CATALOGUE if not card.terms and card.safetensors)
BOUND = next(card for card in CATALOGUE if card.terms and card.safetensors is not False)
ID = FREE.model_id
COMMIT = FREE.revision or 'c0ffee' * 6 + 'beef'
WEIGHTS = os.urandom(4_000_000)
FILES = {'config.json': b'{"model_type": "tiny"}', 'model.safetensors': WEIGHTS}


@pytest.fixture
def hub():
    with Hub() as server:
        server.add(ID, FILES, commit=COMMIT)
        yield server


@pytest.fixture
def machine(tmp_path, hub):
    """Return the environment of a machine of some name, whose cache is its own."""

    def environment(name='first', **more):
        kept = {key: value for key, value in os.environ.items() if not key.startswith('HF_')}
        return kept | {
            'HF_ENDPOINT': hub.address,
            'HF_HOME': str(tmp_path / name / 'hf'),
            'VLM_ROS_CACHE': str(tmp_path / name / 'vlm_ros'),
            **more,
        }

    return environment


def run(environment, *args):
    done = subprocess.run(
        [*VLM_ROS, *args],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 'Traceback' not in done.stderr
    return done


def said(done, status):
    """Return the one line of complaint of a process that ended as it should."""
    assert done.returncode == status, done.stderr
    [line] = done.stderr.splitlines()
    return line.removeprefix('vlm-ros: error: ')


def locate(environment):
    code = f'from vlm_ros.backends.hub import locate; print(locate({ID!r}).folder)'
    command = [sys.executable, '-c', code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_from_the_hub_to_a_robot_without_a_network(machine, hub, tmp_path):
    here = machine()
    done = run(here, 'prefetch', ID)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == f'{ID} at {COMMIT[:12]}, 4.1 MB: 2 files downloaded\n'
    asked = len(hub.requests)
    assert 'all here' in run(here, 'prefetch', ID).stdout
    assert run(here, 'verify').stdout == f'{ID} at {COMMIT[:12]}, 4.1 MB: ok\n'
    bundle = str(tmp_path / 'robot.tar')
    assert run(here, 'export', bundle, ID).returncode == 0
    assert len(hub.requests) == asked

    robot = machine('robot', HF_HUB_OFFLINE='1')
    assert 'HF_HUB_OFFLINE forbids to ask' in said(run(robot, 'prefetch', ID), 3)
    assert run(robot, 'import', bundle).stdout == f'{ID} at {COMMIT[:12]}, 4.1 MB: here\n'
    assert run(robot, 'prefetch', ID).returncode == 0
    folder = Path(locate(robot).stdout.strip())
    assert (folder / 'model.safetensors').read_bytes() == WEIGHTS
    assert len(hub.requests) == asked


def test_verify_names_what_is_wrong_and_prefetch_mends_it(machine):
    here = machine()
    run(here, 'prefetch', ID)
    weights = Path(locate(here).stdout.strip()) / 'model.safetensors'
    weights.write_bytes(b'X' + WEIGHTS[1:])
    done = run(here, 'verify', ID)
    assert f'run: vlm-ros models prefetch {ID}' in said(done, 3)
    assert '1 of 2 files not right' in done.stdout
    assert '  model.safetensors has been changed: its checksum differs' in done.stdout
    assert '1 file downloaded' in run(here, 'prefetch', ID).stdout
    assert run(here, 'verify', ID).returncode == 0


def test_verify_of_what_is_not_here(machine):
    assert run(machine(), 'verify').returncode == 0
    assert 'has not been prefetched' in said(run(machine(), 'verify', ID), 3)


@pytest.mark.parametrize('with_signal', [signal.SIGINT, signal.SIGKILL])
def test_an_ended_process_is_resumed(machine, hub, with_signal):
    # The connection stays open after some of the file, as on a network that stalls.
    def stall(handler):
        if '/cdn/' not in handler.path or 'Range' in handler.headers:
            return False
        handler.send_response(200)
        handler.send_header('Content-Length', str(len(WEIGHTS)))
        handler.end_headers()
        handler.wfile.write(WEIGHTS[:3_000_000])
        handler.wfile.flush()
        time.sleep(3)
        handler.close_connection = True
        return True

    hub.misbehave = stall
    here = machine()
    process = subprocess.Popen(
        [*VLM_ROS, 'prefetch', ID], env=here, stderr=subprocess.PIPE, text=True
    )
    blobs = Path(here['HF_HOME']) / 'hub'
    deadline_s = time.monotonic() + 30
    while not any(path.stat().st_size > 1_000_000 for path in blobs.rglob('*.incomplete')):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(with_signal)
    stderr = process.communicate(timeout=30)[1]
    if with_signal is signal.SIGINT:
        assert (process.returncode, stderr) == (130, 'vlm-ros: interrupted\n')
    assert 'has not been prefetched' in locate(here).stderr
    assert run(here, 'prefetch', ID).returncode == 0
    asked = int(hub.asked('/cdn/')[-1].headers['Range'].removeprefix('bytes=').rstrip('-'))
    assert 1_000_000 < asked <= 3_000_000
    assert run(here, 'verify').returncode == 0


def test_two_processes_at_once(machine, hub):
    here = machine()
    processes = [
        subprocess.Popen([*VLM_ROS, 'prefetch', ID], env=here, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert len(hub.asked('/cdn/')) == 1
    assert run(here, 'verify').returncode == 0


@pytest.mark.parametrize('quiet', [False, True])
def test_progress_is_for_terminals(machine, hub, quiet):
    def dawdle(handler):
        if '/cdn/' not in handler.path:
            return False
        handler.send_response(200)
        handler.send_header('Content-Length', str(len(WEIGHTS)))
        handler.end_headers()
        for start in range(0, len(WEIGHTS), 500_000):
            handler.wfile.write(WEIGHTS[start : start + 500_000])
            time.sleep(0.15)
        return True

    hub.misbehave = dawdle
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*VLM_ROS, 'prefetch', ID, *(['--quiet'] if quiet else [])],
        env=machine(TERM='xterm', COLUMNS='120'),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b''
    with contextlib.suppress(OSError):  # the terminal's end
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert b'2 files downloaded' in process.communicate(timeout=30)[0]
    assert process.returncode == 0
    assert (b'/4.' in shown and b'MB' in shown) == (not quiet)
    if quiet:
        assert shown == b''


def test_some_models_may_fail(machine, hub):
    done = run(machine(), 'prefetch', 'no/such-model', ID)
    assert "the catalogue has no model 'no/such-model'" in said(done, 3)
    assert ID in done.stdout


def test_terms(machine, hub):
    hub.add(BOUND.model_id, FILES, commit=BOUND.revision or COMMIT)
    here = machine()
    line = said(run(here, 'prefetch', BOUND.model_id), 3)
    assert BOUND.terms.rstrip('.') in line
    assert line.endswith(f'vlm-ros models prefetch {BOUND.model_id} --accept-terms')
    assert run(here, 'prefetch', BOUND.model_id, '--accept-terms').returncode == 0


def test_a_damaged_lock(machine, tmp_path):
    lock = tmp_path / 'team.json'
    lock.write_text('{"format": 1')
    here = machine(VLM_ROS_MODELS_LOCK=str(lock))
    for args in (['prefetch', ID], ['verify'], ['list'], ['export', 'x.tar', ID]):
        assert f'the lock file {lock} is damaged' in said(run(here, *args), 3)
    assert lock.read_text() == '{"format": 1'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('VLM_ROS_CACHE', str(tmp_path))


def rows(capsys):
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ['MODEL', 'BACKEND', 'TASKS', 'PARAMETERS', 'MEMORY', 'WEIGHTS', 'HERE']
    return [line.split()[0] for line in lines if not line.startswith('*')]


def test_list_shows_the_catalogue(cache, capsys):
    assert main(['models', 'list']) == 0
    assert rows(capsys) == [card.model_id for card in CATALOGUE]


def test_list_names_the_terms(cache, capsys):
    assert main(['models', 'list', '--backend', BOUND.backend]) == 0
    assert f'* {BOUND.model_id}: {BOUND.terms}\n' in capsys.readouterr().out


def test_list_chooses(cache, capsys):
    assert main(['models', 'list', '--backend', FREE.backend, '--task', FREE.tasks[0]]) == 0
    chosen = [
        c.model_id for c in CATALOGUE if c.backend == FREE.backend and FREE.tasks[0] in c.tasks
    ]
    assert rows(capsys) == chosen
    assert main(['models', 'list', '--prefetched']) == 0
    assert rows(capsys) == []


@pytest.mark.parametrize('option', ['--backend', '--task'])
def test_list_of_nothing_there_is(cache, capsys, option):
    assert main(['models', 'list', option, 'nonsense']) == 2
    err = capsys.readouterr().err
    assert "'nonsense'" in err
    assert {'--backend': FREE.backend, '--task': FREE.tasks[0]}[option] in err


def test_list_knows_what_is_here(machine, hub):
    hub.add('somebody/fine-tuned', FILES)
    here = machine()
    run(here, 'prefetch', ID)
    run(here, 'prefetch', 'somebody/fine-tuned', '--revision', 'main')
    found = [json.loads(line) for line in run(here, 'list', '--json').stdout.splitlines()]
    by_id = {model['model_id']: model for model in found}
    assert [name for name, model in by_id.items() if model['prefetched']] == [
        ID,
        'somebody/fine-tuned',
    ]
    assert by_id[ID]['locked_revision'] == COMMIT
    assert by_id[ID]['tasks'] == list(FREE.tasks)
    lines = run(here, 'list', '--prefetched').stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [ID, 'somebody/fine-tuned']


@pytest.mark.parametrize('action', ['prefetch', 'verify', 'list', 'export', 'import'])
def test_every_action_has_help(action, capsys):
    with pytest.raises(SystemExit) as ended:
        main(['models', action, '--help'])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f'usage: vlm-ros models {action} ')
    assert 'exit status:' in out
    assert max(map(len, out.splitlines())) < 100


@pytest.mark.parametrize('args', [[], ['prefetch'], ['export', 'x.tar'], ['import'], ['nonsense']])
def test_wrong_usage_is_one_line(args, capsys):
    with pytest.raises(SystemExit) as ended:
        main(['models', *args])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count('\n') == 1


def test_help_and_list_load_no_library_of_models():
    code = (
        'import sys\n'
        'from vlm_ros.cli.main import main\n'
        'try: main(["models", *sys.argv[1:]])\n'
        'except SystemExit: pass\n'
        "heavy = {'torch', 'transformers', 'httpx', 'httpx2', 'cv2', 'rich'} & set(sys.modules)\n"
        'sys.exit(", ".join(heavy) or 0)'
    )
    for args in (['--help'], ['prefetch', '--help'], ['list']):
        done = subprocess.run(
            [sys.executable, '-c', code, *args], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, '')
