"""From settings to a finished run, on eight tiny pictures in a folder: train, distil, control, stop, refuse."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import checkpoint
from core.classes import AERIAL, ClassMap
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data import open_split
from core.data.palette import to_rgb
from core.errors import CheckpointError, ConfigError, DeviceError, PairError
from core.evaluate import evaluate
from core.image import encode_png
from core.models import build_model, count_macs, count_parameters
from core.runs import jobs
from core.train.batches import epoch_batches
from core.train.events import EpochEvent, Event, MessageEvent, StepEvent, TeacherEvent
from core.train.loop import Outcome, RunCancelledError, Task

TRAIN = TrainConfig(epochs=2, batch_size=4, learning_rate=1e-2, precision="float32", device="cpu")


@dataclass
class Ear:
    """Hears events, and says stop from its look number `stop_at` on."""

    stop_at: int | None = None
    events: list[Event] = field(default_factory=list)
    asked: int = 0

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_at is not None and self.asked > self.stop_at

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Two threads may add in another order; some of these tests compare bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_pair(root: Path, name: str, mask: NDArray[np.uint8]) -> None:
    colours = to_rgb(mask, AERIAL).astype(np.int64)
    noise = np.random.default_rng(len(name)).integers(-20, 21, colours.shape)
    for folder, picture in (("images", (colours + noise).clip(0, 255).astype(np.uint8)), ("masks", colours)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / f"{name}.png").write_bytes(encode_png(picture.astype(np.uint8)))


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    """Four pictures of 48 x 48: a class on either side, another pair in each."""
    for number in range(4):
        mask = np.full((48, 48), number, np.uint8)
        mask[:, 24:] = (number + 1) % 5
        write_pair(tmp_path / "pictures", f"scene_{number}", mask)
    return DataConfig(dataset="folder", root=str(tmp_path / "pictures"), crop=32, views_per_epoch=8)


@pytest.fixture
def labels(data: DataConfig) -> RunConfig:
    return RunConfig(kind="train", name="labels", data=data, model=ModelConfig("unet", {"base": 2}), train=TRAIN)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A home with one finished run, `taught`, whose model can teach. Its normalisation is not the usual one."""
    save_model(tmp_path / "runs" / "taught" / "student", base=4)
    return tmp_path / "runs"


def save_model(stem: Path, *, base: int, classes: ClassMap = AERIAL, seed: int = 5) -> None:
    torch.manual_seed(seed)
    config = ModelConfig("unet", {"base": base})
    model = build_model(config, outputs=classes.outputs)
    model(torch.randn(4, 3, 32, 32))
    card = checkpoint.ModelCard(
        name="a teacher",
        model=config,
        classes=classes,
        mean=(90.0, 100.0, 110.0),
        std=(50.0, 60.0, 70.0),
        parameters=count_parameters(model),
        macs_256=count_macs(model),
        training={"seconds": 123.5},
    )
    checkpoint.save(stem, model, card)


@pytest.fixture
def distilled(labels: RunConfig) -> RunConfig:
    return replace(labels, kind="distill", name="distilled", distill=DistillConfig(teacher="taught", temperature=2.0))


def run(config: RunConfig, runs: Path, name: str, ear: Ear | None = None) -> dict[str, Any]:
    ear = ear or Ear()
    (runs / name).mkdir(parents=True, exist_ok=True)
    return jobs.execute(config, runs / name, emit=ear.emit, cancelled=ear.cancelled, runs=runs)


def weights(runs: Path, name: str) -> Tensor:
    model = checkpoint.load(runs / name / "student").model
    return torch.cat([value.double().flatten() for value in model.state_dict().values()])


def test_training_leaves_a_model_that_scores_what_the_summary_says(labels: RunConfig, runs: Path) -> None:
    summary = run(labels, runs, "one")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    loaded = checkpoint.load(checkpoint.resolve("one", runs=runs))
    dataset, split = open_split(labels.data)
    card = loaded.card
    report = evaluate(loaded.model, split.val, dataset.class_map, mean=card.mean, std=card.std, device="cpu")
    assert report.scores.miou5 == pytest.approx(summary["best_miou5"])
    assert card.metrics["miou5"] == summary["best_miou5"]
    assert card.metrics["split"] == "val"
    assert card.metrics["images"] == [scene.name for scene in split.val]


def test_the_card_says_what_was_done(labels: RunConfig, runs: Path) -> None:
    summary = run(labels, runs, "one")
    card = checkpoint.load_card(runs / "one" / "student")
    assert (card.name, card.model, card.classes, card.seed) == ("labels", labels.model, AERIAL, 0)
    assert (card.teacher, card.distillation) == (None, None)
    assert card.parameters == summary["parameters"] == count_parameters(checkpoint.load(runs / "one" / "student").model)
    assert card.bytes == (runs / "one" / "student.safetensors").stat().st_size
    assert card.training["seconds"] == summary["train_seconds"] > 0
    assert card.training["epochs"] == 2
    assert str(runs.parent) not in card.to_json(), "a path of this machine went into the card"


def test_a_distillation_learns_from_its_teacher(distilled: RunConfig, runs: Path) -> None:
    ear = Ear()
    before = (runs / "taught" / "student.safetensors").read_bytes()
    summary = run(distilled, runs, "one", ear)
    assert set(ear.of(EpochEvent)[0].losses) == {"cross_entropy", "dice", "soft_targets"}
    card = checkpoint.load_card(runs / "one" / "student")
    assert (card.teacher, summary["teacher"]) == ("taught", "taught")
    assert card.distillation is not None
    assert card.distillation["temperature"] == 2.0
    assert (runs / "taught" / "student.safetensors").read_bytes() == before


def test_the_teacher_is_scored_in_its_own_normalisation(
    distilled: RunConfig, runs: Path, caught: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def remember(*arguments: Any, **settings: Any) -> Any:
        asked.append((settings["mean"], settings["std"]))
        return evaluate(*arguments, **settings)

    monkeypatch.setattr(jobs, "evaluate", remember)
    ear = Ear()
    summary = run(distilled, runs, "one", ear)
    assert asked == [((90.0, 100.0, 110.0), (50.0, 60.0, 70.0))]
    (event,) = ear.of(TeacherEvent)
    assert event.name == "a teacher"
    assert summary["teacher_miou5"] == event.miou5
    assert caught[0].normaliser.mean.tolist() == list(jobs.MEAN), "the student has its own"


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """The tasks that were ready to train; the training itself is left out."""
    tasks: list[Task] = []

    def fit(task: Task, **_: object) -> Outcome:
        tasks.append(task)
        return Outcome(task.model.state_dict(), {}, 0.5, 1, 1, 60.0, False)

    monkeypatch.setattr(jobs, "fit", fit)
    return tasks


@pytest.mark.parametrize("cache_views", [0, 2])
def test_the_teachers_answers_are_to_the_views_in_its_own_normalisation(
    distilled: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch, cache_views: int
) -> None:
    assert distilled.distill is not None
    config = replace(distilled, distill=replace(distilled.distill, cache_views=cache_views))
    teacher = checkpoint.load(runs / "taught" / "student").model
    seen: list[float] = []

    def compare(task: Task, **_: object) -> Outcome:
        assert task.teacher_logits is not None
        for epoch in (0, 1):
            for batch in epoch_batches(task.sampler, epoch=epoch, views=8, batch_size=4):
                normal = (batch.images.float() - torch.tensor([90.0, 100, 110])) / torch.tensor([50.0, 60, 70])
                with torch.no_grad():
                    expected = teacher(normal.permute(0, 3, 1, 2))
                seen.append((task.teacher_logits(batch).float() - expected).abs().max().item())
        return Outcome(task.model.state_dict(), {}, 0.5, 1, 1, 60.0, False)

    monkeypatch.setattr(jobs, "fit", compare)
    run(config, runs, "one")
    assert len(seen) == 4
    assert max(seen) < (0.01 if cache_views else 1e-4)


def test_a_cache_is_told_counted_and_cleared_away(distilled: RunConfig, runs: Path) -> None:
    assert distilled.distill is not None
    ear = Ear()
    config = replace(distilled, distill=replace(distilled.distill, cache_views=1))
    summary = run(config, runs, "one", ear)
    assert any("disk" in event.text for event in ear.of(MessageEvent))
    assert 0 < summary["cache_seconds"] < summary["train_seconds"]
    assert sorted(path.name for path in (runs / "one").iterdir()) == [
        "last.ckpt",
        "student.json",
        "student.safetensors",
    ]


def test_a_control_has_the_seconds_of_the_run_it_controls_for(
    labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    run(replace(labels, control_of="taught"), runs, "control")
    assert caught[0].config.train.match_seconds == 123.5
    assert caught[0].teacher_logits is None


def test_a_run_that_controls_for_nothing_has_no_budget(labels: RunConfig, runs: Path, caught: list[Task]) -> None:
    run(labels, runs, "one")
    assert caught[0].config.train.match_seconds is None


def test_the_seconds_of_the_teachers_cache_are_in_the_budget(
    distilled: RunConfig, labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    assert distilled.distill is not None
    cached = replace(distilled, distill=replace(distilled.distill, cache_views=1))
    summary = run(cached, runs, "parent")
    assert summary["cache_seconds"] > 0
    run(replace(labels, control_of="parent"), runs, "control")
    assert caught[1].config.train.match_seconds == pytest.approx(60.0 + summary["cache_seconds"])


def test_a_control_starts_from_the_same_weights_and_sees_the_same_views(
    distilled: RunConfig, labels: RunConfig, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[tuple[Tensor, bytes]] = []

    def fit(task: Task, **_: object) -> Outcome:
        start = torch.cat([p.detach().flatten().clone() for p in task.model.parameters()])
        starts.append((start, task.sampler.batch(3, range(4))[0].tobytes()))
        return Outcome(task.model.state_dict(), {}, 0.5, 1, 1, 60.0, False)

    monkeypatch.setattr(jobs, "fit", fit)
    run(distilled, runs, "one")
    run(replace(labels, control_of="one"), runs, "control")
    run(replace(labels, train=replace(TRAIN, seed=1)), runs, "other")
    assert torch.equal(starts[0][0], starts[1][0])
    assert starts[0][1] == starts[1][1]
    assert not torch.equal(starts[0][0], starts[2][0])
    assert starts[0][1] != starts[2][1]


def test_a_control_of_a_run_that_left_no_model_is_refused(labels: RunConfig, runs: Path) -> None:
    with pytest.raises(CheckpointError):
        run(replace(labels, control_of="nowhere"), runs, "control")


def test_a_teacher_of_other_classes_is_refused_before_training(
    distilled: RunConfig, runs: Path, caught: list[Task]
) -> None:
    other = ClassMap(("Roof", *AERIAL.names[1:]), AERIAL.colours, AERIAL.ignore_index)
    save_model(runs / "stranger" / "student", base=2, classes=other)
    config = replace(distilled, distill=DistillConfig(teacher="stranger"))
    with pytest.raises(ConfigError, match=r"stranger knows the classes Roof, .* Choose a teacher of the same classes"):
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


@pytest.mark.parametrize(("cache_views", "stop_at"), [(0, 3), (1, 2), (1, 5), (2, 4)])
def test_stopped_and_resumed_it_ends_as_if_it_had_not_been(
    distilled: RunConfig, runs: Path, cache_views: int, stop_at: int
) -> None:
    """Stopped while it fills its cache or while it trains."""
    config = replace(distilled, distill=DistillConfig(teacher="taught", cache_views=cache_views))
    whole = run(config, runs, "whole")
    with pytest.raises(RunCancelledError):
        run(config, runs, "stopped", Ear(stop_at=stop_at))
    assert not (runs / "stopped" / "student.json").exists()
    resumed = run(config, runs, "stopped")
    assert torch.equal(weights(runs, "whole"), weights(runs, "stopped"))
    timed = {"train_seconds", "cache_seconds"}
    assert {k: v for k, v in whole.items() if k not in timed} == {k: v for k, v in resumed.items() if k not in timed}


def test_a_stopped_cache_is_not_filled_again_from_the_start(distilled: RunConfig, runs: Path) -> None:
    config = replace(distilled, distill=DistillConfig(teacher="taught", cache_views=2))
    with pytest.raises(RunCancelledError):
        run(config, runs, "one", Ear(stop_at=4))
    ear = Ear()
    run(config, runs, "one", ear)
    told = [event.text for event in ear.of(MessageEvent) if event.text.startswith("Stored")]
    assert len(told) == 1
    assert "2 of 2" in told[0]


def test_a_teacher_that_was_trained_again_is_asked_again(distilled: RunConfig, runs: Path) -> None:
    """The cache knows the teacher by more than its name."""
    config = replace(distilled, distill=DistillConfig(teacher="taught", cache_views=1))
    with pytest.raises(RunCancelledError):
        run(config, runs, "one", Ear(stop_at=4))
    assert (runs / "one" / "teacher_cache.f16").exists()
    (runs / "one" / "last.ckpt" / "state.safetensors").unlink(missing_ok=True)
    save_model(runs / "taught" / "student", base=4, seed=6)
    run(config, runs, "one")
    run(config, runs, "twin")
    assert torch.equal(weights(runs, "one"), weights(runs, "twin"))


def test_the_seed_decides_and_the_run_id_does_not(distilled: RunConfig, runs: Path) -> None:
    for name, seed in (("one", 0), ("twin", 0), ("other", 1)):
        run(replace(distilled, train=replace(TRAIN, seed=seed)), runs, name)
    assert torch.equal(weights(runs, "one"), weights(runs, "twin"))
    assert not torch.equal(weights(runs, "one"), weights(runs, "other"))


def test_more_alpha_than_the_teacher_can_matter_is_the_control(
    distilled: RunConfig, labels: RunConfig, runs: Path
) -> None:
    """With alpha 1 a distillation is a run on labels alone, to the bit."""
    run(replace(distilled, distill=DistillConfig(teacher="taught", alpha=1.0)), runs, "one")
    run(labels, runs, "labels")
    assert torch.equal(weights(runs, "one"), weights(runs, "labels"))


def test_what_is_odd_about_the_data_is_told(
    labels: RunConfig, runs: Path, caught: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: Callable[..., Any] = open_split
    monkeypatch.setattr(
        jobs, "open_split", lambda data: (replace(told(data)[0], warnings=["two masks are odd"]), told(data)[1])
    )
    ear = Ear()
    run(labels, runs, "one", ear)
    assert MessageEvent("two masks are odd", "warning") in ear.events
    assert len(caught) == 1
    assert any("2 training pictures" in event.text for event in ear.of(MessageEvent))


def test_an_epoch_has_as_many_views_as_asked_and_never_less_than_a_batch(
    labels: RunConfig, runs: Path, caught: list[Task]
) -> None:
    for views, expected in ((8, 8), (2, 4), (None, 4)):
        run(replace(labels, data=replace(labels.data, views_per_epoch=views)), runs, f"views {views}")
        assert caught[-1].views == expected


def test_steps_tell_how_far_it_is(labels: RunConfig, runs: Path) -> None:
    ear = Ear()
    run(labels, runs, "one", ear)
    assert [(event.epoch, event.step) for event in ear.of(StepEvent) if event.step == event.steps] == [(1, 2), (2, 2)]
