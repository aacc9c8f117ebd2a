"""`dataset.toml` says all that is known of an imported dataset, and what is wrong in it is one sentence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.classes import UNLABELLED_COLOUR, colours_for
from core.config import DataConfig
from core.data import named, open_dataset
from core.data.datasets import DATASETS, dataset_named, known
from core.data.description import (
    DescribedClass,
    DescribedSplit,
    Description,
    read_description,
    to_toml,
    write_description,
)
from core.errors import ConfigError, DatasetNotFoundError, PairError
from tests.unit.data.pictures import random_image, save

ODD = 'Löß "3" \\ #=[]\t'.strip()
ORCHARD = Description(
    name="orchard",
    title='Orchards, "old"',
    classes=(
        DescribedClass("Tree", (1, 2, 3), (3, "#0A7828", (9, 9, 9))),
        DescribedClass(ODD),
        DescribedClass("Unlabeled"),
    ),
    licence="CC BY 4.0",
    attribution="Ünal & Söhne",
    metres_per_pixel=0.25,
    split=DescribedSplit("names", train=("a b", 'c"'), validate=("d",), test=("é",)),
)


def made(home: Path, description: Description = ORCHARD, stems: str = "abcd") -> Path:
    folder = home / "datasets" / description.name
    write_description(folder, description)
    for seed, stem in enumerate(stems):
        save(folder / "images" / f"{stem}.png", random_image(seed))
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    return tmp_path


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_description(tmp_path, ORCHARD)
    found = read_description(tmp_path)
    colours = [entry.colour for entry in found.classes]
    assert colours == list(ORCHARD.class_map.colours[:-1])
    bare = replace(found.classes[1], colour=None), replace(found.classes[2], colour=None)
    assert replace(found, classes=(found.classes[0], *bare)) == ORCHARD


@pytest.mark.parametrize("count", [2, 12, 255])
def test_any_number_of_classes_from_2_to_255(tmp_path: Path, count: int) -> None:
    write_description(tmp_path, replace(ORCHARD, classes=tuple(DescribedClass(f"c{n}") for n in range(count))))
    found = read_description(tmp_path).class_map
    assert found.outputs == count
    assert found.colours == (*colours_for(count), UNLABELLED_COLOUR)
    assert found.names[-1] == "Unlabeled"


def test_the_ignored_class_takes_no_name_nor_a_chosen_colour_one_that_is_given() -> None:
    first, *_ = colours_for(2)
    found = replace(ORCHARD, classes=(DescribedClass("Unlabeled"), DescribedClass("b", first))).class_map
    assert found.names == ("Unlabeled", "b", "Unlabeled 2")
    assert len(set(found.colours)) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("name = 'Or chard'", "'Or chard' cannot name a dataset"),
        ("title = ''", "needs a title"),
        ('title = "two\\nlines"', "title of 1 to 60"),
        ("bands = []", "bands must be names"),
        ("bands = 3", "bands must be names"),
        ("licence = 3", "The licence must be text"),
        ("metres_per_pixel = nan", "metres a pixel"),
        ("metres_per_pixel = true", "metres a pixel"),
        ("colour = 3", "has no colour"),
        ("split = 'drawn'", "its split must be a table"),
        ("[split]\nkind = 'random'", "no split 'random'"),
        ("[split]\nkind = 'drawn'\ntrain = ['a']", "drawn has no lists"),
        ("[split]\nkind = 'names'\ntrain = ['a']\ntest = ['a']", "names the picture a twice"),
        ("[split]\nkind = 'names'\ntrain = 'a'", "must hold names of pictures"),
        ("[[classes]]\nname = 'Tree'", "Tree is there twice"),
        ("[[classes]]\nname = ' '", "Class 2 needs a name"),
        ("[[classes]]\nname = 'x'\ncolour = [0, 0, 256]", "colour of class 2"),
        ("[[classes]]\nname = 'x'\ncolour = [0, 0, true]", "colour of class 2"),
        ("[[classes]]\nname = 'x'\nfrom = 3", "must be a list"),
        ("[[classes]]\nname = 'x'\nfrom = [2026-01-01]", "class 2 was made from"),
        ("[[classes]]\nname = 'x'\ncolor = [0, 0, 0]", "a class has no color"),
        ("classes = 3", "cannot be read|must be tables"),
        ("= ", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_that_names_the_dataset(tmp_path: Path, line: str, said: str) -> None:
    start = "name = 'n'\ntitle = 't'\n"
    classes = "\n[[classes]]\nname = 'Tree'\n[[classes]]\nname = 'Path'\n"
    key = line.split(" =")[0]
    start = "\n".join(kept for kept in start.splitlines() if not kept.startswith(key)) + "\n"
    text = start + line + "\n" + classes if not line.startswith("[[") else start + classes + line
    (tmp_path / "dataset.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said) as caught:
        read_description(tmp_path)
    assert len(caught.value.problems) == 1
    assert f"dataset.toml of {tmp_path.name}" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("count", [1, 256])
def test_fewer_or_more_classes_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"2 to 255 classes, not {count}"):
        replace(ORCHARD, classes=tuple(DescribedClass(f"c{n}") for n in range(count)))


def test_it_is_found_listed_and_deleted_by_its_name(home: Path) -> None:
    assert named.names() == []
    folder = made(home)
    dataset = named.find("orchard")
    assert dataset_named("orchard").classes == dataset.classes == ORCHARD.class_map
    assert (dataset.title, dataset.folder(), dataset.is_here()) == (ORCHARD.title, folder, True)
    assert [*known()] == [*DATASETS, "orchard"]
    named.delete("orchard")
    assert not folder.exists()
    for gone in (named.find, named.delete):
        with pytest.raises(DatasetNotFoundError, match="no dataset orchard"):
            gone("orchard")
    with pytest.raises(ConfigError, match="choose samples, dubai, mixture, unlabelled-scenes, folder"):
        dataset_named("orchard")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["../up", "/tmp", "", "a/b", "A", "x" * 61, "."])
def test_no_name_leads_out_of_the_place_of_datasets(name: str) -> None:
    with pytest.raises(ConfigError):
        named.find(name)
    with pytest.raises(DatasetNotFoundError):
        named.delete(name)
    assert not named.is_there(name)


def test_a_damaged_description_is_listed_by_name_and_told_when_it_is_wanted(home: Path) -> None:
    (made(home) / "dataset.toml").write_text("title = 3")
    assert named.names() == ["orchard"]
    assert named.known() == {}
    with pytest.raises(ConfigError, match="orchard"):
        dataset_named("orchard")


@pytest.mark.parametrize("count", [2, 255])
def test_masks_are_class_numbers_and_255_is_not_labelled(home: Path, count: int) -> None:
    classes = tuple(DescribedClass(f"c{number}") for number in range(count))
    folder = made(home, replace(ORCHARD, classes=classes, split=DescribedSplit("drawn")))
    stored = np.arange(600, dtype=np.uint16).reshape(20, 30) % count
    stored[0] = 255
    save(folder / "masks" / "a.png", stored.astype(np.uint8))
    loaded = open_dataset(DataConfig(dataset="orchard"))
    by_name = {scene.name: scene.mask for scene in loaded.scenes}
    np.testing.assert_array_equal(by_name["a"], np.where(stored == 255, count, stored))
    assert by_name["b"] is None
    assert loaded.warnings == []


def test_one_class_alone_and_masks_of_two_values_are_taken_at_their_word(home: Path) -> None:
    folder = made(home, replace(ORCHARD, split=DescribedSplit("drawn")))
    only_two, zero_and_void = np.full((20, 30), 2, np.uint8), np.zeros((20, 30), np.uint8)
    zero_and_void[3:] = 255
    save(folder / "masks" / "a.png", only_two)
    save(folder / "masks" / "b.png", zero_and_void)
    loaded = open_dataset(DataConfig(dataset="orchard"))
    assert loaded.warnings == []
    assert [np.unique(scene.mask).tolist() for scene in loaded.scenes[:2]] == [[2], [0, 3]]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.full((20, 30), 3, np.uint8), "values that are no class"),
        (random_image(), "holds colours: write the numbers"),
    ],
)
def test_a_mask_that_breaks_the_form_is_a_problem(home: Path, mask: np.ndarray, said: str) -> None:
    save(made(home) / "masks" / "a.png", mask)
    with pytest.raises(PairError, match=f"a: .*{said}"):
        open_dataset(DataConfig(dataset="orchard"))


def test_the_lists_of_names_part_the_pictures_and_a_name_without_a_picture_is_told(home: Path) -> None:
    lists = DescribedSplit("names", train=("a",), validate=("b",), test=("c", "gone"))
    folder = made(home, replace(ORCHARD, split=lists))
    pairs, problems = named.find("orchard").find(folder)
    assert {pair.name: pair.split for pair in pairs} == {"a": "train", "b": "val", "c": "test", "d": ""}
    assert [str(problem) for problem in problems] == ["gone: the split names it, and there is no such picture."]


def test_the_text_holds_nothing_but_what_toml_allows() -> None:
    assert "\t" not in to_toml(ORCHARD)
    assert to_toml(ORCHARD).count("[[classes]]") == 3
