"""Every flag reaches its setting, and no flag at all gives the settings of core/config/."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.paths import ROOT

from .conftest import Run


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[RunConfig, dict[str, Any]]]:
    """The settings that `train` and `distill` hand on, and how they are to be run."""
    found: list[tuple[RunConfig, dict[str, Any]]] = []

    def submit(config: RunConfig, **how: Any) -> int:
        found.append((config, how))
        return 0

    monkeypatch.setattr("core.cli.submit.submit", submit)
    return found


def test_no_flags_are_the_defaults(run: Run, submitted: list[tuple[RunConfig, dict[str, Any]]]) -> None:
    assert run("train")[0] == 0
    assert run("distill")[0] == 0
    how = {"control": False, "check_only": False, "queue": False, "as_json": False}
    assert submitted == [
        (RunConfig(kind="train"), how),
        (RunConfig(kind="distill", distill=DistillConfig()), how),
    ]


DATA_FLAGS = {
    "--split leave-tile-out:3": {"split": "leave-tile-out:3"},
    "--crop 128": {"crop": 128},
    "--views 77": {"views_per_epoch": 77},
    "--scale 0.5 2": {"scale": (0.5, 2.0)},
    "--colour 0.4": {"colour": 0.4},
    "--paste 0.5": {"paste": 0.5},
    "--labelled 8": {"labelled": 8},
    "--skip-bad": {"skip_bad_pairs": True},
    "--dataset dubai": {"dataset": "dubai"},
    "--data here": {"dataset": "folder", "root": "here"},
    "--dataset dubai --data here": {"dataset": "dubai", "root": "here"},
}
TRAIN_FLAGS = {
    "--epochs 3": {"epochs": 3},
    "--batch 4": {"batch_size": 4},
    "--lr 0.01": {"learning_rate": 0.01},
    "--schedule cosine": {"schedule": "cosine"},
    "--weight-decay 0.1": {"weight_decay": 0.1},
    "--dice 0.2": {"dice": 0.2},
    "--ema 0.9": {"ema": 0.9},
    "--seed 5": {"seed": 5},
    "--device cpu": {"device": "cpu"},
    "--precision float32": {"precision": "float32"},
    "--validate-every 2": {"validate_every": 2},
    "--compile": {"compile": True},
    "--accumulate 2": {"accumulate": 2},
    "--start-from teacher": {"start_from": "teacher"},
}
DISTILL_FLAGS = {
    "--teacher mine": {"teacher": "mine"},
    "--temperature 4.5": {"temperature": 4.5},
    "--alpha 0.25": {"alpha": 0.25},
    "--cache-views 6": {"cache_views": 6},
    "--cache-pictures": {"cache_pictures": True},
    "--cache-form uint8": {"cache_form": "uint8"},
    "--loss channel_wise=3 --loss hint": {"losses": {"channel_wise": 3.0, "hint": 1.0}},
    "--student-layer encoder.3 --teacher-layer network.encoder": {
        "student_layer": "encoder.3",
        "teacher_layer": "network.encoder",
    },
    "--average-flips": {"average_flips": True},
}
MODEL_FLAGS = {
    "--base 8": ModelConfig("compact", {"base": 8}),
    "--architecture smp --set encoder=resnet18 --set weights=null --set depth=4 --set channels=[8,4]": ModelConfig(
        "smp", {"encoder": "resnet18", "weights": None, "depth": 4, "channels": [8, 4]}
    ),
}


@pytest.mark.parametrize("verb", ["train", "distill"])
@pytest.mark.parametrize("flags", [*DATA_FLAGS, *TRAIN_FLAGS, *MODEL_FLAGS])
def test_each_flag_sets_its_setting_and_no_other(
    run: Run, submitted: list[tuple[RunConfig, dict[str, Any]]], verb: str, flags: str
) -> None:
    assert run(verb, *flags.split())[0] == 0
    config = submitted[0][0]
    assert asdict(config.data) == asdict(DataConfig()) | DATA_FLAGS.get(flags, {})
    assert asdict(config.train) == asdict(TrainConfig()) | TRAIN_FLAGS.get(flags, {})
    assert config.model == MODEL_FLAGS.get(flags, ModelConfig())


@pytest.mark.parametrize("flags", DISTILL_FLAGS)
def test_each_distillation_flag(run: Run, submitted: list[tuple[RunConfig, dict[str, Any]]], flags: str) -> None:
    run("distill", *flags.split())
    config = submitted[0][0]
    assert config.distill is not None
    assert asdict(config.distill) == asdict(DistillConfig()) | DISTILL_FLAGS[flags]


def test_how_a_run_is_done(run: Run, submitted: list[tuple[RunConfig, dict[str, Any]]]) -> None:
    run("distill", "--control", "--queue", "--check", "--json", "--name", "first")
    config, how = submitted[0]
    assert config.name == "first"
    assert how == {"control": True, "check_only": True, "queue": True, "as_json": True}


def test_a_set_without_a_value_is_refused(run: Run) -> None:
    code, out, err = run("train", "--architecture", "smp", "--set", "encoder")
    assert (code, out) == (1, "")
    assert err == "terrastill: --set takes KEY=VALUE, not 'encoder'.\n"


def test_a_file_gives_every_setting(
    run: Run, submitted: list[tuple[RunConfig, dict[str, Any]]], tmp_path: Path
) -> None:
    config = RunConfig(
        "train", "from a file", DataConfig("dubai", scale=(0.7, 1.5)), train=TrainConfig(7, compile=True)
    )
    file = tmp_path / "config.json"
    file.write_text(config.to_json())
    assert run("train", "--config", str(file))[0] == 0
    assert submitted[0][0] == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ('{"kind": "train", "epoch": 3}', "no setting epoch"),
        (RunConfig(distill=DistillConfig()).to_json(), "use `python -m core distill`"),
    ],
)
def test_a_file_that_is_no_settings_of_this_verb_is_refused(
    run: Run, tmp_path: Path, text: str | None, said: str
) -> None:
    file = tmp_path / "config.json"
    if text is not None:
        file.write_text(text)
    code, out, err = run("train", "--config", str(file))
    assert (code, out) == (1, "")
    assert said in err


@pytest.mark.parametrize("recipe", sorted((ROOT / "docs" / "recipes").glob("*.json")), ids=lambda path: path.stem)
def test_every_recipe_is_settings(recipe: Path) -> None:
    assert RunConfig.from_json(recipe.read_text()).name == recipe.stem


def test_more_pictures_and_mixing_belong_to_a_distillation(
    run: Run, submitted: list[tuple[RunConfig, dict[str, Any]]]
) -> None:
    run("distill", "--mix", "0.3", "--transfer", "samples", "--alpha", "0")
    assert (submitted[0][0].data.mix, submitted[0][0].data.transfer) == (0.3, "samples")
    assert run("train", "--mix", "0.3")[0] == 2


def test_a_weight_that_is_no_number_is_refused_in_one_line(run: Run) -> None:
    code, _, err = run("distill", "--loss", "hint=much")
    assert code != 0
    assert "NAME=WEIGHT with a number, not 'hint=much'" in err
