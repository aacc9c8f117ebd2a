"""A mask too large to be read whole means what it means when it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from core import paths
from core.data.readers.tree import Decoder
from core.imagery import sniff
from tests.unit.data.readers.brought import truth
from tests.unit.data.test_stored_blocks import gradient, ortho, take

HEIGHT, WIDTH = 260, 900
COLOURS = np.array([(230, 25, 75), (60, 180, 75), (0, 0, 128)], np.uint8)


def _index() -> np.ndarray:
    return truth(3, 3, height=HEIGHT, width=WIDTH)


def _save(path: Path, values: np.ndarray, **options: Any) -> None:
    ortho(path, values[..., None] if values.ndim == 2 else values, **{"photometric": None, **options})


def _plain(path: Path) -> None:
    _save(path, _index())


def _codes_above_255(path: Path) -> None:
    _save(path, np.array([11, 112, 4000], np.uint16)[_index()])


def _no_data(path: Path) -> None:
    values = _index() + np.uint8(1)
    values[:, :70] = 0
    _save(path, values, nodata=0)


def _floats(path: Path) -> None:
    values = _index().astype(np.float32)
    values[20:60, 300:400] = np.nan
    _save(path, values)


def _colours(path: Path) -> None:
    _save(path, COLOURS[_index()], photometric="RGB")


def _palette(path: Path) -> None:
    _save(path, _index())
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {at: tuple(map(int, colour)) for at, colour in enumerate(COLOURS)})


@pytest.mark.parametrize("write", [_plain, _codes_above_255, _no_data, _floats, _colours, _palette])
def test_a_mask_is_the_same_in_parts_as_in_one_piece(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = paths.home() / "in"
    ortho(source / "o.tif", gradient(HEIGHT, WIDTH))
    write(source / "o_mask.tif")
    whole = take(source, "whole")
    monkeypatch.setattr(sniff, "WHOLE_PIXELS", 1000)
    parts = take(source, "parts")
    assert parts.names == whole.names
    assert parts.survey.counts == whole.survey.counts
    assert [each.colour for each in parts.description.classes] == [each.colour for each in whole.description.classes]
    assert parts.masks.keys() == whole.masks.keys()
    for stem, mask in whole.masks.items():
        assert mask is not None
        assert np.array_equal(parts.masks[stem], mask)


def test_without_a_word_in_its_name_a_large_mask_is_told_by_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sniff, "WHOLE_PIXELS", 1000)
    source = paths.home() / "in"
    noise = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    ortho(source / "a" / "o.tif", noise)
    _plain(source / "b" / "o.tif")
    assert take(source).survey.labelled == 1


@pytest.mark.parametrize("top", [1, 255])
def test_masks_of_one_class_each_are_read_row_by_row(top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = paths.home() / "in"
    ortho(source / "o.tif", gradient(HEIGHT, WIDTH))
    for at, name in enumerate(("field", "pond", "road")):
        layer = np.zeros((HEIGHT, WIDTH), np.uint8)
        layer[40 * at : 40 * at + 90, 100 * at : 400] = top
        layer[200 + at, 5] = 3 if top == 255 else 0
        _save(source / f"o_{name}.tif", layer)
    whole = take(source, "whole")
    monkeypatch.setattr(sniff, "WHOLE_PIXELS", 1000)
    monkeypatch.setattr(Decoder, "mask", lambda *_: pytest.fail("a large mask was read whole"))
    parts = take(source, "parts")
    assert {"field", "pond", "road"} <= set(whole.names)
    assert parts.names == whole.names
    assert parts.survey.counts == whole.survey.counts
    for stem, mask in whole.masks.items():
        assert mask is not None
        assert np.array_equal(parts.masks[stem], mask)
