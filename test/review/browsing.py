"""A real browser, and what tests do in it with the page."""

import shutil

import pytest

playwright = pytest.importorskip('playwright.sync_api', reason='pip install playwright')
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason='no browser: apt install chromium')
NARROW, WIDE = {'width': 390, 'height': 844}, {'width': 1400, 'height': 900}


def open_page(context, address):
    page = context.new_page()
    page.goto(address)
    playwright.expect(page.locator('#stage > *')).to_be_visible()
    return page


def press(page, keys):
    for key in keys:
        page.keyboard.press(key)


def listed(page):
    return page.locator('#frames button').evaluate_all('rows => rows.map(row => row.dataset.key)')


def current(page):
    return page.locator('#facts h2').text_content(), page.locator(
        '#facts [aria-current=true]'
    ).evaluate('row => row.firstChild.textContent')


def verdicts(page):
    """Return what is said of each image that is listed, as the page shows it."""
    return page.evaluate(
        """() => { const said = {};
        for (const key of [...document.querySelectorAll('#frames button')].map(
            (row) => row.dataset.key)) {
          document.querySelector(`#frames [data-key="${key}"]`).click();
          const rows = [...document.querySelectorAll('#facts li:has(strong)')];
          if (rows.length) said[key] = rows.map((row) => row.textContent);
        } return said; }"""
    )
