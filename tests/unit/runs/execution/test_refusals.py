"""What cannot be run is refused with a message, before any training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.classes import ClassMap
from core.config import DistillConfig, RunConfig
from core.data import open_split
from core.data.datasets.dubai import AERIAL
from core.errors import CheckpointError, ConfigError, DeviceError, PairError
from core.train.loop import Task
from tests.unit.runs.execution.kit import TRAIN, run, save_model, write_pair


def test_a_teacher_of_other_classes_is_refused_before_training(
    distilled: RunConfig, runs: Path, caught: list[Task]
) -> None:
    other = ClassMap(("Roof", *AERIAL.names[1:]), AERIAL.colours, AERIAL.ignore_index)
    save_model(runs / "stranger" / "student", base=2, classes=other)
    config = replace(distilled, distill=DistillConfig(teacher="stranger"))
    with pytest.raises(ConfigError, match=r"teacher knows the classes Roof, .* choose another one, or say which"):
        run(config, runs, "one")
    assert caught == []


def test_a_teacher_that_is_not_there_names_those_that_are(distilled: RunConfig, runs: Path) -> None:
    with pytest.raises(CheckpointError, match="taught"):
        run(replace(distilled, distill=DistillConfig(teacher="nobody")), runs, "one")


def test_settings_out_of_range_are_refused(labels: RunConfig, runs: Path) -> None:
    with pytest.raises(ConfigError, match="Epochs"):
        run(replace(labels, train=replace(TRAIN, epochs=0)), runs, "one")


def test_a_device_that_is_not_there_is_refused(labels: RunConfig, runs: Path) -> None:
    with pytest.raises(DeviceError, match="cuda:77"):
        run(replace(labels, train=replace(TRAIN, device="cuda:77")), runs, "one")


def test_a_bad_pair_is_refused_by_name(labels: RunConfig, runs: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures" / "masks" / "scene_2.png").unlink()
    with pytest.raises(PairError, match="scene_2"):
        run(labels, runs, "one")


@pytest.mark.parametrize("part", ["validation", "training"])
def test_pictures_without_a_labelled_pixel_are_refused_before_training(
    labels: RunConfig, runs: Path, tmp_path: Path, caught: list[Task], part: str
) -> None:
    """No score could be worked out from them, or nothing learnt."""
    _, split = open_split(labels.data)
    for scene in split.val if part == "validation" else split.train:
        write_pair(tmp_path / "pictures", scene.name, np.full((48, 48), AERIAL.ignore_index, np.uint8))
    with pytest.raises(ConfigError, match=f"{part} .*no labelled pixel"):
        run(labels, runs, "one")
    assert caught == []
