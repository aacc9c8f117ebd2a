"""The datasets by name: those of this folder, a file and a line in `DATASETS` each, and those that people imported."""

from core.classes import ClassMap
from core.config import DataConfig
from core.data import named
from core.data.dataset import Dataset
from core.data.datasets.dubai import DUBAI
from core.data.datasets.mixture import MIXTURE
from core.data.datasets.own_folder import OWN_FOLDER
from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from core.data.datasets.unlabelled_scenes import UNLABELLED_SCENES
from core.errors import ConfigError

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        SHIPPED_SCENES,
        DUBAI,
        MIXTURE,
        UNLABELLED_SCENES,
        OWN_FOLDER,
    )
}
"""By name, in the order in which they are offered."""


def known() -> dict[str, Dataset]:
    """Every dataset by name: `DATASETS`, then the imported ones. Those that cannot be read are left out."""
    return DATASETS | named.known()


def has_pictures(name: str) -> bool:
    """Whether this is the name of a dataset that brings its own pictures, and not a path or the kind `folder`."""
    dataset = known().get(name)
    return dataset is not None and not dataset.needs_root


def dataset_of(config: DataConfig) -> Dataset:
    """The dataset that the settings name. Raises `ConfigError` for an unknown name, with the known ones."""
    return dataset_named(config.dataset)


def dataset_named(name: str) -> Dataset:
    """The dataset of this name. Raises `ConfigError` for an unknown one, with the known ones."""
    if name in DATASETS:
        return DATASETS[name]
    if not named.is_there(name):
        raise ConfigError(f"There is no dataset {name[:80]!r}: choose {', '.join([*DATASETS, *named.names()])}.")
    return named.find(name)


def score_titles(classes: ClassMap) -> tuple[str, str]:
    """What the mean over the scored classes is called, and that with unlabelled pixels as a class of their own.

    `mIoU-5` and `mIoU-6` are the names that both have in papers on the Dubai dataset, and of its classes alone.
    """
    if classes.scored_names == DUBAI.classes.scored_names:
        return "mIoU-5", "mIoU-6"
    return "mIoU", "mIoU with unlabelled pixels"
