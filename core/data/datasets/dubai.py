"""The Dubai dataset: 72 aerial pictures with masks, 8 tiles of 9 neighbouring parts.

*Semantic segmentation of aerial imagery*. Parts 1 to 7 of each tile train, 8 validates, 9 tests.

In parts 1 to 8, 549,431 mask pixels are black, which is no class: 545,723 of them between the houses of Tile 8, part 3.
They are yards that nobody labelled; by nearness they would be Building, so the class map counts black as Unlabeled.
"""

from pathlib import Path

from core.classes import ClassMap
from core.data.dataset import Dataset
from core.data.download import Download
from core.data.splits import Parts

AERIAL = ClassMap(
    names=("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"),
    colours=((60, 16, 152), (132, 41, 246), (110, 193, 228), (254, 221, 58), (226, 169, 41), (155, 155, 155)),
    ignore_index=5,
    void_colours=((0, 0, 0),),
)
"""With the colours that the masks really hold; the dataset's own classes.json lists others."""

DUBAI = Dataset(
    name="dubai",
    title="Dubai aerial images",
    short_title="Dubai",
    classes=AERIAL,
    pictures=72,
    split=Parts(train=tuple(range(1, 8)), val=(8,), test=(9,)),
    licence="CC0 1.0",
    attribution="Humans in the Loop with the Mohammed Bin Rashid Space Center",
    layout="Tile */images",
    download=Download(
        # A public copy, pinned to a commit.
        url="https://raw.githubusercontent.com/smp0714/Semantic-Segmentation-of-Satellite-Imager/"
        "86da6fb9d3343381942952f2b78924df38a96feb/Semantic%20segmentation%20dataset/",
        checksums=Path(__file__).with_name("dubai.sha256"),
    ),
    remedy="fetch it with `python -m core data download`",
)
