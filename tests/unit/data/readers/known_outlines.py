"""Made datasets with outlines, segments or polygons, shaped as well-known ones; more in `known_datasets`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.unit.banded import write_bands
from tests.unit.data.readers.brought import HEIGHT, WIDTH, photo, save, truth
from tests.unit.data.readers.known_datasets import Expected, painted


def isaid(root: Path) -> Expected:
    """Outlines as COCO has them, and masks in colours in a folder called images."""
    names = ("ship", "storage_tank", "plane")
    found = Expected(("Background", *names))
    for part, stems in (("train", ("P0000", "P0001")), ("val", ("P0003",))):
        images, annotations = [], []
        for at, stem in enumerate(stems):
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            images.append({"id": at, "file_name": f"{stem}.png", "height": HEIGHT, "width": WIDTH})
            for number in range(1, 4):
                top, left = 8 * number, 10 * number + at
                mask[top : top + 6, left : left + 8] = number
                ring = [left, top, left + 8, top, left + 8, top + 6, left, top + 6]
                one = {"id": len(annotations), "image_id": at, "category_id": number, "segmentation": [ring]}
                annotations.append({**one, "iscrowd": 0, "bbox": [left, top, 8, 6]})
            save(root / part / "images" / "images" / f"{stem}.png", photo(at))
            for folder, word in (("Semantic_masks", "color"), ("Instance_masks", "id")):
                coloured = painted(mask, [(0, 0, 0), (0, 0, 63), (0, 63, 63), (0, 127, 255)])
                save(root / part / folder / "images" / f"{stem}_instance_{word}_RGB.png", coloured)
            found.add(stem, mask, part)
        told = [{"id": at, "name": name} for at, name in enumerate(names, start=1)]
        (root / part / "Annotations").mkdir(parents=True)
        (root / part / "Annotations" / f"iSAID_{part}.json").write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": told})
        )
    return found


def isaid_masks(root: Path) -> Expected:
    """The same without outlines: what is left are masks in colours, in a folder called images."""
    isaid(root)
    found = Expected(
        tuple(f"c{at}" for at in range(4)), options=("--map", "#000000=c0,#00003F=c1,#003F3F=c2,#007FFF=c3")
    )
    for path in root.rglob("*.json"):
        path.unlink()
    for path in (*root.rglob("Instance_masks/images/*.png"),):
        path.unlink()
    for part, stems in (("train", ("P0000", "P0001")), ("val", ("P0003",))):
        for stem in stems:
            codes = np.asarray(Image.open(root / part / "Semantic_masks" / "images" / f"{stem}_instance_color_RGB.png"))
            found.add(
                stem, np.array([0, 1, 2, 3])[np.searchsorted([0, 63, 126, 382], codes.sum(2))].astype(np.uint8), part
            )
    return found


def panoptic(root: Path) -> Expected:
    """COCO's panoptic PNG: each colour the number of a segment, whose category the JSON tells."""
    names = ("person", "grass", "building-other")
    found = Expected(names)
    for part, count in (("train", 3), ("val", 1)):
        images, annotations = [], []
        for at in range(count):
            mask, stem = truth(at + 7 * count, 3), f"{part}_{at:012}"
            mask[:8, :8] = 255
            ids = np.where(mask == 255, 0, 70_000 * at + 300 * mask.astype(np.int64) + 1)
            coloured = np.dstack([ids % 256, ids // 256 % 256, ids // 65536]).astype(np.uint8)
            save(root / f"{part}2017" / f"{stem}.jpg", photo(at))
            save(root / "annotations" / f"panoptic_{part}2017" / f"{stem}.png", coloured)
            images.append({"id": at, "file_name": f"{stem}.jpg", "height": HEIGHT, "width": WIDTH})
            segments = [{"id": 70_000 * at + 300 * n + 1, "category_id": 10 * n + 1, "iscrowd": 0} for n in range(3)]
            annotations.append({"image_id": at, "file_name": f"{stem}.png", "segments_info": segments})
            found.add(stem, mask, part)
        told = [{"id": 10 * at + 1, "name": name, "isthing": 0} for at, name in enumerate(names)]
        (root / "annotations" / f"panoptic_{part}2017.json").write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": told})
        )
    return found


def spacenet(root: Path) -> Expected:
    """16 bits a colour, a GeoJSON a tile with attributes that name no class, one without any building."""
    found = Expected(("Background", "buildings"))
    top = root / "AOI_2_Vegas_Train"
    for at in range(4):
        mask, features = np.zeros((HEIGHT, WIDTH), np.uint8), []
        for number in range(0 if at == 3 else 2):
            y, x = 8 * number + 4, 16 * number + at
            mask[y : y + 6, x : x + 10] = 1
            west, north = 500_000 + 0.6 * x, 4_000_000 - 0.6 * y - 100 * at
            ring = [[west, north], [west + 6, north], [west + 6, north - 3.6], [west, north - 3.6], [west, north]]
            about = {"OBJECTID": number, "HGT_AGL": 3.5 * number, "partialBuilding": 0.0, "source": f"s{number}"}
            features.append(
                {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": about}
            )
        placed = [0.6, 0.0, 500_000.0, 0.0, -0.6, 4_000_000.0 - 100 * at]
        deep = photo(at).astype(np.uint16) * 8
        more: dict[str, Any] = {"crs": "EPSG:32611", "transform": placed, "photometric": "RGB"}
        write_bands(top / "RGB-PanSharpen" / f"RGB-PanSharpen_AOI_2_Vegas_img{at + 1}.tif", deep, **more)
        write_bands(
            top / "PAN" / f"PAN_AOI_2_Vegas_img{at + 1}.tif", deep[..., :1], **{**more, "photometric": "MINISBLACK"}
        )
        named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32611"}}
        (top / "geojson" / "buildings").mkdir(parents=True, exist_ok=True)
        (top / "geojson" / "buildings" / f"buildings_AOI_2_Vegas_img{at + 1}.geojson").write_text(
            json.dumps({"type": "FeatureCollection", "crs": named, "features": features})
        )
        found.add(f"RGB-PanSharpen_AOI_2_Vegas_img{at + 1}", mask)
    return found
