"""What is saved comes back bit for bit, and what is not a model of ours is refused in a sentence, never executed."""

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from core import checkpoint, paths
from core.band_set import COLOURS
from core.checkpoint import ModelCard
from core.config import ModelConfig
from core.data.datasets.dubai import AERIAL
from core.errors import CheckpointError, DiskFullError, TerrastillError
from core.models import build_model, count_macs, count_parameters

SMALL = ModelConfig("unet", {"base": 2})


def make(seed: int = 0) -> tuple[nn.Module, ModelCard]:
    """A small model whose normalisation has seen something, and its card."""
    torch.manual_seed(seed)
    model = build_model(SMALL, outputs=AERIAL.outputs).to(memory_format=torch.channels_last)
    model(torch.randn(2, 3, 32, 32))
    card = ModelCard(
        name="small",
        model=SMALL,
        classes=AERIAL,
        mean=(127.0, 126.0, 125.0),
        std=(128.0, 64.0, 32.0),
        parameters=count_parameters(model),
        macs_256=count_macs(model),
        distillation={"temperature": 2.0, "alpha": 0.5},
        teacher="teacher",
        seed=seed,
        metrics={"split": "val", "miou5": 0.5},
        created="2026-11-23T10:15:00+00:00",
    )
    return model.eval(), card


OF_THE_FIRST_VERSION = (
    "bytes", "classes", "created", "data", "distillation", "licence", "macs_256", "mean", "metrics", "model", "name",
    "parameters", "schema", "seed", "std", "teacher", "training",
)  # fmt: skip
"""What its cards held."""


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    stem = tmp_path / "small"
    checkpoint.save(stem, *make())
    return stem


def rewrite(stem: Path, **changes: Any) -> None:
    path = stem.with_name(f"{stem.name}.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(stem: Path) -> str:
    """What a person is told: one line that ends as a sentence does."""
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(stem)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 500
    assert told.endswith(".")
    return told


def test_logits_come_back_bit_for_bit(tmp_path: Path) -> None:
    model, card = make()
    checkpoint.save(tmp_path / "small", model, card)
    loaded = checkpoint.load(tmp_path / "small")
    image = torch.randn(1, 3, 33, 40).to(memory_format=torch.channels_last)
    with torch.no_grad():
        assert torch.equal(loaded.model(image), model(image))
    assert not loaded.model.training
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[key], value)


def test_the_card_comes_back_whole(tmp_path: Path) -> None:
    model, card = make()
    written = checkpoint.save(tmp_path / "small", model, card)
    assert written == replace(card, bytes=(tmp_path / "small.safetensors").stat().st_size)
    assert checkpoint.load_card(tmp_path / "small") == written
    assert checkpoint.load(tmp_path / "small").card == written


def test_a_name_with_dots_keeps_them(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "unet.4.T2.5", *make())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["unet.4.T2.5.json", "unet.4.T2.5.safetensors"]
    assert checkpoint.load(tmp_path / "unet.4.T2.5").card.name == "small"


def test_both_files_may_be_read_by_whoever_may_read_the_other(saved: Path) -> None:
    modes = {path.stat().st_mode & 0o777 for path in saved.parent.iterdir()}
    assert modes == {0o644}


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_another_schema_is_refused(saved: Path, schema: object) -> None:
    rewrite(saved, schema=schema)
    assert f"schema {schema}" in refused(saved)


def test_a_card_of_the_first_version_still_loads(saved: Path) -> None:
    """It told of no bands, no ground resolution and no starting point."""
    path = saved.with_name(f"{saved.name}.json")
    first = {name: value for name, value in json.loads(path.read_text()).items() if name in OF_THE_FIRST_VERSION}
    assert len(first) == len(OF_THE_FIRST_VERSION)
    path.write_text(json.dumps(first))
    card = checkpoint.load(saved).card
    assert (card.bands, card.metres_per_pixel, card.starting_point) == (COLOURS, None, False)


def test_a_missing_card_names_those_that_are_there(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="choose one of small"):
        checkpoint.load_card(saved.with_name("large"))


def test_missing_weights_are_named(saved: Path) -> None:
    saved.with_suffix(".safetensors").unlink()
    assert "small.safetensors" in refused(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "[" * 50_000, '{"schema": 1}', "\udcff"])
def test_what_is_no_card_is_refused(saved: Path, text: str) -> None:
    saved.with_suffix(".json").write_bytes(text.encode(errors="surrogateescape"))
    assert "small.json" in refused(saved)


def test_a_card_of_absurd_length_is_not_read(saved: Path) -> None:
    with saved.with_suffix(".json").open("a") as file:
        file.write(" " * 2_000_000)
    assert "too large" in refused(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"architecture": "vit", "arguments": {}}},
        {"model": {"architecture": "unet", "arguments": {"base": 2, "depth": 3}}},
        {"model": {"architecture": "unet", "arguments": {"base": 100_000}}},
        {"model": {"architecture": "unet", "arguments": [1]}},
        {"model": {"architecture": "unet"}},
        {"model": "unet"},
        {"classes": {"names": ["a"], "colours": [[0, 0, 0]], "ignore_index": 0}},
        {"classes": None},
        {"mean": [1.0, 2.0]},
        {"mean": "127"},
        {"mean": [1.0, 2.0, float("nan")]},
        {"std": [1.0, 0.0, 1.0]},
        {"std": [1.0, -1.0, 1.0]},
        {"metrics": None},
        {"metrics": [1]},
        {"name": None},
        {"parameters": "many"},
        {"bytes": None},
        {"distillation": 3},
        {"teacher": {}},
        {"frobnicate": 1},
    ],
)
def test_a_card_with_wrong_values_is_refused(saved: Path, changes: dict[str, Any]) -> None:
    rewrite(saved, **changes)
    refused(saved)


def test_a_card_without_a_field_is_refused(saved: Path) -> None:
    path = saved.with_suffix(".json")
    for field in ("name", "model", "classes", "mean", "std", "parameters", "macs_256", "schema"):
        data = json.loads(path.read_text())
        kept = data.pop(field)
        path.write_text(json.dumps(data))
        refused(saved)
        path.write_text(json.dumps(data | {field: kept}))
    checkpoint.load(saved)


def with_header(claimed: int) -> bytes:
    return struct.pack("<Q", claimed) + b"{}"


@pytest.mark.parametrize("content", [b"", b"\0", b"not weights", with_header(2**62), with_header(100)])
def test_corrupt_weights_are_refused(saved: Path, content: bytes) -> None:
    saved.with_suffix(".safetensors").write_bytes(content)
    assert "small.safetensors" in refused(saved)


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_weights_cut_short_are_refused(saved: Path, kept: float) -> None:
    path = saved.with_suffix(".safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    refused(saved)


@pytest.mark.parametrize("name", ["head.weight", "encoder.0.1.running_mean"])
def test_weights_of_another_shape_are_refused_by_name(saved: Path, name: str) -> None:
    path = saved.with_suffix(".safetensors")
    tensors = load_file(path)
    tensors[name] = torch.zeros(3, 1)
    save_file(tensors, path)
    assert name in refused(saved)


def test_weights_missing_and_weights_left_over_are_refused_by_name(saved: Path) -> None:
    path = saved.with_suffix(".safetensors")
    tensors = load_file(path)
    save_file({key: value for key, value in tensors.items() if key != "head.bias"}, path)
    assert "head.bias" in refused(saved)
    save_file(tensors | {"extra": torch.zeros(1)}, path)
    assert "extra" in refused(saved)


def test_weights_of_a_wider_model_are_refused(saved: Path) -> None:
    rewrite(saved, model={"architecture": "unet", "arguments": {"base": 4}})
    refused(saved)


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_pickle_under_a_safe_name_is_refused_and_not_executed(saved: Path, write: str) -> None:
    trace, path = saved.parent / "executed", saved.with_suffix(".safetensors")
    if write == "pickle":
        path.write_bytes(pickle.dumps({"head.bias": Bomb(trace)}))
    else:
        torch.save({"head.bias": Bomb(trace)}, path)
    refused(saved)
    assert not trace.exists()


def test_the_bomb_is_live(tmp_path: Path) -> None:
    """Without this the test above could not fail."""
    pickle.loads(pickle.dumps(Bomb(tmp_path / "executed")))  # noqa: S301
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("fails", ["weights", "card"])
def test_a_failing_write_leaves_the_model_that_was_there(
    saved: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    image = torch.randn(1, 3, 16, 16)
    with torch.no_grad():
        before = checkpoint.load(saved).model(image)
    model, card = make(seed=1)

    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if fails == "weights":
        monkeypatch.setattr(checkpoint, "save_tensors", no_space)
    else:
        monkeypatch.setattr(ModelCard, "to_json", no_space)
    with pytest.raises(DiskFullError, match="The disk is full"):
        checkpoint.save(saved, model, card)
    loaded = checkpoint.load(saved)
    with torch.no_grad():
        assert torch.equal(loaded.model(image), before)
    assert loaded.card.seed == 0
    assert len(list(saved.parent.iterdir())) == 2


def test_models_are_found_by_shipped_name_run_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped, runs, elsewhere = tmp_path / "shipped", tmp_path / "runs", tmp_path / "else"
    monkeypatch.setattr(paths, "CHECKPOINTS", shipped)
    for stem in (shipped / "teacher", runs / "run-1" / "student", runs / "teacher" / "student", elsewhere / "mine"):
        checkpoint.save(stem, *make())
    (runs / "run-2").mkdir()
    assert checkpoint.available(runs=runs) == {
        "teacher": shipped / "teacher",
        "run-1": runs / "run-1" / "student",
    }
    assert checkpoint.resolve("teacher", runs=runs) == shipped / "teacher"
    assert checkpoint.resolve("run-1", runs=runs) == runs / "run-1" / "student"
    for name in ("mine", "mine.json", "mine.safetensors"):
        assert checkpoint.resolve(str(elsewhere / name), runs=runs) == elsewhere / "mine"
    assert checkpoint.resolve(str(runs / "run-1"), runs=runs) == runs / "run-1" / "student"


@pytest.mark.parametrize("name", ["nope", "", ".", "..", "/", "runs/", "a" * 5000, "a\0b", "~", "nope/../nope.json"])
def test_a_model_that_is_not_there_names_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(paths, "CHECKPOINTS", tmp_path)
    checkpoint.save(tmp_path / "teacher", *make())
    with pytest.raises(CheckpointError, match="there are teacher") as caught:
        checkpoint.resolve(name, runs=tmp_path / "runs")
    assert len(str(caught.value)) < 500
    assert isinstance(caught.value, TerrastillError)
