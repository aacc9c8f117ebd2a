"""The scenes that come with the project: drawn by `tools/synthetic/`, with the classes of the Dubai dataset."""

from core import paths
from core.data.dataset import Dataset
from core.data.datasets.dubai import DUBAI

SHIPPED_SCENES = Dataset(
    name="samples",
    title="Shipped scenes",
    short_title="Shipped scenes",
    note="synthetic",
    classes=DUBAI.classes,
    pictures=12,
    licence="Apache-2.0",
    attribution="Terrastill",
    place=lambda: paths.SAMPLES,
    remedy="make them with `python -m tools.synthetic --out sample_images`",
)
