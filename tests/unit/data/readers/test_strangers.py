"""Exports of tools and layouts of data sites: each comes in by one command, or is refused by a sentence that helps."""

import base64
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.errors import DataError
from tests.unit.banded import write_bands
from tests.unit.data.readers.brought import Imported, Pixels, photo, save, take, truth


@pytest.fixture
def source() -> Path:
    found = paths.home() / "in"
    found.mkdir(parents=True)
    return found


def in_order(taken: Imported, names: list[str], masks: dict[str, Pixels]) -> None:
    """The classes by name, and each mask as it was given, by places in `names`."""
    assert sorted(taken.names) == sorted(names)
    table = np.array([*(taken.names.index(name) for name in names)], np.uint8)
    for stem, given in masks.items():
        found = taken.masks[stem]
        assert found is not None
        assert np.array_equal(found, table[given])


def test_roboflow_semantic_segmentation(source: Path) -> None:
    masks = {}
    for number, part in enumerate(("train", "train", "valid", "test")):
        stem = f"plot_{number}_jpg.rf.{number:032x}"
        masks[stem] = truth(number, 3)
        save(source / part / f"{stem}.jpg", photo(number))
        save(source / part / f"{stem}_mask.png", masks[stem])
        (source / part / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, crop\n2, weed\n")
    taken = take(source)
    in_order(taken, ["background", "crop", "weed"], masks)
    assert sorted(taken.parts.values()) == ["test", "train", "train", "val"]


def test_arcgis_classified_tiles(source: Path) -> None:
    masks = {f"{at:012}": truth(at, 3) for at in range(4)}
    for stem, mask in masks.items():
        write_bands(source / "images" / f"{stem}.tif", np.dstack([photo(1), photo(2)[..., :1]]))
        write_bands(source / "labels" / f"{stem}.tif", mask[..., None] * np.uint8(20))
    (source / "map.txt").write_text("".join(f"images\\{stem}.tif  labels\\{stem}.tif\n" for stem in masks))
    classes = [
        {"Value": 20 * at, "Name": name, "Color": [at, 2, 3]} for at, name in enumerate(("Ground", "Roof", "Pool"))
    ]
    (source / "esri_model_definition.emd").write_text(json.dumps({"ImageHeight": 48, "Classes": classes}))
    in_order(take(source), ["Ground", "Roof", "Pool"], masks)


def test_hugging_face_folders_with_id2label(source: Path) -> None:
    masks = {}
    for part in ("training", "validation"):
        masks[f"s_{part}"] = truth(3, 3)
        save(source / "image" / part / f"s_{part}.jpg", photo(1 if part == "training" else 2))
        save(source / "annotation" / part / f"s_{part}.png", masks[f"s_{part}"])
    (source / "id2label.json").write_text(json.dumps({"0": "road", "1": "field", "2": "pond"}))
    taken = take(source)
    in_order(taken, ["road", "field", "pond"], masks)
    assert taken.parts == {"s_training": "train", "s_validation": "val"}


def test_a_table_of_classes_with_tabs(source: Path) -> None:
    save(source / "images" / "a.jpg", photo(1))
    save(source / "annotations" / "a.png", truth(1, 3) + np.uint8(1))
    table = "Idx\tRatio\tTrain\tName\n1\t0.1\t9\twall\n2\t0.1\t8\tbuilding, edifice\n3\t.1\t3\tsky\n"
    (source / "objectInfo150.txt").write_text(table)
    in_order(take(source, blocks=False), ["wall", "building, edifice", "sky"], {"a": truth(1, 3)})


def boxes() -> Pixels:
    """0 where nothing is, 1 in a field, 2 in a pond."""
    found = np.zeros((48, 64), np.uint8)
    found[8:28, 10:40], found[5:20, 42:60] = 1, 2
    return found


def packed(part: Pixels) -> str:
    picture = Image.fromarray(part, "P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    file = io.BytesIO()
    picture.save(file, "PNG", transparency=0)
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def test_supervisely(source: Path) -> None:
    classes = [{"title": name, "shape": "any", "color": "#10A020"} for name in ("field", "pond")]
    (source / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    bitmap = {"data": packed(np.ones((20, 30), np.uint8)), "origin": [10, 8]}
    outline = {"exterior": [[42, 5], [60, 5], [60, 20], [42, 20]], "interior": []}
    objects = [
        {"classTitle": "field", "geometryType": "bitmap", "bitmap": bitmap},
        {"classTitle": "pond", "geometryType": "polygon", "points": outline},
    ]
    document = {"size": {"height": 48, "width": 64}, "objects": objects}
    (source / "north" / "ann").mkdir(parents=True)
    for at in range(3):
        save(source / "north" / "img" / f"p{at}.png", photo(at))
        (source / "north" / "ann" / f"p{at}.png.json").write_text(json.dumps(document))
    in_order(take(source), ["Background", "field", "pond"], {f"p{at}": boxes() for at in range(3)})
    bitmap["data"] = "AAAA"
    (source / "north" / "ann" / "p0.png.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="the bitmap of an object is damaged: export it again"):
        take(source, "damaged")


def listed(regions: list[Any]) -> list[Any]:
    return regions


def numbered(regions: list[Any]) -> dict[str, Any]:
    return {str(at): region for at, region in enumerate(regions)}


@pytest.mark.parametrize("shape", [listed, numbered])
@pytest.mark.parametrize("project", [True, False])
def test_vgg_image_annotator(source: Path, shape: Callable[[list[Any]], Any], project: bool) -> None:
    field = {"name": "polygon", "all_points_x": [10, 40, 40, 10], "all_points_y": [8, 8, 28, 28]}
    pond = {"name": "rect", "x": 42, "y": 5, "width": 18, "height": 15}
    regions = [
        {"shape_attributes": outline, "region_attributes": {"label": name, "seen": "yes"}}
        for name, outline in (("field", field), ("pond", pond))
    ]
    told: dict[str, Any] = {}
    for at in range(3):
        save(source / f"p{at}.png", photo(at))
        told[f"p{at}.png99"] = {"filename": f"p{at}.png", "size": 99, "regions": shape(regions if at < 2 else [])}
    document = {"_via_settings": {}, "_via_img_metadata": told} if project else told
    (source / "via.json").write_text(json.dumps(document))
    taken = take(source)
    in_order(taken, ["Background", "field", "pond"], {f"p{at}": boxes() for at in range(2)})
    assert taken.masks["p2"] is None


def test_colour_masks_that_were_saved_as_jpeg(source: Path) -> None:
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)], np.uint8)
    masks = {f"a{at}": np.kron(truth(at, 4)[::8, ::8], np.ones((40, 40), np.uint8)) for at in range(4)}
    for stem, mask in masks.items():
        save(source / "images" / f"{stem}.jpg", photo(len(stem), height=mask.shape[0], width=mask.shape[1]))
        save(source / "labels" / f"{stem}.jpg", colours[mask], quality=85)
    taken = take(source, blocks=False)
    assert len(taken.names) == 4
    middles = [(mask[20::40, 20::40], np.asarray(taken.masks[stem])[20::40, 20::40]) for stem, mask in masks.items()]
    pairs = {
        (int(one), int(other)) for given, found in middles for one, other in zip(given.flat, found.flat, strict=True)
    }
    assert len(pairs) == len({given for given, _ in pairs}) == 4
    table = np.array([dict(pairs)[at] for at in range(4)])
    assert min((table[mask] == taken.masks[stem]).mean() for stem, mask in masks.items()) > 0.98


def _pages(path: Path, mask: Pixels) -> None:
    path.parent.mkdir(exist_ok=True)
    first, *more = [Image.fromarray(((mask == at) * 255).astype(np.uint8)) for at in range(3)]
    first.save(path, save_all=True, append_images=more)


def _bands(path: Path, mask: Pixels) -> None:
    write_bands(path, np.stack([(mask == at).astype(np.uint8) for at in range(5)], axis=2))


@pytest.mark.parametrize(("write", "told"), [(_pages, "a0.tif has 3 pages"), (_bands, "a0.tif has 5 bands")])
def test_masks_of_which_the_rest_would_be_lost_are_refused(
    source: Path, write: Callable[[Path, Pixels], None], told: str
) -> None:
    for at in range(3):
        save(source / "images" / f"a{at}.tif", photo(at))
        write(source / "masks" / f"a{at}.tif", truth(at, 3))
    with pytest.raises(DataError, match=f"{told}: save the number of the class at each pixel in one"):
        take(source)


def test_what_is_not_read_is_named(source: Path) -> None:
    np.save(source / "images.npy", photo(1))
    with pytest.raises(
        DataError, match=r"files such as images\.npy are not read: save each picture and its mask as PNG"
    ):
        take(source)
    save(source / "a.png", photo(1))
    (source / "export.ndjson").write_text("{}")
    notes = take(source, "alone").survey.to_json()["notes"]
    assert any("Files such as export.ndjson are not read as labels" in note for note in notes)
