import os
from pathlib import Path
import re
import shutil

import pytest
from review_dataset import make_dataset

from vlm_ros.review import write_page


@pytest.fixture(scope='session')
def written(tmp_path_factory):
    """A dataset and its page, to be copied."""
    folder = make_dataset(tmp_path_factory.mktemp('written') / 'drive')
    write_page(folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A dataset that waits for its reviewer."""
    copy = shutil.ignore_patterns('review.html', '.*')
    return Path(shutil.copytree(written, tmp_path / 'drive', ignore=copy))


@pytest.fixture(scope='module')
def browser():
    """A browser; not of the session, for its event loop would be in the way of other tests."""
    from browsing import BROWSER, playwright

    # Root, as in a container, cannot have the sandbox.
    args = ['--disable-gpu', *(['--no-sandbox'] if os.geteuid() == 0 else [])]
    with playwright.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=BROWSER, args=args)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser):
    """A profile of its own, which notes what goes wrong and what leaves the machine."""
    from browsing import WIDE

    context = browser.new_context(viewport=WIDE, accept_downloads=True)
    context.set_default_timeout(10_000)
    wrong = []
    context.on('weberror', lambda error: wrong.append(str(error.error)))
    context.on('console', lambda row: row.type == 'error' and wrong.append(row.text))
    context.on('request', lambda row: _is_outside(row.url) and wrong.append(row.url))
    context.wrong = wrong
    yield context
    context.close()


def _is_outside(url):
    return not re.match(r'(file|data|blob|http://127\.0\.0\.1:)', url)


@pytest.fixture
def page(context, written):
    from browsing import open_page

    page = open_page(context, (written / 'review.html').as_uri())
    yield page
    assert context.wrong == []
