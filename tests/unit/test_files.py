"""A reader finds the old file or the new one, never half of either."""

from pathlib import Path

import pytest

from core.files import size_text, write_aside


def test_it_writes_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.json"
    write_aside(path, lambda aside: aside.write_text("new"))
    assert path.read_text() == "new"
    assert [item.name for item in path.parent.iterdir()] == ["file.json"]


def test_the_file_itself_is_untouched_until_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(aside: Path) -> None:
        aside.write_text("half")
        assert path.read_text() == "old"
        aside.write_text("whole")

    write_aside(path, write)
    assert path.read_text() == "whole"


@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file_and_no_half(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write(aside: Path) -> None:
        aside.write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        write_aside(path, write)
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_file_can_be_read_by_others_however_it_was_written(tmp_path: Path) -> None:
    """Some writers leave files that only their owner may read; the weights are meant for whoever may read the card."""

    def write(aside: Path) -> None:
        aside.write_text("x")
        aside.chmod(0o600)

    write_aside(tmp_path / "file", write)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (12_345, "12.3 KB"),
        (999_499, "999 KB"),
        (999_500, "1 MB"),
        (1_234_567, "1.23 MB"),
        (200_000_000, "200 MB"),
        (8_000_000_000, "8 GB"),
        (3_210_000_000_000, "3.21 TB"),
    ],
)
def test_a_size_is_told_in_the_unit_that_fits_it(count: int, text: str) -> None:
    assert size_text(count) == text


def test_a_size_has_never_more_than_three_digits() -> None:
    for power in range(48):
        number, _, unit = size_text(2**power + 1).partition(" ")
        assert float(number) < 1000, (number, unit)
        assert len(number.replace(".", "")) <= 3
