"""Small files in the layouts in which public datasets are published, over real photographs."""

import json
import pickle

import pytest

REFERENCES = [
    {
        'sent_ids': [10, 11],
        'file_name': 'COCO_train2014_000000000007_2.jpg',
        'ann_id': 2,
        'ref_id': 1,
        'image_id': 7,
        'split': 'val',
        'sentences': [
            {'tokens': ['the', 'cat'], 'raw': 'The cat', 'sent_id': 10, 'sent': 'the cat'},
            {'tokens': ['gray', 'one'], 'raw': 'gray one', 'sent_id': 11, 'sent': 'gray one'},
        ],
        'category_id': 17,
    },
    {
        'sent_ids': [12],
        'file_name': 'COCO_train2014_000000000007_3.jpg',
        'ann_id': 3,
        'ref_id': 2,
        'image_id': 7,
        'split': 'testA',
        'sentences': [{'tokens': ['ear'], 'raw': 'ear', 'sent_id': 12, 'sent': 'ear'}],
        'category_id': 17,
    },
]


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


@pytest.fixture
def refcoco(tmp_path):
    folder = tmp_path / 'refcoco'
    write_json(
        folder / 'instances.json',
        {
            'info': {},
            'licenses': [],
            'images': [
                {
                    'id': 7,
                    'file_name': 'COCO_train2014_000000000007.jpg',
                    'height': 300,
                    'width': 451,
                }
            ],
            'annotations': [
                {
                    'id': number,
                    'image_id': 7,
                    'category_id': 17,
                    'bbox': bbox,
                    'area': 9.0,
                    'iscrowd': 0,
                    'segmentation': [[0, 0, 1, 0, 1, 1]],
                }
                for number, bbox in ((2, [110.5, 15.0, 300.0, 250.25]), (3, [200, 20, 40, 40]))
            ],
            'categories': [{'id': 17, 'name': 'cat', 'supercategory': 'animal'}],
        },
    )
    # The published ones were written by Python 2.
    (folder / 'refs(unc).p').write_bytes(pickle.dumps(REFERENCES, protocol=0))
    return folder


ENTITIES = """\
[/EN#1/people A man] pours [/EN#2/other coffee] into [/EN#3/other/instruments a red cup] .
[/EN#1/people Someone] at [/EN#0/notvisual the start] of a day with [/EN#4/scene the kitchen] .
"""
ENTITIES_XML = """\
<annotation>
  <filename>1000.jpg</filename>
  <size><width>600</width><height>400</height><depth>3</depth></size>
  <object><name>1</name><bndbox><xmin>1</xmin><ymin>11</ymin><xmax>101</xmax><ymax>201</ymax></bndbox></object>
  <object><name>2</name><name>3</name><bndbox><xmin>181</xmin><ymin>91</ymin><xmax>441</xmax><ymax>311</ymax></bndbox></object>
  <object><name>3</name><bndbox><xmin>301</xmin><ymin>101</ymin><xmax>321</xmax><ymax>121</ymax></bndbox></object>
  <object><name>4</name><scene>1</scene><nobndbox>1</nobndbox></object>
</annotation>
"""


@pytest.fixture
def flickr30k(tmp_path):
    folder = tmp_path / 'Flickr30kEntities'
    for name, text in (('Sentences/1000.txt', ENTITIES), ('Annotations/1000.xml', ENTITIES_XML)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / 'test.txt').write_text('1000\n')
    return folder


@pytest.fixture
def vqa_v2(tmp_path):
    kinds = [('is there a cat?', 'yes', 'yes/no'), ('how many cats?', '2', 'number')]
    kinds.append(('what is red?', 'a cup', 'other'))
    common = {'info': {}, 'license': {}, 'data_type': 'mscoco', 'data_subtype': 'val2014'}
    path = write_json(
        tmp_path / 'vqa' / 'v2_OpenEnded_mscoco_val2014_questions.json',
        {
            **common,
            'task_type': 'Open-Ended',
            'questions': [
                {'image_id': 42, 'question': text, 'question_id': 42000 + number}
                for number, (text, _, _) in enumerate(kinds)
            ],
        },
    )
    write_json(
        tmp_path / 'vqa' / 'v2_mscoco_val2014_annotations.json',
        {
            **common,
            'annotations': [
                {
                    'question_type': 'what is',
                    'multiple_choice_answer': answer,
                    'answers': [
                        # Two of ten say something else.
                        {
                            'answer': answer if n > 2 else 'no',
                            'answer_confidence': 'maybe',
                            'answer_id': n,
                        }
                        for n in range(1, 11)
                    ],
                    'image_id': 42,
                    'answer_type': kind,
                    'question_id': 42000 + number,
                }
                for number, (_, answer, kind) in enumerate(kinds)
            ],
        },
    )
    return path


@pytest.fixture
def gqa(tmp_path):
    common = {
        'entailed': [],
        'equivalent': [],
        'imageId': '2405722',
        'isBalanced': True,
        'groups': {'global': None, 'local': '13-relation'},
        'semantic': [],
        'semanticStr': '',
        'annotations': {'question': {}, 'answer': {}, 'fullAnswer': {}},
        'fullAnswer': '',
    }
    rows = {
        '05451384': ('Is the cup red?', 'yes', 'verify'),
        '07333408': ('Who is pouring?', 'man', 'query'),
    }
    return write_json(
        tmp_path / 'val_balanced_questions.json',
        {
            key: {
                **common,
                'question': text,
                'answer': answer,
                'types': {'detailed': 'existAttrC', 'semantic': 'attr', 'structural': kind},
            }
            for key, (text, answer, kind) in rows.items()
        },
    )


@pytest.fixture
def nuscenes_qa(tmp_path):
    token = '3e8750f331d7499e9b5123e9eb70f2e2'
    rows = [
        ('Are there any cars to the front of me?', 'yes', 'exist', 0),
        ('How many trucks are there?', '3', 'count', 0),
    ]
    return write_json(
        tmp_path / 'NuScenes_val_questions.json',
        {
            'info': {'split': 'val'},
            'questions': [
                {
                    'sample_token': token,
                    'question': text,
                    'answer': answer,
                    'template_type': kind,
                    'num_hop': hops,
                }
                for text, answer, kind, hops in rows
            ],
        },
    )


@pytest.fixture
def nlvr2(tmp_path):
    path = tmp_path / 'dev.json'
    rows = [('dev-850-0-0', True), ('dev-850-1-0', False), ('dev-850-0-1', False)]
    path.write_text(
        ''.join(
            json.dumps(
                {
                    'validation': {},
                    'sentence': 'Both images show a cat.'
                    if key.endswith('0')
                    else 'No cat is there.',
                    'left_url': 'https://example.org/a.png',
                    'right_url': 'https://example.org/b.png',
                    'identifier': key,
                    'label': str(holds),
                    'synset': 'cat',
                    'query': 'cats',
                    'writer': 1,
                }
            )
            + '\n'
            for key, holds in rows
        )
    )
    return path


@pytest.fixture
def coco_captions(tmp_path):
    said = {
        391895: ['A cat looks up.', 'The face of a grey cat.'],
        522418: ['A cup of coffee on a table.', 'Coffee in a red cup.'],
    }
    return write_json(
        tmp_path / 'captions_val2014.json',
        {
            'info': {},
            'licenses': [],
            'images': [
                {
                    'id': key,
                    'file_name': f'COCO_val2014_{key:012d}.jpg',
                    'height': 300,
                    'width': 451,
                }
                for key in said
            ],
            'annotations': [
                {'id': 10 * key + n, 'image_id': key, 'caption': caption}
                for key, captions in said.items()
                for n, caption in enumerate(captions)
            ],
        },
    )


@pytest.fixture
def lvis(tmp_path):
    return write_json(
        tmp_path / 'lvis_v1_val.json',
        {
            'info': {},
            'licenses': [],
            'images': [
                {
                    'id': number,
                    'coco_url': f'http://images.cocodataset.org/val2017/{number:012d}.jpg',
                    'flickr_url': '',
                    'height': 300,
                    'width': 451,
                    'date_captured': '',
                    'license': 1,
                    'neg_category_ids': negatives,
                    'not_exhaustive_category_ids': open_ones,
                }
                for number, negatives, open_ones in ((1, [2], []), (2, [], [1]), (3, [1], []))
            ],
            'annotations': [
                {
                    'id': number,
                    'image_id': number,
                    'category_id': 1,
                    'bbox': [10.0, 10.0, 100.0, 100.0],
                    'area': 8000.5,
                    'segmentation': [[10, 10, 110, 10, 110, 110]],
                }
                for number in (1, 2)
            ],
            'categories': [
                {
                    'id': number,
                    'name': name,
                    'synset': f'{name}.n.01',
                    'synonyms': [name],
                    'def': '',
                    'image_count': 10,
                    'instance_count': 10,
                    'frequency': frequency,
                }
                for number, name, frequency in (
                    (1, 'cat', 'f'),
                    (2, 'teacup', 'c'),
                    (3, 'yak', 'r'),
                )
            ],
        },
    )


@pytest.fixture
def pope(tmp_path):
    path = tmp_path / 'coco_pope_random.json'
    rows = [('snowboard', 'yes'), ('dining table', 'no'), ('person', 'yes'), ('car', 'no')]
    path.write_text(
        ''.join(
            json.dumps(
                {
                    'question_id': number,
                    'image': 'COCO_val2014_000000310196.jpg',
                    'text': f'Is there a {thing} in the image?',
                    'label': label,
                }
            )
            + '\n'
            for number, (thing, label) in enumerate(rows, 1)
        )
    )
    return path


@pytest.fixture
def questions(tmp_path):
    """As `vlm-ros questions` writes them."""
    file, common = 'world-3.png', {'names': ['red car'], 'evidence': [[10.0, 20.0, 60.0, 50.0]]}
    rows = [
        {'text': 'Is there a car in the image?', 'label': 'yes', 'group': 'random'},
        {'text': 'There is a dog in the image.', 'label': 'no', 'group': 'random'},
        {'text': 'How many cars are there in the image?', 'label': '2', 'group': 'count'},
        {'text': 'What colour is the bus?', 'label': 'grey', 'group': 'colour'},
        {'text': 'The bus is red.', 'label': 'no', 'group': 'colour'},
    ]
    path = tmp_path / 'questions.jsonl'
    path.write_text(
        ''.join(
            json.dumps(
                {'question_id': number, 'image': file, **row, **common}
                | ({'form': 'statement'} if row['text'].endswith('.') else {})
            )
            + '\n'
            for number, row in enumerate(rows, 1)
        )
    )
    return path
