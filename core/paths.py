"""Where things lie on this machine. Environment variables move the two folders that are written to or fetched."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "checkpoints"
SAMPLES = ROOT / "sample_images"


def home() -> Path:
    """The folder of the run store and its runs: `TERRASTILL_HOME`, or `runs/` in the project."""
    return Path(os.environ.get("TERRASTILL_HOME") or ROOT / "runs")


def dubai_root() -> Path:
    """Where the Dubai dataset is looked for and downloaded to: `TERRASTILL_DUBAI`, or `data/dubai/` in the project."""
    return Path(os.environ.get("TERRASTILL_DUBAI") or ROOT / "data" / "dubai")
