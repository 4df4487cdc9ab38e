"""Readers of public layouts, on small files of them."""

import gzip
import json
import os
import pickle

import pytest

from vlm_ros.data.truths.boxes import read_boxes
from vlm_ros.data.truths.items import Expression, Question
from vlm_ros.data.truths.language import read_language
from vlm_ros.data.truths.layouts import layout_of, TASKS
from vlm_ros.data.truths.replies import read_replies
from vlm_ros.errors import InputError
from vlm_ros.results import Status

LANGUAGE = (
    'refcoco',
    'flickr30k',
    'vqa_v2',
    'gqa',
    'nuscenes_qa',
    'pope',
    'questions',
    'nlvr2',
    'coco_captions',
)


@pytest.mark.parametrize('name', [*LANGUAGE, 'lvis'])
def test_layouts_are_told_by_what_is_in_them(request, name):
    assert layout_of(request.getfixturevalue(name)) == name
    assert name in TASKS


def read(request, name, **options):
    return read_language(request.getfixturevalue(name), name, **options)


def test_refcoco(request, refcoco):
    truth = read(request, 'refcoco')
    file = 'COCO_train2014_000000000007.jpg'
    boxes = ((110.5, 15.0, 410.5, 265.25),)
    assert truth.items == [
        Expression('10', (file,), 'the cat', boxes=boxes),
        Expression('11', (file,), 'gray one', boxes=boxes),
    ]
    (item,) = read(request, 'refcoco', split='testA').items
    assert (item.key, item.boxes) == ('12', ((200, 20, 240, 60),))
    instances = json.loads((refcoco / 'instances.json').read_text())
    broken = json.loads(json.dumps(instances))
    broken['annotations'][0]['bbox'][2] = -3
    (refcoco / 'instances.json').write_text(json.dumps(broken))
    with pytest.raises(InputError, match=r'annotation .* of .*instances.json: the box .* imposs'):
        read(request, 'refcoco')
    (refcoco / 'instances.json').write_text(json.dumps(instances))
    with pytest.raises(InputError, match=r'no split .test.; it has testA, val'):
        read(request, 'refcoco', split='test')
    (refcoco / 'refs(google).p').write_bytes((refcoco / 'refs(unc).p').read_bytes())
    with pytest.raises(InputError, match='name one as --truth'):
        read(request, 'refcoco')
    assert layout_of(refcoco / 'refs(google).p') == 'refcoco'
    assert len(read_language(refcoco / 'refs(google).p', 'refcoco').items) == 2


class Dangerous:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize('protocol', [0, 2, 5])
def test_a_pickle_that_would_run_something_is_refused(refcoco, tmp_path, protocol):
    marker = tmp_path / 'ran'
    content = pickle.dumps([Dangerous(marker)], protocol=protocol)
    (refcoco / 'refs(unc).p').write_bytes(content)
    with pytest.raises(InputError, match=r'names .*mkdir'):
        read_language(refcoco, 'refcoco')
    assert not marker.exists()
    pickle.loads(content)  # it would have
    assert marker.exists()


def test_damaged_pickles_and_those_of_python_2_with_letters(refcoco):
    path = refcoco / 'refs(unc).p'
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match='no pickle of plain values'):
        read_language(refcoco, 'refcoco')
    # A text of Python 2 is bytes, here of Latin-1.
    assert whole.count(b'Vthe cat\n') == 1
    path.write_bytes(whole.replace(b'Vthe cat\n', b"S'caf\\xe9'\n"))
    assert read_language(refcoco, 'refcoco').items[0].text == 'café'


def test_flickr30k(request):
    truth = read(request, 'flickr30k', split='test')
    found = {item.key: (item.text, item.group, item.boxes) for item in truth.items}
    cup = (180, 90, 440, 310)
    assert found == {
        '1000#0#0': ('A man', 'people', ((0, 10, 100, 200),)),
        '1000#0#1': ('coffee', 'other', (cup,)),
        '1000#0#2': ('a red cup', 'other', (cup, (300, 100, 320, 120))),
        '1000#1#0': ('Someone', 'people', ((0, 10, 100, 200),)),
    }
    assert truth.left_out == '2 phrases without boxes'
    assert read(request, 'flickr30k').items == truth.items


def test_vqa_v2(request, vqa_v2):
    truth = read(request, 'vqa_v2')
    picture = ('COCO_val2014_000000000042.jpg',)
    answers = ('no', 'no', *['yes'] * 8)
    assert truth.items[0] == Question('42000', picture, 'is there a cat?', 'yes/no', answers)
    assert [item.group for item in truth.items] == ['yes/no', 'number', 'other']
    for name, content in (('no', '{"annotations": [1]}'), ('half', '{"annot')):
        (vqa_v2.parent / f'{name}_annotations.json').write_text(content)
    (vqa_v2.parent / 'folder_annotations.json').mkdir()
    assert read(request, 'vqa_v2').items == truth.items
    answers = vqa_v2.parent / 'v2_mscoco_val2014_annotations.json'
    with pytest.raises(InputError, match='the answers of VQA alone; name the file of questions'):
        layout_of(answers)
    content = json.loads(answers.read_text())
    content['annotations'][1]['answers'] = content['annotations'][1]['answers'][:3]
    answers.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r'question 42001 has 3 answers .* is for 10; repeat'):
        read(request, 'vqa_v2')
    answers.unlink()
    with pytest.raises(InputError, match=r'should be in one file .*annotations.*none \(.*half'):
        read(request, 'vqa_v2')


def test_gqa_and_nuscenes_qa(request):
    first, second = read(request, 'gqa').items
    assert first == Question('05451384', ('2405722.jpg',), 'Is the cup red?', 'verify', ('yes',))
    assert second.answers == ('man',)
    first, second = read(request, 'nuscenes_qa').items
    assert (first.key, second.key) == ('0', '1')
    assert (second.group, second.answers) == ('count', ('3',))
    assert first.images == ('3e8750f331d7499e9b5123e9eb70f2e2.jpg',)
    with pytest.raises(InputError, match='a file for each split'):
        read(request, 'gqa', split='val')


def test_nlvr2(request, nlvr2):
    items = read(request, 'nlvr2').items
    assert [item.holds for item in items] == [True, False, False]
    assert items[0].images == ('dev-850-0-img0.png', 'dev-850-0-img1.png')
    assert items[0].sentence == items[1].sentence != items[2].sentence
    row = json.loads(nlvr2.read_text().splitlines()[0])
    row |= {'identifier': 'train-10171-0-0', 'directory': 52}
    nlvr2.write_text(json.dumps(row))
    assert read(request, 'nlvr2').items[0].images[0] == '52/train-10171-0-img0.png'
    nlvr2.write_text(json.dumps(row | {'label': 'maybe'}))
    with pytest.raises(InputError, match=r"line 1 of .*'maybe'"):
        read(request, 'nlvr2')


def test_captions(request, coco_captions):
    first, second = read(request, 'coco_captions').items
    assert first.key == '391895'
    assert first.captions == ('A cat looks up.', 'The face of a grey cat.')
    assert second.images == ('COCO_val2014_000000522418.jpg',)
    content = json.loads(coco_captions.read_text())
    content['annotations'] = content['annotations'][:2]
    coco_captions.write_text(json.dumps(content))
    with pytest.raises(InputError, match='image 522418 without a caption'):
        read(request, 'coco_captions')


def test_lvis(lvis):
    truth = read_boxes(lvis, 'lvis')
    assert truth.truth.images[0].file == 'val2017/000000000001.jpg'
    assert truth.judged == [frozenset({'teacup'}), frozenset(), frozenset({'cat'})]
    assert truth.not_exhaustive == [frozenset(), frozenset({'cat'}), frozenset()]
    assert truth.groups == {'cat': 'frequent', 'teacup': 'common', 'yak': 'rare'}
    assert truth.areas[0] == [8000.5]


@pytest.mark.parametrize('name', LANGUAGE)
def test_damaged_files_are_one_line(request, name):
    path = request.getfixturevalue(name)
    file = {
        'refcoco': path / 'instances.json',
        'flickr30k': path / 'Annotations' / '1000.xml',
    }.get(name, path)
    content = file.read_text()
    file.write_text(content[: len(content) * 2 // 3])
    with pytest.raises(InputError) as raised:
        read_language(path, name)
    assert file.name in str(raised.value)
    assert '\n' not in str(raised.value)


def test_replies_in_all_forms(request, tmp_path):
    items = read(request, 'nlvr2').items
    forms = {
        'a.csv': 'dev-850-0-0,True\ndev-850-1-0,False\n',
        'b.json': json.dumps(
            [
                {'identifier': 'dev-850-0-0', 'prediction': 'True'},
                {'identifier': 'dev-850-1-0', 'prediction': 'False'},
            ]
        ),
        'c.jsonl': '{"key":"dev-850-0-0","text":"True"}\n{"key":"dev-850-1-0","text":"False"}\n',
    }
    for name, content in forms.items():
        (tmp_path / name).write_text(content)
        replies = read_replies(tmp_path / name, items)
        assert [reply.text for reply in replies] == ['True', 'False', '']
        assert [reply.status for reply in replies] == [Status.OK, Status.OK, Status.FAILED]
    for content, words in (
        ('dev-850-0-0,True\ndev-850-0-0,False\n', 'two replies'),
        ('other,True\n', 'other items'),
        ('dev-850-0-0\n', 'two columns'),
    ):
        (tmp_path / 'a.csv').write_text(content)
        with pytest.raises(InputError, match=words):
            read_replies(tmp_path / 'a.csv', items)


@pytest.mark.parametrize(
    ('name', 'content', 'words'),
    [
        ('a.json', b'{"questions": [1]}', 'has none of the layouts'),
        ('a.json', b'{"questions": [null]}', 'has none of the layouts'),
        ('a.json', gzip.compress(b'{}', mtime=0), 'is compressed; unpack it first'),
        ('a.json', '{"images": []}'.encode('utf-16'), 'a.json is not UTF-8 text; is it the right'),
        ('a.jsonl', b'{"question_id": 1, "ima', 'line 1 of .*a.jsonl is not JSON'),
        (
            'a.json',
            b'{"images": [], "annotations": [{"segments_info": []}], "categories": []}',
            'panoptic segments .* name the file of instances',
        ),
    ],
)
def test_what_has_no_layout_says_why(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        layout_of(path)
    assert str(caught.value).startswith(('line 1', str(path)))
    assert 'is not JSON: ' + str(path) not in str(caught.value)


@pytest.mark.parametrize('name', ['pope', 'nlvr2', 'vqa_v2', 'questions'])
def test_what_is_there_twice_is_refused(request, name):
    path = request.getfixturevalue(name)
    if name == 'vqa_v2':
        content = json.loads(path.read_text())
        content['questions'] *= 2
        path.write_text(json.dumps(content))
    else:
        path.write_text(path.read_text() * 2)
    with pytest.raises(InputError, match='twice; remove or renumber one'):
        read(request, name)


def test_pope_as_a_list(request, pope):
    """As it is published for GQA and A-OKVQA."""
    items = read(request, 'pope').items
    rows = [json.loads(row) for row in pope.read_text().splitlines()]
    for text in (json.dumps(rows), json.dumps(rows, indent=1)):
        pope.write_text(text)
        assert layout_of(pope) == 'pope'
        assert read(request, 'pope').items == items


@pytest.mark.parametrize('name', ['pope', 'nlvr2', 'questions'])
def test_a_file_of_one_line_is_told_apart(request, tmp_path, name):
    path = tmp_path / 'one.json'
    path.write_text(request.getfixturevalue(name).read_text().splitlines()[0])
    assert layout_of(path) == name
    path.write_text(path.read_text().replace('"label": "yes"', '"label": "Yes"'))
    assert len(read_language(path, name if name != 'questions' else 'pope').items) == 1


def test_a_missing_annotation_is_called_missing(tmp_path, flickr30k):
    (flickr30k / 'Annotations' / '1000.xml').unlink()
    with pytest.raises(InputError, match=r'1000.xml is missing$') as caught:
        read_language(flickr30k, 'flickr30k')
    assert 'no annotation of' not in str(caught.value)
    lists = tmp_path / 'voc' / 'ImageSets' / 'Main'
    lists.mkdir(parents=True)
    (lists / 'val.txt').write_text('nope\n')
    (tmp_path / 'voc' / 'Annotations').mkdir()
    with pytest.raises(InputError, match=r'nope.xml is missing$') as caught:
        read_boxes(tmp_path / 'voc', 'voc', split='val')
    assert 'not an annotation' not in str(caught.value)
