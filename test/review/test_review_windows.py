"""What is said in a real browser is kept: by the server, over reloads, in several windows."""

import threading

from browsing import current, NARROW, needs_browser, open_page, playwright, press, verdicts
import pytest

from vlm_ros.records import FrameRecord, read_lines
from vlm_ros.records.reviews import kept_reviews
from vlm_ros.review.serving import ReviewServer

pytestmark = needs_browser


def test_a_reload_keeps_verdicts_undo_filters_and_place(page):
    page.locator('#filters [name=label]').select_option('person')
    press(page, 'aj')
    assert current(page) == ('drive-000004', 'person, 0.88')
    page.reload()
    assert current(page) == ('drive-000004', 'person, 0.88')
    assert page.locator('#filters [name=label]').input_value() == 'person'
    assert verdicts(page) == {'drive-000000': ['person, 0.20 accepted']}
    press(page, 'u')
    assert verdicts(page) == {}
    page.reload()
    assert verdicts(page) == {}


@pytest.fixture
def server(folder):
    with ReviewServer(folder, by='ada') as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        yield server
        server.close()
        thread.join()


def test_every_verdict_is_written_back_at_once(context, server, folder):
    page = open_page(context, server.url)
    with page.expect_response('**/reviews'):
        press(page, 'j')
        press(page, 'a')
    (line,) = kept_reviews(folder)
    assert (line.key, line.box, line.found, line.by) == ('drive-000000', 1, 'person', 'ada')
    with page.expect_response('**/reviews'):
        press(page, 'r')
    with page.expect_response('**/reviews'):
        press(page, 'u')
    assert [row.verdict and row.verdict.value for row in kept_reviews(folder)] == [
        'accepted',
        'rejected',
        None,
    ]
    with page.expect_response('**/apply'):
        press(page, 's')
    playwright.expect(page.locator('#said')).to_have_text('Saved: 1 verdict in the dataset.')
    rows = list(read_lines(folder / 'annotations.jsonl', FrameRecord))
    assert rows[0].detections[1].review.by == 'ada'
    assert rows[0].detections[0].review is None
    assert page.evaluate("async () => (await fetch(document.querySelector('#frames img').src)).ok")
    assert context.wrong == []


def test_another_browser_sees_what_was_said(browser, context, server, folder):
    page = open_page(context, server.url)
    with page.expect_response('**/reviews'):
        press(page, 'j')
        press(page, 'a')
    other = browser.new_context(viewport=NARROW)
    second = other.new_page()
    with second.expect_response('**/reviews'):
        second.goto(server.url)
    playwright.expect(second.locator('#progress')).to_have_text(
        '6 of 6 images, 1 of 5 boxes reviewed'
    )
    other.close()


def test_verdicts_that_no_server_took_are_sent_later(context, folder):
    with ReviewServer(folder) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        page = open_page(context, server.url)
        page.wait_for_load_state('networkidle')
        server.close()
        thread.join()
    press(page, 'ja')
    trouble = page.get_by_role('alert')
    playwright.expect(trouble).to_contain_text('kept in this browser: The server is gone.')
    playwright.expect(trouble).to_contain_text(f'--serve --port {server.port} and open')
    playwright.expect(page.locator('#progress')).to_have_text(
        '6 of 6 images, 1 of 5 boxes reviewed, 1 not saved'
    )
    assert kept_reviews(folder) == []
    with ReviewServer(folder, port=server.port) as again:
        thread = threading.Thread(target=again.serve)
        thread.start()
        # The same machine and port: the browser has kept the verdict for this page.
        second = context.new_page()
        with second.expect_response(lambda row: row.request.method == 'POST'):
            second.goto(again.url)
        playwright.expect(second.locator('#progress')).to_have_text(
            '6 of 6 images, 1 of 5 boxes reviewed'
        )
        again.close()
        thread.join()
    assert [line.target for line in kept_reviews(folder)] == [('drive-000000', 1)]


def seen(page, key, verdict):
    """Wait until a window shows what another one said of the only box of an image."""
    playwright.expect(page.locator(f'#frames [data-key={key}] .is-{verdict}')).to_have_count(1)


def test_two_windows_keep_the_verdicts_of_both(context, written):
    address = (written / 'review.html').as_uri()
    first, second = open_page(context, address), open_page(context, address)
    first.locator('[data-key=drive-000004]').click()
    press(first, 'a')
    seen(second, 'drive-000004', 'accepted')
    second.locator('[data-key=drive-000001]').click()
    press(second, 'r')
    third = open_page(context, address)
    seen(third, 'drive-000004', 'accepted')
    seen(third, 'drive-000001', 'rejected')
    # A window takes back what it said itself, and nothing that was said elsewhere since.
    press(first, 'u')
    seen(third, 'drive-000004', 'open')
    seen(third, 'drive-000001', 'rejected')
    press(first, 'a')
    seen(second, 'drive-000004', 'accepted')
    second.locator('[data-key=drive-000004]').click()
    press(second, 'r')
    seen(first, 'drive-000004', 'rejected')
    press(first, 'u')
    assert first.locator('#said').text_content() == (
        'Not undone: person of drive-000004 was judged anew in another window.'
    )
    seen(third, 'drive-000004', 'rejected')
    assert context.wrong == []


def test_a_window_gives_the_server_what_a_closed_one_could_not(context, folder):
    with ReviewServer(folder) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        first, second = open_page(context, server.url), open_page(context, server.url)
        second.wait_for_load_state('networkidle')
        context.route('**/reviews', lambda route: route.abort())
        press(first, 'ja')
        playwright.expect(first.get_by_role('alert')).to_contain_text('kept in this browser')
        first.close()
        context.unroute('**/reviews')
        with second.expect_response(lambda row: row.request.method == 'POST'):
            second.locator('[data-key=drive-000001]').click()
            press(second, 'r')
        playwright.expect(second.locator('#progress')).to_have_text(
            '6 of 6 images, 2 of 5 boxes reviewed'
        )
        server.close()
        thread.join()
    assert {line.target for line in kept_reviews(folder)} == {
        ('drive-000000', 1),
        ('drive-000001', 0),
    }


def test_a_browser_that_can_keep_no_more_says_so_until_it_can(page):
    page.evaluate(
        """() => { window.was = Storage.prototype.setItem; Storage.prototype.setItem = () => {
        throw new DOMException('', 'QuotaExceededError'); }; }"""
    )
    press(page, 'ja')
    trouble = page.locator('#trouble')
    assert trouble.text_content().startswith('This browser cannot keep your verdicts. Save them')
    press(page, 'k')
    assert trouble.text_content().count('cannot keep') == 1
    page.evaluate('() => { Storage.prototype.setItem = window.was; }')
    press(page, 'jr')
    assert trouble.text_content() == ''
    page.reload()
    assert verdicts(page) == {'drive-000000': ['person, 0.20 accepted', 'cat, 0.91 rejected']}
