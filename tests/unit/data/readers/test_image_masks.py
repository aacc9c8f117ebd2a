"""Images beside masks: whatever folders are called and masks hold, classes, pixels and split come through."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.importing import ImportChoices, opened_source, survey
from core.errors import ConfigError, DataError
from core.imagery.archives import ZipLimits, unpack
from tests.unit.data.readers.brought import HEIGHT, WIDTH, Pixels, photo, save, take, truth

COLOURS = np.array([(60, 16, 152), (132, 41, 246), (110, 193, 228), (254, 221, 58)], np.uint8)
Write = Callable[[Path, Pixels], object]


def _index(path: Path, mask: Pixels) -> None:
    save(path, mask)


def _palette(path: Path, mask: Pixels) -> None:
    picture = Image.new("P", mask.shape[::-1])
    picture.frombytes(mask.tobytes())
    picture.putpalette(COLOURS.ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _colour(path: Path, mask: Pixels) -> None:
    save(path, COLOURS[mask])


def _with_alpha(path: Path, mask: Pixels) -> None:
    save(path, np.dstack([COLOURS[mask], np.full(mask.shape, 255, np.uint8)]))


def _float(path: Path, mask: Pixels) -> None:
    save(path.with_suffix(".tif"), mask.astype(np.float32))


def _wide(path: Path, mask: Pixels) -> None:
    save(path.with_suffix(".tif"), mask.astype(np.uint16))


def _grey_as_colours(path: Path, mask: Pixels) -> None:
    save(path, np.dstack([mask] * 3))


def _from_one(path: Path, mask: Pixels) -> None:
    save(path, mask + 1)


WRITERS = [_index, _palette, _colour, _with_alpha, _float, _wide, _grey_as_colours, _from_one]


@pytest.mark.parametrize("write", WRITERS)
def test_masks_of_every_kind_come_through(tmp_path: Path, write: Write) -> None:
    masks = {f"field_{at}": truth(at, 4) for at in range(3)}
    for at, (stem, mask) in enumerate(masks.items()):
        save(tmp_path / "in" / "images" / f"{stem}.png", photo(at))
        write(tmp_path / "in" / "masks" / f"{stem}.png", mask)
    found = take(tmp_path / "in")
    assert len(found.names) == 4
    for stem, mask in masks.items():
        # Colours without names have no order of their own: each class is one class.
        pairs = set(zip(mask.ravel().tolist(), found.masks[stem].ravel().tolist(), strict=True))
        assert len(pairs) == 4
        if write is not _colour and write is not _with_alpha:
            assert np.array_equal(found.masks[stem], mask)
    if write in (_palette, _colour, _with_alpha):
        assert {each.colour for each in found.description.classes} == {tuple(map(int, each)) for each in COLOURS}


LAYOUTS = [
    ("images/{s}.jpg", "masks/{s}.png"),
    ("img_dir/train/{s}.jpg", "ann_dir/train/{s}.png"),
    ("rgb/{s}.png", "gt/{s}.png"),
    ("train_images/{s}.png", "train_masks/{s}.png"),
    ("train/images/{s}.png", "train/labels/{s}.png"),
    ("JPEGImages/{s}.jpg", "SegmentationClass/{s}.png"),
    ("{s}.jpg", "{s}_mask.png"),
    ("data/{s}_sat.jpg", "data/{s}_mask.png"),
    ("images/{s}.tif", "masks/{s}_label.tif"),
    ("pictures/{s}.png", "pictures/{s}.label.png"),
    ("a/{s}.png", "b/{s}.png"),
    ("X/{s}.png", "y/{s}.png"),
    ("images/img_{s}.png", "masks/lab_{s}.png"),
    ("segmentation dataset/{s}.png", "segmentation dataset/{s}_gt.png"),
    ("Tile 1/images/{s}.jpg", "Tile 1/masks/{s}.png"),
    ("images/top_{s}_RGB.tif", "labels/top_{s}_label.tif"),
    ("images/{s}.jpg", "masks/{s}.jpg.png"),
    ("leftImg8bit/train/{s}_leftImg8bit.png", "gtFine/train/{s}_gtFine_labelIds.png"),
    ("train/train-org-img/{s}.jpg", "train/train-label-img/{s}_lab.png"),
]


@pytest.mark.parametrize(("images", "labels"), LAYOUTS)
def test_folders_and_names_of_every_kind_are_paired(tmp_path: Path, images: str, labels: str) -> None:
    masks = {stem: truth(at, 3) for at, stem in enumerate(("7_10", "7_11", "8_2"))}
    for at, (stem, mask) in enumerate(masks.items()):
        save(tmp_path / "in" / images.format(s=stem), photo(at))
        save(tmp_path / "in" / labels.format(s=stem), mask)
    found = take(tmp_path / "in")
    assert len(found.masks) == 3
    for stem, mask in masks.items():
        (name,) = [name for name in found.masks if stem in name]
        assert np.array_equal(found.masks[name], mask)


def test_equal_names_of_several_tiles_stay_apart(tmp_path: Path) -> None:
    masks = {f"Tile {tile}_part_00{part}": truth(10 * tile + part, 3) for tile in (1, 2) for part in (1, 2)}
    for at, (name, mask) in enumerate(masks.items()):
        tile, _, stem = name.partition("_")
        save(tmp_path / "in" / tile / "images" / f"{stem}.jpg", photo(at))
        save(tmp_path / "in" / tile / "masks" / f"{stem}.png", mask)
    found = take(tmp_path / "in")
    assert {name: mask.tolist() for name, mask in found.masks.items()} == {n: m.tolist() for n, m in masks.items()}


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("{p}/images/{s}.png", "{p}/masks/{s}.png"),
        ("images/{p}/{s}.png", "masks/{p}/{s}.png"),
        ("{p}_images/{s}.png", "{p}_masks/{s}.png"),
        ("images_{p}/{s}.png", "labels_{p}/{s}.png"),
    ],
)
def test_folders_named_after_parts_are_the_split(tmp_path: Path, images: str, labels: str) -> None:
    wanted = {}
    for at, (part, use) in enumerate((("train", "train"), ("valid", "val"), ("test", "test"), ("train", "train"))):
        stem = f"s{at}"
        wanted[stem] = use
        save(tmp_path / "in" / images.format(p=part, s=stem), photo(at))
        save(tmp_path / "in" / labels.format(p=part, s=stem), truth(at, 3))
    assert take(tmp_path / "in").parts == wanted


def test_lists_of_names_are_the_split(tmp_path: Path) -> None:
    """What two lists name is not trained on."""
    for at in range(4):
        save(tmp_path / "in" / "images" / f"s{at}.png", photo(at))
        save(tmp_path / "in" / "masks" / f"s{at}.png", truth(at, 3))
    for name, stems in (("train", "s0\ns1\ns2"), ("val", "images/s2.png\n"), ("test", "s3\n")):
        (tmp_path / "in" / f"{name}.txt").write_text(stems)
    assert take(tmp_path / "in").parts == {"s0": "train", "s1": "train", "s2": "val", "s3": "test"}


def test_values_that_are_ignored_and_classes_that_have_names(tmp_path: Path) -> None:
    mask = truth(0, 3) * 10
    mask[:8] = 255
    save(tmp_path / "in" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "masks" / "a.png", mask)
    (tmp_path / "in" / "classes.json").write_text(json.dumps({"0": "Soil", "10": "Tree", "20": "Roof", "30": "Pool"}))
    found = take(tmp_path / "in")
    assert found.names == ["Soil", "Tree", "Roof", "Pool"]
    assert np.array_equal(found.masks["a"], np.where(mask == 255, 255, mask // 10))


@pytest.mark.parametrize("values", [(0, 255), (0, 1)])
def test_binary_masks_are_background_and_one_class(tmp_path: Path, values: tuple[int, int]) -> None:
    mask = truth(0, 2)
    save(tmp_path / "in" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "masks" / "a.png", np.array(values, np.uint8)[mask])
    found = take(tmp_path / "in")
    assert found.names == ["Background", "Foreground"]
    assert np.array_equal(found.masks["a"], mask)


def test_codes_of_a_nomenclature_are_classes(tmp_path: Path) -> None:
    mask = truth(0, 4)
    codes = np.array([111, 112, 311, 523], np.uint16)
    stored = codes[mask]
    stored[:8] = 65535
    save(tmp_path / "in" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "masks" / "a.tif", stored)
    (tmp_path / "in" / "legend.csv").write_text("code,label\n111,Urban\n112,Suburb\n311,Wood\n523,Sea\n")
    found = take(tmp_path / "in", wanted={"112": "Urban"})
    assert found.names == ["Urban", "Wood", "Sea"]
    wanted = np.array([0, 0, 1, 2], np.uint8)[mask]
    wanted[:8] = 255
    assert np.array_equal(found.masks["a"], wanted)


def test_of_several_masks_a_picture_those_of_numbers_are_taken(tmp_path: Path) -> None:
    masks = [truth(at, 4) for at in range(2)]
    for at, mask in enumerate(masks):
        save(tmp_path / "in" / "images" / f"s{at}.png", photo(at))
        save(tmp_path / "in" / "masks" / f"s{at}_color.png", COLOURS[mask])
        save(tmp_path / "in" / "masks" / f"s{at}_labelIds.png", mask)
    found = take(tmp_path / "in")
    assert found.names == [f"Class {at}" for at in range(4)]
    assert all(np.array_equal(found.masks[f"s{at}"], mask) for at, mask in enumerate(masks))


def test_a_binary_mask_is_called_as_its_folder_or_its_list_says(tmp_path: Path) -> None:
    for folder in ("by-folder", "by-list"):
        save(tmp_path / folder / "images" / "a.png", photo(0))
        save(tmp_path / folder / "masks" / ("roofs" if folder == "by-folder" else "") / "a.png", truth(0, 2) * 255)
    (tmp_path / "by-list" / "classes.txt").write_text("background\nbuilding\n")
    assert take(tmp_path / "by-folder", "by-folder").names == ["Background", "roofs"]
    assert take(tmp_path / "by-list", "by-list").names == ["background", "building"]


def test_a_binary_mask_that_jpeg_blurred_is_binary_still(tmp_path: Path) -> None:
    mask = truth(0, 2)
    save(tmp_path / "in" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "masks" / "a.jpg", mask * 255, quality=60)
    found = take(tmp_path / "in")
    assert found.names == ["Background", "Foreground"]
    assert np.array_equal(found.masks["a"], mask)


@pytest.mark.parametrize(
    "pattern", ["masks/{s}_{c}.png", "masks/{c}/{s}.png", "masks/{s}/{c}.png", "masks/{c}_{s}.png", "{c}/masks/{s}.png"]
)
def test_a_mask_a_class_is_one_label(tmp_path: Path, pattern: str) -> None:
    names, masks = ("road", "roof", "water"), {f"s{at}": truth(at, 4) for at in range(3)}
    for at, (stem, mask) in enumerate(masks.items()):
        save(tmp_path / "in" / "images" / f"{stem}.png", photo(at))
        for number, name in enumerate(names, start=1):
            save(tmp_path / "in" / pattern.format(s=stem, c=name), np.where(mask == number, 255, 0).astype(np.uint8))
    found = take(tmp_path / "in")
    assert found.names == ["Background", *names]
    assert all(np.array_equal(found.masks[stem], mask) for stem, mask in masks.items())


def test_blended_colours_count_as_the_nearest(tmp_path: Path) -> None:
    mask = truth(0, 4, height=400, width=400)
    colours = COLOURS[mask]
    rng = np.random.default_rng(0)
    spots = rng.integers(0, 400, (200, 2))
    colours[spots[:, 0], spots[:, 1]] -= rng.integers(1, 3, (200, 3), dtype=np.uint8)
    wanted = {tuple(map(int, each)) for each in COLOURS}
    save(tmp_path / "in" / "images" / "a.png", photo(0, height=400, width=400))
    save(tmp_path / "in" / "masks" / "a.png", colours)
    found = take(tmp_path / "in")
    order = {each.colour: at for at, each in enumerate(found.description.classes)}
    assert set(order) == wanted
    table = np.array([order[tuple(map(int, each))] for each in COLOURS], np.uint8)
    assert np.array_equal(found.masks["a"], table[mask])


def test_pictures_without_labels_are_kept(tmp_path: Path) -> None:
    for at in range(3):
        save(tmp_path / "in" / "images" / f"s{at}.png", photo(at))
    save(tmp_path / "in" / "masks" / "s1.png", truth(1, 3))
    found = take(tmp_path / "in")
    assert [name for name, mask in found.masks.items() if mask is None] == ["s0", "s2"]
    assert (found.survey.labelled, len(found.survey.usable)) == (1, 3)


def test_masks_of_another_size_are_one_group_with_its_remedy(tmp_path: Path) -> None:
    for at in range(5):
        save(tmp_path / "in" / "images" / f"s{at}.png", photo(at, height=200, width=200))
        side = 200 if at else 202
        save(tmp_path / "in" / "masks" / f"s{at}.png", truth(at, 3, height=202 if at > 1 else side, width=side))
    with opened_source(tmp_path / "in") as tree:
        (group,) = survey(tree, ImportChoices()).groups
        assert len(group.names) == 4
        assert group.sentence.startswith("4 masks are 1 % larger than their image: resample them (nearest)")
        assert group.resample == 0.01
    with pytest.raises(DataError, match="4 masks are 1 % larger"):
        take(tmp_path / "in")
    assert not (tmp_path / "home" / "datasets" / "taken").exists()
    resampled = take(tmp_path / "in", "resampled", resample=0.01)
    assert [mask.shape for mask in resampled.masks.values()] == [(200, 200)] * 5
    skipped = take(tmp_path / "in", "skipped", skip=True)
    assert list(skipped.masks) == ["s1"]


def test_a_map_names_merges_and_ignores(tmp_path: Path) -> None:
    mask = truth(0, 5)
    save(tmp_path / "in" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "masks" / "a.png", mask)
    found = take(tmp_path / "in", wanted={"0": "Ground", "3": "Water", "1": "Water", "4": "ignore"})
    assert found.names == ["Ground", "Water", "Class 2"]
    assert np.array_equal(found.masks["a"], np.array([0, 1, 2, 1, 255], np.uint8)[mask])
    assert found.description.classes[1].source == (1, 3)
    with pytest.raises(ConfigError, match="names 9, which the labels do not hold"):
        take(tmp_path / "in", "other", wanted={"9": "Moon"})


def test_a_zip_is_read_as_its_folder(tmp_path: Path) -> None:
    mask = truth(0, 3)
    save(tmp_path / "in" / "set" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "set" / "masks" / "a.png", mask)
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in"))
    assert np.array_equal(take(packed).masks["a"], mask)


def _zip(path: Path, entries: dict[str, bytes], *, link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if link else 0o100644) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return path


@pytest.mark.parametrize(
    ("names", "link"),
    [(["../out.png"], False), (["/out.png"], False), (["a/../../out.png"], False), (["C:\\out.png"], False),
     (["l"], True), (["a", "a/b"], False)],
)  # fmt: skip
def test_a_hostile_zip_is_one_sentence_and_writes_nothing_outside(tmp_path: Path, names: list[str], link: bool) -> None:
    packed = _zip(tmp_path / "bad.zip", dict.fromkeys(names, b"/etc/passwd"), link=link)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        take(packed)
    assert str(caught.value).startswith("bad.zip ")
    assert "\n" not in str(caught.value)
    assert {path for path in tmp_path.rglob("*") if "home" not in path.parts} == before


def test_a_zip_that_grows_without_end_is_stopped(tmp_path: Path) -> None:
    packed = _zip(tmp_path / "bad.zip", {f"{at}.bin": b"\0" * 3_000_000 for at in range(3)})
    limits = ZipLimits(entries=10, total_bytes=4_000_000, entry_bytes=4_000_000, ratio=1100, directory_bytes=10**6)
    (tmp_path / "into").mkdir()
    with pytest.raises(DataError, match="unpacks to more than it may"):
        unpack(packed, tmp_path / "into", limits=limits)
    with pytest.raises(DataError, match="holds more than 2 files"):
        unpack(packed, tmp_path / "into", limits=replace(limits, entries=2))


def test_what_a_person_brought_stays_as_it_was(tmp_path: Path) -> None:
    save(tmp_path / "in" / "images" / "a.jpg", photo(0))
    save(tmp_path / "in" / "masks" / "a.png", truth(0, 3))
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "in").rglob("*.*")}
    take(tmp_path / "in")
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (tmp_path / "in").rglob("*.*")}
    assert (tmp_path / "home" / "datasets" / "taken" / "images" / "a.jpg").read_bytes() == before[
        tmp_path / "in" / "images" / "a.jpg"
    ][0]
    with pytest.raises(ConfigError, match="There is a dataset taken already"):
        take(tmp_path / "in")
    assert [path.name for path in (tmp_path / "home" / "datasets").iterdir()] == ["taken"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


SPOILED: dict[str, Callable[[Path], object]] = {
    "labels": lambda root: _cut(root / "masks" / "a.png"),
    "picture": lambda root: _cut(root / "images" / "a.png"),
    "lonely": lambda root: (root / "images" / "a.png").unlink(),
    "format": lambda root: (root / "images" / "c.webp").write_bytes(b"RIFF\0\0\0\0WEBP"),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_each_wrong_file_is_one_sentence_and_can_be_left_out(tmp_path: Path, kind: str) -> None:
    for at, stem in enumerate("ab"):
        save(tmp_path / "in" / "images" / f"{stem}.png", photo(at))
        save(tmp_path / "in" / "masks" / f"{stem}.png", truth(at, 3))
    SPOILED[kind](tmp_path / "in")
    with opened_source(tmp_path / "in") as tree:
        (group,) = survey(tree, ImportChoices()).groups
    assert group.kind == kind
    assert str(tmp_path) not in group.sentence
    assert group.sentence.endswith(".")
    found = take(tmp_path / "in", skip=True)
    assert found.masks["b"] is not None
    assert ("a" in found.masks) is (kind == "format")


@pytest.mark.parametrize("spoil", ["nothing", "text", "one class", "photos"])
def test_a_source_without_use_is_one_sentence(tmp_path: Path, spoil: str) -> None:
    root = tmp_path / "in"
    root.mkdir()
    if spoil == "text":
        (root / "a.txt").write_text("nothing")
    if spoil in ("one class", "photos"):
        save(root / "images" / "a.png", photo(0, height=HEIGHT, width=WIDTH))
        save(root / "masks" / "a.png", photo(1) if spoil == "photos" else np.full((HEIGHT, WIDTH), 3, np.uint8))
    with pytest.raises(DataError) as caught:
        take(root)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    assert list((tmp_path / "home").glob("datasets/*")) == []


def test_links_that_lead_out_of_an_opened_folder_are_not_read(tmp_path: Path) -> None:
    outside = save(tmp_path / "outside.png", photo(9))
    save(tmp_path / "in" / "images" / "a.png", photo(0))
    save(tmp_path / "in" / "masks" / "a.png", truth(0, 3))
    (tmp_path / "in" / "images" / "b.png").symlink_to(outside)
    with opened_source(tmp_path / "in", opened=tmp_path / "in") as tree:
        assert [path.name for path in tree.pictures] == ["a.png", "a.png"]
        found = survey(tree, ImportChoices())
    assert (found.labelled, [each.name for each in found.proposal.classes]) == (1, ["Class 0", "Class 1", "Class 2"])
