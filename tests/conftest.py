"""What all tests share: where the Dubai images are, a home of their own for runs, patience for the slow ones."""

import gc
import re
from pathlib import Path

import pytest

from core import paths
from core.data.datasets.dubai import DUBAI

PATIENCE_SECONDS = 600
_DEFAULT = "not slow and not browser"
_MARKED_WHOLE = re.compile(r"^pytestmark = (\[\s*)?pytest\.mark\.(slow|browser)\b", re.MULTILINE)


def find_dubai() -> Path | None:
    """The Dubai images: where the app would look, else beside the project; None where there are none."""
    candidates = (DUBAI.folder(), paths.ROOT.parent / "shared" / "data" / "dubai")
    return next((folder for folder in candidates if (folder / "Tile 1" / "images").is_dir()), None)


@pytest.fixture(scope="session")
def dubai() -> Path:
    """The folder of the Dubai images; skips the test where they are not."""
    folder = find_dubai()
    if folder is None:
        pytest.skip("the Dubai images are not here: python -m core data download fetches them")
    return folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the runs of the person who starts it."""
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path_factory.mktemp("home")))
    for name in ("STORE", "SLOTS", "KEEP_DAYS", "KEEP_GB", "TENSORBOARD", "ENGINE"):
        monkeypatch.delenv(f"TERRASTILL_{name}", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """In the default run, files whose tests are all slow or need a browser are not read: they import the most."""
    if collection_path.suffix != ".py" or config.option.markexpr != _DEFAULT:
        return None
    return bool(_MARKED_WHOLE.search(collection_path.read_text(encoding="utf-8"))) or None


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not go through it again, as in app/main.py."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow and browser tests may take longer than the timeout in pyproject.toml, unless they set one themselves."""
    for item in items:
        patient = item.get_closest_marker("slow") or item.get_closest_marker("browser")
        if patient and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(PATIENCE_SECONDS))
