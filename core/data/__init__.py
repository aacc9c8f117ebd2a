"""Datasets by name. `open_dataset` reads one whole into memory, `open_split` also parts it for training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core import paths
from core.classes import AERIAL, ClassMap
from core.config import DataConfig
from core.data import dubai
from core.data.folder import LoadedFolder, Problem, load_folder
from core.data.opened import inside
from core.data.scene import Scene
from core.data.splits import Split, split_scenes
from core.errors import ConfigError, DatasetNotFoundError

Loader = Callable[[DataConfig], LoadedFolder]


@dataclass(frozen=True)
class Dataset:
    """All usable scenes of a dataset, what was skipped and why, and what is odd about it."""

    name: str
    class_map: ClassMap
    scenes: list[Scene]
    warnings: list[str]
    problems: list[Problem]


def open_dataset(config: DataConfig) -> Dataset:
    """Read `config.dataset` into memory.

    Raises `ConfigError` for an unknown name, `DatasetNotFoundError` with the path and the remedy, and `PairError` with
    every bad pair unless `config.skip_bad_pairs`.
    """
    if config.dataset not in DATASETS:
        raise ConfigError(f"There is no dataset {config.dataset!r}: choose {', '.join(DATASETS)}.")
    loaded = DATASETS[config.dataset](config)
    return Dataset(config.dataset, AERIAL, loaded.scenes, loaded.warnings, loaded.problems)


def open_split(config: DataConfig) -> tuple[Dataset, Split]:
    """Read a dataset and part it by `config.split`; the leaky split cuts patches of `config.crop`.

    Raises what `open_dataset` raises, and `ConfigError` when there are no masks or nothing is left to train or
    validate on.
    """
    dataset = open_dataset(config)
    if any(scene.mask is None for scene in dataset.scenes):
        raise ConfigError(
            f"The dataset {config.dataset} has no masks: put them into masks/ beside images/, with the same names."
        )
    return dataset, split_scenes(dataset.scenes, config.split, patch=config.crop)


def _samples(config: DataConfig) -> LoadedFolder:
    if not (paths.SAMPLES / "images").is_dir():
        remedy = "make them with `python -m tools.synthetic --out sample_images`"
        raise DatasetNotFoundError(f"The sample scenes are not in {paths.SAMPLES}: {remedy}.")
    return load_folder(paths.SAMPLES, AERIAL, skip_bad=config.skip_bad_pairs)


def _dubai(config: DataConfig) -> LoadedFolder:
    return dubai.load(
        Path(config.root).expanduser() if config.root else paths.dubai_root(), skip_bad=config.skip_bad_pairs
    )


def _folder(config: DataConfig) -> LoadedFolder:
    if not config.root:
        raise ConfigError("The dataset folder needs a root: the folder that holds images/ and masks/.")
    if config.opened is None:
        return load_folder(Path(config.root).expanduser(), AERIAL, skip_bad=config.skip_bad_pairs)
    from core.data.confined import confined

    opened = Path(config.opened)
    with confined(opened) as read:
        root = inside(config.root, opened)
        return load_folder(root, AERIAL, skip_bad=config.skip_bad_pairs, opened=opened, read=read)


DATASETS: dict[str, Loader] = {"samples": _samples, "dubai": _dubai, "folder": _folder}
