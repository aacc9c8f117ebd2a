"""The datasets by name. One is a file in this folder and a line in `DATASETS`."""

from core.config import DataConfig
from core.data.dataset import Dataset
from core.data.datasets.dubai import DUBAI
from core.data.datasets.own_folder import OWN_FOLDER
from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from core.errors import ConfigError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        SHIPPED_SCENES,
        DUBAI,
        OWN_FOLDER,
    )
}
"""By name, in the order in which they are offered."""


def dataset_of(config: DataConfig) -> Dataset:
    """The dataset that the settings name. Raises `ConfigError` for an unknown name, with the known ones."""
    return dataset_named(config.dataset)


def dataset_named(name: str) -> Dataset:
    """The dataset of this name. Raises `ConfigError` for an unknown one, with the known ones."""
    if name not in DATASETS:
        raise ConfigError(f"There is no dataset {name!r}: choose {', '.join(DATASETS)}.")
    return DATASETS[name]
