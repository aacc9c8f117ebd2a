"""One palette: what is chosen on a page is what every other page shows, and what every download has."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import palettes, report_contents, runs
from app.services.palettes import PALETTES, Palette
from core.image import encode_png, read_rgb
from core.paths import ROOT
from tests.ui.conftest import CLASSES, MASKS, TRUTH
from tests.ui.test_report import of_comparison
from tests.ui.test_runs import add_pair, work

OTHER = (1, 2, 3)


def pictures(page: str) -> dict[str, np.ndarray]:
    """The PNGs of a report by their captions."""
    found = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]+)"', page)
    return {name: read_rgb(base64.b64decode(data)) for data, name in found}


@pytest.mark.parametrize("palette", PALETTES)
def test_a_report_has_the_colours_of_the_screen(palette: Palette) -> None:
    page = of_comparison(palette)
    colours = np.array([colour for _, colour in palettes.painted(CLASSES, palette)], np.uint8)
    shown = pictures(page)
    for name, mask in {"Known mask": TRUTH, **MASKS}.items():
        if name in shown:
            np.testing.assert_array_equal(shown[name], colours[mask])
    assert len(shown) == 3
    assert all(f"rgb({', '.join(map(str, colour))})" in page for colour in colours.tolist())


@pytest.mark.parametrize("palette", PALETTES)
def test_a_runs_preview_has_them_in_its_report_too(palette: Palette) -> None:
    run_id, _ = add_pair()
    work(run_id)
    run = next(run for run in runs.list_runs() if run.id == run_id)
    page = report_contents.of_run(run, palette=palette)
    allowed = {colour for _, colour in palettes.painted(CLASSES, palette)}
    for name, picture in pictures(page).items():
        if name != "Image":
            assert set(map(tuple, picture.reshape(-1, 3).tolist())) <= allowed


def test_a_picture_is_repainted_class_by_class() -> None:
    own = np.array([colour for _, colour in CLASSES] + [OTHER], np.uint8)[None]
    safe = np.array([*palettes.safe_colours(CLASSES), OTHER], np.uint8)[None]
    given = encode_png(own)
    np.testing.assert_array_equal(read_rgb(palettes.repainted(given, CLASSES, "safe")), safe)
    assert palettes.repainted(given, CLASSES, "colour") == given


def test_a_file_is_given_as_it_is_shown(tmp_path: Path) -> None:
    from PIL import Image

    mask = tmp_path / "a.png"
    picture = Image.fromarray(np.arange(6, dtype=np.uint8)[None])
    picture.putpalette([channel for _, colour in CLASSES for channel in colour])
    picture.save(mask)
    assert palettes.file_as_shown(mask, CLASSES, "colour") == mask
    shown = palettes.file_as_shown(mask, CLASSES, "safe")
    assert shown.name.startswith(".")
    np.testing.assert_array_equal(read_rgb(shown)[0], [*palettes.safe_colours(CLASSES)[:-1], CLASSES[-1][1]])
    with Image.open(shown) as opened:
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(picture))
    table = tmp_path / "a_areas.csv"
    assert palettes.file_as_shown(table, CLASSES, "safe") == table


def two_pages() -> None:
    import streamlit as st

    from app import state
    from app.components.palette_switch import palette_switch

    page = st.selectbox("page", ["one", "two"], key="page")
    palette_switch(key=f"switch_{page}")
    st.text(state.shown().palette)


def test_one_page_chooses_for_all_and_the_link_says_it() -> None:
    page = AppTest.from_function(two_pages).run()
    assert page.text[0].value == "safe"
    page.toggle[0].set_value(True).run()
    assert (page.text[0].value, page.query_params["colours"]) == ("colour", "colour")
    page.selectbox[0].set_value("two").run()
    assert page.toggle[0].value is True
    page.toggle[0].set_value(False).run()
    page.selectbox[0].set_value("one").run()
    assert (page.toggle[0].value, "colours" in page.query_params) == (False, False)


def test_the_viewer_chooses_without_a_run_of_the_page() -> None:
    def page() -> None:
        from app import state

        held = state.shown()
        state.remember_viewer({"colours": "colour"})
        assert held.palette == "colour", "a button that was drawn before knows it"
        state.remember_viewer({"colours": "safe"})
        assert held.palette == "safe"

    assert not AppTest.from_function(page).run().exception


def test_only_one_place_says_what_colour_a_class_has() -> None:
    """Whoever asks for safe colours, or paints with those of a model's card, has a palette of their own."""
    asking = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "app").rglob("*.py"))
        if path.name != "palettes.py"
        and re.search(r"safe_colours|for _, colour in (enumerate\()?model", path.read_text())
    ]
    assert asking == []
