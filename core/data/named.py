"""Datasets that people imported under a name: a folder each, with `dataset.toml` beside images/ and masks/."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from core import paths
from core.band_set import BandSet
from core.data.dataset import Dataset
from core.data.description import FILE, DescribedSplit, Description, read_description
from core.data.folder import Pair, Problem, find_pairs
from core.errors import ConfigError, DatasetNotFoundError
from core.files import discard, speaking_plainly, sync_folder

OWNER_FILE = "owner.json"
"""Beside the `dataset.toml` of a dataset that a visitor of the app brought: whose it is."""
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")


def folder_of(name: str) -> Path:
    """Where the dataset of this name lies, or would lie. Raises `ConfigError` for what cannot name one."""
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name[:80]!r} cannot name a dataset: use lower-case letters, digits, - and _.")
    return paths.named_datasets() / name


def require_free(target: Path) -> None:
    """Raises `ConfigError` where there is something in the place of a new dataset."""
    if target.exists():
        raise ConfigError(f"There is a dataset {target.name} already: choose another name, or delete that one.")


@contextmanager
def whole_folder(target: Path, partial: Path) -> Iterator[Path]:
    """A folder to write a dataset into, which is `target` when the block ends well, and goes where it does not.

    Args:
        target: Where the dataset goes.
        partial: Beside it, where it is prepared; what an earlier attempt left there is removed.

    Yields:
        `partial`, empty.

    Raises:
        ConfigError: The target is there, before or by then.
        DiskFullError: There is no space for it.
    """
    require_free(target)
    with speaking_plainly(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        discard(partial)
        partial.mkdir()
        try:
            yield partial
            require_free(target)
            partial.rename(target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def is_there(name: str) -> bool:
    """Whether a dataset was imported under this name."""
    return _NAME.fullmatch(name) is not None and (paths.named_datasets() / name / FILE).is_file()


def is_brought(name: str) -> bool:
    """Whether a visitor of the app brought this dataset: its pictures are decoded in a confined process."""
    return is_there(name) and (paths.named_datasets() / name / OWNER_FILE).is_file()


def names() -> list[str]:
    """The names of all of them, in order, readable or not."""
    home = paths.named_datasets()
    return sorted(path.name for path in home.iterdir() if is_there(path.name)) if home.is_dir() else []


def find(name: str) -> Dataset:
    """The dataset of this name. Raises `DatasetNotFoundError`, and `ConfigError` for a description with faults."""
    folder = folder_of(name)
    if not is_there(name):
        raise DatasetNotFoundError(
            f"There is no dataset {name}: import it with `python -m core data import SRC --name {name}`."
        )
    description = read_description(folder)
    if description.name != name:
        raise ConfigError(f"The {FILE} in {name} is that of {description.name}: give its folder that name.")
    return as_dataset(description, folder)


def known() -> dict[str, Dataset]:
    """Every dataset of `names` by name, but for those whose description cannot be read: `find` says why."""
    found = {}
    for name in names():
        try:
            found[name] = find(name)
        except (ConfigError, DatasetNotFoundError):
            continue
    return found


def delete(name: str) -> None:
    """Remove a dataset with its pictures. Raises `DatasetNotFoundError` where there is none."""
    if not is_there(name):
        raise DatasetNotFoundError(f"There is no dataset {name[:80]}: nothing is deleted.")
    discard(folder_of(name))


def as_dataset(description: Description, folder: Path) -> Dataset:
    """The dataset that a description tells of, whose pictures lie in `folder`. Raises `ConfigError`."""
    return Dataset(
        name=description.name,
        title=description.title,
        short_title=description.title,
        classes=description.class_map,
        bands=description.bands,
        depth=description.depth,
        shown=description.shown,
        metres_per_pixel=description.metres_per_pixel,
        margin=description.split.margin,
        licence=description.licence,
        attribution=description.attribution,
        labelled_by=description.labelled_by,
        place=lambda: folder,
        find=_finding(description.split, BandSet(description.bands, description.depth, description.shown)),
        remedy="import it again with `python -m core data import`",
    )


def _finding(split: DescribedSplit, bands: BandSet) -> Callable[..., tuple[list[Pair], list[Problem]]]:
    """What lists the pairs of a dataset with this split and these bands, called as `core.data.folder.find_pairs` is."""
    uses = split.uses()

    def found(root: Path, *, opened: Path | None = None) -> tuple[list[Pair], list[Problem]]:
        pairs, problems = find_pairs(root, opened=opened, some_masks=True)
        pairs = [replace(pair, numbered=True, bands=bands) for pair in pairs]
        if split.kind == "names":
            pairs = [replace(pair, split=uses.get(pair.name, "")) for pair in pairs]
            there = {pair.name for pair in pairs} | {problem.name for problem in problems}
            absent = [name for name in uses if name not in there]
            problems += [Problem(name, "the split names it, and there is no such picture.") for name in absent]
        elif split.kind == "drawn":
            pairs = [replace(pair, split="") for pair in pairs]
        return pairs, problems

    return found
