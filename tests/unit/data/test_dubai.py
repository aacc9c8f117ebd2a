"""Fetching the Dubai dataset: checked, resumed, refused by name; against a server on this machine."""

import hashlib
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from core.config import DataConfig
from core.data import LoadedDataset, open_dataset
from core.data.datasets.dubai import AERIAL, DUBAI
from core.data.download import Download, download
from core.errors import DatasetNotFoundError, DownloadError
from tests.unit.data.pictures import save_pair


class Server:
    """Serves a folder and remembers what was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                asked.append(self.path)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four files, laid out as the dataset is."""
    root = tmp_path / "source"
    for tile in (1, 2):
        save_pair(root / f"Tile {tile}", "image_part_001", seed=tile)
    return root


@pytest.fixture
def files(source: Path) -> dict[str, str]:
    found = sorted(path for path in source.rglob("*") if path.is_file())
    return {path.relative_to(source).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture
def server(source: Path) -> Iterator[Server]:
    running = Server(source)
    yield running
    running.close()


def fetch(server: Server, destination: Path, files: dict[str, str]) -> Path:
    checksums = destination.parent / "checksums.sha256"
    checksums.parent.mkdir(parents=True, exist_ok=True)
    checksums.write_text("".join(f"{digest}  {name}\n" for name, digest in files.items()))
    source = Download(server.url, checksums)
    return download(source, destination, title="Four files", progress=False, retries=0)


def load(root: Path) -> LoadedDataset:
    return open_dataset(DataConfig("dubai", root=str(root)))


def matches(destination: Path, files: dict[str, str]) -> bool:
    there = {path.relative_to(destination).as_posix() for path in destination.rglob("*") if path.is_file()}
    return there == set(files) and all(
        hashlib.sha256((destination / name).read_bytes()).hexdigest() == digest for name, digest in files.items()
    )


def test_every_file_arrives_where_it_belongs_and_can_be_loaded(
    server: Server, files: dict[str, str], tmp_path: Path
) -> None:
    destination = fetch(server, tmp_path / "new" / "dubai", files)
    assert destination == tmp_path / "new" / "dubai"
    assert matches(destination, files)
    assert all(" " not in path for path in server.asked)
    loaded = load(destination)
    assert [scene.name for scene in loaded.scenes] == ["Tile 1/image_part_001", "Tile 2/image_part_001"]
    assert loaded.warnings == [
        f"2 of 72 pairs are in {destination}; for the rest, fetch it with `python -m core data download`."
    ]


def test_a_second_download_asks_for_nothing(server: Server, files: dict[str, str], tmp_path: Path) -> None:
    fetch(server, tmp_path / "dubai", files)
    server.asked.clear()
    fetch(server, tmp_path / "dubai", files)
    assert server.asked == []


def test_a_download_goes_on_where_it_stopped(
    server: Server, source: Path, files: dict[str, str], tmp_path: Path
) -> None:
    gone = source / sorted(files)[2]
    kept = gone.read_bytes()
    gone.unlink()
    with pytest.raises(DownloadError, match=r"Tile 2/images/image_part_001\.png could not be fetched .*404"):
        fetch(server, tmp_path / "dubai", files)
    assert matches(tmp_path / "dubai", {name: files[name] for name in sorted(files)[:2]})
    gone.write_bytes(kept)
    server.asked.clear()
    fetch(server, tmp_path / "dubai", files)
    assert matches(tmp_path / "dubai", files)
    assert len(server.asked) == 2


def test_a_file_spoilt_here_is_fetched_again(server: Server, files: dict[str, str], tmp_path: Path) -> None:
    destination = fetch(server, tmp_path / "dubai", files)
    spoilt = sorted(files)[1]
    (destination / spoilt).write_bytes(b"half a file")
    server.asked.clear()
    fetch(server, destination, files)
    assert matches(destination, files)
    assert len(server.asked) == 1


def test_a_file_spoilt_there_is_refused_and_leaves_nothing_behind(
    server: Server, source: Path, files: dict[str, str], tmp_path: Path
) -> None:
    first = sorted(files)[0]
    (source / first).write_bytes(b"something else")
    with pytest.raises(DownloadError, match="is not the file that was expected"):
        fetch(server, tmp_path / "dubai", files)
    assert matches(tmp_path / "dubai", {})


def test_no_server_is_told_in_one_sentence(server: Server, files: dict[str, str], tmp_path: Path) -> None:
    server.close()
    with pytest.raises(DownloadError, match="Run the command again"):
        fetch(server, tmp_path / "dubai", files)


def test_a_destination_that_cannot_be_written_is_told(server: Server, files: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "dubai").write_text("a file, not a folder")
    with pytest.raises(DownloadError, match="could not be"):
        fetch(server, tmp_path / "dubai", files)


def test_the_manifest_names_the_72_pairs_and_nothing_else() -> None:
    files = DUBAI.download.files()
    expected = {
        f"Tile {tile}/{folder}/image_part_{part:03}.{extension}"
        for tile in range(1, 9)
        for part in range(1, 10)
        for folder, extension in (("images", "jpg"), ("masks", "png"))
    }
    assert set(files) == expected
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in files.values())
    assert len(set(files.values())) == 2 * DUBAI.pictures


def test_the_source_is_pinned_to_a_commit() -> None:
    assert re.fullmatch(
        r"https://raw\.githubusercontent\.com/[\w.-]+/[\w.-]+/[0-9a-f]{40}/[\w%.-]+/", DUBAI.download.url
    )


def test_a_missing_dataset_is_told_with_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError) as error:
        load(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in str(error.value)
    assert "python -m core data download" in str(error.value)


@pytest.mark.realdata
def test_the_real_files_match_the_manifest(dubai: Path) -> None:
    known = DUBAI.download.files()
    for name in [name for name in known if name.startswith("Tile 2/") and (dubai / name).is_file()]:
        assert hashlib.sha256((dubai / name).read_bytes()).hexdigest() == known[name]


@pytest.mark.slow
@pytest.mark.realdata
def test_the_real_dataset_has_the_known_shares(dubai: Path) -> None:
    loaded = load(dubai)
    counts = np.zeros(len(AERIAL.names))
    for scene in loaded.scenes:
        assert scene.mask is not None
        counts += np.bincount(scene.mask.ravel(), minlength=len(counts))
    np.testing.assert_allclose(counts / counts.sum(), [0.14, 0.50, 0.10, 0.12, 0.13, 0.005], atol=0.01)
