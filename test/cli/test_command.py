"""The command `vlm-ros` itself: help, usage, and the real process with its signals and pipes."""

import json
import os
from pathlib import Path
import pty
import re
import signal
import subprocess
import sys
import threading
import time

import cv2
import pytest

from vlm_ros import cli
from vlm_ros.cli.main import _about, main, VERBS

VLM_ROS = [sys.executable, '-m', 'vlm_ros.cli']


def run(*args, **kwargs):
    return subprocess.run(
        [*VLM_ROS, *args], capture_output=True, text=True, timeout=60, check=False, **kwargs
    )


def test_help_names_every_verb_and_status():
    result = run('--help')
    assert (result.returncode, result.stderr) == (0, '')
    for verb in VERBS:
        assert re.search(rf'^    {verb}\s', result.stdout, re.MULTILINE)
        assert _about(verb).split()[0] in result.stdout
    for status in ('0', '1', '2', '3', '130'):
        assert f'\n  {status} ' in result.stdout


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        'import sys, vlm_ros.cli.main as m\n'
        'try: m.main(sys.argv[1:])\n'
        'except SystemExit: pass\n'
        "heavy = {'numpy', 'cv2', 'torch', 'supervision', 'rich', 'PIL'} & set(sys.modules)\n"
        'sys.exit(", ".join(heavy) or 0)'
    )
    for args in (['--help'], ['detect', '--help'], ['ask', '--help'], ['backends', '--help']):
        result = subprocess.run(
            [sys.executable, '-c', code, *args], capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stderr) == (0, '')


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([verb, '--help'])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f'usage: vlm-ros {verb} ')
    assert _about(verb) in ' '.join(out.split())


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (['detct'], "invalid choice: 'detct'"),
        (['detect', 'x.jpg'], 'the following arguments are required: --vocabulary'),
        (['caption'], 'the following arguments are required: SOURCE'),
        (['caption', 'x', '--every', '0'], "argument --every: '0' is not a number from 1 on"),
        (['caption', 'x', '--limit', '-3'], 'argument --limit'),
        (['detect', 'x', '--vocabulary', 'a', '--score-threshold', '1.5'], 'is not a number from'),
        (['detect', 'x', '--vocabulary', 'a', '--score-threshold', 'nan'], 'is not a number from'),
        (['caption', 'x', '--nonsense'], 'unrecognized arguments: --nonsense'),
    ],
)
def test_wrong_usage(args, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.startswith('vlm-ros: error: ')
    assert message in err
    assert '--help' in err
    assert err.count('\n') == 1


def test_no_verb(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert 'usage: vlm-ros' in err


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(['--version'])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith('vlm-ros')


def test_backends(capsys):
    assert main(['backends']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['BACKEND', 'TASKS', 'WEIGHTS', 'LICENCE', 'READY']
    fake = next(line for line in lines if line.startswith('fake '))
    assert 'detect, ground, caption, answer' in fake
    assert fake.endswith('yes')
    assert main(['backends', '--json']) == 0
    listed = {row['name']: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {'embedded', 'fake'} <= set(listed)
    assert listed['fake']['ready'] is True
    assert listed['embedded']['licence']


def test_missing_weights_are_named_with_the_mend(tmp_path):
    result = run('backends', env={**os.environ, 'VLM_ROS_CACHE': str(tmp_path)})
    line = next(line for line in result.stdout.splitlines() if line.startswith('embedded'))
    assert 'missing' in line
    assert 'vlm-ros fetch embedded' in line
    line = next(line for line in result.stdout.splitlines() if line.startswith('clipseg'))
    assert '0 of 1 models' in line
    assert line.endswith('no: vlm-ros models prefetch CIDAS/clipseg-rd64-refined')


def test_a_backend_with_a_prefetched_model_is_ready(monkeypatch, capsys):
    here = frozenset({'CIDAS/clipseg-rd64-refined'})
    monkeypatch.setattr('vlm_ros.backends.hub.store.models_here', lambda: here)
    assert main(['backends', '--json']) == 0
    listed = {row['name']: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert (listed['clipseg']['prefetched'], listed['clipseg']['ready']) == (1, True)
    assert (listed['owl']['prefetched'], listed['owl']['ready']) == (0, False)


def test_the_real_process(tmp_path):
    result = run(
        'detect', 'sample:', '--backend', 'fake', '--vocabulary', 'cat, собака', '--json',
        '--save', str(tmp_path),
    )  # fmt: skip
    assert result.returncode == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == len(list(tmp_path.iterdir())) >= 5
    assert {box['label'] for line in lines for box in line['detections']} == {'cat', 'собака'}
    assert result.stderr.count('\n') == 1


def test_a_locale_that_cannot_say_the_names():
    env = {**os.environ, 'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONIOENCODING': 'ascii'}
    args = ['detect', 'sample:chelsea', '--backend', 'fake', '--vocabulary', 'собака']
    result = run(*args, env=env)
    assert (result.returncode, result.stderr) == (0, '')
    assert '\\u0441\\u043e\\u0431' in result.stdout
    result = run(*args[:-1], b'\xff\xfe', env=env)
    assert result.returncode == 2
    assert result.stderr.startswith('vlm-ros: error: argument --vocabulary: the text is not UTF-8')


def test_a_reader_that_leaves():
    process = subprocess.Popen(
        [*VLM_ROS, 'caption', *['sample:'] * 100, '--backend', 'fake', '--quiet'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b''
    process.stderr.close()


def test_ctrl_c(tmp_path):
    process = subprocess.Popen(
        [*VLM_ROS, 'caption', *['sample:'] * 200, '--backend', 'fake', '--save', str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    start_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - start_s < 2
    assert process.returncode == 130
    assert err.startswith('vlm-ros: interrupted after ')
    assert err.count('\n') == 1
    pictures = list(tmp_path.iterdir())
    assert pictures
    assert all(path.suffix == '.jpg' for path in pictures)
    assert all(cv2.imread(str(path)) is not None for path in pictures)


def on_a_terminal(*args, seconds=60):
    """Run with stderr on a terminal and stdout in a pipe; return the status and both."""
    ours, theirs = pty.openpty()
    shown = []

    def read():
        try:
            while chunk := os.read(ours, 4096):
                shown.append(chunk)
        except OSError:
            pass  # the other end is closed

    with subprocess.Popen(
        [*VLM_ROS, *args],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '100'},
    ) as process:
        os.close(theirs)
        reader = threading.Thread(target=read)
        reader.start()
        out, _ = process.communicate(timeout=seconds)
        reader.join(10)
    os.close(ours)
    return process.returncode, out, b''.join(shown).decode()


def test_progress_is_shown_on_a_terminal_and_stdout_stays_clean(tmp_path):
    args = ['caption', *['sample:'] * 20, '--backend', 'fake', '--json', '--save', str(tmp_path)]
    status, out, shown = on_a_terminal(*args)
    assert status == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == len(list(tmp_path.iterdir()))
    assert f'/{len(lines)}' in shown
    assert 'loading fake' in shown


def test_quiet_and_short_work_show_no_bar():
    args = ['caption', 'sample:chelsea', '--backend', 'fake']
    status, out, shown = on_a_terminal(*args, '--quiet')
    assert (status, shown, out.count('\n')) == (0, '', 1)
    status, out, shown = on_a_terminal(*args)
    assert '/1' not in shown


def test_every_verb_is_one_file():
    files = {path.stem for path in Path(cli.__file__).parent.glob('*.py')}
    assert set(VERBS) <= files


@pytest.mark.parametrize(
    ('closed', 'source', 'status', 'errors'),
    [
        ('>&-', 'sample:coffee', 0, 0),
        ('2>&-', 'sample:coffee', 0, 0),
        ('>&-', 'nowhere.jpg', 2, 1),
        ('2>&-', 'nowhere.jpg', 2, 0),
    ],
)
def test_a_stream_that_the_caller_closed_is_not_written_to(closed, source, status, errors):
    args = ['detect', source, '--vocabulary', 'cup', '--backend', 'fake']
    done = subprocess.run(
        ['sh', '-c', f'exec "$@" {closed}', 'sh', *VLM_ROS, *args],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.count('\n')) == (status, errors), done.stderr
    assert bool(done.stdout) == (closed == '2>&-' and status == 0)
