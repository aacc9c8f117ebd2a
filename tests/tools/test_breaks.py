"""The breaks that the tests must notice: each still names one line of the project, and tests that are there."""

from pathlib import Path

import pytest

from tools import breaks

BREAKS = breaks.read_breaks()


@pytest.mark.parametrize("one", BREAKS, ids=[one.law for one in BREAKS])
def test_a_break_changes_one_place_and_names_its_tests(one: breaks.Break) -> None:
    text = (breaks.ROOT / one.file).read_text(encoding="utf-8")
    assert text.count(one.sound) == 1
    assert one.broken != one.sound
    compile(text.replace(one.sound, one.broken), one.file, "exec")
    assert one.tests
    assert all((breaks.ROOT / test.split("::")[0]).exists() for test in one.tests)


def test_no_law_is_listed_twice() -> None:
    assert len({one.law for one in BREAKS}) == len({(one.file, one.sound) for one in BREAKS}) == len(BREAKS)


@pytest.mark.slow
def test_a_break_that_no_test_notices_is_told_and_the_file_is_as_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "number.py").write_text("two = 2\nthree = 3\n")
    (tmp_path / "test_number.py").write_text("import number\n\n\ndef test_two():\n    assert number.two == 2\n")
    known, unknown = (
        breaks.Break(f"{name} stays", "number.py", f"{name} = ", f"{name} = 1 + ", ("test_number.py",))
        for name in ("two", "three")
    )
    assert breaks.try_all([known, unknown], tmp_path) == (1, 2)
    told = capsys.readouterr().out
    assert "test_two" in told.split("two stays")[0]
    assert "NOT NOTICED" in told.split("two stays")[1]
    assert (tmp_path / "number.py").read_text() == "two = 2\nthree = 3\n"
