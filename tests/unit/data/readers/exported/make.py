"""Makes the datasets beside this file with the exporters that people use, so that ours are read against theirs.

    python -m venv /tmp/exporters
    /tmp/exporters/bin/pip install datumaro==1.13.12 label-studio-sdk==2.1.2
    /tmp/exporters/bin/python tests/unit/data/readers/exported/make.py

Both bring dozens of packages along, so the tests do not need them: what they wrote lies here. What they were given is
`truth(at)` for the picture number `at`.
"""

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
CLASSES = ("background", "Road", "Roof", "Water")
COLOURS = {0: (0, 0, 0), 1: (200, 60, 60), 2: (60, 200, 60), 3: (60, 60, 200)}
PARTS = {"field_0": "train", "field_1": "train", "field_2": "val"}
HEIGHT, WIDTH, BLOCK = 24, 32, 4


def truth(at: int) -> Any:
    """Class indices uint8 (24, 32) in blocks of 4 x 4, every class among them."""
    blocks = np.random.default_rng(at).integers(0, len(CLASSES), (HEIGHT // BLOCK, WIDTH // BLOCK), dtype=np.uint8)
    blocks.reshape(-1)[: len(CLASSES)] = np.arange(len(CLASSES))
    return blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)


def picture(at: int) -> Any:
    return np.random.default_rng(100 + at).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


def _boxes(mask: Any, value: int) -> list[list[float]]:
    """The blocks of a class as flat outlines."""
    corners = [(x, y) for y in range(0, HEIGHT, BLOCK) for x in range(0, WIDTH, BLOCK) if mask[y, x] == value]
    return [[x, y, x + BLOCK, y, x + BLOCK, y + BLOCK, x, y + BLOCK] for x, y in corners]


def _datumaro(kind: str, folder: str, annotations: Any, classes: tuple[str, ...], **options: Any) -> None:
    datumaro = importlib.import_module("datumaro")
    items = [
        datumaro.DatasetItem(
            id=stem,
            subset=part,
            media=datumaro.Image.from_numpy(data=picture(at)[..., ::-1].copy()),
            annotations=annotations(datumaro, truth(at)),
        )
        for at, (stem, part) in enumerate(PARTS.items())
    ]
    labels = datumaro.LabelCategories.from_iterable(classes)
    colours = datumaro.MaskCategories(COLOURS)
    categories = {datumaro.AnnotationType.label: labels, datumaro.AnnotationType.mask: colours}
    dataset = datumaro.Dataset.from_iterable(items, categories=categories, media_type=datumaro.Image)
    shutil.rmtree(HERE / folder, ignore_errors=True)
    dataset.export(str(HERE / folder), kind, save_media=True, image_ext=".png", **options)


def _masks(first: int) -> Any:
    """Masks of all classes but background, whose label has the number `first` in the list."""

    def annotations(datumaro: Any, mask: Any) -> list[Any]:
        values = range(1, len(CLASSES))
        return [datumaro.Mask(image=mask == value, label=value - 1 + first, id=value, group=value) for value in values]

    return annotations


def _polygons(datumaro: Any, mask: Any) -> list[Any]:
    found = []
    for value in range(1, len(CLASSES)):
        for box in _boxes(mask, value):
            found.append(datumaro.Polygon(box, label=value - 1, id=len(found), group=len(found)))
    return found


def _outlines(at: int, value: int) -> list[dict[str, Any]]:
    """The blocks of a class as polygons of Label Studio."""
    found = []
    for number, box in enumerate(_boxes(truth(at), value)):
        points = [[100 * box[k] / WIDTH, 100 * box[k + 1] / HEIGHT] for k in range(0, 8, 2)]
        outline = {"points": points, "closed": True, "polygonlabels": [CLASSES[value]]}
        found.append({"id": f"p{value}{number}", "from_name": "outline", "type": "polygonlabels", "value": outline})
    return found


def _strokes(at: int, value: int) -> list[dict[str, Any]]:
    """A class as one brush stroke of Label Studio."""
    brush = importlib.import_module("label_studio_sdk.converter.brush")
    rle = brush.mask2rle((truth(at) == value).astype(np.uint8) * 255)
    strokes = {"format": "rle", "rle": rle, "brushlabels": [CLASSES[value]]}
    return [{"id": f"b{value}", "from_name": "tag", "type": "brushlabels", "value": strokes}]


def _tasks(folder: str, brushed: tuple[int, ...]) -> Path:
    """A JSON export of Label Studio with its pictures: some classes by brush, the others by outlines."""
    shutil.rmtree(HERE / folder, ignore_errors=True)
    (HERE / folder / "images").mkdir(parents=True)
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "to_name": "image"}
    tasks = []
    for at, stem in enumerate(PARTS):
        Image.fromarray(picture(at)).save(HERE / folder / "images" / f"{stem}.png")
        regions = [each for value in (1, 2, 3) for each in (_strokes if value in brushed else _outlines)(at, value)]
        result = [{**size, **each} for each in regions]
        annotation = {"id": 50 + at, "completed_by": 1, "was_cancelled": False, "result": result}
        data = {"image": f"/data/upload/1/0a1b2c3{at}-{stem}.png"}
        tasks.append({"id": 7 + at, "data": data, "annotations": [annotation]})
    export = HERE / folder / "project-1-at-2026-01-01-00-00-00000000.json"
    export.write_text(json.dumps(tasks))
    return export


def _converted(folder: str, form: str, brushed: tuple[int, ...], below: str = "") -> None:
    """What the converter of Label Studio makes of such a JSON, in its stead."""
    converter = importlib.import_module("label_studio_sdk.converter.converter")
    export = _tasks(folder, brushed)
    labels = "".join(f'<Label value="{name}"/>' for name in CLASSES[1:])
    view = f'<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">{labels}</BrushLabels>'
    view += f'<PolygonLabels name="outline" toName="image">{labels}</PolygonLabels></View>'
    made = converter.Converter(view, str(HERE), download_resources=False)
    (HERE / folder / below).mkdir(exist_ok=True)
    made.convert(str(export), str(HERE / folder / below), form, is_dir=False)
    export.unlink()


def main() -> None:
    _datumaro("coco_instances", "coco", _polygons, CLASSES[1:])
    _datumaro("coco_instances", "coco_rle", _masks(0), CLASSES[1:], segmentation_mode="mask")
    _datumaro("voc_segmentation", "cvat_mask", _masks(1), CLASSES, label_map="source")
    _tasks("label_studio", (1, 2))
    _converted("label_studio_png", "BRUSH_TO_PNG", (1, 2, 3), "masks")
    _converted("label_studio_yolo", "YOLO", ())
    _converted("label_studio_coco", "COCO", ())


if __name__ == "__main__":
    main()
