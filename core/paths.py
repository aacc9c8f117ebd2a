"""Where things lie on this machine. Environment variables move the folders that are written to or fetched."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "checkpoints"
SAMPLES = ROOT / "sample_images"
RECIPES = ROOT / "docs" / "recipes"
STUDIES = ROOT / "docs" / "studies"


def home() -> Path:
    """The folder of the run store and its runs: `TERRASTILL_HOME`, or `runs/` in the project."""
    return Path(os.environ.get("TERRASTILL_HOME") or ROOT / "runs")


def store_url() -> str | None:
    """The database that lists the runs: `TERRASTILL_STORE`, or None for the SQLite file in `home()`."""
    return os.environ.get("TERRASTILL_STORE") or None


def slots() -> str | None:
    """How many runs the worker does at once on which device: `TERRASTILL_SLOTS`, or None for one on each there is."""
    return os.environ.get("TERRASTILL_SLOTS") or None


def keep() -> dict[str, str]:
    """What stays when old runs are pruned, as it was typed: `TERRASTILL_KEEP_DAYS` and `TERRASTILL_KEEP_GB`."""
    names = ("TERRASTILL_KEEP_DAYS", "TERRASTILL_KEEP_GB")
    return {name: os.environ[name].strip() for name in names if os.environ.get(name, "").strip()}


def dataset_variable(name: str) -> str:
    """The environment variable that moves a dataset: `TERRASTILL_DUBAI` for dubai."""
    return f"TERRASTILL_{name.upper().replace('-', '_')}"


def dataset_root(name: str) -> Path:
    """Where a dataset is looked for and downloaded to: its variable (`dataset_variable`), or `data/NAME/`."""
    return Path(os.environ.get(dataset_variable(name)) or ROOT / "data" / name)


def named_datasets() -> Path:
    """Where the datasets lie that people imported under a name: `datasets/` in `home()`."""
    return home() / "datasets"


def imports() -> Path:
    """Where datasets lie that visitors bring and have not saved: `imports/` in `home()`."""
    return home() / "imports"


def brought_models() -> Path:
    """Where the models lie that people brought, a folder each: `models/` in `home()`."""
    return home() / "models"


def wants_tensorboard() -> bool:
    """Whether runs also write for TensorBoard: `TERRASTILL_TENSORBOARD` is set, and not to 0."""
    return os.environ.get("TERRASTILL_TENSORBOARD", "0") not in ("", "0")
