"""`vlm-ros evaluate` on language datasets: replies from files, and models asked."""

import io
import json
import re

import cv2
import numpy as np
import pytest
from skimage import data

from vlm_ros import backends
from vlm_ros.backends.fake import FakeBackend
from vlm_ros.cli.main import main
from vlm_ros.results import Answer, Status


def run(capsys, *args):
    status = main(['evaluate', '--resamples', '50', *map(str, args)])
    out, err = capsys.readouterr()
    return status, out, err


def numbers(capsys, *args):
    status, out, err = run(capsys, *args, '--json', '-q')
    assert (status, err) == (0, '')
    content = json.loads(out)
    content['overall'] = {name: own['value'] for name, own in content['overall'].items()}
    content['groups'] = {name: own['value'] for name, own in content['groups'].items()}
    return content


def replies(path, rows):
    path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return path


def archive():
    stream = io.BytesIO()
    np.savez(stream, table=np.ones((2, 4)))
    return stream.getvalue()


def photograph(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])


def test_referring_expressions(capsys, tmp_path, refcoco):
    """Overlaps: 1 for the first; the left half, 0.5, for the second."""
    own = replies(
        tmp_path / 'own.jsonl',
        [
            {'key': '10', 'boxes': [[110.5, 15, 410.5, 265.25], [0, 0, 1, 1]]},
            {'key': '11', 'boxes': [[110.5, 15, 230.5, 265.25]]},
        ],
    )
    found = numbers(capsys, own, '--truth', refcoco)
    assert found['task'] == 'refer'
    assert found['overall']['Acc@0.5'] == 0.5
    assert found['overall']['mean overlap'] == pytest.approx(0.7)
    wrong = replies(tmp_path / 'wrong.jsonl', [{'key': '10', 'boxes': [[50, 12, 48, 36]]}])
    status, _, err = run(capsys, wrong, '--truth', refcoco)
    assert (status, 'entry 1 of ' in err and 'ends before it begins' in err) == (2, True)
    unsure = replies(tmp_path / 'unsure.jsonl', [{'key': '10', 'status': 4, 'message': 'two'}])
    status, _, err = run(capsys, unsure, '--truth', refcoco)
    assert status == 1
    assert '2 have no answer; the first: two' in err
    compared = numbers(capsys, own, '--truth', refcoco, '--against', own)['comparison']
    assert (compared['difference']['value'], compared['p_value']) == (0, 1)


def test_phrases(capsys, tmp_path, flickr30k):
    far = [500, 300, 590, 390]
    own = replies(
        tmp_path / 'own.jsonl',
        [
            {'key': '1000#0#0', 'boxes': [[0, 10, 100, 200]]},
            {'key': '1000#0#1', 'boxes': [far, [180, 90, 440, 310]]},
            {'key': '1000#0#2', 'boxes': [far] * 6 + [[300, 100, 320, 120]]},
            {'key': '1000#1#0', 'boxes': []},
        ],
    )
    found = numbers(capsys, own, '--truth', flickr30k)
    assert found['overall'] == {'R@1': 0.25, 'R@1 of all': 0.25, 'R@5': 0.5, 'R@10': 0.75}
    assert found['groups'] == {'other': 0.0, 'people': 0.5}


def test_answers_by_the_rule_of_ten_people(capsys, tmp_path, vqa_v2):
    """Two of ten said `no`: it counts two thirds, and one third without one of them."""
    own = tmp_path / 'results.json'
    own.write_text(
        json.dumps(
            [
                {'question_id': 42000, 'answer': 'yes'},
                {'question_id': 42001, 'answer': 'no'},
                {'question_id': 42002, 'answer': 'The cup!'},
            ]
        )
    )
    found = numbers(capsys, own, '--truth', vqa_v2)
    two_of_ten = (8 * 2 / 3 + 2 * 1 / 3) / 10
    assert found['groups'] == pytest.approx({'number': two_of_ten, 'other': 1, 'yes/no': 1})
    assert found['overall']['accuracy'] == pytest.approx((2 + two_of_ten) / 3)
    assert found['overall']['yes/no accuracy'] == 1


def test_answers_of_one_word(capsys, tmp_path, gqa, nuscenes_qa):
    own = tmp_path / 'results.json'
    rows = [('05451384', 'Yes'), ('07333408', 'woman')]
    own.write_text(json.dumps([{'questionId': key, 'prediction': text} for key, text in rows]))
    found = numbers(capsys, own, '--truth', gqa)
    assert found['groups'] == {'query': 0, 'verify': 1}
    assert found['overall']['accuracy'] == 0.5
    other = replies(tmp_path / 'a.jsonl', [{'key': '1', 'text': '3'}])
    found = numbers(capsys, other, '--truth', nuscenes_qa)
    assert found['overall']['accuracy'] == 1
    assert found['overall']['accuracy of all'] == 0.5
    assert found['coverage'] == {'answered': 1, 'abstained': 0, 'failed': 1, 'rate': 0.5}


def test_yes_and_no_with_their_bias(capsys, tmp_path, pope):
    """True are yes, no, yes, no; the last answer is neither yes nor no."""
    rows = [(1, 'Yes, there is.'), (2, 'yes'), (3, 'No.'), (4, 'I cannot tell')]
    own = tmp_path / 'answers.jsonl'
    own.write_text(
        ''.join(json.dumps({'question_id': key, 'answer': text}) + '\n' for key, text in rows)
    )
    found = numbers(capsys, own, '--truth', pope)
    assert found['coverage']['answered'] == 3
    expected = {'accuracy': 1 / 3, 'accuracy of all': 1 / 4, 'precision': 1 / 2, 'recall': 1 / 2}
    expected |= {'f1': 1 / 2, 'yes ratio': 2 / 3, 'true yes ratio': 2 / 3}
    assert found['overall'] == pytest.approx(expected, abs=1e-6)
    # POPE's own form has no numbers, and is read by its order.
    asked = [json.loads(row)['text'] for row in pope.read_text().splitlines()]
    said = [{'question': text, 'answer': row[1]} for text, row in zip(asked, rows, strict=True)]
    own.write_text(''.join(json.dumps(row) + chr(10) for row in said))
    assert numbers(capsys, own, '--truth', pope)['overall'] == found['overall']
    own.write_text(''.join(json.dumps(row) + chr(10) for row in said[::-1]))
    status, _, err = run(capsys, own, '--truth', pope)
    assert (status, 'entry 1 of' in err) == (2, True)


@pytest.mark.parametrize(
    ('said', 'right'),
    [
        (['Yes.', 'false', '2', 'grey', 'no'], [1, 1, 1, 1, 1]),
        (['yes', 'False.', 'There are two cars.', 'It is gray.', 'No, grey'], [1, 1, 1, 1, 1]),
        (['no', 'true', 'two or three', 'grey or red', 'yes'], [0, 0, 0, 0, 0]),
        (['it is', 'perhaps', 'not 2', 'not grey', ''], [None, None, 0, 0, None]),
    ],
)
def test_questions_and_statements_from_labelled_boxes(capsys, tmp_path, questions, said, right):
    rows = [{'key': str(number), 'text': text} for number, text in enumerate(said, 1)]
    own = replies(tmp_path / 'own.jsonl', rows)
    found = numbers(capsys, own, '--truth', questions)
    known = [value for value in right if value is not None]
    assert found['coverage']['answered'] == len(known)
    assert found['overall']['accuracy'] == pytest.approx(sum(known) / len(known))
    assert found['overall']['accuracy of all'] == pytest.approx(sum(known) / 5)
    names = ('random: yes/no', 'random: statement', 'count: number', 'colour: colour')
    names += ('colour: statement',)
    assert found['groups'] == dict(zip(names, right, strict=True))


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('"question_id": 2', '"question_id": 1'), 'has 1 twice'),
        (('"no", "group": "random"', '"3", "group": "random"'), "line 2 of .*not '3'"),
        (('"form": "statement"', '"form": "song"'), "line 2: form: .*'statement'"),
    ],
)
def test_damaged_questions_are_one_line(capsys, tmp_path, questions, change, words):
    text = questions.read_text()
    assert change[0] in text
    questions.write_text(text.replace(*change))
    own = replies(tmp_path / 'own.jsonl', [{'key': '1', 'text': 'yes'}])
    status, out, err = run(capsys, own, '--truth', questions)
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert re.search(words, err)


def test_statements(capsys, tmp_path, nlvr2):
    own = tmp_path / 'predictions.csv'
    own.write_text('dev-850-0-0,True\ndev-850-1-0,True\ndev-850-0-1,False\n')
    found = numbers(capsys, own, '--truth', nlvr2)
    assert found['overall']['accuracy'] == pytest.approx(2 / 3)
    assert found['overall']['consistency'] == 0.5
    own.write_text('dev-850-0-0,maybe\ndev-850-1-0,True\n')
    status, out, err = run(capsys, own, '--truth', nlvr2, '--json')
    assert (status, json.loads(out)['coverage']['failed']) == (0, 2)
    assert "1 replies are no answer to what was asked; the first: 'maybe'" in err


def test_an_empty_answer_is_none(capsys, tmp_path, pope, vqa_v2):
    own = tmp_path / 'results.json'
    rows = [(42000, 'yes'), (42001, None), (42002, '')]
    own.write_text(json.dumps([{'question_id': key, 'answer': text} for key, text in rows]))
    _, out, err = run(capsys, own, '--truth', vqa_v2, '--json')
    assert json.loads(out)['coverage'] | {'rate': 0} == {
        'answered': 1, 'abstained': 1, 'failed': 1, 'rate': 0,
    }  # fmt: skip
    assert '1 have no answer; the first: the answer is null' in err
    rows = [{'key': 1, 'text': 'yes'}, {'key': '2', 'status': 'UNSURE'}, {'key': '3'}]
    own = replies(tmp_path / 'replies.jsonl', rows)
    found = numbers(capsys, own, '--truth', pope)['coverage']
    assert (found['answered'], found['abstained'], found['failed']) == (1, 2, 1)


def test_captions_and_retrieval(capsys, tmp_path, coco_captions):
    own = tmp_path / 'captions.json'
    rows = [(391895, 'A cat looks up.'), (522418, 'A cup of coffee on a table.')]
    own.write_text(json.dumps([{'image_id': key, 'caption': text} for key, text in rows]))
    found = numbers(capsys, own, '--truth', coco_captions)
    assert found['task'] == 'caption'
    for name in ('BLEU-1', 'ROUGE-L'):
        assert found['overall'][name] == pytest.approx(1)
    assert found['overall']['CIDEr'] > 3
    has_synonyms = 'WordNet' in found['about']['METEOR']
    assert has_synonyms or found['about'] == {'METEOR': 'stems only'}
    assert f'METEOR ({found["about"]["METEOR"]})' in run(capsys, own, '--truth', coco_captions)[1]
    table = tmp_path / 'similarity.npy'
    np.save(table, [[0.9, 0.1, 0.2, 0.3], [0.8, 0.95, 0.7, 0.1]])
    found = numbers(capsys, table, '--truth', coco_captions, '--task', 'retrieve')['overall']
    assert (found['text R@1'], found['text R@5']) == (0.5, 1)
    assert found['image R@1'] == 0.5
    status, _, err = run(capsys, own, '--truth', coco_captions, '--task', 'retrieve')
    assert (status, err.count('\n')) == (2, 1)
    assert 'no .npy file' in err


def test_a_model_is_asked_and_goes_on_where_it_stopped(capsys, tmp_path, vqa_v2, refcoco):
    pictures = tmp_path / 'val2014'
    photograph(pictures / 'COCO_val2014_000000000042.jpg', data.chelsea())
    scene = ['--backend', 'fake', '--option', 'scene="cat 0.245 0.05 0.91 0.885"']
    args = [*scene, '--truth', vqa_v2, '--images', pictures, '--output', tmp_path / 'out']
    found = numbers(capsys, *args)
    assert found['groups']['yes/no'] == 1
    part = tmp_path / 'out' / 'parts' / '00000.jsonl'
    before = part.stat().st_mtime_ns
    (tmp_path / 'out' / 'replies.jsonl').unlink()
    assert numbers(capsys, *args)['overall'] == found['overall']
    assert part.stat().st_mtime_ns == before
    assert numbers(capsys, tmp_path / 'out', '--truth', vqa_v2)['overall'] == found['overall']
    status, _, err = run(capsys, *scene, '--truth', vqa_v2)
    assert (status, '--images' in err) == (0, False)  # found beside the questions
    photograph(tmp_path / 'train2014' / 'COCO_train2014_000000000007.jpg', data.chelsea())
    found = numbers(capsys, *scene, '--truth', refcoco, '--images', tmp_path / 'train2014')
    assert found['coverage']['answered'] + found['coverage']['abstained'] == 2
    assert found['overall']['Acc@0.5'] == 1


class Words:
    """A model that answers and has no boxes."""

    def answer(self, image, question, **_):
        return Answer(Status.OK, 'yes' if 'person' in question else 'no', 0.9)

    def close(self):
        """Nothing is open."""


def test_a_model_without_boxes_is_taken_at_its_word(capsys, tmp_path, pope, monkeypatch):
    photograph(tmp_path / 'COCO_val2014_000000310196.jpg', data.chelsea())
    monkeypatch.setattr(backends, 'load', lambda *_, **__: Words())
    status, out, err = run(capsys, '--backend', 'words', '--truth', pope, '--json')
    found = json.loads(out)
    assert (status, found['coverage']['answered']) == (0, 4)
    assert found['overall']['accuracy']['value'] == 0.75  # but for the snowboard
    assert 'the backend has no boxes: its own words count' in err
    status, _, err = run(capsys, '--backend', 'words', '--truth', pope, '--task', 'verify')
    assert (status, 'is no truth of the task verify' in err) == (2, True)


def test_a_model_with_boxes_is_guarded_unless_told(capsys, tmp_path, pope, monkeypatch):
    class Seer(FakeBackend):
        def answer(self, image, question, **_):
            return Answer(Status.OK, 'yes', 0.9)

    photograph(tmp_path / 'COCO_val2014_000000310196.jpg', data.chelsea())
    model = Seer(scene={'person': [(0.2, 0.1, 0.9, 0.9)]})
    monkeypatch.setattr(backends, 'load', lambda *_, **__: model)
    args = ['--backend', 'seer', '--truth', pope]
    guarded = numbers(capsys, *args)['overall']
    own = numbers(capsys, *args, '--unguarded')['overall']
    assert guarded['yes ratio'] < own['yes ratio'] == 1


def test_tasks_of_two_pictures_captions_and_phrases_are_asked(
    capsys, tmp_path, nlvr2, coco_captions, flickr30k
):
    for pair in ('850-0', '850-1'):
        for side in (0, 1):
            photograph(tmp_path / 'images' / f'dev-{pair}-img{side}.png', data.chelsea())
    scene = [
        '--backend',
        'fake',
        '--option',
        'scene="cat 0.25 0.05 0.9 0.9; coffee 0.3 0.2 0.7 0.8"',
    ]
    found = numbers(capsys, *scene, '--truth', nlvr2)
    assert found['overall']['accuracy'] == pytest.approx(2 / 3)  # a cat is in all of them
    photograph(tmp_path / 'COCO_val2014_000000391895.jpg', data.chelsea())
    status, out, err = run(capsys, *scene, '--truth', coco_captions, '--json')
    assert json.loads(out)['coverage'] == {'answered': 1, 'abstained': 0, 'failed': 1, 'rate': 0.5}
    assert 'the picture COCO_val2014_000000522418.jpg is not there' in err
    photograph(tmp_path / 'flickr30k-images' / '1000.jpg', data.coffee())
    args = ['--truth', flickr30k, '--images', tmp_path / 'flickr30k-images']
    found = numbers(capsys, *scene, *args)
    assert found['overall']['R@1'] == 0.25
    status, _, err = run(capsys, *scene, '--truth', coco_captions, '--task', 'retrieve')
    assert status == 3
    assert 'cannot encode_images or match' in err


def test_report_shows_the_worst(capsys, tmp_path, refcoco):
    pictures = tmp_path / 'train2014'
    photograph(pictures / 'COCO_train2014_000000000007.jpg', data.chelsea())
    own = replies(
        tmp_path / 'own.jsonl',
        [
            {'key': '10', 'boxes': [[110.5, 15, 410.5, 265.25]]},
            {'key': '11', 'boxes': [[0, 0, 50, 50]]},
        ],
    )
    args = [own, '--truth', refcoco, '--images', pictures, '--report', tmp_path / 'report']
    assert run(capsys, *args)[0] == 0
    page = (tmp_path / 'report' / 'index.html').read_text()
    assert page.count('data:image/jpeg;base64,') == 1
    assert 'gray one' in page and 'the cat' not in page
    assert not re.search(r'(src|href)="https?:', page)
    assert run(capsys, *args)[0] == 0
    assert (tmp_path / 'report' / 'index.html').read_text() == page


@pytest.mark.parametrize(
    ('write', 'words'),
    [
        (lambda path: path.write_bytes(b''), 'is no .npy file'),
        (lambda path: np.save(path, [['near', 'far']]), 'it holds <U4'),
        (lambda path: np.save(path, np.ones((2, 4), complex)), 'it holds complex128'),
        (lambda path: path.write_bytes(archive()), 'it holds several'),
        (lambda path: np.save(path, np.ones((4, 2))), 'do not fit'),
    ],
)
def test_a_strange_table_of_similarities_is_one_line(
    capsys, tmp_path, coco_captions, write, words
):
    table = tmp_path / 'table.npy'
    write(table)
    args = [table, '--truth', coco_captions, '--task', 'retrieve']
    status, out, err = run(capsys, *args)
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert words in err


@pytest.mark.parametrize(
    ('args', 'words'),
    [
        (['--task', 'caption'], 'gqa is no truth of the task caption'),
        (['--task', 'detect'], 'gqa has no boxes'),
        (['--map', 'a=b'], '--map is for boxes'),
        (['--iou', '0.75'], '--iou is for boxes'),
        (['--all-classes'], '--all-classes is for boxes'),
        (['--resamples', '-1'], '--resamples must be 0 or more'),
        (['--resamples', '0', '--against', 'x'], '--against needs --resamples'),
        (['--images', '/nowhere'], 'the folder of pictures /nowhere is missing'),
    ],
)
def test_what_does_not_fit_is_one_line(capsys, tmp_path, gqa, args, words):
    own = replies(tmp_path / 'a.jsonl', [{'key': '05451384', 'text': 'yes'}])
    status, out, err = run(capsys, own, '--truth', gqa, *args)
    assert (status, out, err.count('\n')) == (2, '', 1)
    assert words in err


def test_lvis_counts_what_was_judged(capsys, tmp_path, lvis):
    """A yak in the first image was never asked for; a teacup there is known to be wrong."""
    box = [10, 10, 100, 100]
    results = tmp_path / 'results.json'
    rows = [(1, 1, 0.9), (2, 1, 0.8), (1, 3, 0.99), (1, 2, 0.7), (3, 1, 0.95)]
    results.write_text(
        json.dumps(
            [
                {'image_id': image, 'category_id': label, 'bbox': box, 'score': score}
                for image, label, score in rows
            ]
        )
    )
    status, out, _ = run(capsys, results, '--truth', lvis, '--json', '-q')
    found = json.loads(out)
    assert (status, found['layout']) == (0, 'lvis')
    assert found['overall']['ap']['value'] == pytest.approx(2 / 3, abs=1e-6)
    assert found['overall']['ap_of_group'] == {
        'common': None,
        'frequent': pytest.approx(2 / 3, abs=1e-6),
        'rare': None,
    }
    assert {name: row['false'] for name, row in found['classes'].items()} == {
        'cat': 1,
        'teacup': 1,
        'yak': 0,
    }
