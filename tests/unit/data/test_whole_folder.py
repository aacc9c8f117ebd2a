"""A new dataset comes whole or not at all, whoever writes it."""

from pathlib import Path

import pytest

from core.data import named
from core.errors import ConfigError, DataError


def test_what_was_written_to_its_end_is_in_its_place(tmp_path: Path) -> None:
    (tmp_path / ".x.part").mkdir()
    (tmp_path / ".x.part" / "left by a killed attempt").touch()
    with named.whole_folder(tmp_path / "sets" / "x", tmp_path / "sets" / ".x.part") as folder:
        (folder / "dataset.toml").touch()
    with named.whole_folder(tmp_path / "x", tmp_path / ".x.part") as folder:
        (folder / "dataset.toml").touch()
    for place in (tmp_path / "sets", tmp_path):
        assert [path.name for path in (place / "x").iterdir()] == ["dataset.toml"]
        assert not (place / ".x.part").exists()


def test_of_one_that_failed_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(DataError), named.whole_folder(tmp_path / "x", tmp_path / ".x.part") as folder:
        (folder / "half").touch()
        raise DataError("It failed.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_one_that_is_there_stays_as_it_is(tmp_path: Path, when: str) -> None:
    other = tmp_path / "x"
    if when == "before":
        other.mkdir()
    with (
        pytest.raises(ConfigError, match="There is a dataset x already"),
        named.whole_folder(other, tmp_path / ".x.part") as folder,
    ):
        (folder / "dataset.toml").touch()
        other.mkdir(exist_ok=True)
        (other / "of another").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert {path.name for path in other.iterdir()} == ({"of another"} if when == "meanwhile" else set())
