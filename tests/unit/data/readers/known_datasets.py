"""Made datasets with the folders, names and masks of well-known ones, tiny: what a stranger is likely to bring.

Each function writes one below a folder and says what must come of it. Pixels are drawn from a seed.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.unit.banded import write_bands
from tests.unit.data.readers.brought import HEIGHT, WIDTH, Pixels, photo, save, truth

Colours = Mapping[str, tuple[int, int, int]]
ISPRS: Colours = {
    "Impervious surface": (255, 255, 255), "Building": (0, 0, 255), "Low vegetation": (0, 255, 255),
    "Tree": (0, 255, 0), "Car": (255, 255, 0), "Clutter": (255, 0, 0),
}  # fmt: skip
DEEPGLOBE: Colours = {
    "urban_land": (0, 255, 255), "agriculture_land": (255, 255, 0), "rangeland": (255, 0, 255),
    "forest_land": (0, 255, 0), "water": (0, 0, 255), "barren_land": (255, 255, 255), "unknown": (0, 0, 0),
}  # fmt: skip
UAVID: Colours = {
    "Building": (128, 0, 0), "Road": (128, 64, 128), "Static car": (192, 0, 192), "Tree": (0, 128, 0),
    "Low vegetation": (128, 128, 0), "Human": (64, 64, 0), "Moving car": (64, 0, 128), "Background clutter": (0, 0, 0),
}  # fmt: skip
DRONE: Colours = {
    "unlabeled": (0, 0, 0), "paved-area": (128, 64, 128), "dirt": (130, 76, 0), "grass": (0, 102, 0),
    "gravel": (112, 103, 87),
}  # fmt: skip
LANDCOVER = ("Background", "Building", "Woodland", "Water", "Road")
FLOODNET = (
    "Background", "Building flooded", "Building not flooded", "Road flooded", "Road not flooded", "Water", "Tree",
    "Vehicle", "Pool", "Grass",
)  # fmt: skip
OPENEARTHMAP = (
    "Unknown", "Bareland", "Rangeland", "Developed space", "Road", "Tree", "Water", "Agriculture land", "Building",
)  # fmt: skip
FLAIR = (
    "Building", "Pervious surface", "Impervious surface", "Bare soil", "Water", "Coniferous", "Deciduous", "Brushwood",
    "Vineyard", "Herbaceous vegetation", "Agricultural land", "Plowed land", "Swimming pool", "Snow", "Clear cut",
    "Mixed", "Ligneous", "Greenhouse", "Other",
)  # fmt: skip


@dataclass
class Expected:
    """What an import must give.

    Attributes:
        names: of the classes, in any order.
        masks: by the name of a picture in the dataset: for each pixel the place of its class in `names`, 255 where
            nobody labelled; None: the picture has no labels.
        parts: `train`, `val` or `test` by name of a picture; those that no folder or list names are absent.
        options: of the one command.
        told: a part of a note that must be said.
    """

    names: tuple[str, ...]
    masks: dict[str, Pixels | None] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    told: str = ""

    def add(self, name: str, mask: Pixels | None, part: str = "") -> None:
        self.masks[name] = mask
        if part:
            self.parts[name] = part


Make = Callable[[Path], Expected]
"""Writes a dataset below a folder, and says what must come of it."""


def painted(mask: Pixels, colours: Sequence[tuple[int, int, int]]) -> Pixels:
    return np.array(colours, np.uint8)[mask]


def class_dict(path: Path, colours: Colours, header: str = "name,r,g,b") -> None:
    rows = [f"{name},{r},{g},{b}" for name, (r, g, b) in colours.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n")


def loveda(root: Path) -> Expected:
    """PNG of 1 to 7, 0 where nobody labelled; the test pictures have no masks. No file names the classes."""
    found = Expected(
        ("Background", "Building", "Road", "Water", "Barren", "Forest", "Agriculture"),
        told="Classes are named by the numbers of LoveDA",
    )
    number = 0
    for part in ("Train", "Val", "Test"):
        for region in ("Rural", "Urban"):
            for _ in range(2 if part == "Train" else 1):
                mask = truth(number, 7)
                mask[:8, :8] = 255
                stored = np.where(mask == 255, 0, mask + 1).astype(np.uint8)
                save(root / part / region / "images_png" / f"{number}.png", photo(number))
                if part != "Test":
                    save(root / part / region / "masks_png" / f"{number}.png", stored)
                found.add(str(number), None if part == "Test" else mask, part.lower())
                number += 1
    return found


def potsdam(root: Path) -> Expected:
    """Colour masks in TIFF, whole or without the seams; each picture in three sets of bands, and its heights."""
    found = Expected(tuple(ISPRS), told="2_Ortho_RGB")
    for at, place in enumerate(("2_10", "2_11", "3_10", "7_7")):
        mask, name = truth(at, 6), f"top_potsdam_{place}"
        four = np.dstack([photo(at), photo(at + 50)[..., :1]])
        save(root / "2_Ortho_RGB" / f"{name}_RGB.tif", four[..., :3])
        (root / "2_Ortho_RGB" / f"{name}_RGB.tfw").write_text("0.05\n0\n0\n-0.05\n366676\n5808000\n")
        save(root / "3_Ortho_IRRG" / f"{name}_IRRG.tif", four[..., [3, 0, 1]].copy())
        write_bands(root / "4_Ortho_RGBIR" / f"{name}_RGBIR.tif", four)
        save(root / "1_DSM" / f"dsm_potsdam_{place.replace('_', '_0')}.tif", four[..., 0].astype(np.float32) / 7)
        colours = painted(mask, [*ISPRS.values()])
        save(root / "5_Labels_all" / f"{name}_label.tif", colours)
        seams = colours.copy()
        seams[::8] = 0
        save(root / "5_Labels_all_noBoundary" / f"{name}_label_noBoundary.tif", seams)
        found.add(f"{name}_RGB", mask)
    return found


def vaihingen(root: Path) -> Expected:
    """The same name for picture and mask, areas without a mask, pictures of several sizes."""
    found = Expected(tuple(ISPRS))
    for area in (1, 2, 3, 11):
        height, mask = HEIGHT + area, truth(area, 6, height=HEIGHT + area)
        name = f"top_mosaic_09cm_area{area}"
        save(root / "top" / f"{name}.tif", photo(area, height=height))
        save(root / "dsm" / f"dsm_09cm_matching_area{area}.tif", photo(area, height=height)[..., 0] / np.float32(7))
        if area != 2:
            save(root / "gts_for_participants" / f"{name}.tif", painted(mask, [*ISPRS.values()]))
        found.add(name, None if area == 2 else mask)
    return found


def inria(root: Path) -> Expected:
    """0 and 255 in TIFF; the test pictures have no masks."""
    found = Expected(("Background", "Building"), options=("--map", "0=Background,255=Building"))
    for at, city in enumerate(("austin1", "austin2", "vienna1", "kitsap3")):
        mask = truth(at, 2)
        save(root / "AerialImageDataset" / "train" / "images" / f"{city}.tif", photo(at))
        save(root / "AerialImageDataset" / "train" / "gt" / f"{city}.tif", mask * np.uint8(255))
        found.add(city, mask, "train")
    save(root / "AerialImageDataset" / "test" / "images" / "bellingham1.tif", photo(9))
    found.add("bellingham1", None, "test")
    return found


def airs(root: Path) -> Expected:
    """0 and 1, and beside each mask the same to be seen by people; lists of names beside the folders."""
    found = Expected(("Background", "Foreground"))
    for at, part in enumerate(("train", "train", "val", "test")):
        mask, name = truth(at, 2), f"christchurch_{at + 1}"
        save(root / "trainval" / part / "image" / f"{name}.tif", photo(at))
        save(root / "trainval" / part / "label" / f"{name}.tif", mask)
        save(root / "trainval" / part / "label" / f"{name}_vis.tif", mask * np.uint8(255))
        with (root / "trainval" / f"{part}.txt").open("a") as listed:
            listed.write(f"{name}.tif\n")
        found.add(name, mask, part)
    return found


def whu(root: Path) -> Expected:
    """A top folder whose name speaks of images and labels, and the same numbers in every part."""
    found = Expected(("Background", "Foreground"))
    top = root / "3. The cropped image tiles and raster labels"
    for at, part in enumerate(("train", "val", "test")):
        for number in (1, 2):
            mask = truth(10 * at + number, 2)
            save(top / part / "image" / f"{number}.tif", photo(10 * at + number))
            save(top / part / "label" / f"{number}.tif", mask * np.uint8(255))
            found.add(f"{part}_{number}", mask, part)
    return found


def massachusetts_roads(root: Path) -> Expected:
    """`train` beside `train_labels`; pictures end in .tiff, masks in .tif."""
    found = Expected(("background", "road"))
    class_dict(root / "label_class_dict.csv", {"background": (0, 0, 0), "road": (255, 255, 255)})
    (root / "metadata.csv").write_text("image_id,split,tiff_image_path,tif_label_path\n")
    for at, part in enumerate(("train", "train", "val", "test")):
        mask, name = truth(at, 2), f"1007866{at}_15"
        save(root / "tiff" / part / f"{name}.tiff", photo(at))
        save(root / "tiff" / f"{part}_labels" / f"{name}.tif", mask * np.uint8(255))
        found.add(name, mask, part)
    return found


def deepglobe(root: Path) -> Expected:
    """`119_sat.jpg` beside `119_mask.png`, black where nobody knows, and pictures without masks."""
    colours = [*DEEPGLOBE.values()]
    found = Expected(tuple(name for name in DEEPGLOBE if name != "unknown"))
    class_dict(root / "class_dict.csv", DEEPGLOBE)
    for at, number in enumerate((119, 606, 2334, 2979)):
        mask = truth(at, 6)
        mask[:8, :8] = 255
        save(root / "train" / f"{number}_sat.jpg", photo(at))
        save(root / "train" / f"{number}_mask.png", painted(np.minimum(mask, 6), colours))
        found.add(f"{number}_sat", mask, "train")
    save(root / "valid" / "10452_sat.jpg", photo(9))
    found.add("10452_sat", None, "val")
    return found


def floodnet(root: Path) -> Expected:
    """`6279.jpg` and `6279_lab.png` in folders that name part, role and set at once; the same masks in colours."""
    found = Expected(FLOODNET)
    for at, part in enumerate(("train", "train", "val", "test")):
        mask, name = truth(at, 10), str(6279 + at)
        top = root / "FloodNet-Supervised_v1.0"
        save(top / part / f"{part}-org-img" / f"{name}.jpg", photo(at))
        save(top / part / f"{part}-label-img" / f"{name}_lab.png", mask)
        colours = np.random.default_rng(1).integers(0, 256, (10, 3), dtype=np.uint8)
        coloured = root / "ColorMasks-FloodNetv1.0" / f"ColorMasks-{part.capitalize()}Set"
        save(coloured / f"{name}_lab.png", colours[mask])
        found.add(name, mask, part)
    return found


def uavid(root: Path) -> Expected:
    """The same numbers in every sequence, parts in the names of folders, no masks for the test."""
    found = Expected(tuple(UAVID))
    for at, (part, sequence) in enumerate((("train", "seq1"), ("train", "seq2"), ("val", "seq16"), ("test", "seq21"))):
        for frame in (0, 100):
            mask, folder = truth(10 * at + frame, 8), root / f"uavid_{part}" / sequence
            save(folder / "Images" / f"{frame:06}.png", photo(at + frame))
            if part != "test":
                save(folder / "Labels" / f"{frame:06}.png", painted(mask, [*UAVID.values()]))
            found.add(f"{sequence}_{frame:06}", None if part == "test" else mask, part)
    return found


def semantic_drone(root: Path) -> Expected:
    """Masks of numbers and the same in colours; a CSV with spaces in its header and colours alone."""
    found = Expected(tuple(name for name in DRONE if name != "unlabeled"))
    class_dict(root / "class_dict_seg.csv", DRONE, "name, r, g, b")
    for at in range(4):
        mask, name = truth(at, 5), f"{at:03}"
        top = root / "dataset" / "semantic_drone_dataset"
        save(top / "original_images" / f"{name}.jpg", photo(at))
        save(top / "label_images_semantic" / f"{name}.png", mask)
        coloured = root / "RGB_color_image_masks" / "RGB_color_image_masks"
        save(coloured / f"{name}.png", painted(mask, [*DRONE.values()]))
        found.add(name, np.where(mask == 0, 255, mask - 1).astype(np.uint8))
    return found


def landcover(root: Path) -> Expected:
    """Whole orthophotos; the lists name pieces that a script would cut from them first."""
    found = Expected(LANDCOVER, told="names M-33-20-D-c-4-2_0")
    for at, sheet in enumerate(("M-33-20-D-c-4-2", "M-33-20-D-d-3-3", "N-34-97-C-b-1-2")):
        mask = truth(at, 5)
        save(root / "images" / f"{sheet}.tif", photo(at))
        save(root / "masks" / f"{sheet}.tif", mask)
        for part in ("train", "val", "test"):
            with (root / f"{part}.txt").open("a") as listed:
                listed.write(f"{sheet}_{at}\n{sheet}_{at + 40}\n")
        found.add(sheet, mask)
    return found


def landcover_pieces(root: Path) -> Expected:
    """The same after the script: `NAME_0.jpg` beside `NAME_0_m.png` in one folder, and lists that fit."""
    found = Expected(LANDCOVER)
    for at, part in enumerate(("train", "train", "val", "test")):
        mask, name = truth(at, 5), f"M-33-20-D-c-4-2_{at}"
        save(root / "output" / f"{name}.jpg", photo(at))
        save(root / "output" / f"{name}_m.png", mask)
        with (root / f"{part}.txt").open("a") as listed:
            listed.write(f"{name}\n")
        found.add(name, mask, part)
    return found


def openearthmap(root: Path) -> Expected:
    """A folder a city, lists at the top, masks of the test held back."""
    found = Expected(tuple(name for name in OPENEARTHMAP if name != "Unknown"))
    top = root / "OpenEarthMap_wo_xBD"
    for at, (city, part) in enumerate((("aachen", "train"), ("aachen", "val"), ("accra", "train"), ("accra", "test"))):
        mask, name = truth(at, 9), f"{city}_{at}"
        save(top / city / "images" / f"{name}.tif", photo(at))
        if part != "test":
            save(top / city / "labels" / f"{name}.tif", mask)
        with (top / f"{part}.txt").open("a") as listed:
            listed.write(f"{name}.tif\n")
        known = np.where(mask == 0, 255, mask - 1).astype(np.uint8)
        found.add(name, None if part == "test" else known, part)
    return found


def agriculture_vision(root: Path) -> Expected:
    """A binary PNG a class, colours and near infrared in folders of their own, outlines of the field beside them."""
    names = ("double_plant", "drydown", "water")
    where = "masks=Background,boundaries=Background,outside=ignore"
    found = Expected(("Background", *names), options=("--map", where))
    for at, part in enumerate(("train", "train", "val", "test")):
        mask, stem = truth(at, 4), f"1A2WB{at}_3214-1201-3726-1713"
        top, field_of = root / part, np.full((HEIGHT, WIDTH), 255, np.uint8)
        field_of[:, 40:] = 0
        mask[(field_of == 0) & (mask == 0)] = 255
        save(top / "images" / "rgb" / f"{stem}.jpg", photo(at))
        save(top / "images" / "nir" / f"{stem}.jpg", photo(at)[..., 0].copy())
        if part != "test":
            for folder in ("boundaries", "masks"):
                save(top / folder / f"{stem}.png", field_of)
            for number, name in enumerate(names, start=1):
                save(top / "labels" / name / f"{stem}.png", np.where(mask == number, 255, 0).astype(np.uint8))
        found.add(stem, None if part == "test" else mask, part)
    return found


def forest(root: Path) -> Expected:
    """`10452_sat_08.jpg` and `10452_mask_08.jpg`: the telling word stands within the name, the masks are JPEG."""
    found = Expected(("Background", "Foreground"))
    root.mkdir(parents=True, exist_ok=True)
    with (root / "meta_data.csv").open("w", newline="") as file:
        listed = csv.writer(file)
        listed.writerow(["image", "mask"])
        for at, number in enumerate((10452, 10452, 855, 21023)):
            mask = np.roll(truth(at, 2), 3, axis=(0, 1))
            save(root / "Forest Segmented" / "images" / f"{number}_sat_{at:02}.jpg", photo(at))
            save(root / "Forest Segmented" / "masks" / f"{number}_mask_{at:02}.jpg", mask * np.uint8(255), quality=70)
            listed.writerow([f"{number}_sat_{at:02}.jpg", f"{number}_mask_{at:02}.jpg"])
            found.add(f"{number}_sat_{at:02}", mask)
    return found


def floods(root: Path) -> Expected:
    """Masks of 16 bits with -1 where nobody labelled, and radar beside the optical pictures, which have 13 bands."""
    found = Expected(("Background", "Foreground"))
    for at, name in enumerate(("Ghana_103272", "Ghana_24858", "India_1017769", "USA_7590")):
        mask = truth(at, 2)
        mask[:8, :8] = 255
        bands = np.dstack([photo(at + 10 * number).astype(np.uint16) * 12 for number in range(5)])[..., :13]
        write_bands(root / "S2Hand" / f"{name}_S2Hand.tif", bands)
        write_bands(root / "S1Hand" / f"{name}_S1Hand.tif", bands[..., :2].astype(np.float32) / -999)
        save(root / "LabelHand" / f"{name}_LabelHand.tif", np.where(mask == 255, -1, mask.astype(np.int32)))
        found.add(f"{name}_S2Hand", mask)
    return found


def flair(root: Path) -> Expected:
    """Five bands, masks from 1, `IMG_1.tif` and `MSK_1.tif` in trees that begin with other folders."""
    found = Expected(FLAIR)
    for at, part in enumerate(("train", "train", "test", "train")):
        mask, zone = truth(at, 5), Path("D004_2021") / f"Z{at}_AF"
        five = np.dstack([photo(at), photo(at + 50)[..., :2]])
        write_bands(root / f"flair_aerial_{part}" / zone / "img" / f"IMG_{at:06}.tif", five)
        save(root / f"flair_labels_{part}" / zone / "msk" / f"MSK_{at:06}.tif", mask + 1)
        found.add(f"IMG_{at:06}", mask, part)
    return found


def aeroscapes(root: Path) -> Expected:
    """As Pascal VOC, with other classes, and a folder of both laid over each other."""
    found = Expected(tuple(f"Class {at}" for at in range(12)))
    for at, part in enumerate(("train", "train", "val")):
        mask, name = truth(at, 12), f"000001_{at:03}"
        save(root / "JPEGImages" / f"{name}.jpg", photo(at))
        save(root / "SegmentationClass" / f"{name}.png", mask)
        save(root / "Visualizations" / f"{name}.png", photo(at + 5))
        (root / "ImageSets").mkdir(exist_ok=True)
        with (root / "ImageSets" / f"{'trn' if part == 'train' else part}.txt").open("a") as listed:
            listed.write(f"{name}\n")
        found.add(name, mask, part)
    return found


def bands_apart(root: Path) -> None:
    """A file a band, in folders of their own: what is refused in one sentence."""
    for at in range(3):
        for band in ("red", "green", "blue", "nir"):
            save(root / "38-Cloud_training" / f"train_{band}" / f"{band}_patch_{at}_1.TIF", photo(at)[..., 0].copy())
        save(root / "38-Cloud_training" / "train_gt" / f"gt_patch_{at}_1.TIF", truth(at, 2) * np.uint8(255))
