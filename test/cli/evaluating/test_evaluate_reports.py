"""Reports, and runs compared."""

import io
import json
import re
import sys

from evaluated_photographs import evaluate, LABELS, numbers, predicted, record, written
import pytest

from vlm_ros.cli.main import main
from vlm_ros.data.formats import write_coco
from vlm_ros.evaluation import tables
from vlm_ros.results import Status


def test_report_is_one_file_with_pictures_and_the_same_again(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted(drop=('spoon',)))
    contents = []
    for name in ('one', 'two'):
        target = tmp_path / name
        args = [run, '--truth', truth, '--report', target, '--threshold', '0.3']
        assert evaluate(capsys, *args)[0] == 0
        assert [path.name for path in target.iterdir()] == ['index.html']
        contents.append((target / 'index.html').read_text())
    page = contents[0]
    assert contents[1] == page
    assert page.count('<svg') == 3
    assert page.count('data:image/jpeg;base64,') >= 3
    assert 'Largest misses' in page and 'spoon: photo-coffee.png' in page
    assert not re.search(r'(src|href)="https?:', page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_odd_names_are_shown_as_they_are(capsys, tmp_path):
    odd = ('<script>alert(1)</script> & $x_1$', '猫', '_hidden', '[/red]', 'long' * 80)
    boxes = [(label, 0.9, 10 * n, 0, 10 * n + 9, 9) for n, label in enumerate(odd, 1)]
    records = [record(0, 'chelsea', boxes)]
    write_coco(records, odd, tmp_path / 'truth')
    truth = tmp_path / 'truth' / 'annotations' / 'instances_train.json'
    run = written(tmp_path / 'run', records)
    status, out, _ = evaluate(capsys, run, '--truth', truth, '--report', tmp_path / 'report')
    assert status == 0
    assert '[/red]' in out
    page = (tmp_path / 'report' / 'index.html').read_text()
    assert '<script' not in page
    assert page.count('&lt;script&gt;') >= 3
    assert f'<td>{"long" * 80}</td>' in page
    assert '猫' in page and '>hidden<' in page and '$x_1$' in page
    assert '>longlonglonglonglonglon…<' in page  # in plots; tables have it all


def test_nothing_looked_at_is_no_number(capsys, tmp_path, truth):
    records = [record(0, 'chelsea', [], Status.FAILED, message='no memory')]
    run = written(tmp_path / 'run', records)
    args = [run, '--truth', truth, '--report', tmp_path / 'report']
    status, out, err = evaluate(capsys, *args, '--json')
    assert status == 1
    assert json.loads(out)['overall']['ap']['value'] is None
    assert '6 images were not looked at; the first no memory' in err
    assert '0 of 6 images answered' in (tmp_path / 'report' / 'index.html').read_text()


def test_no_predictions_and_no_pictures_are_told(capsys, tmp_path, truth):
    nothing = [
        entry.model_copy(update={'detections': (), 'status': Status.NOTHING_FOUND})
        for entry in predicted()
    ]
    for path in (truth.parents[1] / 'images').iterdir():
        path.write_bytes(b'')
    run = written(tmp_path / 'run', nothing)
    assert evaluate(capsys, run, '--truth', truth, '--report', tmp_path / 'report')[0] == 0
    page = (tmp_path / 'report' / 'index.html').read_text()
    assert page.count('<svg') == 1  # no curve, no scores
    assert '6 cannot be shown; the first: ' in page


def test_another_run_is_compared_on_the_same_images(capsys, tmp_path, truth):
    good = written(tmp_path / 'good', predicted())
    bad = written(tmp_path / 'bad', predicted(drop=('person', 'rocket', 'cat'), noise=0.2))
    found = numbers(capsys, good, '--truth', truth, '--against', bad)['comparison']
    own = numbers(capsys, good, '--truth', truth)['overall']['ap50']['value']
    other = numbers(capsys, bad, '--truth', truth)['overall']['ap50']['value']
    assert found['ap50']['value'] == pytest.approx(own - other, abs=1e-6)
    assert own > other
    assert 0 < found['ap50']['p_value'] < 1
    assert found['missed']['better'] > found['missed']['worse']
    assert found['missed']['difference']['value'] < 0  # fewer
    report = tmp_path / 'report'
    _, out, _ = evaluate(
        capsys, good, '--truth', truth, '--against', bad, '--report', report, '-q'
    )
    assert 'good less bad, over 6 images' in out
    assert 'more classes have neither' not in out
    assert '>good less bad<' in (report / 'index.html').read_text()
    same = numbers(capsys, good, '--truth', truth, '--against', good)['comparison']
    assert (same['ap50']['value'], same['ap50']['p_value']) == (0, 1)


def test_runs_with_names_of_their_own_are_compared(capsys, tmp_path, truth):
    first = written(tmp_path / 'first', [record(0, 'chelsea', [('tom', 0.9, 110, 15, 450, 299)])])
    other = written(tmp_path / 'other', [record(0, 'chelsea', [('puss', 0.9, 5, 15, 450, 299)])])
    args = [first, '--truth', truth, '--against', other]
    pairs = ['--map', 'tom=cat', '--map', 'puss=cat']
    assert numbers(capsys, *args, *pairs)['comparison']['ap']['value'] > 0
    status, _, err = evaluate(capsys, *args, *pairs, '--map', 'kitty=cat')
    assert (status, "no prediction is called 'kitty'" in err) == (2, True)


def test_intervals_can_be_left_out(capsys, tmp_path, truth):
    run = written(tmp_path / 'run', predicted())
    status = main(['evaluate', str(run), '--truth', str(truth), '--resamples', '0', '--json'])
    found = json.loads(capsys.readouterr().out)
    assert (status, found['overall']['ap']['low']) == (0, None)
    with_intervals = numbers(capsys, run, '--truth', truth)
    assert found['overall']['ap']['value'] == with_intervals['overall']['ap']['value']
    assert with_intervals['overall']['ap']['low'] is not None


def test_classes_that_nobody_has_are_one_line(capsys, tmp_path):
    records = [record(0, 'chelsea', [('cat', 0.9, 10, 10, 90, 90)])]
    write_coco(records, LABELS, tmp_path / 'truth')
    run, report = written(tmp_path / 'run', records), tmp_path / 'report'
    _, out, _ = evaluate(capsys, run, '--truth', tmp_path / 'truth', '--report', report)
    assert '4 more classes have neither things nor boxes' in out and 'spoon' not in out
    page = (report / 'index.html').read_text()
    assert '4 more have neither things nor boxes.' in page and '<td>spoon<' not in page


def test_a_reader_who_left_is_told_to_the_command(monkeypatch):
    class Left(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, 'stdout', Left())
    with pytest.raises(BrokenPipeError):
        tables.stdout().print('words')
