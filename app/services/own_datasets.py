"""Datasets that visitors saved: who brought each, who may use it, and what goes when it is deleted.

`owner.json` beside `dataset.toml` names the visitor's folder (`services.visitors`) and says whether the dataset is
shared. One without it was imported on the command line: it belongs to the operator and is for everybody. Every page
that takes the name of a dataset asks `visible` or `require_visible`; a run is not asked again.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.services import access
from app.services.access import Person
from app.services.stores import open_store
from core.config import DataConfig, RunConfig
from core.data import named
from core.data.dataset import Dataset
from core.data.datasets import DATASETS, has_pictures, known
from core.data.folder import find_pairs
from core.data.splits import without_labels
from core.errors import ConfigError, DatasetNotFoundError, RunStateError
from core.files import write_aside
from core.runs.store.records import RunState

_LONGEST_NAME = 48


@dataclass(frozen=True)
class OwnDataset:
    """A saved dataset as the page lists it. `mine`: this visitor brought it; `parts` count labelled pictures."""

    name: str
    title: str
    classes: tuple[tuple[str, tuple[int, int, int]], ...]
    pictures: int
    labelled: int
    parts: Mapping[str, int]
    licence: str
    labelled_by: str
    mine: bool
    shared: bool
    brought: bool


def may_use(name: str, owner: str | None) -> bool:
    """Whether a visitor is shown a dataset: the project's own, those of the command line, shared ones, and theirs."""
    if name in DATASETS or not named.is_there(name):
        return True
    told = _told(name)
    return told is None or bool(told.get("shared")) or (owner is not None and told.get("owner") == owner)


def visible(owner: str | None) -> dict[str, Dataset]:
    """Every dataset that a visitor may use, by name.

    Args:
        owner: what `visitors.folder_name` gives of who is at the browser; None: nobody in particular.
    """
    return {name: dataset for name, dataset in known().items() if may_use(name, owner)}


def require_visible(name: str, owner: str | None) -> None:
    """Raises `ConfigError`, with one sentence for what is not there and for what is another's."""
    if name not in DATASETS and not (named.is_there(name) and may_use(name, owner)):
        raise ConfigError(f"There is no dataset {name[:80]!r} here: choose {', '.join(visible(owner))}.")


def is_private(name: str) -> bool:
    """Whether one visitor alone may use a dataset."""
    return name not in DATASETS and not may_use(name, None)


def has_labels(name: str) -> bool:
    """Whether a dataset can be trained and scored on: false for pictures without labels."""
    if name in DATASETS:
        return DATASETS[name].labelled
    told = _told(name)
    return not told or told.get("labelled") != 0


def listing(owner: str | None) -> list[OwnDataset]:
    """The saved datasets that a visitor may use, theirs first."""
    found = [_own(name, dataset, owner) for name, dataset in visible(owner).items() if name not in DATASETS]
    return sorted(found, key=lambda one: (not one.mine, one.title.casefold()))


def free_name(title: str) -> str:
    """The name that a dataset of this title gets: its letters and digits, and a number where it is taken."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_NAME].strip("-") or "dataset"
    stem = stem if stem[0].isalpha() else f"dataset-{stem}"[:_LONGEST_NAME]
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    return next(name for name in names if name not in DATASETS and not named.folder_of(name).exists())


def adopt(made: Path, name: str, *, owner: str | None, shared: bool, facts: Mapping[str, Any]) -> None:
    """Put a finished dataset in its place under its name. Raises `ConfigError` where the name was taken meanwhile."""
    target = named.folder_of(name)
    text = json.dumps({"owner": owner, "shared": shared, **facts})
    write_aside(made / named.OWNER_FILE, lambda aside: aside.write_text(text, encoding="utf-8"))
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ConfigError(f"There is a dataset {name} by now: save it under another name.")
    made.rename(target)


def share(name: str, shared: bool, owner: str | None) -> None:
    """Let everybody use a dataset, or its owner alone. Raises `DatasetNotFoundError` for another's."""
    told = _told(name)
    if told is None or owner is None or told.get("owner") != owner:
        raise DatasetNotFoundError("Only who brought a dataset can share it: choose one of yours.")
    text = json.dumps({**told, "shared": shared})
    write_aside(named.folder_of(name) / named.OWNER_FILE, lambda aside: aside.write_text(text, encoding="utf-8"))


def may_delete(name: str, owner: str | None, who: Person) -> bool:
    """Its owner; of what the command line imported, who may delete runs; and whom the operator lists by name."""
    told = _told(name)
    if told is None:
        return access.may(who, "delete")
    mine = owner is not None and told.get("owner") == owner
    return mine or (access.read_access().may_delete is not None and access.may(who, "delete"))


def needed_by(name: str) -> tuple[list[str], int]:
    """The names of runs that wait for a dataset or train on it, and how many trained on it before. `StoreError`."""
    uses = [run for run in open_store().list() if _reads(run.config, name)]
    active = [run.name for run in uses if run.state in (RunState.QUEUED, RunState.RUNNING)]
    return active, sum(run.state == RunState.DONE for run in uses)


def delete(name: str, owner: str | None, who: Person) -> None:
    """Remove a dataset for good. Raises `DatasetNotFoundError`, and `RunStateError` when this person may not."""
    if name in DATASETS or not may_use(name, owner):
        raise DatasetNotFoundError(f"There is no dataset {name[:80]} of yours: nothing is deleted.")
    if not may_delete(name, owner, who):
        raise RunStateError("Only who brought a dataset can delete it: ask them, or this server's operator.")
    named.delete(name)


def split_facts(data: DataConfig) -> dict[str, Any] | None:
    """What `datasets.split_summary` gives of a dataset that a visitor saved, without opening its pictures.

    None for other datasets, and for another split than its own.
    """
    told = _told(data.dataset) if data.dataset not in DATASETS else None
    if not told or "train_sizes" not in told or data.split != "by-image" or data.root:
        return None
    parts = told["parts"]
    train, val, test = (int(parts.get(part, 0)) for part in ("train", "validate", "test"))
    alone = int(told["pictures"]) - int(told["labelled"])
    note = f"{train} images train, {val} validate, {test} test."
    return {
        "train": train + alone,
        "labelled": train,
        "without": 0,
        "val": val,
        "crops": sum(n * max(1, h // data.crop) * max(1, w // data.crop) for h, w, n in told["train_sizes"]),
        "val_megapixels": told["validation_pixels"] / 1e6,
        "note": note + (f" {without_labels(alone)}" if alone else ""),
        "leaks": False,
        "warnings": [],
    }


def taken_bytes() -> int:
    """Bytes of all datasets that visitors saved."""
    from app.services.uploads import bytes_below

    return sum(bytes_below(named.folder_of(name)) for name in named.names() if _told(name) is not None)


def require_data(data: DataConfig, owner: str | None) -> None:
    """Raises `ConfigError` where settings name a dataset that this visitor may not use, with its labels or without."""
    require_visible(data.dataset, owner)
    if data.transfer is not None and has_pictures(data.transfer):
        require_visible(data.transfer, owner)


def _reads(config: RunConfig, name: str) -> bool:
    return name in (config.data.dataset, config.data.transfer)


def _told(name: str) -> dict[str, Any] | None:
    """What `owner.json` says; None where there is none. A damaged one belongs to nobody and is shown to nobody."""
    try:
        found = json.loads((named.folder_of(name) / named.OWNER_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ConfigError):
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _own(name: str, dataset: Dataset, owner: str | None) -> OwnDataset:
    told = _told(name)
    facts = told if told and "pictures" in told else _counted(dataset)
    classes = dataset.classes
    return OwnDataset(
        name=name,
        title=dataset.title,
        classes=tuple(zip(classes.scored_names, classes.colours, strict=False)),
        pictures=int(facts["pictures"]),
        labelled=int(facts["labelled"]),
        parts=facts.get("parts") or {},
        licence=dataset.licence,
        labelled_by=dataset.labelled_by,
        mine=told is not None and owner is not None and told.get("owner") == owner,
        shared=told is None or bool(told.get("shared")),
        brought=told is not None,
    )


def _counted(dataset: Dataset) -> dict[str, Any]:
    pairs, _ = find_pairs(dataset.folder(), some_masks=True)
    return {"pictures": len(pairs), "labelled": sum(pair.mask is not None for pair in pairs)}
