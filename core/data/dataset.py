"""What is known of a dataset before any of its pictures is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core import paths
from core.band_set import RGB, BandSet
from core.classes import ClassMap
from core.data.download import Download
from core.data.folder import Pair, Problem, find_pairs
from core.data.splits import Parts
from core.errors import ConfigError, DatasetNotFoundError

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True)
class Dataset:
    """A dataset: its name, its classes, where its pictures lie, and how they are parted, fetched and cited.

    Nothing is read when one is made. `find` lists its pairs, `core.data.folder.load_pair` reads one of them, and
    `core.data.open_dataset` all. To add a dataset, write a file in `core/data/datasets/` and add it to `DATASETS`.
    Those that people import under a name have a `dataset.toml` instead (`core.data.description`).

    Attributes:
        name: what settings, links and the command line call it: lower-case letters, digits, - and _.
        title: what the form calls it.
        short_title: what a narrow menu calls it.
        classes: names and colours of its 2 to 255 classes, and the ignored one.
        note: one word for the form beside the title, such as synthetic.
        pictures: how many it has when it is complete; None: any number.
        bands: what the channels of its pictures are, in order.
        depth: type of their values, as in `core.band_set.BandSet`.
        shown: which of the bands are seen as red, green and blue, as there.
        metres_per_pixel: ground resolution, where all pictures share one and it is known.
        margin: pixels between the parts of a picture that was cut to train, validate and test; None: none was.
        split: which numbered parts train, validate and test; None: its folders say, or it is drawn.
        licence: of the pictures and masks.
        attribution: who made it, as it wants to be cited.
        needs_root: the person names its folder (`DataConfig.root`); it has no place of its own.
        place: gives its folder; None: `core.paths.dataset_root(name)`.
        layout: a pattern below its folder that something matches when the dataset is there.
        find: lists its pairs without reading them; called as `core.data.folder.find_pairs` is.
        download: where its files are fetched; None: they are not.
        remedy: how to get it where it is not there, as the end of a sentence without its full stop.
        labelled: whether its pictures have masks; without, a teacher alone answers on them.
        labelled_by: which model made the masks, and how sure it had to be; empty: people did.

    Raises:
        ConfigError: A value is out of range; with every problem.
    """

    name: str
    title: str
    short_title: str
    classes: ClassMap
    note: str = ""
    pictures: int | None = None
    bands: tuple[str, ...] = RGB
    depth: str = "uint8"
    shown: tuple[str, ...] = ()
    metres_per_pixel: float | None = None
    split: Parts | None = None
    margin: int | None = None
    licence: str = ""
    attribution: str = ""
    needs_root: bool = False
    place: Callable[[], Path] | None = None
    layout: str = "images"
    find: Callable[..., tuple[list[Pair], list[Problem]]] = find_pairs
    download: Download | None = None
    remedy: str = "put its pictures there"
    labelled: bool = True
    labelled_by: str = ""

    def __post_init__(self) -> None:
        problems = []
        if not _NAME.fullmatch(self.name):
            problems.append(f"{self.name!r} cannot name a dataset: use lower-case letters, digits, - and _.")
        if not self.title.strip() or not self.short_title.strip():
            problems.append(f"The dataset {self.name} needs a title and a short title.")
        try:
            BandSet(self.bands, self.depth, self.shown)
        except ConfigError as error:
            problems += [f"The dataset {self.name}: {problem}" for problem in error.problems]
        if self.metres_per_pixel is not None and not self.metres_per_pixel > 0:
            problems.append(f"The ground resolution of the dataset {self.name} must be above 0 metres a pixel.")
        if problems:
            raise ConfigError(problems)

    @property
    def band_set(self) -> BandSet:
        """The bands of its pictures with their depth, and which are shown."""
        return BandSet(self.bands, self.depth, self.shown)

    def folder(self, root: str | None = None) -> Path:
        """Where its pictures are looked for.

        Args:
            root: another folder than its own, as a person typed it.

        Raises:
            ConfigError: It has no place of its own, and `root` is None or empty.
        """
        if root:
            return Path(root).expanduser()
        if self.needs_root:
            raise ConfigError(f"The dataset {self.name} needs a root: the folder that holds images/ and masks/.")
        return paths.dataset_root(self.name) if self.place is None else self.place()

    def is_here(self, root: str | None = None) -> bool:
        """Whether at least a part of it lies in its folder. One whose folder the person names is nowhere by itself."""
        return (bool(root) or not self.needs_root) and any(self.folder(root).glob(self.layout))

    def require_here(self, root: str | None = None) -> Path:
        """Its folder. Raises `DatasetNotFoundError` with the path and the remedy where it is not there."""
        folder = self.folder(root)
        if not self.needs_root and not self.is_here(root):
            variable = f", or set {paths.dataset_variable(self.name)} to its folder" if self.place is None else ""
            raise DatasetNotFoundError(f"The dataset {self.name} is not in {folder}: {self.remedy}{variable}.")
        return folder
