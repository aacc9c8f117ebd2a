"""What the numbers, colours and names of masks mean where published datasets are easily misread."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.data.readers.brought import in_order, photo, save, take, truth


def test_two_classes_are_named_by_number_or_by_how_bright_they_are_not_by_their_order(source: Path) -> None:
    """DeepGlobe's roads: the list names white first."""
    for at in range(3):
        save(source / "train" / f"10003{at}_sat.jpg", photo(at))
        save(source / "train" / f"10003{at}_mask.png", np.dstack([truth(at, 2) * np.uint8(255)] * 3))
    (source / "class_dict.csv").write_text("name,r,g,b\nroad,255,255,255\nbackground,0,0,0\n")
    masks = {f"10003{at}_sat": truth(at, 2) for at in range(3)}
    in_order(take(source, blocks=False), ["background", "road"], masks)
    (source / "class_dict.csv").write_text("name,r,g,b\nhill,9,9,9\nroad,255,255,255\nlake,0,0,200\nfield,0,0,0\n")
    in_order(take(source, "longer", blocks=False), ["field", "road"], masks)


def test_greys_are_named_by_a_list_of_colours(source: Path) -> None:
    for at in range(3):
        save(source / "images" / f"{at}.png", photo(at))
        save(source / "masks" / f"{at}.png", np.dstack([truth(at, 3) * np.uint8(90)] * 3))
    (source / "class_dict.csv").write_text("name,r,g,b\nmeadow,180,180,180\nstream,0,0,0\nrock,90,90,90\n")
    in_order(take(source), ["stream", "rock", "meadow"], {str(at): truth(at, 3) for at in range(3)})


@pytest.mark.parametrize("ignored", [False, True])
def test_folders_of_several_kinds_of_masks_are_no_classes(source: Path, ignored: bool) -> None:
    """PhenoBench: numbers of classes, of plants and of leaves, in folders that no word tells apart."""
    masks = {}
    for at, part in enumerate(("train", "train", "val")):
        masks[f"p{at}"] = truth(at, 5)
        stored = np.where(truth(at, 5) == 4, 255, truth(at, 5)) if ignored else truth(at, 5)
        save(source / part / "images" / f"p{at}.png", photo(at))
        save(source / part / "plant_visibility" / f"p{at}.png", truth(at + 5, 5))
        save(source / part / "semantics" / f"p{at}.png", stored.astype(np.uint8))
        save(source / part / "leaf_instances" / f"p{at}.png", truth(at, 12).astype(np.uint16))
    taken = take(source)
    assert taken.names == [f"Class {at}" for at in range(4 if ignored else 5)]
    for stem, mask in masks.items():
        assert np.array_equal(taken.masks[stem], np.where(mask == 4, 255, mask) if ignored else mask)
    assert any("semantics" in note and "are taken" in note for note in taken.survey.to_json()["notes"])


def test_masks_of_a_class_each_may_hold_any_number_for_it(source: Path) -> None:
    for at in range(3):
        save(source / "images" / f"a{at}.png", photo(at))
        for number, name in enumerate(("road", "roof"), 1):
            save(source / "masks" / f"a{at}_{name}.png", np.where(truth(at, 3) == number, 38, 0).astype(np.uint8))
    in_order(take(source), ["Background", "road", "roof"], {f"a{at}": truth(at, 3) for at in range(3)})


PLAIN = {
    "red": (255, 0, 0), "green": (0, 255, 0), "cyan": (0, 255, 255), "yellow": (255, 255, 0), "blue": (0, 0, 255),
    "white": (255, 255, 255), "black": (0, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize(
    ("colours", "names"),
    [
        (("red", "green", "cyan", "yellow", "blue"), ["Built-up", "Farmland", "Forest", "Meadow", "Water"]),
        (("white", "blue", "cyan", "green"), ["Impervious surface", "Building", "Low vegetation", "Tree"]),
        (("white", "red", "blue"), ["Colour #FFFFFF", "Colour #FF0000", "Colour #0000FF"]),
    ],
)
def test_plain_colours_are_those_of_a_known_table_where_most_of_it_is_there(
    source: Path, colours: tuple[str, ...], names: list[str]
) -> None:
    """Gaofen has the colours of ISPRS but for white; three plain colours are anybody's."""
    table, masks = np.array([PLAIN[name] for name in colours], np.uint8), {}
    for at in range(3):
        masks[f"a{at}"] = truth(at, len(colours))
        save(source / "images" / f"a{at}.tif", photo(at))
        save(source / "labels" / f"a{at}_label.tif", table[masks[f"a{at}"]])
    in_order(take(source), names, masks)


def test_words_of_folders_that_hold_everything_tell_nothing(source: Path) -> None:
    """UAVid: `official_release_image` lies above images, colours and numbers."""
    for at in range(3):
        top = source / "uavid_v1.5_official_release_image" / "uavid_train" / f"seq{at}"
        save(top / "Images" / "000000.png", photo(at))
        save(top / "Labels" / "000000.png", np.eye(3, dtype=np.uint8)[truth(at, 3)] * np.uint8(200))
        save(top / "TrainId" / "000000.png", truth(at, 3))
    names = [f"Class {at}" for at in range(3)]
    in_order(take(source, blocks=False), names, {f"seq{at}_000000": truth(at, 3) for at in range(3)})


def test_a_word_that_all_names_begin_with_tells_nothing(source: Path) -> None:
    for at in range(3):
        save(source / f"img ({at}).jpg", photo(at))
        save(source / f"img ({at})_L.png", truth(at, 3))
    in_order(take(source), [f"Class {at}" for at in range(3)], {f"img ({at})": truth(at, 3) for at in range(3)})


def test_labelled_and_unlabelled_parts_are_no_masks(source: Path) -> None:
    """MiniFrance: pictures and masks below `labeled_train`."""
    for at in range(3):
        save(source / "labeled_train" / "Nice" / "BDORTHO" / f"t{at}.tif", photo(at))
        save(source / "labeled_train" / "Nice" / "UrbanAtlas" / f"t{at}_UA.tif", truth(at, 3))
    save(source / "unlabeled_train" / "Brest" / "BDORTHO" / "b.tif", photo(9))
    taken = take(source)
    in_order(taken, [f"Class {at}" for at in range(3)], {f"t{at}": truth(at, 3) for at in range(3)})
    assert taken.masks["b"] is None


def test_pictures_of_two_dates_with_one_mask_are_told(source: Path) -> None:
    for at in range(3):
        for folder, number in (("Image1", at), ("Image2", at + 50)):
            save(source / folder / f"{at}.png", photo(number))
        for folder in ("label", "label1", "label2"):
            save(source / folder / f"{at}.png", truth(at, 2) * np.uint8(255))
    taken = take(source)
    assert len(taken.masks) == 3
    assert taken.names == ["Background", "Foreground"]
    notes = taken.survey.to_json()["notes"]
    assert any(note.startswith("3 files (Image2) have the masks of Image1 as well") for note in notes)


@pytest.mark.parametrize(("more", "listed"), [(0, False), (9, False), (0, True)])
def test_published_numbers_name_masks_that_hold_no_others_and_that_no_list_names(
    source: Path, more: int, listed: bool
) -> None:
    """LoveDA: by the names of its files and folders."""
    for at in range(3):
        mask = truth(at, 8)
        mask[:8, :8] = more
        save(source / "Train" / "Rural" / "images_png" / f"{at}.png", photo(at))
        save(source / "Train" / "Rural" / "masks_png" / f"{at}.png", mask)
    if listed:
        (source / "classes.txt").write_text("".join(f"{at} Own {at}\n" for at in range(8)))
    taken = take(source)
    published = not more and not listed
    assert ("Agriculture" in taken.names, "No data" in taken.names) == (published, False)
    assert ("Own 7" in taken.names, "Class 9" in taken.names) == (listed, more == 9)
    assert len(taken.names) == {True: 7, False: 8 + (more == 9)}[published]
