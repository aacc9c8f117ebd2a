"""Datasets shaped like well-known ones come in by one command, with their classes, pixels and split."""

from pathlib import Path

import numpy as np
import pytest

from core.cli.main import main
from core.config import DataConfig
from core.data import open_split
from core.data.description import read_description
from core.data.named import folder_of
from tests.unit.data.readers import known_datasets as known
from tests.unit.data.readers import known_outlines as outlines
from tests.unit.data.readers.brought import photo, save, stored_mask, take, truth

KNOWN: dict[str, known.Make] = {
    each.__name__: each
    for each in (
        known.loveda,
        known.potsdam,
        known.vaihingen,
        known.inria,
        known.airs,
        known.whu,
        known.massachusetts_roads,
        known.deepglobe,
        known.floodnet,
        known.uavid,
        known.semantic_drone,
        known.landcover,
        known.landcover_pieces,
        known.openearthmap,
        outlines.isaid,
        outlines.isaid_masks,
        outlines.panoptic,
        outlines.spacenet,
        known.agriculture_vision,
        known.forest,
        known.floods,
        known.flair,
        known.aeroscapes,
    )
}


@pytest.mark.parametrize("name", KNOWN)
def test_one_command_takes_a_dataset_of_this_shape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    wanted = KNOWN[name](tmp_path / "in")
    code = main(["data", "import", str(tmp_path / "in"), "--name", "taken", *wanted.options])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    folder = folder_of("taken")
    described = read_description(folder)
    names = [each.name for each in described.classes]
    assert sorted(names) == sorted(wanted.names)
    assert {path.stem for path in (folder / "images").iterdir()} == set(wanted.masks)
    assert described.split.uses() == wanted.parts
    assert wanted.told in out
    order = np.array([names.index(each) for each in wanted.names], np.uint8)
    for stem, mask in wanted.masks.items():
        there = list((folder / "masks").glob(f"{stem}.*"))
        assert len(there) == (mask is not None), stem
        if mask is not None:
            known = np.where(mask == 255, np.uint8(255), order[np.minimum(mask, len(order) - 1)])
            assert np.array_equal(stored_mask(there[0]), known), stem
    # The files that lie beside a picture are those of its own: one more would be a picture without a label.
    loaded, split = open_split(DataConfig("taken"))
    assert len(loaded.scenes) == len(wanted.masks)
    assert len(split.train) > 0


def test_bands_in_files_apart_are_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known.bands_apart(tmp_path / "in")
    assert main(["data", "import", str(tmp_path / "in"), "--name", "taken"]) == 1
    told = capsys.readouterr().err.strip()
    assert "Each band of a picture is a file of its own" in told
    assert told.endswith(
        "stack them into one TIFF a picture, for example with gdalbuildvrt -separate and gdal_translate."
    )
    assert "\n" not in told


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("image,mask\n", "photos/{a}.png,truth/{b}.png\n"),
        ("", "photos/{a}.png truth/{b}.png\n"),
        ("", "{a}.png\t{b}.png\n"),
    ],
)
def test_a_list_that_names_picture_and_mask_pairs_them(tmp_path: Path, header: str, line: str) -> None:
    text, wanted = header, {}
    for at, (a, b) in enumerate((("f3a9", "77b2"), ("01cc", "9e4d"), ("ab40", "c0de"))):
        wanted[a] = truth(at, 3)
        save(tmp_path / "in" / "photos" / f"{a}.png", photo(at))
        save(tmp_path / "in" / "truth" / f"{b}.png", wanted[a])
        text += line.format(a=a, b=b)
    (tmp_path / "in" / "list.txt").write_text(text)
    found = take(tmp_path / "in")
    assert all(np.array_equal(found.masks[stem], mask) for stem, mask in wanted.items())


def test_pictures_that_only_share_their_numbers_are_not_taken_for_views_of_one(tmp_path: Path) -> None:
    """Folders called after places, not after bands: `pan` and `mul` are words of bands, and here towns."""
    for at, place in enumerate(("pan", "mul", "oslo")):
        for number in (1, 2):
            save(tmp_path / "in" / place / "images" / f"{number}.png", photo(10 * at + number))
            save(tmp_path / "in" / place / "masks" / f"{number}.png", truth(10 * at + number, 3))
    assert len([mask for mask in take(tmp_path / "in").masks.values() if mask is not None]) == 6
