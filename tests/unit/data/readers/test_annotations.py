"""Formats of annotation tools: classes, pixels and split equal what the exporter was given (`exported/make.py`)."""

import base64
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from core.data.importing import ImportChoices, opened_source, survey
from core.data.readers.colour_tables import VOC_NAMES, voc_colour
from core.data.readers.run_lengths import brush_mask, coco_mask
from core.errors import DataError
from tests.unit.data.readers.brought import Pixels, photo, save, take
from tests.unit.data.readers.exported.make import CLASSES, PARTS, truth

EXPORTED = Path(__file__).parent / "exported"
SPLIT = {"coco", "coco_rle", "cvat_mask"}
"""Those that have parts; Label Studio knows none."""


def _equal(masks: dict[str, Pixels | None], stem: str, wanted: Pixels) -> bool:
    found = masks[stem]
    return found is not None and np.array_equal(found, wanted)


@pytest.mark.parametrize(
    "folder",
    ["coco", "coco_rle", "cvat_mask", "label_studio", "label_studio_png", "label_studio_yolo", "label_studio_coco"],
)
def test_what_an_exporter_was_given_comes_back(tmp_path: Path, folder: str) -> None:
    shutil.copytree(EXPORTED / folder, tmp_path / "in")
    found = take(tmp_path / "in")
    assert [name.lower() for name in found.names] == [name.lower() for name in CLASSES]
    for at, stem in enumerate(PARTS):
        assert _equal(found.masks, stem, truth(at))
    assert found.parts == (PARTS if folder in SPLIT else {})
    if folder == "cvat_mask":
        assert found.description.classes[1].colour == (200, 60, 60)


def _boxes(at: int) -> list[tuple[int, int, int]]:
    """Class and corner of each block of 4 x 4 that is no background."""
    mask = truth(at)
    return [(int(mask[y, x]), x, y) for y in range(0, 24, 4) for x in range(0, 32, 4) if mask[y, x]]


def _pictures(root: Path, pattern: str = "images/{part}/{stem}.png") -> None:
    for at, (stem, part) in enumerate(PARTS.items()):
        save(root / pattern.format(stem=stem, part=part), photo(at, height=24, width=32))


def _yolo(root: Path) -> None:
    """After docs.ultralytics.com/datasets/segment: a class and shares of the sides a line."""
    _pictures(root)
    for at, (stem, part) in enumerate(PARTS.items()):
        corners = ((0, 0), (4, 0), (4, 4), (0, 4))
        lines = [
            " ".join([str(value - 1), *(f"{n}" for dx, dy in corners for n in ((x + dx) / 32, (y + dy) / 24))])
            for value, x, y in _boxes(at)
        ]
        (root / "labels" / part).mkdir(parents=True, exist_ok=True)
        (root / "labels" / part / f"{stem}.txt").write_text("\n".join(lines))
    setup = {
        "path": "../datasets/x",
        "train": "images/train",
        "val": "images/val",
        "names": dict(enumerate(CLASSES[1:])),
    }
    (root / "data.yaml").write_text(yaml.safe_dump(setup))


def _ultralytics_masks(root: Path) -> None:
    """After docs.ultralytics.com/datasets/semantic: `masks_dir` beside the names."""
    _pictures(root)
    for at, (stem, part) in enumerate(PARTS.items()):
        save(root / "masks" / part / f"{stem}.png", truth(at))
    setup = {"train": "images/train", "val": "images/val", "masks_dir": "masks", "names": list(CLASSES)}
    (root / "data.yaml").write_text(yaml.safe_dump(setup))


def _labelme(root: Path) -> None:
    """After labelme's `_label_file.py`: boxes as polygons, rectangles and masks, the picture beside or inside."""
    for at, (stem, part) in enumerate(PARTS.items()):
        shapes: list[dict[str, Any]] = []
        for number, (value, x, y) in enumerate(_boxes(at)):
            shape: dict[str, Any] = {"label": CLASSES[value], "group_id": None, "flags": {}, "description": ""}
            if number % 3 == 0:
                shape |= {"shape_type": "polygon", "points": [[x, y], [x + 4, y], [x + 4, y + 4], [x, y + 4]]}
            elif number % 3 == 1:
                shape |= {"shape_type": "rectangle", "points": [[x + 4, y + 4], [x, y]]}
            else:
                packed = io.BytesIO()
                Image.fromarray(np.full((4, 4), 255, np.uint8)).convert("1").save(packed, "PNG")
                png = base64.b64encode(packed.getvalue()).decode()
                shape |= {"shape_type": "mask", "points": [[x, y], [x + 3, y + 3]], "mask": png}
            shapes.append(shape)
        picture = save(root / part / f"{stem}.png", photo(at, height=24, width=32))
        document = {"version": "6.3.1", "flags": {}, "shapes": shapes, "imagePath": f"{stem}.png", "imageData": None}
        if at == 1:
            document["imageData"] = base64.b64encode(picture.read_bytes()).decode()
            picture.unlink()
        (root / part / f"{stem}.json").write_text(json.dumps({**document, "imageHeight": 24, "imageWidth": 32}))


def _voc(root: Path) -> None:
    """After the VOC devkit: palette PNGs whose 255 is void, and lists of names."""
    _pictures(root, "JPEGImages/{stem}.png")
    colours = [voc_colour(at) for at in range(255)] + [(224, 224, 192)]
    for at, stem in enumerate(PARTS):
        mask = truth(at)
        for folder, values in (("SegmentationClass", mask), ("SegmentationObject", mask + 1)):
            picture = Image.new("P", (32, 24))
            picture.frombytes(values.tobytes())
            picture.putpalette([channel for colour in colours for channel in colour])
            (root / folder).mkdir(parents=True, exist_ok=True)
            picture.save(root / folder / f"{stem}.png")
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for part, lines in (("train", "field_0\nfield_1\n"), ("val", "field_2\n"), ("trainval", "field_0\nfield_2\n")):
        (root / "ImageSets" / "Segmentation" / f"{part}.txt").write_text(lines)


@pytest.mark.parametrize("write", [_yolo, _ultralytics_masks, _labelme, _voc])
def test_formats_after_their_pages_come_through(tmp_path: Path, write: Callable[[Path], None]) -> None:
    write(tmp_path / "in")
    found = take(tmp_path / "in")
    wanted = list(VOC_NAMES) if write is _voc else list(CLASSES)
    assert [name.lower() for name in found.names] == [name.lower() for name in wanted]
    assert found.parts == PARTS
    assert all(_equal(found.masks, stem, truth(at)) for at, stem in enumerate(PARTS))


def _short_form(root: Path, document: list[dict[str, Any]]) -> None:
    """JSON-MIN: regions right below the task."""
    tasks = []
    for task in document:
        regions: dict[str, list[Any]] = {}
        for region in task["annotations"][0]["result"]:
            size = {name: region[name] for name in ("original_width", "original_height")}
            regions.setdefault(region["from_name"], []).append({**region["value"], **size})
        tasks.append({"id": task["id"], "image": task["data"]["image"], **regions})
    next(root.glob("*.json")).write_text(json.dumps(tasks))


def test_the_short_form_of_label_studio_is_the_long_one(tmp_path: Path) -> None:
    shutil.copytree(EXPORTED / "label_studio", tmp_path / "in")
    _short_form(tmp_path / "in", json.loads(next((tmp_path / "in").glob("*.json")).read_text()))
    found = take(tmp_path / "in")
    assert all(_equal(found.masks, stem, truth(at)) for at, stem in enumerate(PARTS))


def test_tasks_that_nobody_labelled_are_pictures_without_labels(tmp_path: Path) -> None:
    shutil.copytree(EXPORTED / "label_studio", tmp_path / "in")
    (path,) = (tmp_path / "in").glob("*.json")
    tasks = json.loads(path.read_text())
    tasks[0]["annotations"][0]["was_cancelled"] = True
    tasks[1]["annotations"] = []
    path.write_text(json.dumps(tasks))
    found = take(tmp_path / "in")
    assert [name for name, mask in found.masks.items() if mask is None] == ["field_0", "field_1"]


def test_the_smaller_of_two_outlines_is_seen(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", photo(0, height=24, width=32))
    big, small = [0, 0, 32, 0, 32, 24, 0, 24], [8, 8, 16, 8, 16, 16, 8, 16]
    rows = [{"id": at, "image_id": 1, "category_id": at, "segmentation": [ring]} for at, ring in ((1, small), (2, big))]
    document = {
        "images": [{"id": 1, "file_name": "C:\\data\\a.png", "height": 24, "width": 32}],
        "annotations": rows,
        "categories": [{"id": 1, "name": "House"}, {"id": 2, "name": "Field"}],
    }
    (tmp_path / "in" / "all.json").write_text(json.dumps(document))
    found = take(tmp_path / "in")
    wanted = np.ones((24, 32), np.uint8)
    wanted[8:16, 8:16] = 0
    assert found.names == ["House", "Field"]
    assert _equal(found.masks, "a", wanted)


def test_packed_run_lengths_of_coco_are_as_its_page_says() -> None:
    # pycocotools 2.0.11: encode(asfortranarray(mask))["counts"] of the mask below, 7 x 9, made with default_rng(3).
    mask = np.random.default_rng(3).random((7, 9)) < 0.4
    runs = [0] if mask.T.ravel()[0] else []
    changes = np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8))) + 1
    runs += np.diff([0, *changes.tolist(), mask.size]).tolist()
    assert np.array_equal(coco_mask(runs, 7, 9), mask)
    assert np.array_equal(coco_mask(PACKED, 7, 9), mask)
    far = np.zeros((300, 500), np.bool_)
    far[100:250, 200:450] = True
    assert np.array_equal(coco_mask(PACKED_FAR, 300, 500), far)


PACKED = "022O030M000021M0000O200023LM70I"
PACKED_FAR = "Tfj1f4f4" + "0" * 497 + "da>"


@pytest.mark.parametrize(
    "counts", ["", "\x7f", "zzzzzzzzzzzzzzzzzzzzz", "0", "1" * 100, [5], [-1, 64], [0.5] * 126, ["x"]]
)
def test_run_lengths_that_do_not_fill_a_picture_are_refused(counts: Any) -> None:
    with pytest.raises(DataError):
        coco_mask(counts, 7, 9)


@pytest.mark.parametrize("packed", [[], [0] * 10, [255] * 40, [300], ["x"], [0, 0, 0, 252, 56] + [255] * 300])
def test_brush_strokes_that_do_not_fill_a_picture_are_refused(packed: list[Any]) -> None:
    with pytest.raises(DataError):
        brush_mask(packed, 7, 9)


def _coco_with(root: Path, **changes: Any) -> None:
    save(root / "a.png", photo(0, height=24, width=32))
    save(root / "b.png", photo(1, height=24, width=32))
    good = {"id": 1, "image_id": 2, "category_id": 1, "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]]}
    bad = {"id": 2, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]], **changes}
    images = [{"id": at, "file_name": name, "height": 24, "width": 32} for at, name in ((1, "a.png"), (2, "b.png"))]
    document = {"images": images, "annotations": [good, bad], "categories": [{"id": 1, "name": "House"}]}
    (root / "all.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    "changes",
    [
        {"segmentation": []},
        {"segmentation": [[0, 0, 1e30, 0, 8, 8]]},
        {"segmentation": [["a", "b", 1, 2, 3, 4]]},
        {"segmentation": [[0, 0, 8, 0, 8, 8, 0]]},
        {"segmentation": {"counts": "zzz", "size": [24, 32]}},
        {"segmentation": {"counts": [768], "size": [10**6, 10**6]}},
        {"segmentation": "x"},
        {"category_id": 77},
        {"category_id": [1]},
    ],
)
def test_a_wrong_annotation_is_one_sentence(tmp_path: Path, changes: dict[str, Any]) -> None:
    _coco_with(tmp_path / "in", **changes)
    with opened_source(tmp_path / "in") as tree:
        (group,) = survey(tree, ImportChoices()).groups
    assert "\n" not in group.sentence
    assert str(tmp_path) not in group.sentence
    assert take(tmp_path / "in", skip=True).masks["b"] is not None


@pytest.mark.parametrize("name", ["../../secret.png", "/etc/passwd", "..\\..\\secret.png", "images/../../secret.png"])
def test_a_name_in_a_file_leads_nowhere_outside(tmp_path: Path, name: str) -> None:
    save(tmp_path / "secret.png", photo(0, height=24, width=32))
    _coco_with(tmp_path / "in" / "set")
    path = tmp_path / "in" / "set" / "all.json"
    document = json.loads(path.read_text())
    document["images"][0]["file_name"] = name
    path.write_text(json.dumps(document))
    with opened_source(tmp_path / "in" / "set") as tree:
        found = survey(tree, ImportChoices())
    assert [group.kind for group in found.groups] == ["absent"]
    assert {each.picture.path.name for each in found.usable if each.picture.path} == {"a.png", "b.png"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("all.json", "{" * 100_000),
        ("all.json", '{"images": [], "annotations"'),
        ("all.json", '{"images": ' + "9" * 10_000 + "}"),
        ("data.yaml", "a: &a [x]\nb: *b"),
        ("data.yaml", "names: !!python/object/apply:os.system ['true']\ntrain: x"),
        ("data.yaml", "[" * 100_000),
        ("data.yaml", "- a\n" * 300_000),
    ],
)
def test_a_spoiled_list_beside_good_masks_does_no_harm(tmp_path: Path, name: str, text: str) -> None:
    save(tmp_path / "in" / "images" / "a.png", photo(0, height=24, width=32))
    save(tmp_path / "in" / "masks" / "a.png", truth(0))
    (tmp_path / "in" / name).write_text(text)
    assert _equal(take(tmp_path / "in").masks, "a", truth(0))


def test_boxes_alone_are_told_to_be_boxes(tmp_path: Path) -> None:
    _yolo(tmp_path / "in")
    for path in (tmp_path / "in" / "labels").rglob("*.txt"):
        path.write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match="boxes alone"):
        take(tmp_path / "in")
