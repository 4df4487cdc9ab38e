"""Dialects in tokens, on answers as public pages quote them and on broken ones."""

import pytest

from vlm_ros.backends.dialects import DIALECTS

THOUSAND = (1000, 1000)


def boxes(spoken):
    return [(box.label, *(round(value, 2) for value in box.xyxy)) for box in spoken.boxes]


def parse(dialect, text, **more):
    return DIALECTS[dialect].parse(text, **{'resolution_wh': THOUSAND, **more})


@pytest.mark.parametrize(
    ('text', 'expected', 'caption'),
    [
        # github.com/modelscope/ms-swift issue 3511
        (
            (
                '<|object_ref_start|>一只狗<|object_ref_end|><|box_start|>(221,423),(569,886)'
                '<|box_end|>和<|object_ref_start|>一个女人<|object_ref_end|><|box_start|>(451,381),'
                '(733,793)<|box_end|>正在沙滩上玩耍'
            ),
            [('一只狗', 221, 423, 569, 886), ('一个女人', 451, 381, 733, 793)],
            '一只狗和一个女人正在沙滩上玩耍',
        ),
        # the same issue: several boxes of one reference, without its tokens
        (
            '<|box_start|>(101,201),(150,266)<|box_end|><|box_start|>(401,601),(550,666)<|box_end|>',
            [('', 101, 201, 150, 266), ('', 401, 601, 550, 666)],
            '',
        ),
        # github.com/QwenLM/Qwen3-VL issue 762: a space after the comma, a line for each box
        (
            (
                '<|object_ref_start|>Popup close button<|object_ref_end|><|box_start|>(483, 954), '
                '(519, 987)<|box_end|>\n<|object_ref_start|>Popup close button<|object_ref_end|>'
                '<|box_start|>(419, 507), (429, 519)<|box_end|><|im_end|>'
            ),
            [
                ('Popup close button', 483, 954, 519, 987),
                ('Popup close button', 419, 507, 429, 519),
            ],
            'Popup close button\nPopup close button',
        ),
        # decoded without its special tokens
        ('the dog(221,423),(569,886)', [('the dog', 221, 423, 569, 886)], 'the dog'),
    ],
)
def test_qwen2(text, expected, caption):
    spoken = parse('qwen2', text)
    assert boxes(spoken) == expected
    assert spoken.caption == caption
    assert spoken.is_complete
    for box in spoken.boxes:
        assert box.span is None or caption[slice(*box.span)] == box.label


def test_qwen2_malformed():
    # github.com/likaixin2000/ScreenSpot-Pro-GUI-Grounding issue 7, with the tokens put right
    text = (
        '<|object_ref_start|>the selection<|object_ref_end|><|box_start|>(501,10), (995987)'
        '<|box_end|><|im_end|>'
    )
    spoken = parse('qwen2', text)
    assert not spoken.boxes
    assert spoken.rejected == ("'the selection' has a box that is not two points",)
    cut = parse('qwen2', text[: text.index('(995')])
    assert not cut.is_complete


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        # the table of github.com/roboflow/supervision, test_vlm.py
        ('<loc0256><loc0256><loc0768><loc0768> cat', [('cat', 250, 250, 750, 750)]),
        ('<loc0256><loc0256><loc0768><loc0768> black-cat ;', [('black-cat', 250, 250, 750, 750)]),
        (
            '<loc0256><loc0128><loc0768><loc0512> cat ; <loc0000><loc0000><loc0512><loc1023> dog',
            [('cat', 125, 250, 500, 750), ('dog', 0, 0, 999.02, 500)],
        ),
        # a mask behind the box
        (
            '<loc0234><loc0120><loc0890><loc0540><seg012><seg099> cat<eos>',
            [('cat', 117.19, 228.52, 527.34, 869.14)],
        ),
        # no semicolon between the entries
        (
            '<loc0256><loc0256><loc0768><loc0768> cat\n<loc0256><loc0256><loc0768><loc0768> dog',
            [('cat', 250, 250, 750, 750), ('dog', 250, 250, 750, 750)],
        ),
        ('<loc0256><loc0256><loc0768><loc0768><eos>', [('', 250, 250, 750, 750)]),
    ],
)
def test_paligemma(text, expected):
    spoken = parse('paligemma', text)
    assert boxes(spoken) == expected
    assert spoken.is_complete


@pytest.mark.parametrize(
    ('text', 'rejected', 'is_complete'),
    [
        ('<loc0256><loc0768><loc0768> cat ;', 1, True),
        ('<loc0256><loc0256><loc0768><loc0768><loc0768> cat', 1, True),
        ('<loc0256><loc0256><loc0768><loc0768>', 0, False),
        ('<loc0256><loc0256>', 0, False),
        ('<loc9999><loc0000><loc0768><loc0768> cat', 1, True),
        ('<loc0256><loc0256><loc0256><loc0256> cat', 1, True),
    ],
)
def test_paligemma_malformed(text, rejected, is_complete):
    spoken = parse('paligemma', '<loc0256><loc0256><loc0768><loc0768> dog ; ' + text)
    assert spoken.labels == ('dog',)
    assert len(spoken.rejected) == rejected
    assert spoken.is_complete is is_complete


def test_paligemma_leaves_out_a_label_that_may_lack_its_end():
    text = '<loc0256><loc0256><loc0768><loc0768> cat ; <loc0256><loc0256><loc0768><loc0768> ted'
    assert parse('paligemma', text, was_cut=True).labels == ('cat',)
    assert parse('paligemma', text).labels == ('cat', 'ted')


@pytest.mark.parametrize(
    ('text', 'expected', 'caption'),
    [
        # github.com/OpenGVLab/all-seeing, the demo of its relation conversation
        (
            (
                'In the image, a tall red <ref>bus</ref><box>[[290, 202, 835, 851]]</box> is '
                'driving on a <ref>road</ref><box>[[0, 604, 984, 999]]</box> past <ref>cars</ref>'
                '<box>[[827, 590, 885, 682], [1, 640, 90, 700]]</box>.'
            ),
            [
                ('bus', 290, 202, 835, 851),
                ('road', 0, 604, 984, 999),
                ('cars', 827, 590, 885, 682),
                ('cars', 1, 640, 90, 700),
            ],
            'In the image, a tall red bus is driving on a road past cars.',
        ),
        ('<box>[[10,20,30,40]]</box>', [('', 10, 20, 30, 40)], ''),
        ('[[250,250,750,750]]', [('', 250, 250, 750, 750)], ''),
        ('<ref>door</ref><box>null</box>', [], 'door'),
        # github.com/OpenGVLab/InternVL issue 1140: JSON where JSON was asked for
        (
            '[{"bbox_2d": [139, 768, 315, 954], "label": "truck"}]',
            [('truck', 139, 768, 315, 954)],
            '',
        ),
    ],
)
def test_internvl(text, expected, caption):
    spoken = parse('internvl', text)
    assert boxes(spoken) == expected
    assert spoken.caption == caption
    assert spoken.is_complete
    assert not spoken.rejected
    for box in spoken.boxes:
        assert box.span is None or caption[slice(*box.span)] == box.label


@pytest.mark.parametrize(
    ('text', 'expected', 'rejected', 'is_complete'),
    [
        # github.com/deepseek-ai/DeepSeek-VL2 issue 96, whose endless number this is, in these tags
        ('<ref>head</ref><box>[[0, 50, 55, 9999], [0, 5, 533, 17, 9999', [], 1, False),
        ('<ref>head</ref><box>[[0, 50, 55, ' + '9' * 5000 + ']]</box>', [], 1, True),
        ('<ref>a</ref><box>[[1, 2, 3, 4], [5, 6', [('a', 1, 2, 3, 4)], 0, False),
        ('<ref>a</ref><box>[[533, 132, 457]]</box>', [], 1, True),
        ('<ref>a</ref><box>[1, 2, x, 4]</box>', [], 1, True),
        ('<ref>a</ref><box>[[', [], 0, False),
    ],
)
def test_internvl_malformed(text, expected, rejected, is_complete):
    spoken = parse('internvl', text)
    assert boxes(spoken) == expected
    assert len(spoken.rejected) == rejected
    assert spoken.is_complete is is_complete
