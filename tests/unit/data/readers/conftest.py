from pathlib import Path

import pytest

from core import paths


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))


@pytest.fixture
def source() -> Path:
    found = paths.home() / "in"
    found.mkdir(parents=True)
    return found
