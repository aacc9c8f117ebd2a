"""Synthetic scenes without labels, of seeds that no labelled scene has: on them a teacher answers, and nobody else.

`python -m tools.unlabelled_scenes` draws them.
"""

from core.data.dataset import Dataset
from core.data.datasets.dubai import DUBAI

UNLABELLED_SCENES = Dataset(
    name="unlabelled-scenes",
    title="Synthetic scenes without labels",
    short_title="Unlabelled scenes",
    note="synthetic",
    classes=DUBAI.classes,
    labelled=False,
    licence="Apache-2.0",
    attribution="Terrastill",
    remedy="draw them with `python -m tools.unlabelled_scenes`",
)
