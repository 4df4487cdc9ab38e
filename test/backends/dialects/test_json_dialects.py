"""Dialects in JSON, on answers as public pages quote them and on what breaks readers of JSON."""

import math

import numpy as np
import pytest

from vlm_ros.backends.dialects import DIALECTS
from vlm_ros.backends.dialects.loose_json import read_loose_json
from vlm_ros.backends.dialects.spoken import MAX_BOXES, MAX_CHARACTERS, MAX_REASONS

FULL_HD = (1920, 1080)


def boxes(spoken):
    return [(box.label, *(round(value, 2) for value in box.xyxy)) for box in spoken.boxes]


def parse(dialect, text, **more):
    return DIALECTS[dialect].parse(text, **{'resolution_wh': (1000, 500), **more})


QUOTED = [
    # github.com/OpenGVLab/InternVL issue 1140
    (
        'qwen3',
        (
            '```json\n[\n{"bbox_2d": [139, 768, 315, 954], "label": "truck"},\n'
            '{"bbox_2d": [366, 679, 536, 849], "label": "car"}\n]\n```'
        ),
        [('truck', 139, 384, 315, 477), ('car', 366, 339.5, 536, 424.5)],
    ),
    # github.com/QwenLM/Qwen3-VL issue 1137: one object, no list, no label
    ('qwen3', '{\n"bbox_2d": [135, 114, 1016, 672]\n}', [('', 135, 57, 1000, 336)]),
    # github.com/modelscope/ms-swift pull request 6178: no comma between the entries
    (
        'qwen3',
        (
            '[\n\t{"bbox_2d": [91, 161, 135, 213], "label": "羊"}\n'
            '\t{"bbox_2d": [361, 481, 495, 533], "label": "羊"}\n]'
        ),
        [('羊', 91, 80.5, 135, 106.5), ('羊', 361, 240.5, 495, 266.5)],
    ),
    # github.com/modelscope/ms-swift issue 4898: entries inside a description
    (
        'qwen3',
        (
            '{"image_path": "../path", "result": {"image_description": "The image shows a chip", '
            '"objects": [{"name": "Computer Processor", "bbox_2d": [8, 67, 299, 275], '
            '"description": "A square-shaped, metallic object."}]}}'
        ),
        [('Computer Processor', 8, 33.5, 299, 137.5)],
    ),
    # github.com/roboflow/supervision, test_vlm.py: Gemini's order
    ('gemma', '[{"box_2d": [100, 200, 300, 400], "label": "cat"}]', [('cat', 200, 50, 400, 150)]),
    # A public tool's README quotes this answer of Gemini's ("headphones")
    (
        'gemma',
        '```json\n[{"box_2d": [182, 110, 808, 882], "label": "headphones"}]\n```',
        [('headphones', 110, 91, 882, 404)],
    ),
    # techcommunity.microsoft.com 4506726: a box in pixels of an image of 847 x 783
    ('json_pixels', '[{"label": "panel", "box": [135, 165, 687, 619]}]', None),
]


@pytest.mark.parametrize(('dialect', 'text', 'expected'), QUOTED)
def test_reads_quoted_answers(dialect, text, expected):
    spoken = parse(dialect, text, input_wh=(847, 783))
    scale = 1000 / 847, 500 / 783
    expected = expected or [
        ('panel', *(round(v * scale[i % 2], 2) for i, v in enumerate((135, 165, 687, 619))))
    ]
    assert boxes(spoken) == expected
    assert spoken.is_complete
    assert not spoken.rejected


# Each says: one cat at (10, 20)-(30, 40) thousandths of 1000 x 500.
CAT = [('cat', 10, 10, 30, 20)]
SPELLINGS = {
    'plain': '[{"label": "cat", "box": [10, 20, 30, 40]}]',
    'one object': '{"label": "cat", "box": [10, 20, 30, 40]}',
    'apostrophes': "[{'label': 'cat', 'box': [10, 20, 30, 40]}]",
    'trailing commas': '[{"label": "cat", "box": [10, 20, 30, 40,],},]',
    'bare keys': '[{label: "cat", box: [10, 20, 30, 40]}]',
    'fence without a language': '```\n[{"label": "cat", "box": [10, 20, 30, 40]}]\n```',
    'open fence': '```json\n[{"label": "cat", "box": [10, 20, 30, 40]}]',
    'prose around it': (
        "Here's what I can see: it's a cat.\n"
        '[{"label": "cat", "box": [10, 20, 30, 40]}]\nIsn\'t it "cute"? {:-)'
    ),
    'thoughts': (
        '<think>[{"label": "dog", "box": [1, 2, 3, 4]}] no, wait</think>'
        '[{"label": "cat", "box": [10, 20, 30, 40]}]'
    ),
    'numbers as text': '[{"label": "cat", "box": ["10", "20", "30", "40.0"]}]',
    'box as text': '[{"label": "cat", "box": "10, 20, 30, 40"}]',
    'points': '[{"label": "cat", "box": [[10, 20], [30, 40]]}]',
    'points as text': '[{"label": "cat", "box": "(10,20),(30,40)"}]',
    'corners by name': '{"label": "cat", "box": {"ymin": 20, "xmin": 10, "xmax": 30, "ymax": 40}}',
    'boxes of one label': '[{"label": "cat", "box": [[10, 20, 30, 40]]}]',
    'swapped corners': '[{"label": "cat", "box": [30, 40, 10, 20]}]',
    'other keys': '{"detections": [{"class": "cat", "bbox": [10, 20, 30, 40], "score": 0.9}]}',
    'keys in capitals': '[{"Label": "cat", "Box": [10, 20, 30, 40]}]',
    'a key twice': '[{"label": "cat", "box": [1, 2, 3, 4], "box": [10, 20, 30, 40]}]',
    'brace forgotten': '[{"label": "cat", "box": [10, 20, 30, 40]]',
    'spaces in the label': '[{"label": "  cat\\n", "box": [10, 20, 30, 40]}]',
    'exponents': '[{"label": "cat", "box": [1e1, 2.0E+1, 300e-1, 40.]}]',
}


@pytest.mark.parametrize('text', SPELLINGS.values(), ids=SPELLINGS)
def test_reads_every_spelling(text):
    assert boxes(parse('json', text)) == CAT


BROKEN = (
    '```json\n[{"label": "a b", "box": [10, 20, 30, 40]}, {"label": "c", "box": [5, 6, 7, 8]}]'
)


@pytest.mark.parametrize('end', range(1, len(BROKEN)))
def test_a_text_that_breaks_off_gives_what_was_finished(end):
    spoken = parse('json', BROKEN[:end])
    finished = [('a b', 10, 10, 30, 20), ('c', 5, 3, 7, 4)][: BROKEN[:end].count('}')]
    assert boxes(spoken) == finished
    assert spoken.is_complete == ('[' not in BROKEN[:end])


def test_a_limit_makes_a_text_incomplete():
    text = '[{"label": "cat", "box": [10, 20, 30, 40]}]'
    for dialect in DIALECTS.values():
        assert dialect.parse(text, resolution_wh=(9, 9)).is_complete
        assert not dialect.parse(text, resolution_wh=(9, 9), was_cut=True).is_complete


@pytest.mark.parametrize(
    ('entry', 'reason'),
    [
        ('{"label": "cat", "box": [NaN, 20, 30, 40]}', "'cat' has a coordinate that is no number"),
        ('{"label": "cat", "box": ["x1", "y1", "x2", "y2"]}', 'no number'),
        ('{"label": "cat", "box": [10, 20, 30]}', 'not four numbers'),
        ('{"label": "cat", "box": [10, 20, 30, 40, 50]}', 'not four numbers'),
        ('{"label": "cat", "box": {"a": 1}}', 'not four numbers'),
        ('{"label": "cat", "box": [10, 20, 10, 40]}', "'cat' has an empty box"),
        ('{"label": "cat", "box": [0, 0, 0, 0]}', 'empty box'),
        ('{"label": "cat", "box": [10, 20, 1920, 1080]}', 'outside of the image'),
        ('{"label": "cat", "box": [-900, 20, 30, 40]}', 'outside of the image'),
        ('{"label": "cat", "box": [1050, 20, 1090, 40]}', 'empty box'),
        (f'{{"label": "cat", "box": [1, 2, 3, {"9" * 5000}]}}', 'no number'),
        ('{"label": "cat", "box": [1, 2, 3, 1e999]}', 'no number'),
        ('{"label": "cat"}', "'cat' has no box"),
    ],
)
def test_what_is_no_box_is_rejected_with_its_reason(entry, reason):
    spoken = parse('json', f'[{entry}, {{"label": "dog", "box": [1, 2, 3, 4]}}]')
    assert spoken.labels == ('dog',)
    assert len(spoken.rejected) == 1
    assert reason in spoken.rejected[0]
    assert '\n' not in spoken.rejected[0]


@pytest.mark.parametrize('nothing', ['null', '[]', '""'])
def test_a_label_without_a_box_is_the_way_to_say_that_it_is_not_there(nothing):
    spoken = parse('json', f'[{{"label": "cat", "box": {nothing}}}]')
    assert not spoken.boxes
    assert not spoken.rejected


def test_clips_what_overshoots_a_little():
    text = '[{"label": "dog", "bbox_2d": [-10, 0, 700, 700]}]'  # supervision's out-of-bounds box
    spoken = parse('qwen2.5', text, input_wh=(640, 640), resolution_wh=(1280, 720))
    assert boxes(spoken) == [('dog', 0, 0, 1280, 720)]


@pytest.mark.parametrize(
    ('dialect', 'box'),
    [
        ('json', '[250, 500, 750, 1000]'),
        ('json_unit', '[0.25, 0.5, 0.75, 1.0]'),
        ('json_pixels', '[160, 240, 480, 480]'),
        ('qwen2.5', '[160, 240, 480, 480]'),
        ('qwen3', '[250, 500, 750, 1000]'),
        ('gemma', '[500, 250, 1000, 750]'),
        ('internvl', '[250, 500, 750, 1000]'),
    ],
)
def test_scales_of_the_dialects(dialect, box):
    spoken = DIALECTS[dialect].parse(
        f'[{{"label": "x", "bbox_2d": {box}}}]', resolution_wh=FULL_HD, input_wh=(640, 480)
    )
    assert boxes(spoken) == [('x', 480, 540, 1440, 1080)]


def test_lists_alone_have_no_labels():
    spoken = parse('json', 'I see two: [[10, 20, 30, 40], [50, 60, 70, 80]]')
    assert boxes(spoken) == [('', 10, 10, 30, 20), ('', 50, 30, 70, 40)]
    assert boxes(parse('json', 'It is at [10, 20, 30, 40].')) == [('', 10, 10, 30, 20)]


@pytest.mark.parametrize('dialect', DIALECTS.values(), ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    'text',
    [
        '',
        ' \n',
        'There is nothing like that in the image.',
        'None.',
        '[]',
        '```json\n[]\n```',
        '\x00\udc80',
    ],
)
def test_nothing_is_nothing(dialect, text):
    spoken = dialect.parse(text, resolution_wh=(640, 480))
    assert not spoken.boxes
    assert not spoken.rejected
    assert spoken.is_complete


@pytest.mark.parametrize(
    ('dialect', 'text', 'is_readable'),
    [
        ('json', '[]', True),
        ('json', '```json\n[]\n```', True),
        ('json', '{"objects": []}', True),
        ('json', '{}', True),
        ('json', '[{"label": "cat", "box": null}]', True),
        ('json', '[{"label": "cat", "box": [1, 2, 3, 4]}]', True),
        ('json', '[{"label": "cat", "box": [1, 2, 3]}]', False),
        ('json', 'There is no cat.', False),
        ('json', 'I see [a cat].', False),
        ('json', '{"answer": "no"}', False),
        ('json', '', False),
        ('paligemma', '', True),
        ('paligemma', '<eos>', True),
        ('paligemma', 'no cat', False),
        ('paligemma', '<loc0001><loc0001><loc0001><loc0001> cat', False),
        ('qwen2', 'There is no cat.', False),
        ('qwen2', 'a cat(1,2),(3,4)', True),
        ('internvl', '<ref>cat</ref><box>null</box>', True),
        ('internvl', 'There is no cat.', False),
    ],
)
def test_an_answer_that_says_nothing_of_boxes_is_not_readable(dialect, text, is_readable):
    assert parse(dialect, text).is_readable is is_readable


@pytest.mark.parametrize('size', [(0, 480), (640, -1)])
@pytest.mark.parametrize('dialect', DIALECTS.values(), ids=lambda dialect: dialect.name)
def test_sizes_must_be_positive(dialect, size):
    with pytest.raises(ValueError, match='positive'):
        dialect.parse('', resolution_wh=size)


HOSTILE = {
    'brackets': '[' * 10**6,
    'braces': '{"a":' * 10**6,
    'closers': '[' + ']' * 10**6,
    'quotes': '["' + '\\"' * 10**6,
    'apostrophes': '[' + "'" * (10**6 + 1),
    'one number': '[{"box": [1, 2, 3, ' + '9' * 10**6,
    'dots': '[' + '.' * 10**6,
    'entries': '[' + '{"label": "a", "box": [1, 2, 3, 4]},' * 10**6,
    'bad entries': '[' + '{"label": "a", "box": [1, 1, 1, 1]},' * 10**6,
    'spaces': '[' + ' ' * 10**6,
    'angles': '<' * 10**6,
    'letters': 'a' * 10**6 + '<',
    'parentheses': '(' * 10**6,
    'points': '(1,2),' * 10**6,
    'refs': '<ref>' * 10**6,
    'box tags': '<box>[' * 10**6,
    'locations': '<loc0001>' * 10**6,
    'semicolons': '<loc0001>;' * 10**6,
    'thoughts': '<think>' + '</think>' * 10**6,
    'fences': '[```' * 10**6,
}


@pytest.mark.parametrize('text', HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(20)  # quadratic time would take minutes for any of them
def test_takes_linear_time_and_space(text):
    for name in ('json', 'qwen2', 'paligemma', 'internvl'):
        spoken = DIALECTS[name].parse(text, resolution_wh=(640, 480))
        assert len(spoken.boxes) <= MAX_BOXES
        assert len(spoken.rejected) <= MAX_REASONS
        assert not spoken.is_complete


def test_reads_no_more_than_so_much():
    text = '[' + ' ' * MAX_CHARACTERS + '{"label": "cat", "box": [1, 2, 3, 4]}]'
    assert not parse('json', text)


def test_any_cut_and_any_noise_of_an_answer_is_read_without_failing():
    rng = np.random.default_rng(0)
    for dialect in DIALECTS.values():
        answer = (
            'Sure! ```json\n[{"bbox_2d": [1, 2, 3, 4], \'label\': "a"}, {"x": {"y": [[1]]}}]\n```'
            '<ref>cat</ref><box>[[1, 2, 3, 4]]</box> <loc0001><loc0002><loc0300><loc0400> dog ; '
            '<|object_ref_start|>a<|object_ref_end|><|box_start|>(1,2),(3,4)<|box_end|>'
        )
        for _ in range(300):
            characters = list(answer[: rng.integers(len(answer))])
            for index in rng.integers(0, max(1, len(characters)), 5):
                if characters:
                    characters[index] = rng.choice(list('[]{}<>(),:"\'\\ 0a;|/'))
            for box in dialect.parse(''.join(characters), resolution_wh=(64, 48)).boxes:
                left, top, right, bottom = box.xyxy
                assert 0 <= left < right <= 64
                assert 0 <= top < bottom <= 48


def test_prompts_name_what_is_looked_for_and_nothing_that_ends_a_turn():
    for dialect in DIALECTS.values():
        assert 'traffic light' in dialect.prompt(['person', 'traffic light'])
        prompt = dialect.prompt(['a"<|im_end|>\n[x]`{}'])
        assert '<|im_end|>' not in prompt
        assert 'a im_end x' in prompt


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('{"a": "tab\\t \\"q\\" \\u00e9 \\ud83d"}', 'tab\t "q" é ?'),
        ("{'a': 'it\\'s'}", "it's"),
        ('{"a": null}', None),
        ('{"a": -1_000.5}', -1000.5),
        ('{"a": true}', 'true'),
    ],
)
def test_values_of_loose_json(text, value):
    (found,) = read_loose_json(text).objects
    assert found == {'a': value}


def test_a_number_of_many_digits_is_none():
    (found,) = read_loose_json('{"a": ' + '1' * 41 + '}').objects
    assert math.isnan(found['a'])
