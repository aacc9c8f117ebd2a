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

from core.data.readers.source import Asked
from core.errors import DataError
from tests.unit.banded import write_bands
from tests.unit.data.readers.brought import Pixels, in_order, photo, save, take, truth


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


def _damage(stem: str, *, after: bool) -> dict[str, Any]:
    features = []
    for kind, (top, left, bottom, right) in (("destroyed", (8, 10, 28, 40)), ("no-damage", (5, 42, 20, 60))):
        corners = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
        text = ", ".join(f"{x} {y}" for x, y in corners)
        about = {"feature_type": "building", **({"subtype": kind} if after else {})}
        features.append({"properties": about, "wkt": f"POLYGON (({text}))"})
    return {
        "features": {"lng_lat": [], "xy": features},
        "metadata": {"width": 64, "height": 48, "img_name": f"{stem}.png"},
    }


def test_xview2(source: Path) -> None:
    for at in range(3):
        for when in ("pre", "post"):
            stem = f"fire_0000000{at}_{when}_disaster"
            save(source / "train" / "images" / f"{stem}.png", photo(at + (when == "pre") * 50))
            (source / "train" / "labels").mkdir(exist_ok=True)
            document = _damage(stem, after=when == "post")
            (source / "train" / "labels" / f"{stem}.json").write_text(json.dumps(document))
    order = ["Background", "destroyed", "no-damage", "building"]
    taken = take(source)
    after = {f"fire_0000000{at}_post_disaster": boxes() for at in range(3)}
    before = {f"fire_0000000{at}_pre_disaster": np.where(boxes() > 0, 3, 0).astype(np.uint8) for at in range(3)}
    in_order(taken, order, after | before)
    kinds = take(source, "kinds", asked=Asked("feature_type"))
    in_order(kinds, ["Background", "building"], {stem: (mask > 0).astype(np.uint8) for stem, mask in after.items()})
    document["features"]["xy"][0]["wkt"] = "POLYGON ((1 2"
    (source / "train" / "labels" / f"{stem}.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match="a polygon is no well-known text: export it again"):
        take(source, "damaged")


def test_polygons_in_a_folder_of_their_picture_take_no_class_from_its_name(source: Path) -> None:
    """Open Cities: `ca041a-labels/ca041a.geojson`."""
    for at, name in enumerate(("ca041a", "d41d81", "f883a0")):
        placed = [0.5, 0.0, 500_000.0 + 100 * at, 0.0, -0.5, 4_000_000.0]
        write_bands(source / name / f"{name}.tif", photo(at), crs="EPSG:32630", transform=placed, photometric="RGB")
        west, north = 500_001.0 + 100 * at, 3_999_999.0
        ring = [[west, north], [west + 6, north], [west + 6, north - 4], [west, north - 4], [west, north]]
        feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32630"}}
        (source / f"{name}-labels").mkdir(parents=True)
        (source / f"{name}-labels" / f"{name}.geojson").write_text(
            json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
        )
    assert take(source).names == ["Background", "Object"]


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("bmp", r"Files such as a0\.bmp are BMP, which is not read: save pictures and masks as PNG or TIFF"),
        ("zip", r"No pictures were found, and a0\.zip may hold some: unpack it into this folder first"),
    ],
)
def test_what_has_to_be_changed_first_is_said(source: Path, ending: str, told: str) -> None:
    for at in range(2):
        (source / f"a{at}.{ending}").write_bytes(b"BM" + bytes(60))
    with pytest.raises(DataError, match=told):
        take(source)


def packed_runs(mask: Pixels, number: int) -> str:
    """Pairs of a first pixel, from 1, and a length, down the columns."""
    flat = np.concatenate([[False], (mask == number).T.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return " ".join(f"{start} {end - start}" for start, end in zip(edges[::2], edges[1::2], strict=True))


@pytest.mark.parametrize("form", ["airbus", "clouds", "classes"])
def test_run_lengths_in_a_table(source: Path, form: str) -> None:
    """Ships: a row each, empty where there are none. Clouds: `a.jpg_Fish`. A submission holds no labels."""
    names = ("Object",) if form == "airbus" else ("Fish", "Gravel")
    header = {"airbus": "ImageId,EncodedPixels", "clouds": "Image_Label,EncodedPixels", "classes": "img,rle,class"}
    lines, masks = [header[form]], {}
    for at in range(4):
        save(source / "train_images" / f"s{at}.jpg", photo(at))
        masks[f"s{at}"] = truth(at, 1 + len(names)) if at < 3 else np.zeros((48, 64), np.uint8)
        for number, name in enumerate(names, 1):
            runs = packed_runs(masks[f"s{at}"], number)
            row = {
                "airbus": f"s{at}.jpg,{runs}",
                "clouds": f"s{at}.jpg_{name},{runs}",
                "classes": f"s{at},{runs},{name}",
            }
            lines.append(row[form])
    save(source / "test_images" / "t.jpg", photo(9))
    (source / "train_labels.csv").write_text("\n".join(lines) + "\n")
    (source / "sample_submission.csv").write_text(f"{header[form]}\nt.jpg,1 1\n")
    taken = take(source)
    in_order(taken, ["Background", *names], masks)
    assert taken.masks["t"] is None
    (source / "train_labels.csv").write_text(f"{header[form]}\ns0.jpg{'_Fish' * (form == 'clouds')},3000 500,Fish\n")
    with pytest.raises(DataError, match="its run lengths do not fill its picture: export it again"):
        take(source, "damaged")


def test_a_table_may_write_colours_without_a_sign(source: Path) -> None:
    for at in range(3):
        save(source / "images" / f"{at}.png", photo(at))
        save(
            source / "labels" / f"{at}.png", np.array([(0x11, 0x22, 0x33), (0xAA, 0xBB, 0xCC)], np.uint8)[truth(at, 2)]
        )
    (source / "labels.csv").write_text("Name;Color\nlake;112233\nshore;aabbcc\n")
    in_order(take(source), ["lake", "shore"], {str(at): truth(at, 2) for at in range(3)})


def test_the_first_spacenet(source: Path) -> None:
    """`3band_A`, `8band_A` and `Geo_A` are one picture and its polygons."""
    for at in range(3):
        stem, place = f"AOI_1_RIO_img{at}", [0.5, 0.0, 500_000.0 + 100 * at, 0.0, -0.5, 4_000_000.0]
        more: dict[str, Any] = {"crs": "EPSG:32630", "transform": place}
        write_bands(source / "3band" / f"3band_{stem}.tif", photo(at), photometric="RGB", **more)
        write_bands(
            source / "8band" / f"8band_{stem}.tif", np.dstack([photo(at + k) for k in range(3)])[..., :8], **more
        )
        west, north = 500_001.0 + 100 * at, 3_999_999.0
        ring = [[west, north], [west + 6, north], [west + 6, north - 4], [west, north - 4], [west, north]]
        feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32630"}}
        (source / "vectordata" / "geojson").mkdir(parents=True, exist_ok=True)
        (source / "vectordata" / "geojson" / f"Geo_{stem}.geojson").write_text(
            json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
        )
    taken = take(source)
    assert taken.names == ["Background", "Object"]
    assert sorted(taken.masks) == [f"3band_AOI_1_RIO_img{at}" for at in range(3)]
