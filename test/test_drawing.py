"""`drawing`: on real photographs of every size, with boxes and texts of every kind."""

import subprocess
import sys

import cv2
import numpy as np
from PIL import ImageFont
import pytest
from skimage import data

from vlm_ros.boxes import intersection
from vlm_ros.drawing import draw_detections, fonts
from vlm_ros.drawing.overlays import MAX_DRAWN
from vlm_ros.drawing.placement import place_names
from vlm_ros.errors import ImageError
from vlm_ros.results import Detections

PHOTO = data.astronaut()


def detections(*boxes, labels=None, scores=None):
    return Detections(
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.5, len(boxes)) if scores is None else scores,
        labels=['person'] * len(boxes) if labels is None else labels,
    )


def many(count, resolution_wh):
    random = np.random.default_rng(5)
    top_left = random.uniform(0, resolution_wh, (count, 2)) - 0.1
    xyxy = np.hstack([top_left, top_left + random.uniform(0, 300, (count, 2))])
    return detections(*xyxy, scores=random.uniform(0, 1, count))


def changed(before, after):
    """Return where two images differ, `(H, W)` bool."""
    return (before != after).any(axis=2)


@pytest.mark.parametrize(
    'resolution_wh', [(100, 80), (640, 480), (512, 512), (80, 1200), (3840, 2160)]
)
@pytest.mark.parametrize('text', ['', 'A cat beside a dog. ' * 10])
def test_every_size_comes_back_as_it_was(resolution_wh, text):
    image = cv2.resize(PHOTO, resolution_wh)
    before = image.copy()
    drawn = draw_detections(
        image, many(20, resolution_wh), caption=text, status_line='embedded, 12 ms'
    )
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert drawn.flags.c_contiguous
    assert not np.shares_memory(drawn, image)
    np.testing.assert_array_equal(image, before)
    assert changed(image, drawn).any()


@pytest.mark.parametrize('image', [PHOTO[:1, :1], PHOTO[:2, :300], PHOTO[:300, :2]])
def test_slivers_of_images(image):
    drawn = draw_detections(
        image, detections([0, 0, 300, 300]), caption='a caption', status_line='status'
    )
    assert drawn.shape == image.shape


def test_an_image_that_must_not_be_written_to_and_one_that_is_not_contiguous():
    frozen = PHOTO.copy()
    frozen.flags.writeable = False
    found = detections([10, 10, 200, 200])
    expected = draw_detections(PHOTO, found)
    np.testing.assert_array_equal(draw_detections(frozen, found), expected)
    flipped = PHOTO[:, ::-1][:, ::-1]
    np.testing.assert_array_equal(draw_detections(flipped, found), expected)


def test_nothing_found_leaves_the_image():
    np.testing.assert_array_equal(draw_detections(PHOTO, Detections()), PHOTO)
    np.testing.assert_array_equal(draw_detections(PHOTO, Detections(), caption=' '), PHOTO)


def test_a_box_is_drawn_on_its_edges_and_not_inside():
    mask = changed(PHOTO, draw_detections(PHOTO, detections([100, 150, 400, 450])))
    assert mask[150, 200:399].all()
    assert mask[449, 101:399].all()
    assert mask[151:449, 100].all()
    assert mask[151:449, 399].all()
    assert not mask[160:440, 110:390].any()
    assert not mask[460:].any()


def test_boxes_at_and_beyond_the_edges():
    whole = draw_detections(PHOTO, detections([0, 0, 512, 512]))
    assert changed(PHOTO, whole)[511, 5:500].all()
    assert changed(PHOTO, whole)[5:500, 511].all()
    reaching_out = draw_detections(PHOTO, detections([-50, -60, 900, 800]))
    np.testing.assert_array_equal(reaching_out, whole)
    outside = detections([600, 10, 700, 90], [-90, 5, 0, 60], [5, 512, 90, 600])
    np.testing.assert_array_equal(draw_detections(PHOTO, outside), PHOTO)


def test_a_name_has_one_colour_in_every_image_and_process():
    def color(label, image):
        drawn = draw_detections(image, detections([100, 150, 400, 450], labels=[label]))
        return tuple(drawn[449, 250].tolist())

    dark = np.zeros_like(PHOTO)
    assert color('cat', PHOTO) == color('cat', dark) == (255, 151, 202)
    assert color('dog', dark) != color('cat', dark)


def test_only_the_best_are_drawn():
    found = many(3 * MAX_DRAWN, (512, 512))
    best = found[np.argsort(-found.scores)[:MAX_DRAWN]]
    np.testing.assert_array_equal(draw_detections(PHOTO, found), draw_detections(PHOTO, best))


def test_the_caption_stays_within_the_lower_third():
    for words in (3, 30, 3000):
        drawn = draw_detections(PHOTO, Detections(), caption='word ' * words, status_line='s')
        rows = np.flatnonzero(changed(PHOTO, drawn).any(axis=1))
        assert 512 * 2 // 3 <= rows.min() < 500
        assert rows.max() >= 505


def test_names_stay_clear_of_the_caption():
    found = detections([0, 470, 200, 512])
    with_caption = draw_detections(PHOTO, found, caption='a caption')
    np.testing.assert_array_equal(
        with_caption[-20:, 300:],
        draw_detections(PHOTO, Detections(), caption='a caption')[-20:, 300:],
    )
    assert changed(PHOTO, with_caption)[450:468, :60].any()


@pytest.mark.parametrize(
    'image', [PHOTO[..., 0], PHOTO / 255, PHOTO[:0], np.dstack([PHOTO, PHOTO[..., :1]])]
)
def test_what_is_no_image(image):
    with pytest.raises(ImageError, match=r'\(H, W, 3\) and type uint8, got'):
        draw_detections(image, Detections())


# Places


def test_names_neither_overlap_nor_leave_the_image():
    boxes = np.array([[i * 5, i * 5, 400, 400] for i in range(20)], np.float32)
    sizes_wh = np.full((20, 2), [90, 15], np.float32)
    places = place_names(boxes, sizes_wh, (512, 512))
    assert intersection(places, places).sum() == pytest.approx(20 * 90 * 15)
    assert places.min() >= 0
    assert places.max() <= 512
    np.testing.assert_array_equal(places[:, 2:] - places[:, :2], sizes_wh)


def test_a_lone_name_is_above_its_box_or_else_inside():
    size_wh = np.array([[40, 10]], np.float32)
    boxes = np.array([[[100, 100, 200, 200]], [[100, 4, 200, 200]], [[490, 100, 512, 200]]])
    places = [place_names(box.astype(np.float32), size_wh, (512, 512))[0] for box in boxes]
    np.testing.assert_array_equal(
        places, [[100, 90, 140, 100], [100, 0, 140, 10], [472, 90, 512, 100]]
    )


def test_a_name_larger_than_the_image_starts_at_its_corner():
    boxes, sizes_wh = np.array([[2, 2, 8, 8]], np.float32), np.array([[90, 15]], np.float32)
    np.testing.assert_array_equal(place_names(boxes, sizes_wh, (10, 10)), [[0, 0, 90, 15]])


# Fonts


@pytest.mark.parametrize('text', ['cat', 'Müller naïve', 'собака', 'σκύλος', 'çà et là'])
def test_the_default_font_writes_many_scripts(text):
    assert fonts.font_for([text]) == (fonts.default_font(), [text])


def test_what_no_font_writes_is_marked(monkeypatch):
    monkeypatch.setattr(fonts, '_system_font', lambda characters: None)
    path, texts = fonts.font_for(['猫 cat', 'a\x07b', 'plain'])
    assert path == fonts.default_font()
    assert texts == ['? cat', 'a?b', 'plain']


def test_a_font_of_the_system_is_used_where_it_has_more(monkeypatch):
    asked = []

    def system_font(characters):
        asked.append(characters)
        return 'better.ttf'

    def missing(path, characters):
        return frozenset('ä') if path == 'better.ttf' else frozenset('猫犬')

    monkeypatch.setattr(fonts, '_system_font', system_font)
    monkeypatch.setattr(fonts, '_missing', missing)
    assert fonts.font_for(['猫 und 犬, später']) == ('better.ttf', ['猫 und 犬, sp?ter'])
    assert frozenset('猫犬') in asked


def test_fontconfig_is_asked_for_the_characters():
    found = fonts._system_font(frozenset('abc'))
    if found is None:
        pytest.skip('no fontconfig or no font on this machine')
    assert not fonts._missing(found, frozenset('abc'))
    assert fonts._system_font(frozenset('\U0010ffff')) is None


@pytest.mark.parametrize('command', ['fc-list-that-is-not-there', 'false'])
def test_a_machine_without_fontconfig(monkeypatch, command):
    run = subprocess.run
    monkeypatch.setattr(fonts.shutil, 'which', lambda name: name)
    monkeypatch.setattr(fonts.subprocess, 'run', lambda args, **kw: run([command], **kw))
    assert fonts._system_font.__wrapped__(frozenset('猫')) is None


@pytest.mark.parametrize('width_px', [30, 100, 250])
@pytest.mark.parametrize(
    'text', ['A cat and a dog on the mat', 'unbreakable' * 9, '猫と犬' * 20, '']
)
def test_wrapped_text_fits_and_is_whole(text, width_px):
    font = ImageFont.truetype(fonts.default_font(), 12)
    lines = fonts.wrap(text, font, width_px, 1000)
    assert all(font.getlength(line) <= width_px for line in lines)
    assert ''.join(lines).replace(' ', '') == text.replace(' ', '')
    cut = fonts.wrap(text, font, width_px, 2)
    assert len(cut) <= 2
    assert all(font.getlength(line) <= width_px for line in cut)
    if len(lines) > 2:
        assert cut[1].endswith('…')


def test_words_stay_whole_where_they_can():
    font = ImageFont.truetype(fonts.default_font(), 12)
    width_px = int(font.getlength('a cat and')) + 1
    assert fonts.wrap('a cat and\n\n a dog', font, width_px, 9) == ['a cat and', 'a dog']


def test_importing_drawing_does_not_import_supervision():
    code = 'import vlm_ros.drawing, sys; sys.exit("supervision" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0
