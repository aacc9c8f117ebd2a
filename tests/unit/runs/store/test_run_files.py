"""Files of a run are seen whole or not at all, and nothing outside a run's folder is ever removed."""

from pathlib import Path

import pytest

from core.errors import DiskFullError
from core.runs.store.run_files import append_line, atomic_write, last_lines, remove_folder


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file.json"
    atomic_write(path, b"old")

    def no_disk(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_disk)
    with pytest.raises(DiskFullError, match="The disk is full"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_a_sentence_of_several_lines_stays_one_line(tmp_path: Path) -> None:
    append_line(tmp_path / "log.txt", "first\nsecond")
    append_line(tmp_path / "log.txt", "third")
    assert last_lines(tmp_path / "log.txt") == ["first second", "third"]


def test_the_end_of_a_log_is_read_from_where_it_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    assert last_lines(path) == []
    for number in range(20_000):
        append_line(path, f"line {number}") if number % 4000 == 0 else None
    start = path.stat().st_size
    path.open("ab").close()
    append_line(path, "after \xff start")
    assert last_lines(path, start=start) == ["after ÿ start"]
    assert last_lines(path, 2) == ["line 16000", "after ÿ start"]


def test_removing_spares_what_links_point_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("keep me")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "link").symlink_to(outside)
    link = tmp_path / "link"
    link.symlink_to(outside)
    for path in (folder, link, tmp_path / "never there"):
        remove_folder(path)
        assert not path.exists()
    assert (outside / "file").read_text() == "keep me"
