"""What files say that no library writes: names and numbers as a stranger types them become few sentences or none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from core import checkpoint
from core.brought.found import FoundModel, ModelAnswers, missing, ordered_names
from core.models.external.importer import import_model, inspect
from tests.unit.brought.graphs import bright

FOLDER = {"architectures": ["SegformerForSemanticSegmentation"]}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def folder_of(folder: Path, config: dict[str, Any], processor: dict[str, Any] | None = None) -> FoundModel:
    """What is read of a folder of transformers whose weights are none."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(FOLDER | config))
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    (folder / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return inspect(folder)


@pytest.mark.parametrize(
    "told",
    [
        ["a", "a"],
        ["a", "a", "a (0)", "a (1)"],
        ["a (1)", "a", "a", "a (1)"],
        ["", " ", "unnamed"],
        ["x" * 300, "x" * 200, "x"],
        {str(at): "tree" for at in range(40)},
    ],
)
def test_names_differ_and_can_be_shown(told: Any) -> None:
    names = ordered_names(told)
    assert len(names) == len(set(names)) == len(told)
    assert all(name.isprintable() and 0 < len(name) <= 80 for name in names)


@pytest.mark.parametrize(
    "told", [{"0": "a", "2": "b"}, {"1" * 5000: "a"}, {"0": "a", "00": "b"}, {"a": "b"}, {"0": None}, [], {}, [[1]], 3]
)
def test_names_with_gaps_are_asked_for(tmp_path: Path, told: Any) -> None:
    found = folder_of(tmp_path / "folder", {"id2label": told}, {"image_mean": [0, 0, 0], "image_std": [1, 1, 1]})
    assert found.classes == ()
    assert any("classes" in sentence for sentence in missing(found))


@pytest.mark.parametrize(
    "processor",
    [
        {"image_mean": [0, 0, 0], "image_std": [1, 0, 1]},
        {"image_mean": [0, 0, 10**400], "image_std": [1, 1, 1]},
        {"image_mean": [0, 0, 1e300], "image_std": [1, 1, 1]},
        {"image_mean": [0, 0, 0], "image_std": [1, 1, 1], "rescale_factor": 1e-320},
        {"image_mean": [0, 0], "image_std": [1, 1]},
        {"image_mean": "0", "image_std": None, "rescale_factor": 10**400},
        {"do_normalize": True},
    ],
)
def test_a_normalisation_that_cannot_be_is_asked_for(tmp_path: Path, processor: dict[str, Any]) -> None:
    found = folder_of(tmp_path / "folder", {"id2label": {"0": "a", "1": "b"}}, processor)
    assert any("normalised" in sentence for sentence in missing(found))


def test_an_old_processor_that_does_not_speak_of_scaling_divides_by_255(tmp_path: Path) -> None:
    found = folder_of(tmp_path / "folder", {}, {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]})
    assert (found.mean, found.std) == ((127.5,) * 3, (63.75,) * 3)


@pytest.mark.parametrize("size", [{"height": [512], "width": [512]}, [[1], [2]], {"height": {}}, True, [], 10**400])
def test_a_size_that_is_none_is_left_out(tmp_path: Path, size: Any) -> None:
    assert folder_of(tmp_path / "folder", {}, {"size": size}).tile is None


@pytest.mark.parametrize("number", [str(10**400), "1e999", "NaN", "true"])
def test_metadata_with_numbers_without_end_say_nothing(tmp_path: Path, number: str) -> None:
    model = onnx.load(bright(tmp_path / "net.onnx"))
    told = {"resolution": number, "tile_size": number, "tiles_overlap": number}
    helper.set_model_props(model, told | {f"standardization_{key}": f"[1, 1, {number}]" for key in ("mean", "std")})
    onnx.save(model, tmp_path / "net.onnx")
    found = inspect(tmp_path / "net.onnx")
    assert (found.mean, found.std, found.metres) == (None, None, None)


def test_a_side_of_0_in_a_graph_is_one_that_is_not_known(tmp_path: Path) -> None:
    found = inspect(bright(tmp_path / "net.onnx", source=(0, 3, 0, 0), result=(0, 3, 0, 0)))
    assert (found.network["batch"], found.tile, found.fixed, found.outputs) == (None, None, False, 3)


def test_a_folder_that_holds_its_card_is_imported_from_the_command_line_without_a_word(home: Path) -> None:
    said = ModelAnswers(classes=("a", "b", "c"), mean=(0, 0, 0), std=(1, 1, 1), scale=1, map={"a": "b"})
    first = import_model(bright(home.parent / "net.onnx"), "one", said)
    second = import_model(home / "models" / "one", "two", ModelAnswers())
    assert (first.classes, first.model) == (second.classes, second.model)
    third = import_model(home / "models" / "one", "three", ModelAnswers(classes=("x", "y", "z")))
    assert third.classes.scored_names == ("x", "y", "z")
    assert third.mean == first.mean


def test_evaluating_sees_pictures_as_large_as_distilling_does(home: Path) -> None:
    from core.models.external import seen_at_its_resolution
    from core.models.external.brought_network import ResampledModel

    said = ModelAnswers(classes=("a", "b", "c"), mean=(0, 0, 0), std=(1, 1, 1), scale=1, metres=0.1)
    import_model(bright(home.parent / "net.onnx"), "net", said)
    loaded = checkpoint.load(checkpoint.resolve("net"))
    model, sentence = seen_at_its_resolution(loaded.model, loaded.card, 0.5)
    assert isinstance(model, ResampledModel)
    assert np.isclose(model.factor, 5)
    assert "5 times as large" in sentence
    for metres in (None, 0.1, 0.104):
        assert seen_at_its_resolution(loaded.model, loaded.card, metres) == (loaded.model, "")
