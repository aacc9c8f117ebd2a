"""What a run leaves out because it is one trial of a search: the test part, and what an earlier trial found out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import checkpoint
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig
from core.data.scene import Scene
from core.events import CancelledError, TeacherEvent
from core.runs import execution, teaching
from core.runs.trial_shares import discard_answers
from core.train.step import FrozenTeacher
from tests.unit.event_collector import EventCollector
from tests.unit.own_dataset import own_dataset
from tests.unit.runs.execution.kit import TRAIN, run, save_model, weights

CONFIG = RunConfig(
    data=DataConfig("plots", crop=32, views_per_epoch=4),
    model=ModelConfig("unet", {"base": 2}),
    train=replace(TRAIN, epochs=1, batch_size=2),
    distill=DistillConfig(teacher="taught"),
)
TRIAL = replace(CONFIG, trial_of="search")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a dataset that has a test part, a teacher, and the folder of a search."""
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    own_dataset(tmp_path)
    _new_teacher(tmp_path, seed=5)
    (tmp_path / "search").mkdir()
    return tmp_path


def _new_teacher(home: Path, *, seed: int) -> None:
    classes = execution.open_split(CONFIG.data)[0].dataset.classes
    save_model(home / "taught" / "student", base=4, classes=classes, seed=seed)


class _Sealed:
    """A picture or a mask that nobody may read."""

    shape = (48, 48, 3)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("A test picture was read.")

    __getitem__ = __array__


def test_a_trial_reads_no_test_picture(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = execution.open_split

    def sealed(data: DataConfig) -> Any:
        loaded, split = opened(data)
        assert split.test
        return loaded, replace(split, test=[Scene("d", _Sealed(), _Sealed())])  # type: ignore[arg-type]

    monkeypatch.setattr(execution, "open_split", sealed)
    summary = run(TRIAL, home, "trial")
    assert not [name for name in summary if "test" in name]
    assert not checkpoint.load_card(home / "trial" / "student").data["pictures"]["test"]
    with pytest.raises(AssertionError, match="A test picture was read"):
        run(CONFIG, home, "other")


def test_the_teacher_is_scored_once_for_all_trials_of_a_search(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[int] = []
    evaluate = teaching.evaluate
    monkeypatch.setattr(teaching, "evaluate", lambda *given, **more: scored.append(1) or evaluate(*given, **more))
    told: dict[str, TeacherEvent] = {}

    def score(name: str, config: RunConfig) -> int:
        """How often the teacher is scored in a run."""
        before, collector = len(scored), EventCollector()
        assert run(config, home, name, collector)["teacher_miou5"] == collector.of(TeacherEvent)[0].miou5
        told[name] = collector.of(TeacherEvent)[0]
        return len(scored) - before

    assert score("first", TRIAL) == 1
    wider = replace(TRIAL, model=ModelConfig("unet", {"base": 3}), distill=DistillConfig("taught", temperature=7.0))
    assert score("second", wider) == 0
    assert score("no trial", CONFIG) == 2, "in validation and on the test part"
    assert told["first"] == told["second"] == told["no trial"]
    assert score("of another search", replace(TRIAL, trial_of="deleted")) == 1
    _new_teacher(home, seed=6)
    assert score("another teacher of that name", TRIAL) == 1
    masks = home / "datasets" / "plots" / "masks"
    (masks / "c.png").write_bytes((masks / "b.png").read_bytes())
    assert score("other masks of that name", TRIAL) == 1


@pytest.mark.slow
@pytest.mark.parametrize("stored", [{"cache_pictures": True}, {"cache_views": 1}])
def test_trials_share_the_answers_of_the_teacher_and_learn_what_they_would_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch, stored: dict[str, Any]
) -> None:
    asked: list[int] = []
    output = FrozenTeacher.output
    monkeypatch.setattr(FrozenTeacher, "output", lambda *given: asked.append(1) or output(*given))

    def answers(name: str, config: RunConfig) -> int:
        """How often the teacher is asked in a run."""
        before = len(asked)
        run(config, home, name)
        return len(asked) - before

    first, second = (
        replace(TRIAL, distill=DistillConfig("taught", temperature=temperature, **stored)) for temperature in (2.0, 5.0)
    )
    with pytest.raises(CancelledError):
        run(first, home, "stopped", EventCollector(stop_at=2))
    assert asked, "stopped when a part was stored"
    assert answers("first", first) > 0, "what a trial that was stopped had stored is not taken for whole"
    assert answers("second", second) == 0
    assert answers("alone", replace(second, trial_of=None)) > 0
    assert weights(home, "second").equal(weights(home, "alone"))
    assert answers("another batch", replace(first, train=replace(first.train, batch_size=1))) == (
        0 if "cache_pictures" in stored else 4
    )
    assert not list(home.glob("*/teacher_cache*"))
    assert [path for path in (home / "search").iterdir() if path.is_dir()]
    discard_answers(home / "search")
    assert not [path for path in (home / "search").iterdir() if path.is_dir()]
    assert answers("after the search", first) > 0
