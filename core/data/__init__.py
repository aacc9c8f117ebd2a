"""Opening datasets: `open_dataset` reads one whole into memory, `open_split` also parts it for training.

`transfer_scenes` are pictures without labels beside it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from core.band_set import BandSet
from core.config import DataConfig
from core.data import named
from core.data.dataset import Dataset
from core.data.datasets import dataset_of, has_pictures
from core.data.folder import LoadedFolder, Problem, load_folder
from core.data.opened import inside
from core.data.scene import Scene, digest
from core.data.sources import appearance, shown_among
from core.data.splits import Split, split_scenes
from core.errors import ConfigError


@dataclass(frozen=True)
class LoadedDataset:
    """All usable scenes of a dataset, in memory; what was skipped and why, and what is odd about it."""

    dataset: Dataset
    scenes: list[Scene]
    warnings: list[str]
    problems: list[Problem]


def open_dataset(config: DataConfig) -> LoadedDataset:
    """Read `config.dataset` into memory.

    Raises `ConfigError` for an unknown name, `DatasetNotFoundError` with the path and the remedy, and `PairError` with
    every bad pair unless `config.skip_bad_pairs`.
    """
    dataset = dataset_of(config)
    loaded = _loaded(dataset, config)
    for scene in loaded.scenes:
        if scene.bands != dataset.band_set:
            raise ConfigError(
                f"The dataset {dataset.name} has the bands {dataset.band_set}, and {scene.name} is read with "
                f"{scene.bands}: register the bands that are read."
            )
    return LoadedDataset(dataset, loaded.scenes, loaded.warnings, loaded.problems)


def open_split(config: DataConfig) -> tuple[LoadedDataset, Split]:
    """Read a dataset and part it by `config.split`; the leaky split cuts patches of `config.crop`.

    Pictures without labels are among those to train on, where their dataset does not say otherwise.

    Raises what `open_dataset` raises, and `ConfigError` when there are no masks or nothing is left to train or
    validate on.
    """
    loaded = open_dataset(config)
    if all(scene.mask is None for scene in loaded.scenes):
        require_classes(loaded.dataset)
        raise ConfigError(
            f"The dataset {config.dataset} has no masks: put them into masks/ beside images/, with the same names."
        )
    return loaded, split_scenes(loaded.scenes, config.split, parts=loaded.dataset.split, patch=config.crop)


def require_classes(dataset: Dataset) -> None:
    """Raises `ConfigError` where nobody labelled a picture of it, so that it has no class that a model could learn."""
    if not dataset.classes.outputs:
        raise ConfigError(
            f"No picture of the dataset {dataset.name} has labels: take a labelled one, and this one beside it "
            f"with --transfer {dataset.name}, where a teacher speaks about it."
        )


@dataclass(frozen=True)
class Transfer:
    """Pictures to learn the teacher's outputs on, and how many of them were left out (`transfer_scenes`)."""

    scenes: list[Scene] = field(default_factory=list)
    left_out: int = 0

    def __str__(self) -> str:
        """`9 more pictures without labels; 2 are left out, because they validate or test.`; empty where it has none."""
        if not self.scenes:
            return ""
        more = f"{len(self.scenes):,} more picture{'' if len(self.scenes) == 1 else 's'} without labels"
        why = "is left out, because it validates or tests" if self.left_out == 1 else _HELD
        return f"{more}; {self.left_out:,} {why}." if self.left_out else f"{more}."


_HELD = "are left out, because they validate or test"


def transfer_scenes(data: DataConfig, split: Split, bands: BandSet) -> Transfer:
    """More pictures to learn the teacher's outputs on, without their masks: of a dataset, or of a folder.

    Those that validate or test this run are left out, by what they show, not by their files: a student that has learned
    the teacher's answers to them could not be judged on them. Raises `DataError`, and `ConfigError` where none is left,
    or where they have not the bands of the run.
    """
    transfer = data.transfer
    if transfer is None:
        return Transfer()
    source = DataConfig(dataset="folder", root=transfer, opened=data.opened)
    if has_pictures(transfer):
        source = DataConfig(dataset=transfer)
    loaded = open_dataset(source)
    loaded.dataset.band_set.places_of(bands, whose="This run")
    judged = [scene.only(bands.names).image for scene in (*split.val, *split.test)]
    held, seen = {digest(image) for image in judged}, [appearance(image) for image in judged]
    brought = [replace(scene.only(bands.names), mask=None) for scene in loaded.scenes]
    found = [
        scene for scene in brought if digest(scene.image) not in held and not shown_among(appearance(scene.image), seen)
    ]
    if not found:
        raise ConfigError("No picture without labels is left beside those that validate and test: bring others.")
    return Transfer(found, len(brought) - len(found))


def _loaded(dataset: Dataset, config: DataConfig) -> LoadedFolder:
    """Its pairs from its own folder, or from `config.root`: confined where a visitor named that."""
    skip = config.skip_bad_pairs
    if config.root and config.opened is not None:
        from core.data.confined import confined

        opened = Path(config.opened)
        with confined(opened) as read:
            root = inside(config.root, opened)
            return load_folder(root, dataset.classes, find=dataset.find, skip_bad=skip, opened=opened, read=read)
    root = dataset.require_here(config.root)
    if not config.root and named.is_brought(dataset.name):
        from core.data.confined import confined

        with confined(root) as read:
            return load_folder(root, dataset.classes, find=dataset.find, skip_bad=skip, opened=root, read=read)
    loaded = load_folder(root, dataset.classes, find=dataset.find, skip_bad=skip)
    there = len(loaded.scenes) + len(loaded.problems)
    if dataset.download is None or dataset.pictures is None or there >= dataset.pictures:
        return loaded
    missing = f"{there} of {dataset.pictures} pairs are in {root}; for the rest, {dataset.remedy}."
    return replace(loaded, warnings=[*loaded.warnings, missing])
