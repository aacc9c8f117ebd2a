"""Pages between a phone and a desktop: no column too narrow for its menu, nothing beside the window, names for all."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.serving import CHROMIUM
from core import paths

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium here"),
    pytest.mark.skipif(not (paths.CHECKPOINTS / "student.json").is_file(), reason="the checkpoints are not here"),
]

PATIENCE_MS = 240_000
WIDTHS = [(800, 600), (844, 390), (1024, 768)]
PAGES = {
    "distill": "button:has-text('Launch')",
    "gallery": "button:has-text('Compare on')",
    "temperature": ".temperature[data-ready]",
    "images": "text=No image yet",
}
NARROWEST = 130
"""Pixels of a menu in which a word and its arrow fit."""

_NARROW = """least => [...document.querySelectorAll('[data-testid=stMain] :is([data-testid=stSelectbox], table)')]
    .filter(one => one.checkVisibility())
    .filter(one => one.getBoundingClientRect().width < least || one.getBoundingClientRect().right > innerWidth)
    .map(one => one.innerText.slice(0, 40))"""
# Streamlit's own canvas of a table has no name; the table around it has.
_NAMELESS = """() => {
    const found = [];
    const named = one => [one.getAttribute('aria-label'), one.innerText, one.title, one.alt, one.placeholder,
        ...[...(one.labels ?? [])].map(label => label.innerText)].some(text => (text ?? '').trim())
        || one.hasAttribute('aria-labelledby') || one.closest('[aria-hidden=true], [data-testid=stDataFrame]');
    const walk = root => root.querySelectorAll('*').forEach(one => {
        if (one.shadowRoot) walk(one.shadowRoot);
        const control = one.matches('button, select, input, textarea, img, canvas[tabindex], [role=slider]');
        if (control && one.checkVisibility() && !named(one)) found.push(one.outerHTML.slice(0, 120));
    });
    walk(document);
    return found;
}"""


def opened(app: tuple[Browser, str], name: str) -> Page:
    chromium, address = app
    page = chromium.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/{name}", timeout=PATIENCE_MS)
    page.locator(PAGES[name]).first.wait_for()
    return page


@pytest.mark.parametrize("name", PAGES)
def test_menus_keep_room_and_every_control_has_a_name(app: tuple[Browser, str], name: str) -> None:
    page = opened(app, name)
    assert page.evaluate(_NAMELESS) == []
    for width, height in WIDTHS:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        assert page.evaluate(_NARROW, NARROWEST) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
