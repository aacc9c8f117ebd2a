"""`data`: what a dataset holds, and which pairs of a folder cannot be used."""

import json
from pathlib import Path

import pytest
from PIL import Image

from core import paths
from core.band_set import RGB
from core.data import download as fetching
from core.data.datasets.dubai import DUBAI
from core.data.download import Download

from .conftest import MakeFolder, Run


def test_info_counts_images_and_splits(run: Run, make_folder: MakeFolder) -> None:
    root = make_folder(parts=(1, 2, 8, 9))
    code, out, _ = run("data", "info", "--data", root, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["images"] == 8
    assert told["megapixels"] == pytest.approx(8 * 33 * 40 / 1e6)
    assert (told["split"]["train"], told["split"]["val"], told["split"]["test"]) == (4, 2, 2)
    assert sum(told["class_shares"].values()) == pytest.approx(1)
    assert run("data", "info", "--data", root)[0] == 0


def test_info_tells_who_made_a_dataset(run: Run) -> None:
    code, out, _ = run("data", "info", "--dataset", "samples", "--json")
    known = json.loads(out)
    assert code == 0
    assert (known["title"], known["licence"], known["bands"]) == ("Shipped scenes", "Apache-2.0", list(RGB))
    assert "Shipped scenes, by Terrastill. Licence: Apache-2.0." in run("data", "info", "--dataset", "samples")[1]


def test_info_says_when_a_split_leaks(run: Run, make_folder: MakeFolder) -> None:
    root = make_folder(parts=(1, 8))
    code, _, err = run("data", "info", "--data", root, "--split", "by-moon")
    assert code == 1
    assert "by-moon" in err


def test_check_lists_what_does_not_fit_and_fails(run: Run, make_folder: MakeFolder) -> None:
    root = make_folder(names=("a", "b", "c"))
    assert run("data", "check", root)[0] == 0
    (root / "masks" / "a.png").unlink()
    Image.new("RGB", (5, 5)).save(root / "masks" / "b.png")
    code, out, _ = run("data", "check", root, "--json")
    told = json.loads(out)
    assert code == 1
    assert (told["pictures"], told["labelled"], told["unlabelled"]) == (2, 1, 1)
    assert [(problem["kind"], problem["names"]) for problem in told["problems"]] == [("size", ["b"])]
    code, out, _ = run("data", "check", root)
    assert code == 1
    assert "1 mask is 88 % smaller than its image: resample it (nearest) with --resample 0.88" in out


def test_import_makes_a_dataset_that_other_commands_take(
    run: Run, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    root = make_folder(names=("a", "b", "c"))
    code, out, err = run("data", "import", root, "--name", "mine", "--map", "Road=Land", "--licence", "CC0", "--json")
    told = json.loads(out)
    assert (code, err, told["labelled"]) == (0, "", 3)
    assert [each["name"] for each in told["classes"]] == ["Building", "Land", "Vegetation", "Water"]
    assert run("data", "info", "mine")[1] == run("data", "info", "--dataset", "mine")[1]
    listed = {each["name"]: each for each in json.loads(run("data", "list", "--json")[1])}
    assert listed["mine"]["classes"] == ["Building", "Land", "Vegetation", "Water"]
    assert (listed["mine"]["imported"], listed["samples"]["imported"]) == (True, False)
    lines = [" ".join(line.split()) for line in run("data", "list")[1].splitlines()]
    assert "mine imported 4 classes mine" in lines
    code, out, _ = run("data", "info", "--dataset", "mine", "--split", "by-image", "--json")
    known = json.loads(out)
    assert (code, known["images"], known["licence"]) == (0, 3, "CC0")
    assert sum(known["class_shares"].values()) == pytest.approx(1)


def test_import_says_in_one_line_what_does_not_fit(
    run: Run, make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    root = make_folder(names=("a", "b"))
    Image.new("RGB", (41, 33), (60, 16, 152)).save(root / "masks" / "b.png")
    code, out, err = run("data", "import", root, "--name", "mine")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "1 mask is 3 % larger than its image" in err
    assert run("data", "import", root, "--name", "mine", "--resample", "3%")[0] == 0
    for wrong in (("--map", "x"), ("--map", "Moon=Sun"), ("--map", "none.json")):
        code, _, err = run("data", "import", root, "--name", "other", "--skip", *wrong)
        assert (code, err.count("\n")) == (1, 1)


def test_check_takes_its_folder_as_every_other_command_does(run: Run, make_folder: MakeFolder, tmp_path: Path) -> None:
    root = make_folder(names=("a", "b"))
    by_place = run("data", "check", root, "--json")
    assert by_place[0] == 0
    assert run("data", "check", "--data", root, "--json") == by_place
    assert run("data", "check", root, "--data", root, "--json") == by_place
    for arguments in ((), (root, "--data", tmp_path / "other")):
        code, out, err = run("data", "check", *arguments)
        assert (code, out) == (1, "")
        assert "--data DIR" in err
        assert err.count("\n") == 1


def test_check_of_no_folder_is_one_line(run: Run, tmp_path: Path) -> None:
    code, out, err = run("data", "check", tmp_path / "none")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1


def test_download_goes_where_the_datasets_are_searched(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []

    def download(source: Download, destination: Path, *, title: str, url: str | None) -> Path:
        assert (source, title) == (DUBAI.download, "Dubai dataset")
        calls.append((destination, url))
        return destination

    monkeypatch.setattr(fetching, "download", download)
    assert run("data", "download")[0] == 0
    assert run("data", "download", "--to", tmp_path, "--source", "http://localhost:1/x")[0] == 0
    assert run("data", "download", "dubai")[0] == 0
    own = paths.dataset_root("dubai")
    assert calls == [(own, None), (tmp_path, "http://localhost:1/x"), (own, None)]


@pytest.mark.parametrize(("name", "told"), [("samples", "is not fetched: choose dubai"), ("moon", "no dataset 'moon'")])
def test_what_cannot_be_fetched_is_told_in_one_line(run: Run, name: str, told: str) -> None:
    code, out, err = run("data", "download", name)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert told in err
