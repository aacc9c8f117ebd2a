"""Bands of brought pictures: named in one command, some left out, the file's own names, and pictures without labels."""

from pathlib import Path

import numpy as np
import pytest

from core.band_set import BandSet
from core.cli.main import main
from core.config import DataConfig
from core.data import open_dataset, open_split, transfer_scenes
from core.data.splits import Split
from core.errors import ConfigError, DataError
from tests.unit.banded import write_bands
from tests.unit.data.readers.brought import photo, save, take, truth
from tests.unit.data.readers.known_datasets import potsdam

FIVE = "green,red,red edge,near infrared,thermal"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))


def five_bands(root: Path, *, depth: str = "uint16", names: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Pictures of five bands beside their masks; gives their values by name."""
    found = {}
    for at in range(4):
        values = np.dstack([photo(at), photo(at + 50)[..., :2]]).astype(depth)
        found[f"s{at}"] = values
        write_bands(root / "images" / f"s{at}.tif", values, names)
        save(root / "masks" / f"s{at}.png", truth(at, 3))
    return found


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
def test_one_command_names_the_bands_and_what_is_seen(tmp_path: Path, depth: str) -> None:
    values = five_bands(tmp_path / "in", depth=depth)
    shown = "near infrared,red,green"
    command = ["data", "import", str(tmp_path / "in"), "--name", "fields", "--bands", FIVE, "--shown", shown]
    assert main(command) == 0
    loaded, _ = open_split(DataConfig("fields"))
    assert loaded.dataset.band_set == BandSet(tuple(FIVE.split(",")), depth, tuple(shown.split(",")))
    for scene in loaded.scenes:
        assert np.array_equal(scene.image, values[scene.name])
        assert scene.rgb.shape == (*scene.image.shape[:2], 3)


def test_a_band_that_is_left_out_is_not_written(tmp_path: Path) -> None:
    values = five_bands(tmp_path / "in")
    assert take(tmp_path / "in", bands=("green", "red", "-", "near infrared", "-")).survey.bands == BandSet(
        ("green", "red", "near infrared"), "uint16"
    )
    for scene in open_dataset(DataConfig("taken")).scenes:
        assert np.array_equal(scene.image, values[scene.name][..., [0, 1, 3]])


def test_blocks_keep_the_bands_that_are_taken(tmp_path: Path) -> None:
    values = np.dstack([photo(9, height=160, width=640), photo(8, height=160, width=640)[..., :2]]).astype(np.uint16)
    write_bands(tmp_path / "in" / "images" / "flight.tif", values)
    save(tmp_path / "in" / "masks" / "flight.png", truth(1, 3, height=160, width=640))
    take(tmp_path / "in", bands=("green", "red", "-", "near infrared", "-"))
    scenes = open_dataset(DataConfig("taken")).scenes
    assert len(scenes) > 2
    seen = np.concatenate([np.asarray(scene.image).reshape(-1, 3) for scene in scenes])
    whole = {tuple(value) for value in values[..., [0, 1, 3]].reshape(-1, 3).tolist()}
    assert {tuple(value) for value in seen.tolist()} <= whole
    assert not list((tmp_path / "home" / "datasets" / "taken" / "images").glob("flight.tif"))


def test_all_takes_the_names_that_the_files_give_and_is_refused_where_they_give_none(tmp_path: Path) -> None:
    names = tuple(FIVE.split(","))
    values = five_bands(tmp_path / "named", names=names)
    assert take(tmp_path / "named", "named", bands=("all",)).survey.bands.names == names
    assert np.array_equal(open_dataset(DataConfig("named")).scenes[0].image, values["s0"])
    five_bands(tmp_path / "nameless")
    with pytest.raises(DataError, match="do not all name their bands, so --bands all cannot be: write a name for each"):
        take(tmp_path / "nameless", "nameless", bands=("all",))


def test_what_does_not_fit_the_named_bands_is_a_group_and_more_bands_than_taken_a_note(tmp_path: Path) -> None:
    five_bands(tmp_path / "in")
    with pytest.raises(DataError, match="4 pictures cannot be read; the first: it has 5 bands, and 4 are named"):
        take(tmp_path / "in", bands=("red", "green", "blue", "near infrared"))
    with pytest.raises(ConfigError, match="--shown names bands of --bands"):
        take(tmp_path / "in", shown=("red",))
    told = take(tmp_path / "in").survey.to_json()
    assert told["bands"] == ["red", "green", "blue"]
    assert any("5 bands, of which red, green and blue are taken" in note for note in told["notes"])


def test_of_several_files_of_a_picture_the_one_with_the_named_bands_is_taken(tmp_path: Path) -> None:
    potsdam(tmp_path / "in")
    found = take(tmp_path / "in", bands=("red", "green", "blue", "near infrared"))
    assert set(found.masks) == {f"top_potsdam_{place}_RGBIR" for place in ("2_10", "2_11", "3_10", "7_7")}
    assert all(mask is not None for mask in found.masks.values())


def test_pictures_without_any_label_are_a_dataset_that_a_teacher_speaks_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(3):
        save(tmp_path / "in" / f"flight_{at}.jpg", photo(at))
    assert main(["data", "import", str(tmp_path / "in"), "--name", "flights"]) == 0
    assert "No picture has labels: a teacher can speak about them" in capsys.readouterr().out
    assert main(["data", "info", "flights"]) == 1
    assert "take a labelled one, and this one beside it with --transfer flights" in capsys.readouterr().err
    loaded = open_dataset(DataConfig("flights"))
    assert loaded.dataset.classes.scored_names == ()
    assert [scene.mask for scene in loaded.scenes] == [None] * 3
    nothing = Split([], [], [], "by-image", False, "")
    assert len(transfer_scenes(DataConfig(transfer="flights"), nothing, BandSet()).scenes) == 3
