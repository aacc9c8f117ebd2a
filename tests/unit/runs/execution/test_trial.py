"""What was checked is what runs: a network that cannot make a step, or answer a picture, is refused before queueing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.config import DistillConfig, ModelConfig, RunConfig
from core.data.datasets.dubai import AERIAL
from core.errors import ConfigError, DataError
from core.models import MODELS, build_model
from core.runs.checks import check, check_settings
from core.runs.trial import training_problem
from core.train.loop import Task
from tests.unit.runs.execution.kit import TRAIN, run, write_pair

# Pooled to one pixel before a batch normalisation.
POOLED = ModelConfig("smp", {"architecture": "deeplabv3plus", "encoder": "resnet18"})


class OneSize(nn.Module):
    """A network that takes pictures of one size alone, as encoders with a fixed grid of patches do."""

    def __init__(self, *, outputs: int, side: int = 32) -> None:
        super().__init__()
        self.head, self.side = nn.Conv2d(3, outputs, 1), side

    def forward(self, image: Tensor) -> Tensor:
        assert image.shape[-1] == self.side, f"Input width ({image.shape[-1]}) doesn't match model ({self.side})."
        answer: Tensor = self.head(image)
        return answer


class Smaller(nn.Module):
    """A network whose answer has half the sides of its picture."""

    def __init__(self, *, outputs: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, outputs, 1, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        answer: Tensor = self.head(image)
        return answer


@pytest.fixture(autouse=True)
def _more_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "one_size", OneSize)
    monkeypatch.setitem(MODELS, "smaller", Smaller)


def problems(config: RunConfig, runs: Path, how: Callable[..., Any] = check_settings) -> str:
    with pytest.raises(ConfigError) as error:
        how(config, runs=runs)
    return str(error.value)


def real_step(config: RunConfig) -> Exception | None:
    """What training on the part of a batch that one step sees raises."""
    model = build_model(config.model, outputs=AERIAL.outputs).train()
    pictures = config.train.batch_size // config.train.accumulate
    try:
        model(torch.zeros(pictures, 3, config.data.crop, config.data.crop))
    except (ValueError, AssertionError) as error:
        return error
    return None


@pytest.mark.parametrize(
    ("batch", "parts", "trains"), [(1, 1, False), (4, 4, False), (4, 2, True), (2, 1, True), (3, 3, False)]
)
def test_one_picture_for_batch_normalisation_is_refused_exactly_where_a_step_would_fail(
    labels: RunConfig, runs: Path, batch: int, parts: int, trains: bool
) -> None:
    config = replace(labels, model=POOLED, train=replace(TRAIN, batch_size=batch, accumulate=parts))
    assert (real_step(config) is None) == trains
    if trains:
        assert check_settings(config, runs=runs) == []
    else:
        said = problems(config, runs)
        assert "sees 32 x 32 pixels of one picture at a time: with two it can train" in said
        assert "Choose a larger batch" in said


def test_two_devices_with_one_picture_each_normalise_over_both(labels: RunConfig, runs: Path) -> None:
    config = replace(labels, model=POOLED, train=replace(TRAIN, batch_size=1, devices=2))
    assert check_settings(config, runs=runs) == []


def test_a_run_that_is_reduced_to_one_picture_ends_with_a_message(
    labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    with pytest.raises(ConfigError, match="one picture at a time"):
        run(replace(labels, model=POOLED, train=replace(TRAIN, accumulate=4)), runs, "one")
    assert caught == []


def test_a_crop_that_the_encoder_cannot_take_is_refused(labels: RunConfig, runs: Path) -> None:
    config = replace(labels, model=ModelConfig("one_size", {"side": 64}))
    assert "cannot train on 32 x 32 pixels (Input width (32) doesn't match model (64))" in problems(config, runs)
    assert "choose another crop or network" in problems(config, runs)


def test_pictures_that_only_validation_sees_are_tried_as_well(labels: RunConfig, runs: Path) -> None:
    config = replace(labels, model=ModelConfig("one_size", {"side": 32}))
    assert check_settings(config, runs=runs) == []
    said = problems(config, runs, check)
    assert "This network cannot take 48 x 48 pixels (Input width (48) doesn't match model (32))" in said


def test_an_answer_of_another_shape_is_refused(labels: RunConfig, runs: Path) -> None:
    said = problems(replace(labels, model=ModelConfig("smaller", {})), runs)
    assert "it answers with (2, 5, 16, 16) instead of (2, 5, 32, 32)" in said


@pytest.mark.parametrize("layer", ["student_layer", "teacher_layer"])
def test_a_layer_that_is_not_there_is_refused_before_the_run(distilled: RunConfig, runs: Path, layer: str) -> None:
    distill = DistillConfig(teacher="taught", losses={"affinity": 1.0}, **{layer: "nowhere"})
    assert "no module nowhere" in problems(replace(distilled, distill=distill), runs)


@pytest.mark.parametrize("missing", ["teacher", "start"])
def test_weights_that_do_not_lie_beside_their_card_are_refused(
    labels: RunConfig, distilled: RunConfig, runs: Path, missing: str
) -> None:
    (runs / "taught" / "student.safetensors").unlink()
    start = replace(labels, model=ModelConfig("unet", {"base": 4}), train=replace(TRAIN, start_from="taught"))
    assert "weights student.safetensors are missing" in problems(distilled if missing == "teacher" else start, runs)


def test_pictures_without_a_labelled_pixel_are_refused_before_queueing(labels: RunConfig, runs: Path) -> None:
    root = Path(labels.data.root or "")
    for number in range(4):
        write_pair(root, f"scene_{number}", np.full((48, 48), AERIAL.ignore_index, np.uint8))
    assert "no labelled pixel" in problems(labels, runs, check)


def test_a_folder_of_more_pictures_that_is_not_there_is_refused_before_queueing(
    distilled: RunConfig, runs: Path, tmp_path: Path
) -> None:
    config = replace(distilled, data=replace(distilled.data, transfer=str(tmp_path / "gone")))
    with pytest.raises(DataError, match="There is no folder"):
        check(config, runs=runs)


def test_a_check_draws_no_number_that_the_run_would_have_drawn(labels: RunConfig) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    model = build_model(labels.model, outputs=AERIAL.outputs)
    torch.manual_seed(3)

    assert training_problem(model, labels, outputs=AERIAL.outputs) is None
    assert torch.equal(torch.rand(3), expected)
