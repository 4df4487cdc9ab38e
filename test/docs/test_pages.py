"""The documentation hangs together: links lead somewhere, and every page is listed."""

from pathlib import Path
import re

import pytest

ROOT = Path(__file__).parents[2]
INDEX = ROOT / 'docs' / 'README.md'
PAGES = sorted((ROOT / 'docs').rglob('*.md'))
TEXTS = {
    page: page.read_text('utf-8')
    for page in (ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *PAGES)
}


def links(page):
    """Yield the file and the anchor of each link of a page that leads into the repository."""
    for target in re.findall(r'\]\(([^)\s]+)\)', TEXTS[page]):
        if '://' not in target:
            path, _, anchor = target.partition('#')
            yield ((page.parent / path).resolve() if path else page), anchor


def anchors(page):
    """Return the anchors that a forge makes of a page's headings."""
    without_code = re.sub(r'```.*?```', '', TEXTS[page], flags=re.DOTALL)
    headings = re.findall(r'^#+ (.+)$', without_code, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading).lower().replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for path, anchor in links(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), f'{path} has no heading #{anchor}'


def test_the_index_lists_every_page():
    listed = {path for path, _ in links(INDEX)}
    assert {page for page in PAGES if page != INDEX} <= listed
