"""Florence-2 and Kosmos-2, read as transformers reads them."""

from types import SimpleNamespace

import numpy as np
import pytest

from vlm_ros.backends.dialects import parse_florence2, parse_kosmos2
import vlm_ros.backends.engine  # noqa: F401 - makes torchvision importable for transformers

RESOLUTIONS_WH = ((1000, 1000), (1920, 1080), (333, 777), (64, 48))


@pytest.fixture(scope='module')
def florence2():
    from transformers.models.florence2.processing_florence2 import Florence2PostProcessor

    # Of the tokenizer only its special tokens are looked at when a text is given.
    return Florence2PostProcessor(config=None, tokenizer=SimpleNamespace(all_special_tokens=[]))


FLORENCE2 = [
    # tests/models/florence2/test_processing_florence2.py of transformers
    (
        '</s><s>car<loc_53><loc_334><loc_933><loc_775>door handle<loc_425><loc_504><loc_474>'
        '<loc_516></s><pad>'
    ),
    (
        '</s><s>red car<loc_53><loc_334><loc_933><loc_775><loc_711><loc_203><loc_906><loc_546>'
        'sky<loc_0><loc_0><loc_999><loc_300></s>'
    ),
    # what is no box to the reference either
    'no boxes at all',
    'cat<loc_1><loc_2><loc_3>',
    '<loc_1><loc_2><loc_3><loc_4>',
    'cat<poly><loc_1><loc_2><loc_3><loc_4></poly>dog<loc_1><loc_2><loc_300><loc_400>',
    'cat<loc_1><loc_2><loc_300><loc_400><loc_5><loc_6>',
]


@pytest.mark.parametrize('resolution_wh', RESOLUTIONS_WH)
@pytest.mark.parametrize('text', FLORENCE2)
def test_florence2(text, resolution_wh, florence2):
    expected = florence2.parse_description_with_bboxes_from_text_and_spans(text, resolution_wh)
    spoken = parse_florence2(text, resolution_wh=resolution_wh)
    filled = [e for e in expected if e['bbox'][0] < e['bbox'][2] and e['bbox'][1] < e['bbox'][3]]
    assert [(box.label, list(box.xyxy)) for box in spoken.boxes] == [
        (entry['cat_name'], entry['bbox']) for entry in filled
    ]


@pytest.mark.parametrize('resolution_wh', RESOLUTIONS_WH)
def test_florence2_every_bin(resolution_wh, florence2):
    bins = np.random.default_rng(1).integers(0, 1000, (200, 2, 2))
    bins = np.sort(bins, axis=1).reshape(-1, 4)
    text = 'a'.join(''.join(f'<loc_{value}>' for value in row) for row in bins)
    entries = florence2.parse_description_with_bboxes_from_text_and_spans(
        f'a{text}', resolution_wh
    )
    filled = [
        entry['bbox']
        for entry in entries
        if entry['bbox'][0] < entry['bbox'][2] and entry['bbox'][1] < entry['bbox'][3]
    ]
    spoken = parse_florence2(f'a{text}', resolution_wh=resolution_wh)
    assert len(filled) > 150
    assert [list(box.xyxy) for box in spoken.boxes] == filled
    assert len(spoken) + len(entries) - len(filled) == len(entries)


def test_florence2_phrase_grounding(florence2):
    text = 'A green car<loc_53><loc_334><loc_933><loc_775>the image<loc_0><loc_0><loc_9><loc_9>'
    florence2.banned_grounding_tokens = {'the image'}
    expected = florence2.parse_phrase_grounding_from_text_and_spans(text, (640, 480))
    spoken = parse_florence2(text, resolution_wh=(640, 480), ignored=frozenset({'the image'}))
    assert [(box.label, [list(box.xyxy)]) for box in spoken.boxes] == [
        (entry['cat_name'], entry['bbox']) for entry in expected
    ]
    assert spoken.labels == ('A green car',)


def test_florence2_own_ways():
    spoken = parse_florence2(
        '猫<loc_500><loc_400><loc_100><loc_200>x<loc_1><loc_1><loc_1><loc_1>',
        resolution_wh=(1000, 1000),
    )
    assert [(box.label, box.xyxy) for box in spoken.boxes] == [('猫', (100, 200, 500, 400))]
    assert spoken.rejected == ("'x' has an empty box",)


@pytest.mark.parametrize(
    ('text', 'count', 'is_complete'),
    [
        ('car<loc_53><loc_334><loc_933><loc_775></s>', 1, True),
        ('car<loc_53><loc_334><loc_933><loc_775>do', 1, False),
        ('car<loc_53><loc_334><loc_933><loc_775>door<loc_4><loc_5>', 1, False),
        ('car<loc_53><loc_334><loc_933><loc_775><loc_1>', 1, False),
        ('car<loc_53><loc_334><loc_933><loc_99999999>', 0, True),
    ],
)
def test_florence2_that_breaks_off(text, count, is_complete):
    spoken = parse_florence2(text, resolution_wh=(640, 480))
    assert len(spoken) == count
    assert spoken.is_complete is is_complete


SNOWMAN = (  # huggingface.co/microsoft/kosmos-2-patch14-224 and transformers' own example
    '<grounding> An image of<phrase> a snowman</phrase><object><patch_index_0044>'
    '<patch_index_0863></object> warming himself by<phrase> a fire</phrase><object>'
    '<patch_index_0005><patch_index_0911></object>.'
)
KOSMOS2 = [
    SNOWMAN,
    (
        '<grounding><phrase> two dogs</phrase><object><patch_index_0010><patch_index_0500>'
        '</delimiter_of_multi_objects/><patch_index_0020><patch_index_0700></object> play'
    ),
    # one row, one column, one patch: the outer edges count
    '<phrase>row</phrase><object><patch_index_0032><patch_index_0040></object>',
    '<phrase>column</phrase><object><patch_index_0033><patch_index_0097></object>',
    '<phrase>patch</phrase><object><patch_index_1023><patch_index_1023></object>',
    'no boxes at all ',
    (
        '<grounding> a<phrase>  spaced   words </phrase><object><patch_index_0000>'
        '<patch_index_1023></object>'
    ),
]


@pytest.mark.parametrize('resolution_wh', RESOLUTIONS_WH)
@pytest.mark.parametrize('text', KOSMOS2)
def test_kosmos2(text, resolution_wh):
    from transformers.models.kosmos2.processing_kosmos2 import (
        clean_text_and_extract_entities_with_bboxes,
    )

    caption, entities = clean_text_and_extract_entities_with_bboxes(text)
    spoken = parse_kosmos2(text, resolution_wh=resolution_wh)
    expected = [
        (' '.join(phrase.split()), span, np.array(box) * np.tile(resolution_wh, 2))
        for phrase, span, boxes in entities
        for box in boxes
    ]
    assert spoken.caption == caption
    assert len(spoken) == len(expected)
    for box, (phrase, span, xyxy) in zip(spoken.boxes, expected, strict=True):
        assert box.label == phrase
        assert box.span == span
        np.testing.assert_allclose(box.xyxy, xyxy, rtol=1e-12)


def test_kosmos2_every_patch():
    from transformers.models.kosmos2.processing_kosmos2 import patch_index_to_coordinate

    rng = np.random.default_rng(2)
    compared = 0
    for _ in range(500):
        rows, columns = np.sort(rng.integers(0, 32, 2)), np.sort(rng.integers(0, 32, 2))
        first, second = (int(32 * row + column) for row, column in zip(rows, columns, strict=True))
        text = (
            f'<phrase>a</phrase><object><patch_index_{first:04}><patch_index_{second:04}></object>'
        )
        (box,) = parse_kosmos2(text, resolution_wh=(1, 1)).boxes
        assert box.xyxy == patch_index_to_coordinate(first, second, 32)
        compared += first != second
    assert compared > 400


def test_kosmos2_box_without_a_phrase():
    (box,) = parse_kosmos2(
        'a <object><patch_index_0000><patch_index_1023></object>', resolution_wh=(32, 32)
    ).boxes
    assert (box.label, box.span, box.xyxy) == ('', None, (0.5, 0.5, 31.5, 31.5))


@pytest.mark.parametrize(
    ('boxes', 'reason'),
    [
        ('<patch_index_0044><patch_index_1024>', 'not two patches'),
        ('<patch_index_0044>', 'not two patches'),
        ('', 'not two patches'),
    ],
)
def test_kosmos2_malformed(boxes, reason):
    spoken = parse_kosmos2(
        f'<phrase>cat</phrase><object>{boxes}</object>', resolution_wh=(640, 480)
    )
    assert not spoken.boxes
    assert reason in spoken.rejected[0]


def test_kosmos2_that_breaks_off():
    for end in range(len(SNOWMAN)):
        spoken = parse_kosmos2(SNOWMAN[:end], resolution_wh=(640, 480), was_cut=True)
        assert len(spoken) == SNOWMAN[:end].count('</object>')
        assert not spoken.is_complete
    assert not parse_kosmos2(SNOWMAN[: SNOWMAN.index('<patch_index_0863')], resolution_wh=(9, 9))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    'part',
    [
        '<',
        'a',
        'a<',
        '<loc_1>',
        'a<loc_1>',
        '<phrase>',
        '<phrase>a</phrase><object>',
        '<object><patch_index_0001>',
        '<patch_index_0001><patch_index_0002></delimiter_of_multi_objects/>',
    ],
)
def test_takes_linear_time(part):
    for parse in (parse_florence2, parse_kosmos2):
        assert not parse(part * 10**6, resolution_wh=(640, 480)).is_complete
