"""Everything that a run needs to go on is written in one piece and comes back as it was."""

import errno
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file
from torch import nn

from core.config import TrainConfig
from core.errors import CheckpointError, DiskFullError
from core.events import Emit
from core.train.checkpointing import CHECKSUM, TrainState, add_checksum, load_state, read_verified, save_state
from core.train.schedule import build_optimiser


class Run:
    """A model with an optimiser that has made steps."""

    def __init__(self, seed: int = 0, steps: int = 3, width: int = 4) -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 2, 1))
        self.optimiser = build_optimiser(self.model, TrainConfig())
        self.scaler = torch.amp.GradScaler("cpu", enabled=False)
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        self.optimiser.zero_grad()
        self.model(torch.randn(2, 3, 5, 5)).square().mean().backward()
        self.optimiser.step()

    def save(self, folder: Path, progress: TrainState | None = None) -> None:
        save_state(
            folder,
            progress=progress or TrainState(epochs=3),
            modules={"model": self.model},
            optimiser=self.optimiser,
            scaler=self.scaler,
            best={"0.weight": torch.full((2, 2), 7.0)},
        )

    def load(self, folder: Path, emit: Emit = lambda _: None) -> tuple[TrainState, dict[str, torch.Tensor]] | None:
        modules: dict[str, nn.Module] = {"model": self.model}
        return load_state(folder, modules=modules, optimiser=self.optimiser, scaler=self.scaler, emit=emit)

    def weights(self) -> torch.Tensor:
        return torch.cat([value.flatten().double() for value in self.model.state_dict().values()])


PROGRESS = TrainState(
    epoch=2,
    step=5,
    epochs=9,
    seconds=1 / 3,
    best_miou5=0.1 + 0.2,
    best_epoch=1,
    best_scores={"miou5": 0.3, "per_class": {"Road": {"iou": None}}},
    collapsed=True,
    sums={"dice": 1e-9, "cross_entropy": 2 / 3},
)


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    run, other = Run(), Run(seed=5, steps=1)
    run.save(tmp_path, PROGRESS)
    after_saving = torch.rand(3)
    found = other.load(tmp_path)
    assert found is not None
    progress, best = found
    assert progress == PROGRESS
    assert set(best) == {"0.weight"}
    assert (best["0.weight"] == 7).all()
    assert torch.equal(run.weights(), other.weights())
    assert torch.equal(torch.rand(3), after_saving), "the random state"


def test_the_next_steps_are_bit_for_bit_those_that_would_have_come(tmp_path: Path) -> None:
    run, other = Run(), Run(seed=5, steps=1)
    run.save(tmp_path)
    for _ in range(3):
        run.step()
    other.load(tmp_path)
    for _ in range(3):
        other.step()
    assert torch.equal(run.weights(), other.weights())


def test_a_run_that_never_stepped_can_be_saved(tmp_path: Path) -> None:
    Run(steps=0).save(tmp_path)
    assert Run(seed=5, steps=0).load(tmp_path) is not None


def test_nothing_there_is_no_error(tmp_path: Path) -> None:
    run = Run()
    before = run.weights()
    assert run.load(tmp_path / "nowhere") is None
    assert torch.equal(run.weights(), before)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04K\x01."])
def test_a_corrupt_file_says_what_to_delete(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"delete .* to start over"):
        Run().load(tmp_path)


def test_a_file_cut_short_says_what_to_delete(tmp_path: Path) -> None:
    Run().save(tmp_path)
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="to start over"):
        Run().load(tmp_path)


def test_the_state_of_another_model_says_what_to_delete(tmp_path: Path) -> None:
    Run(width=4).save(tmp_path)
    with pytest.raises(CheckpointError, match="to start over"):
        Run(width=6).load(tmp_path)


@pytest.mark.parametrize("header", [None, {}, {"progress": "{", "groups": "[]", "scaler": "{}"}])
def test_a_file_without_its_notes_says_what_to_delete(tmp_path: Path, header: dict[str, str] | None) -> None:
    Run().save(tmp_path)
    path = tmp_path / "state.safetensors"
    save_file(load_file(path), path, header)
    with pytest.raises(CheckpointError, match="to start over"):
        Run().load(tmp_path)


def test_progress_of_a_newer_version_says_what_to_delete(tmp_path: Path) -> None:
    run = Run()
    run.save(tmp_path)
    path = tmp_path / "state.safetensors"
    groups = json.dumps(run.optimiser.state_dict()["param_groups"])
    save_file(load_file(path), path, {"progress": '{"mood": 3}', "groups": groups, "scaler": "{}"})
    with pytest.raises(CheckpointError, match="to start over"):
        Run().load(tmp_path)


def test_a_failing_write_leaves_the_state_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    run.save(tmp_path, PROGRESS)
    weights = run.weights()
    run.step()

    def no_space(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(DiskFullError, match="The disk is full"):
        run.save(tmp_path)
    other = Run(seed=5)
    found = other.load(tmp_path)
    assert found is not None
    assert found[0] == PROGRESS
    assert torch.equal(other.weights(), weights)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_undefined_scores_survive(tmp_path: Path) -> None:
    run = Run()
    run.save(tmp_path, TrainState(best_miou5=math.nan))
    found = run.load(tmp_path)
    assert found is not None
    assert math.isnan(found[0].best_miou5)


def test_the_mode_of_older_files_is_read_under_its_old_name(tmp_path: Path) -> None:
    run = Run()
    run.save(tmp_path, TrainState(epoch=2, mode="compiled"))
    path = tmp_path / "state.safetensors"
    header, tensors = read_verified(path.read_bytes())
    saved = json.loads(header["progress"])
    saved["way"] = saved.pop("mode")
    path.write_bytes(add_checksum(save(tensors, header | {"progress": json.dumps(saved)} | CHECKSUM)))
    found = run.load(tmp_path)
    assert found is not None
    assert (found[0].epoch, found[0].mode) == (2, "compiled")


def test_two_modules_do_not_mix(tmp_path: Path) -> None:
    """The averaged weights beside the model: their names begin alike."""
    one, two = nn.Linear(1, 1), nn.Linear(1, 1)
    optimiser, scaler = build_optimiser(one, TrainConfig()), torch.amp.GradScaler("cpu", enabled=False)
    parts = {"model": one, "model_average": two}
    save_state(tmp_path, progress=TrainState(), modules=parts, optimiser=optimiser, scaler=scaler, best={})
    again: dict[str, nn.Module] = {"model": nn.Linear(1, 1), "model_average": nn.Linear(1, 1)}
    optimiser = build_optimiser(again["model"], TrainConfig())
    assert load_state(tmp_path, modules=again, optimiser=optimiser, scaler=scaler) is not None
    assert torch.equal(again["model"].weight, one.weight)  # type: ignore[arg-type]
    assert torch.equal(again["model_average"].weight, two.weight)  # type: ignore[arg-type]


def test_the_scale_of_half_precision_comes_back(tmp_path: Path) -> None:
    """Begun again at its first value it would spoil the first steps after a resume."""
    run, other = Run(), Run(seed=1)
    for one, scale in ((run, 512.0), (other, 65536.0)):
        one.scaler = torch.amp.GradScaler("cpu", init_scale=scale)
        one.scaler.scale(torch.ones(1))
    run.save(tmp_path)
    other.load(tmp_path)
    assert other.scaler.get_scale() == 512.0
