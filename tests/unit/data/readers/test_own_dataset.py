"""A dataset of ours that is taken away and comes back is what it was, with its licence and who made it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core import paths
from core.data.description import FILE, read_description
from core.data.named import folder_of
from core.errors import DataError
from tests.unit.data.readers.brought import HEIGHT, WIDTH, Imported, photo, save, take, truth

COLOURS = ((10, 120, 40), (200, 180, 140), (1, 2, 3))


@pytest.fixture
def first(tmp_path: Path) -> Imported:
    """Three classes, of which the last one is nowhere; two classes and nobody's pixels in some masks; a split."""
    source = tmp_path / "in"
    for at, part in enumerate(("train", "train", "val", "test")):
        mask = truth(at, 2)
        mask[:8] = 255
        save(source / part / "images" / f"p{at}.png", photo(at))
        save(source / part / "masks" / f"p{at}.png", mask)
    save(source / "train" / "images" / "bare.png", photo(9))
    rows = "".join(
        f"{at},{name},{r},{g},{b}\n" for at, (name, (r, g, b)) in enumerate(zip("abc", COLOURS, strict=True))
    )
    (source / "classes.csv").write_text(f"value,name,r,g,b\n{rows}")
    return take(source, "first", licence="CC BY 4.0", attribution="Ann, 2024", title="Fields of 2024")


@pytest.mark.parametrize("form", ["folder", "zip", "inside another folder"])
def test_it_comes_back_as_it_was(first: Imported, form: str, tmp_path: Path) -> None:
    source = folder_of("first")
    if form == "zip":
        source = Path(shutil.make_archive(str(tmp_path / "away"), "zip", source.parent, source.name))
    elif form == "inside another folder":
        source = Path(shutil.copytree(source, tmp_path / "labels" / "masks" / "deep")).parent.parent
    again = take(source, "again")
    assert [(each.name, each.colour) for each in again.description.classes] == [
        (each.name, each.colour) for each in first.description.classes
    ]
    assert again.description.split == first.description.split
    assert (again.description.licence, again.description.attribution) == ("CC BY 4.0", "Ann, 2024")
    assert again.masks.keys() == first.masks.keys()
    for stem, mask in first.masks.items():
        assert mask is None if again.masks[stem] is None else np.array_equal(again.masks[stem], mask)
    told = "Licence and attribution, by dataset.toml: CC BY 4.0 by Ann, 2024."
    assert told in " ".join(again.survey.to_json()["notes"])


def test_what_a_person_writes_counts_before_what_it_said(first: Imported) -> None:
    found = take(folder_of("first"), "again", licence="CC0", wanted={"a": "Meadow"}).description
    assert (found.licence, found.attribution) == ("CC0", first.description.attribution)
    assert found.classes[0].name == "Meadow"


@pytest.mark.usefixtures("first")
def test_a_mask_of_one_class_and_nobody_s_pixels_is_no_mask_of_two_classes() -> None:
    """0 and 255 alone: elsewhere these tell one thing from the rest."""
    for path in (folder_of("first") / "masks").iterdir():
        save(path, np.where(np.arange(WIDTH) < 8, 255, 0).astype(np.uint8)[None].repeat(HEIGHT, 0))
    found = take(folder_of("first"), "again")
    assert found.names == ["a", "b", "c"]
    assert all(mask is None or set(np.unique(mask)) == {0, 255} for mask in found.masks.values())


@pytest.mark.usefixtures("first")
def test_a_number_that_is_no_class_is_refused() -> None:
    save(folder_of("first") / "masks" / "p0.png", np.full((HEIGHT, WIDTH), 7, np.uint8))
    with pytest.raises(DataError, match=f"its mask holds 7, which is no class of {FILE}"):
        take(folder_of("first"), "again")


def test_licences_of_several_datasets_in_one_folder_are_kept_together(first: Imported) -> None:
    shutil.copytree(folder_of("first"), paths.named_datasets() / "second")
    toml = paths.named_datasets() / "second" / FILE
    toml.write_text(toml.read_text().replace("CC BY 4.0", "ODbL").replace('"first"', '"second"'))
    assert take(paths.named_datasets(), "both").description.licence == "CC BY 4.0 ODbL"
    assert read_description(folder_of("first")).licence == first.description.licence
