"""The verbs `benchmark` and `classify`."""

import json
from pathlib import Path
import sys

import pytest

from vlm_ros.cli.main import main

sys.path.append(str(Path(__file__).parents[1] / 'backends'))

import tiny


@pytest.fixture(scope='module')
def owl(tmp_path_factory):
    return tiny.save('owl', tmp_path_factory.mktemp('tiny') / 'owl')['model']


def run(capsys, *args):
    try:
        status = main(args)
    except SystemExit as stopped:
        status = stopped.code
    out, err = capsys.readouterr()
    return status, out, err


def test_a_family_is_timed_task_by_task(capsys, owl):
    status, out, err = run(
        capsys, 'benchmark', f'owl:{owl}', '--json', '--repetitions', '2', '--option',
        'dtype=float32',
    )  # fmt: skip
    assert status == 0, err
    rows = {row['task']: row for row in map(json.loads, out.splitlines())}
    assert set(rows) == {'detect', 'ground', 'detect_like'}
    for row in rows.values():
        assert row['dtype'] == 'float32'
        assert row['device'] == 'cpu'
        assert row['cold_start_s'] > 0
        assert 0 < row['warm_p50_ms'] <= row['warm_p95_ms']
        assert row['first_token_ms'] is None
        assert 50 < row['memory_mb'] < 5000
        assert row['device_memory_mb'] is None


def test_texts_have_a_first_token_and_the_table_a_line_each(capsys):
    status, out, _ = run(capsys, 'benchmark', 'fake', '--option', 'latency_s=0.01')
    assert status == 0
    head, *lines = out.splitlines()
    assert head.split()[:3] == ['MODEL', 'DEVICE', 'TASK']
    caption = next(line.split() for line in lines if ' caption ' in line)
    assert caption[-4] != '-'
    assert '640x480, 10 names, 5 warm calls' in lines[-1]


@pytest.mark.parametrize(
    ('args', 'status', 'message'),
    [
        (('nosuch',), 3, "nosuch: there is no backend 'nosuch'"),
        (('fake', '--option', 'size=3'), 3, "fake: the backend 'fake' has no option 'size'"),
        (('fake', '--option', 'api_key=1'), 3, "'api_key' looks like a secret"),
        (('fake', '--option', 'fast'), 2, "--option has an option 'fast' that is not name=value"),
        (('fake', '--resolution', '640'), 2, "'640' is not a resolution such as 640x480"),
        (('fake', '--repetitions', '0'), 2, '--repetitions must be 1 or more'),
        (('owl:/no/such',), 3, "there is no folder '/no/such'"),
    ],
)
def test_what_cannot_be_timed_is_one_line(capsys, args, status, message):
    got, out, err = run(capsys, 'benchmark', *args)
    assert got == status
    assert message in err
    assert len(err.splitlines()) == 1
    assert not out


def test_names_are_scored_for_the_whole_image(capsys, tmp_path_factory):
    clip = tiny.save('clip', tmp_path_factory.mktemp('tiny') / 'clip')['model']
    status, out, err = run(
        capsys, 'classify', 'sample:chelsea', 'sample:coffee', '--vocabulary', 'a cat, a cup',
        '--backend', 'clip', '--model', clip, '--json',
    )  # fmt: skip
    assert status == 0, err
    for row in map(json.loads, out.splitlines()):
        assert set(row['scores']) == {'a cat', 'a cup'}
        assert row['label'] == max(row['scores'], key=row['scores'].get)


def test_a_backend_without_the_task_is_named(capsys):
    status, _, err = run(
        capsys, 'classify', 'sample:chelsea', '--backend', 'fake', '--vocabulary', 'a'
    )
    assert status == 3
    assert "the backend 'fake' cannot classify; it can detect, ground, caption, answer" in err
