"""Colours of masks that are published with the name of what they mean, so that masks without a list still get names."""

from core.classes import ClassMap, Colour
from core.data.datasets import DATASETS

_Table = dict[int, str]

_PUBLISHED: dict[str, _Table] = {
    "ISPRS Potsdam and Vaihingen": {
        0xFFFFFF: "Impervious surface",
        0x0000FF: "Building",
        0x00FFFF: "Low vegetation",
        0x00FF00: "Tree",
        0xFFFF00: "Car",
        0xFF0000: "Clutter",
        0x000000: "Unlabelled",
    },
    "DeepGlobe land cover": {
        0x00FFFF: "Urban land",
        0xFFFF00: "Agriculture",
        0xFF00FF: "Rangeland",
        0x00FF00: "Forest",
        0x0000FF: "Water",
        0xFFFFFF: "Barren land",
        0x000000: "Unknown",
    },
    "Gaofen Image Dataset": {
        0xFF0000: "Built-up",
        0x00FF00: "Farmland",
        0x00FFFF: "Forest",
        0xFFFF00: "Meadow",
        0x0000FF: "Water",
        0x000000: "Unlabelled",
    },
    "Zurich Summer": {
        0x000000: "Roads",
        0x646464: "Buildings",
        0x007D00: "Trees",
        0x00FF00: "Grass",
        0x965000: "Bare soil",
        0x000096: "Water",
        0xFFFF00: "Railways",
        0x9696FF: "Swimming pools",
        0xFFFFFF: "Unlabelled",
    },
    "SemCity Toulouse": {
        0x262626: "Impervious surface",
        0xEE7621: "Building",
        0x228B22: "Pervious surface",
        0x00DE89: "High vegetation",
        0xFF0000: "Car",
        0x0000EE: "Water",
        0xA01EE6: "Sport venues",
        0xFFFFFF: "Void",
    },
    "OpenEarthMap": {
        0x800000: "Bareland",
        0x00FF24: "Rangeland",
        0x949494: "Developed space",
        0xFFFFFF: "Road",
        0x226126: "Tree",
        0x0045FF: "Water",
        0x4BB549: "Agriculture land",
        0xDE1F07: "Building",
        0x000000: "Unknown",
    },
    "DroneDeploy": {
        0xE6194B: "Building",
        0x911EB4: "Clutter",
        0x3CB44B: "Vegetation",
        0xF58230: "Water",
        0xFFFFFF: "Ground",
        0x0082C8: "Car",
        0xFF00FF: "Ignore",
    },
    "UAVid": {
        0x800000: "Building",
        0x804080: "Road",
        0xC000C0: "Static car",
        0x008000: "Tree",
        0x808000: "Low vegetation",
        0x404000: "Human",
        0x400080: "Moving car",
        0x000000: "Background clutter",
    },
}
"""By the title of the dataset: name by colour (0xRRGGBB)."""


VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
VOC_VOID: Colour = (224, 224, 192)


def voc_colour(number: int) -> Colour:
    """The colour of a class of Pascal VOC: three bits of the number a step, the highest bit of each channel first."""
    red = green = blue = 0
    for step in range(8):
        three = number >> 3 * step
        red, green, blue = (
            channel | (three >> bit & 1) << 7 - step for channel, bit in ((red, 0), (green, 1), (blue, 2))
        )
    return red, green, blue


def tables() -> dict[str, _Table]:
    """The same with those of the datasets that are offered here, first."""
    fetched = (dataset for dataset in DATASETS.values() if dataset.download is not None)
    return {f"the {dataset.short_title} dataset": _table(dataset.classes) for dataset in fetched} | _PUBLISHED


def _table(classes: ClassMap) -> _Table:
    """Names by colour; colours that mean the ignored class have its name."""
    ignored = dict.fromkeys(classes.void_colours, classes.names[-1])
    known = dict(zip(classes.colours, classes.names, strict=True)) | ignored
    return {red << 16 | green << 8 | blue: name for (red, green, blue), name in known.items()}
