"""A workspace of its own for every test."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its folder, which TERRASTILL_HOME names."""
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
