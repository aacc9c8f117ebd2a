"""The page Datasets: bands that are named, taken and shown, and the margin between the blocks of a split."""

import io
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.services import import_choices, import_preview, import_report, imports
from app.services.imports import Draft
from app.services.visitors import COOKIE
from core import paths
from core.band_set import RGB, BandSet
from core.classes import UNLABELLED_COLOUR
from core.config import DataConfig
from core.data import open_split
from core.data.cut_blocks import Box, blocks_of
from core.image import encode_png
from tests.ui.conftest import words
from tests.ui.test_own_datasets import ANN, ANN_ID, Done, with_usual
from tests.unit.banded import write_bands
from tests.unit.imagery.test_border import turned


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_process", Done)


def flight(depth: str = "uint16") -> tuple[Draft, np.ndarray]:
    """One picture of four bands beside its mask of two classes, brought; and its values (H, W, 4)."""
    folder = paths.home() / "files"
    values = np.random.default_rng(1).integers(0, 200, (120, 640, 4)).astype(depth) * 50
    values[..., 3] += np.arange(640, dtype=depth)
    write_bands(folder / "flight.tif", values)
    mask = encode_png((np.arange(640) // 20 % 2 + 1).astype(np.uint8)[None].repeat(120, 0))
    draft = imports.open_draft(ANN, "", now=time.time())
    draft.bring(
        [("flight.tif", io.BytesIO((folder / "flight.tif").read_bytes())), ("flight_mask.png", io.BytesIO(mask))]
    )
    return draft, values


def test_bands_are_named_and_shown_and_the_margin_is_set_on_the_page(
    view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {COOKIE: ANN_ID})
    draft, values = flight()
    test = view("datasets")
    assert not test.exception
    key = f"ds_{draft.record['id']}_"
    test.session_state[f"{key}band_kind"] = "bands"
    test.run()
    assert [field.value for field in test.text_input if field.label.startswith("Name of band")] == [*RGB, "band 4"]
    test.text_input(key=f"{key}band_4").set_value("near infrared")
    test.checkbox(key=f"{key}take_3").uncheck()
    test.number_input(key=f"{key}margin").set_value(30)
    test.run()
    test.selectbox(key=f"{key}seen_0").set_value(4).run()
    assert not test.exception
    test.button(key="dataset_save_now").click().run()
    assert not test.exception
    loaded, split = open_split(DataConfig("flight-tif-and-1-more"))
    assert loaded.dataset.band_set == BandSet(
        ("red", "green", "near infrared"), "uint16", ("near infrared", "green", "near infrared")
    )
    assert loaded.dataset.margin == 30
    blocks = {block.part: block for block in blocks_of(Box(0, 0, 120, 640), margin=30)}
    for scenes, part in ((split.train, "train"), (split.val, "validate"), (split.test, "test")):
        (scene,), block = scenes, blocks[part]
        assert np.array_equal(scene.image, values[:, block.left : block.left + block.width][..., [0, 1, 3]])


def test_the_preview_shows_the_bands_and_the_margin_at_once() -> None:
    draft, values = flight()
    report = draft.report()
    assert report is not None
    (small,) = report.seen
    edits = replace(with_usual(report, "x"), split="drawn", bands=("a", "b", "c", "d"), shown=("d",))
    seen = import_preview.painted(report, 0, edits)[:, : small.width]
    step = values.shape[1] // small.width
    infrared = values[step // 2 :: step, step // 2 :: step, 3].astype(float)
    assert (seen == seen[..., :1]).all()
    assert np.corrcoef(seen[..., 0].ravel(), infrared.ravel())[0, 1] > 0.99
    black = [
        (import_preview.painted(report, 0, replace(edits, split="blocks", margin=margin))[:, : small.width] == 0)
        .all(axis=(0, 2))
        .sum()
        for margin in (0, 40, 100)
    ]
    assert black == [0, 40, 100]
    assert "A margin of 161 pixels leaves too little" in " ".join(
        import_choices.problems(report, replace(edits, split="blocks", margin=161))
    )
    for bands, told in (
        (("a", "a", "b", "c"), "need different names"),
        (("a", "", "b", "c"), "Every band needs a name"),
        (("-", "-", "-", "-"), "No band is left"),
    ):
        assert told in " ".join(import_choices.problems(report, replace(edits, bands=bands, shown=())))


def test_a_picture_with_another_number_of_bands_is_left_out() -> None:
    draft, _ = flight()
    report = draft.report()
    assert report is not None
    edits = replace(with_usual(report, "x"), bands=("a", "b", "c"))
    assert import_report.of_other_bands(report, edits) == ["flight"]
    assert import_report.kept(report, edits) == []


def test_a_border_that_is_not_declared_is_left_out_as_its_switch_says(
    view: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {COOKIE: ANN_ID})
    values, border = turned(120, 640, slope=0.1)
    folder = paths.home() / "files"
    write_bands(folder / "turned.tif", values)
    mask = encode_png(np.where(border, 0, np.arange(640) // 20 % 2 + 1).astype(np.uint8))
    draft = imports.open_draft(ANN, "", now=time.time())
    files = {"turned.tif": (folder / "turned.tif").read_bytes(), "turned_mask.png": mask}
    draft.bring([(name, io.BytesIO(content)) for name, content in files.items()])
    test = view("datasets")
    assert f"has a black border that is not declared as no data, {100 * border.mean():.0f} % of its pixels" in words(
        test
    )
    report = draft.report()
    assert report is not None
    usual = with_usual(report, "x")
    (group,) = import_report.groups(report)
    assert group.border
    assert group.key in usual.mended
    for edits, names, share in (
        (usual, ["Class 1", "Class 2"], border.mean()),
        (replace(usual, mended=frozenset()), ["Class 0", "Class 1", "Class 2"], 0),
    ):
        classes, unlabelled = import_report.edited(report, edits)
        assert [each.name for each in classes] == names
        assert unlabelled == pytest.approx(share)
        right = import_preview.painted(report, 0, replace(edits, split="drawn"))[:, report.seen[0].width + 4 :]
        grey = (right == UNLABELLED_COLOUR).all(axis=2).mean()
        assert grey == pytest.approx(share, abs=0.03)
    test.toggle(key=f"ds_{draft.record['id']}_border").set_value(False).run()
    test.button(key="dataset_save_now").click().run()
    assert not test.exception
    loaded, _ = open_split(DataConfig("turned-tif-and-1-more"))
    assert loaded.dataset.classes.scored_names == ("Class 0", "Class 1", "Class 2")
