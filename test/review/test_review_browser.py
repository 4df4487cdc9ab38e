"""The page in a real browser: keys, filters, looks, and what a hostile label cannot do."""

from itertools import pairwise

from browsing import current, listed, NARROW, needs_browser, open_page, press, verdicts, WIDE
import cv2
import numpy as np
import pytest
from review_dataset import box, HOSTILE, make_dataset, record, WORST_FIRST

from vlm_ros.annotation.entries import mask_record
from vlm_ros.records import FrameRecord, read_lines
from vlm_ros.review import apply_reviews, read_reviews, write_page

pytestmark = needs_browser


def test_the_worst_image_and_its_worst_box_come_first(page):
    assert listed(page) == WORST_FIRST
    assert current(page) == ('drive-000003', 'The image as a whole')
    assert 'FAILED: out of memory' in page.locator('#facts').text_content()
    press(page, 'j')
    assert current(page) == ('drive-000000', 'person, 0.20')
    press(page, 'j')
    assert current(page) == ('drive-000000', 'cat, 0.91')
    press(page, 'jk')
    assert current(page) == ('drive-000000', 'cat, 0.91')
    # What a screen reader says.
    assert page.get_by_role('status').text_content() == 'cat, 0.91, of drive-000000, 2 of 6.'
    press(page, 'a')
    assert page.get_by_role('status').text_content() == (
        'Accepted cat. rocket, 0.35, of drive-000001, 3 of 6.'
    )
    for _ in range(9):
        press(page, 'j')
    assert page.get_by_role('status').text_content() == (
        'This is the last one. The image drive-000002, 6 of 6.'
    )


def test_boxes_are_drawn_where_they_are(page):
    press(page, 'j')
    picture = page.locator('#stage svg')
    assert picture.get_attribute('viewBox') == '0 0 451 300'
    shown = page.locator('#stage svg image').bounding_box()
    scale = shown['width'] / 451
    assert shown['height'] == pytest.approx(300 * scale, abs=1)
    # The current box is drawn last, on top.
    for number, (left, top, right, bottom) in (
        (0, (80.25, 60, 320.5, 300)),
        (1, (420, 2, 449, 40)),
    ):
        edges = page.locator('#stage .box').nth(number).bounding_box()
        assert edges['x'] - shown['x'] == pytest.approx(left * scale, abs=3)
        assert edges['y'] - shown['y'] == pytest.approx(top * scale, abs=3)
        assert edges['width'] == pytest.approx((right - left) * scale, abs=5)
        assert edges['height'] == pytest.approx((bottom - top) * scale, abs=5)
    page.locator('#stage .box').first.click()
    assert current(page) == ('drive-000000', 'cat, 0.91')
    # The picture itself is there, not an empty frame.
    width = page.evaluate(
        """async () => { const made = new Image();
        made.src = document.querySelector('#stage image').getAttribute('href');
        await made.decode(); return made.naturalWidth; }"""
    )
    assert width == 451


def test_accept_reject_relabel_and_undo_by_keyboard(page):
    press(page, 'jar')
    assert verdicts(page) == {'drive-000000': ['person, 0.20 accepted', 'cat, 0.91 rejected']}
    page.locator('[data-key=drive-000001]').click()
    press(page, 'l')
    page.keyboard.type('coffee cup')
    page.keyboard.press('Enter')
    assert verdicts(page)['drive-000001'] == ['rocket → coffee cup, 0.35 relabelled']
    page.locator('[data-key=drive-000002]').click()
    press(page, 'r')
    assert verdicts(page)['drive-000002'] == ['The image as a whole rejected']
    press(page, 'u')
    assert current(page) == ('drive-000002', 'The image as a whole')
    assert 'drive-000002' not in verdicts(page)
    press(page, 'uu')
    assert verdicts(page) == {'drive-000000': ['person, 0.20 accepted']}
    press(page, 'uu')
    assert verdicts(page) == {}
    press(page, 'u')
    assert page.locator('#said').text_content() == 'There is nothing to undo.'


def test_what_is_downloaded_can_be_applied(page, folder, tmp_path):
    press(page, 'jar')
    page.locator('[data-key=drive-000005]').click()
    press(page, 'l')
    page.locator('#label').fill(' a\u00a0new  name\u200b')
    page.keyboard.press('Enter')
    with page.expect_download() as download:
        press(page, 's')
    assert download.value.suggested_filename == 'reviews.jsonl'
    given = tmp_path / 'reviews.jsonl'
    download.value.save_as(given)
    assert len(read_reviews(given)) == 3
    applied = apply_reviews(folder, given)
    assert (applied.reviewed, applied.unknown, applied.new_labels) == (3, (), ('a new name',))
    rows = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    assert [box.review.verdict.value for box in rows[0].detections] == ['rejected', 'accepted']
    assert rows[5].detections[0].review.label == 'a new name'


def test_escape_and_keys_in_fields_change_nothing(page):
    press(page, 'jl')
    page.keyboard.type('arjks')
    page.keyboard.press('Escape')
    assert not page.locator('#relabel').is_visible()
    page.locator('[name=text]').fill('')
    page.locator('[name=text]').type('arjksu')
    assert listed(page) == []
    assert page.locator('#stage').text_content() == 'No image passes the filters.'
    page.get_by_role('button', name='Clear').click()
    assert listed(page) == WORST_FIRST
    page.get_by_label('Keyboard shortcuts').uncheck()
    press(page, 'ar')
    assert verdicts(page) == {}


def test_filters(page):
    def filtered(**wanted):
        page.get_by_role('button', name='Clear').click()
        for name, value in wanted.items():
            field = page.locator(f'#filters [name={name}]')
            if field.evaluate('field => field.tagName') == 'SELECT':
                field.select_option(value)
            else:
                field.fill(value)
        return [key[-1] for key in listed(page)]

    assert filtered(label='person') == ['0', '4']
    assert filtered(camera='/rear') == ['1', '4']
    assert filtered(status='FAILED') == ['3']
    assert filtered(low='0.3', high='0.7') == ['1', '5']
    assert filtered(text='LOOKS up') == ['0']
    assert filtered(label='person', low='0.5') == ['4']
    assert filtered(order='recorded') == ['0', '1', '2', '3', '4', '5']
    assert filtered(verdict='accepted') == []
    # Only the boxes that pass are gone through.
    filtered(label='person')
    assert current(page) == ('drive-000000', 'person, 0.20')
    press(page, 'a')
    assert current(page) == ('drive-000004', 'person, 0.88')
    press(page, 'r')
    assert filtered(verdict='accepted') == ['0']
    assert filtered(verdict='rejected') == ['4']
    assert filtered(verdict='open') == ['3', '0', '1', '5', '2']
    assert current(page) == ('drive-000003', 'The image as a whole')


def test_one_track_can_be_gone_through(context, tmp_path):
    tracks = ((7, 70), (70,), (7,))
    rows = []
    for index, numbers in enumerate(tracks):
        boxes = [box('rocket', 9 * n, 10, 9 * n + 9, 90, score=0.5) for n in numbers]
        boxes = [
            row.model_copy(update={'track_id': n}) for row, n in zip(boxes, numbers, strict=True)
        ]
        rows.append(record(index, 'rocket', (640, 427), *boxes))
    page = open_page(context, write_page(make_dataset(tmp_path / 'drive', rows)).path.as_uri())
    page.locator('[name=text]').fill('#7')
    assert listed(page) == ['drive-000000', 'drive-000002']
    page.locator('#frames button').first.click()
    press(page, 'aa')
    assert verdicts(page) == {
        'drive-000000': ['rocket, 0.50, #7 accepted'],
        'drive-000002': ['rocket, 0.50, #7 accepted'],
    }


def test_hostile_text_stays_text(page):
    page.locator('[data-key=drive-000005]').click()
    assert HOSTILE in page.locator('#facts').text_content()
    assert HOSTILE in page.locator('#stage').text_content()
    assert 'onerror' in page.locator('#facts dd').first.text_content()
    press(page, 'l')
    page.keyboard.type('<img src=x onerror=alert(1)>')
    page.keyboard.press('Enter')
    assert verdicts(page) == {
        'drive-000005': [f'{HOSTILE} → <img src=x onerror=alert(1)>, 0.60 relabelled']
    }
    page.locator('[data-key=drive-000005]').click()
    assert page.title() == 'Review of drive'
    assert page.locator('script').count() == 2
    assert page.locator('#facts img, #stage img, #stage script').count() == 0


def test_the_policy_of_the_page_stops_what_would_slip_in(context, folder):
    page = open_page(context, write_page(folder).path.as_uri())
    page.evaluate(
        """() => { document.body.insertAdjacentHTML('beforeend',
        '<img src="data:," onerror="document.title=1">'); const made =
        document.createElement('script'); made.textContent = 'document.title=2';
        document.body.append(made); }"""
    )
    page.wait_for_timeout(200)
    assert page.title() == 'Review of drive'
    assert len([row for row in context.wrong if 'Content Security Policy' in row]) >= 2


def test_everything_has_a_name_and_can_be_reached_with_tab(page):
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select')].filter(one =>
        !(one.textContent.trim() || one.labels?.length || one.ariaLabel)).length"""
    )
    assert unnamed == 0
    assert page.locator('html').get_attribute('lang') == 'en'
    assert page.locator('[role=status]').count() == 1
    reached = set()
    for _ in range(60):
        page.keyboard.press('Tab')
        reached.add(
            page.evaluate(
                """() => { const one = document.activeElement; return one.name || one.id ||
                one.dataset.do || one.dataset.key || one.textContent; }"""
            )
        )
    assert {'keys', 'label', 'camera', 'text', 'order', 'accept', 'save', *WORST_FIRST} <= reached
    # A list that is drawn anew keeps the focus.
    page.locator('[data-key=drive-000000]').click()
    assert page.evaluate('() => document.activeElement.dataset.key') == 'drive-000000'
    page.locator('#facts button').nth(1).focus()
    press(page, ['Enter'])
    assert current(page) == ('drive-000000', 'cat, 0.91')
    assert page.evaluate('() => document.activeElement.firstChild.textContent') == 'cat, 0.91'
    press(page, 'l')
    assert page.evaluate('() => document.activeElement.id') == 'label'


def test_a_key_that_is_held_down_judges_one_box(page):
    press(page, 'j')
    for _ in range(5):
        page.keyboard.down('a')
    page.keyboard.up('a')
    assert verdicts(page) == {'drive-000000': ['person, 0.20 accepted']}


def test_a_dataset_without_images(context, tmp_path):
    page = open_page(context, write_page(make_dataset(tmp_path / 'empty', [])).path.as_uri())
    assert page.locator('#stage').text_content() == 'The dataset has no images.'
    press(page, 'arlujkis')
    assert context.wrong == []


@pytest.mark.parametrize(('scheme', 'size'), [('light', NARROW), ('dark', WIDE)])
def test_text_is_legible_and_nothing_sticks_out(browser, folder, scheme, size):
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = open_page(context, write_page(folder).path.as_uri())
    press(page, 'jarjj')
    page.locator('[data-key=drive-000005]').click()
    assert page.evaluate('() => document.documentElement.scrollWidth') <= size['width']
    inside = """(rows) => rows.every((row) => { const box = row.getBBox();
        return box.x >= 0 && box.x + box.width <= row.ownerSVGElement.viewBox.baseVal.width; })"""
    assert page.locator('#stage text').count() == 1
    page.locator('[data-key=drive-000000]').click()
    assert page.locator('#stage text').evaluate_all(inside)
    assert page.locator('#stage').bounding_box()['y'] > -1
    # WCAG 2.2, 1.4.3: contrast of text and what is behind it.
    poor = page.evaluate(
        """() => {
        const channels = (color) => color.match(/[\\d.]+/g).map(Number);
        const light = (color) => { const [r, g, b] = channels(color).slice(0, 3).map((value) => {
          const part = value / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const behind = (one) => { for (let at = one; at; at = at.parentElement) {
          const color = getComputedStyle(at).backgroundColor;
          if (!/, 0\\)$/.test(color)) return color; } return 'rgb(255, 255, 255)'; };
        return [...document.querySelectorAll('body *:not(svg *):not(option)')].filter((one) =>
          one.checkVisibility() && !one.disabled && [...one.childNodes].some((node) =>
            node.nodeType === 3 && node.textContent.trim())).map((one) => {
          const [a, b] = [light(getComputedStyle(one).color), light(behind(one))];
          return [one.outerHTML.slice(0, 60), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
        }).filter(([, contrast]) => contrast < 4.5); }"""
    )
    assert poor == []
    context.close()


def test_five_thousand_images(context, tmp_path):
    rows = [
        record(
            index,
            'rocket',
            (640, 427),
            *(
                box(
                    'rocket', 99 * n, 10, 99 * n + 90, 90, score=0.1 + (7 * index + n) % 800 / 1000
                )
                for n in range(2)
            ),
        )
        for index in range(5_000)
    ]
    folder = make_dataset(tmp_path / 'large', rows)
    path = write_page(folder).path
    # The picture that they share is in the page once.
    assert path.stat().st_size < 2_500_000
    page = open_page(context, path.as_uri())
    assert (
        page.locator('#progress').text_content()
        == '5000 of 5000 images, 0 of 10000 boxes reviewed'
    )
    assert page.locator('#page').text_content() == 'Page 1 of 209'
    assert page.evaluate('() => document.querySelectorAll("*").length') < 1000
    page.get_by_role('button', name='Next page').click()
    assert len(listed(page)) == 24
    press(page, 'aaaaaa')
    page.locator('#filters [name=text]').fill('drive-004999')
    assert listed(page) == ['drive-004999']
    page.reload()
    assert listed(page) == ['drive-004999']
    page.get_by_role('button', name='Clear').click()
    page.locator('#filters [name=verdict]').select_option('accepted')
    assert len(listed(page)) == 3
    assert (
        page.locator('#progress').text_content() == '3 of 5000 images, 6 of 10000 boxes reviewed'
    )
    assert context.wrong == []


def test_masks_are_drawn_where_they_are(context, tmp_path):
    pixels = np.zeros((300, 451), np.uint8)
    cv2.ellipse(pixels, (200, 150), (120, 90), 0, 0, 360, 1, -1)
    pixels[10:30, 400:440] = 1
    cat = box('cat', 80, 10, 440, 241, score=0.9)
    cat = cat.model_copy(update={'mask': mask_record(pixels)})
    folder = make_dataset(tmp_path / 'drive', [record(0, 'chelsea', (451, 300), cat)])
    page = open_page(context, write_page(folder).path.as_uri())
    drawn = page.locator('#stage .mask').evaluate_all(
        """rows => rows.map((row) => { const { x, y, width, height } = row.getBBox();
        return [x, y, x + width, y + height]; })"""
    )
    expected = [[80, 60, 320, 240], [400, 10, 439, 29]]
    np.testing.assert_allclose(sorted(drawn), expected, atol=1)
    # Every pixel of the mask is inside its outline, and none of the others, but at the edge.
    inside = page.evaluate(
        """() => { const rows = [...document.querySelectorAll('#stage .mask')];
        const at = new DOMPoint(); const found = [];
        for (let y = 0; y < 300; y += 5) for (let x = 0; x < 451; x += 5) { at.x = x; at.y = y;
          if (rows.some((row) => row.isPointInFill(at))) found.push([y, x]); } return found; }"""
    )
    shown = np.zeros_like(pixels)
    shown[tuple(np.array(inside).T)] = 1
    assert (shown[::5, ::5] != pixels[::5, ::5]).sum() < 40
    assert context.wrong == []


def test_names_are_spelt_as_the_list_has_them_and_new_ones_are_told(page):
    news = page.locator('#label-news')
    press(page, 'jl')
    page.keyboard.type('Coffee  CUP')
    assert news.text_content() == 'A name of the list, or another.'
    page.keyboard.press('Enter')
    assert verdicts(page) == {'drive-000000': ['person → coffee cup, 0.20 relabelled']}
    page.locator('[data-key=drive-000000]').click()
    press(page, 'l')
    page.keyboard.type('coffe')
    assert news.text_content() == '“coffe” is a new name.'
    page.keyboard.press('Escape')
    # What a person called it can be looked for.
    page.locator('[name=text]').fill('coffee')
    assert listed(page) == ['drive-000000']


def test_filters_fold_away_where_there_is_no_room(browser, folder):
    context = browser.new_context(viewport=NARROW)
    page = open_page(context, write_page(folder).path.as_uri())
    assert not page.locator('#filters').is_visible()
    page.get_by_text('Filters', exact=True).click()
    page.locator('#filters [name=label]').select_option('person')
    assert page.locator('summary').text_content() == 'Filters (1)'
    context.close()


@pytest.mark.parametrize('top', [60, 0, 250])
def test_two_names_of_one_place_can_be_read_both(context, tmp_path, top):
    place = (100, top, 300, 300)
    names = [box(name, *place, score=score) for name, score in (('cat', 0.9), ('dog', 0.5))]
    row = record(0, 'chelsea', (451, 300), *names, box('fox', *place, score=0.3))
    page = open_page(context, write_page(make_dataset(tmp_path / 'drive', [row])).path.as_uri())
    words = page.locator('#stage text')
    picture = page.locator('#stage svg image').bounding_box()
    before = None
    for current_name in ('fox', 'dog', 'cat'):
        shown = words.all_text_contents()
        assert shown[-1].startswith(current_name)
        boxes = [words.nth(number).bounding_box() for number in range(3)]
        edges = sorted((edge['y'], edge['y'] + edge['height']) for edge in boxes)
        assert all(low[1] <= high[0] + 0.5 for low, high in pairwise(edges))
        assert edges[0][0] >= picture['y'] - 3  # so far the dark edge of letters reaches
        assert edges[-1][1] <= picture['y'] + picture['height'] + 3
        # That of the current box stands where it always does.
        assert before in (None, boxes[-1]['y'])
        before = boxes[-1]['y']
        press(page, 'j')
    assert context.wrong == []


def test_what_two_models_call_a_thing_can_be_read_both(context, folder, tmp_path):
    rows = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    mug = rows[1].detections[0].model_copy(update={'label': 'coffee cup'})
    rows[1] = rows[1].model_copy(update={'detections': (mug,)})
    other = make_dataset(tmp_path / 'other', rows)
    page = open_page(context, write_page(folder, other=other).path.as_uri())
    page.locator('[data-key=drive-000001]').click()
    words = page.locator('#stage text')
    assert words.all_text_contents() == ['other model: coffee cup 0.35', 'rocket 0.35']
    theirs, ours = (words.nth(number).bounding_box() for number in range(2))
    assert ours['y'] + ours['height'] < theirs['y']
    assert 'Other modelcoffee cup, 0.35' in page.locator('#facts').text_content()
    assert context.wrong == []
