"""A new dataset comes whole or not at all, whoever writes it."""

from pathlib import Path

import pytest

from core.data import named
from core.errors import ConfigError, DataError


def test_what_was_written_to_its_end_is_in_its_place(tmp_path: Path) -> None:
    (tmp_path / ".x.part").mkdir()
    (tmp_path / ".x.part" / "left by a killed attempt").touch()
    with named.whole_folder(tmp_path / "x", tmp_path / ".x.part") as folder:
        (folder / "dataset.toml").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["dataset.toml"]


def _fail(target: Path) -> None:
    with named.whole_folder(target, target.with_name(".x.part")) as folder:
        (folder / "half").touch()
        raise DataError("It failed.")


def test_of_one_that_failed_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        _fail(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def _come_second(target: Path) -> None:
    with named.whole_folder(target, target.with_name(".x.part")) as folder:
        (folder / "dataset.toml").touch()
        target.mkdir()
        (target / "of another").touch()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_one_that_is_there_stays_as_it_is(tmp_path: Path, when: str) -> None:
    other = tmp_path / "x"
    if when == "before":
        other.mkdir()
    with pytest.raises(ConfigError, match="There is a dataset x already"):
        _come_second(other)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in other.iterdir()] == (["of another"] if when == "meanwhile" else [])
