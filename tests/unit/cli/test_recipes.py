"""Every shipped recipe runs from a fresh clone: nothing that it names has to be copied there first."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from core import checkpoint, paths
from core.cards import ModelCard
from core.config import RunConfig
from core.data.datasets.dubai import AERIAL
from core.errors import CheckpointError, ConfigError
from core.models import build_model, without_pretraining
from core.runs.checks import check_settings

RECIPES = {path.stem: RunConfig.from_json(path.read_text()) for path in sorted(paths.RECIPES.glob("*.json"))}
SHIPPED = {path.stem for path in paths.CHECKPOINTS.glob("*.json")}


def leave_run(runs: Path, run_id: str, config: RunConfig, **changes: Any) -> Path:
    """What a finished run of these settings leaves behind. Gives the stem of its model."""
    stem = runs / run_id / "student"
    stem.parent.mkdir(parents=True)
    stem.with_name("config.json").write_text(json.dumps(json.loads(config.to_json()) | changes))
    model: nn.Module = build_model(without_pretraining(config.model), outputs=AERIAL.outputs)
    statistics = {"mean": (127.0,) * 3, "std": (128.0,) * 3, "parameters": 1, "macs_256": 1}
    checkpoint.save(stem, model, ModelCard(config.name, without_pretraining(config.model), AERIAL, **statistics))
    return stem


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


@pytest.mark.parametrize("folder", [paths.RECIPES, paths.CHECKPOINTS], ids=lambda folder: folder.name)
def test_no_recipe_and_no_shipped_card_names_a_path(folder: Path) -> None:
    for path in sorted(folder.glob("*.json")):
        settings = json.loads(path.read_text())
        named = [text for key in ("data", "train", "training", "distill") for text in strings(settings.get(key))]
        # A name of pictures (Tile 1/image_part_008) stands under metrics, not here.
        assert [text for text in named if "/" in text or "\\" in text] == [], path.name


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_begins_with_what_is_shipped_or_with_another_recipe(name: str) -> None:
    config = RECIPES[name]
    assert config.train.start_from in {None, *SHIPPED, *RECIPES}
    assert config.distill is None or config.distill.teacher in {*SHIPPED, *RECIPES}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_start_once_those_before_it_have_run(name: str, tmp_path: Path) -> None:
    config = RECIPES[name]
    if config.distill is not None and config.distill.teacher not in SHIPPED:
        leave_run(tmp_path, "20260101-000000-0001", RECIPES[config.distill.teacher])
    first = config.train.start_from
    if first is not None and first not in SHIPPED:
        with pytest.raises(ConfigError) as error:
            check_settings(config, runs=tmp_path)
        kind = RECIPES[first].kind
        assert f"`python -m core {kind} --config docs/recipes/{first}.json` makes it." in str(error.value)
        leave_run(tmp_path, "20260101-000000-0000", RECIPES[first])
    check_settings(config, runs=tmp_path)


def test_the_latest_finished_run_of_a_name_counts_and_no_control(tmp_path: Path) -> None:
    config = RECIPES["student-first"]
    leave_run(tmp_path, "20260101-000000-0000", config)
    latest = leave_run(tmp_path, "20260102-000000-0000", config)
    leave_run(tmp_path, "20260103-000000-0000", config, control_of="20260102-000000-0000")
    (tmp_path / "20260104-000000-0000").mkdir()
    (tmp_path / "20260104-000000-0000" / "config.json").write_text(config.to_json())
    (tmp_path / "20260105-000000-0000").mkdir()
    (tmp_path / "20260105-000000-0000" / "student.json").write_text("half a ca")
    assert checkpoint.resolve("student-first", runs=tmp_path) == latest
    assert checkpoint.resolve("student", runs=tmp_path) == paths.CHECKPOINTS / "student"


def test_a_name_without_a_recipe_is_told_without_a_command(tmp_path: Path) -> None:
    for name in ("nobody", "../recipes/student-first", ""):
        with pytest.raises(CheckpointError) as error:
            checkpoint.resolve(name, runs=tmp_path)
        assert "makes it" not in str(error.value)
