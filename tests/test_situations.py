"""No model of a situation has seen a picture that its name says it has not; student and control cost the same."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from app.services.run_settings import SET_BY_PRESET, value_of
from app.services.situations import defaults
from benchmarks import noisy_labels, situation_table, situations, starting_point
from benchmarks.gains import screening
from benchmarks.situation_table import control_key, pairs, rows, same_but_for_names
from benchmarks.situations import (
    CONTROL,
    FOLDS,
    METHODS,
    Budget,
    Situation,
    control_run,
    cross_fitting_teachers,
    link_folders,
    noisy_runs,
    situation,
    student_run,
    teacher_run,
)
from core.config import DataConfig, RunConfig
from core.data import open_dataset, open_split
from core.errors import ConfigError
from core.runs.execution import _training, _transfer
from core.runs.store.records import RunRecord, RunState
from tests.unit.data.pictures import save_pair

CASES = {
    "given 0": situation("given", labelled=0),
    "given 4": situation("given", labelled=4),
    "given all": situation("given"),
    "new place": situation("new-place", tile=3),
    "few 8": situation("few", labelled=8),
}
GIVEN = [name for name in CASES if name.startswith("given")]


@pytest.fixture(scope="module")
def dubai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dubai")
    for tile in range(1, 9):
        for part in range(1, 10):
            save_pair(root / f"Tile {tile}", f"image_part_{part:03}", seed=10 * tile + part)
    return root


def linked(asked: Situation, dubai: Path, folder: Path) -> tuple[RunConfig, RunConfig, RunConfig]:
    """Teacher, student and control of a situation, with their folders made."""
    link_folders(folder, dubai, asked.pictures)
    student = student_run(asked, folder, Budget(), 0, "teacher")
    return teacher_run(asked, folder, Budget()), student, control_run(student, "run", Budget())


def digests(config: RunConfig, *, labels: bool) -> set[str]:
    """Of the pictures that a run learns from: of those with labels, or of all."""
    split = open_split(config.data)[1]
    scenes = [*_training(config, split.train, print), *_transfer(config, split, print)]
    return {hashlib.sha256(scene.image).hexdigest() for scene in scenes if scene.mask is not None or not labels}


def held_out(folder: Path) -> set[str]:
    config = DataConfig(dataset="folder", root=str(folder / "scores"))
    return {hashlib.sha256(scene.image).hexdigest() for scene in open_dataset(config).scenes}


@pytest.mark.parametrize("name", CASES)
def test_nobody_learns_from_what_scores_or_from_part_9(name: str, dubai: Path, tmp_path: Path) -> None:
    asked = CASES[name]
    ninth = {hashlib.sha256(s.image).hexdigest() for s in open_split(DataConfig("folder", str(dubai)))[1].test}
    for config in linked(asked, dubai, tmp_path):
        assert not digests(config, labels=False) & (held_out(tmp_path) | ninth)


@pytest.mark.parametrize("name", GIVEN)
def test_a_given_teacher_shares_no_picture_with_its_client(name: str, dubai: Path, tmp_path: Path) -> None:
    teacher, student, control = linked(CASES[name], dubai, tmp_path)
    for config in (student, control):
        assert not digests(teacher, labels=False) & digests(config, labels=False)
    assert len(digests(student, labels=False)) == 24


def test_of_a_new_place_nobody_has_a_label_and_the_student_alone_the_pictures(dubai: Path, tmp_path: Path) -> None:
    asked = CASES["new place"]
    teacher, student, control = linked(asked, dubai, tmp_path)
    place = {
        hashlib.sha256(scene.image).hexdigest()
        for scene in open_split(DataConfig("folder", str(dubai)))[1].train
        if scene.tile == "Tile 3"
    }
    assert len(place) == 7
    assert place <= digests(student, labels=False)
    for config in (teacher, control):
        assert not place & digests(config, labels=False)
    assert not place & digests(student, labels=True)
    assert digests(teacher, labels=True) == digests(control, labels=True) == digests(student, labels=True)


def test_few_labels_are_the_same_for_all_three(dubai: Path, tmp_path: Path) -> None:
    teacher, student, control = linked(CASES["few 8"], dubai, tmp_path)
    assert digests(teacher, labels=False) == digests(student, labels=True) == digests(control, labels=False)
    assert len(digests(control, labels=False)) == 8
    assert len(digests(student, labels=False)) == 56


def test_consistency_alone_sees_the_pictures_of_the_client_and_no_label_more(dubai: Path, tmp_path: Path) -> None:
    asked = CASES["given 4"]
    teacher, _, control = linked(asked, dubai, tmp_path)
    alone = student_run(asked, tmp_path, Budget(), 0, "none", method="consistency-alone")
    assert alone.distill is None
    assert len(digests(alone, labels=False)) == 24
    assert digests(alone, labels=True) == digests(control, labels=False)
    assert not digests(alone, labels=False) & digests(teacher, labels=False)


def test_no_cross_fitted_teacher_answers_on_what_it_learned_from(
    dubai: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two tiles: by their pixels, in the very runs and folders of the situation."""
    monkeypatch.setattr(noisy_labels, "TILES", (1, 2))
    noisy_labels.make(tmp_path, dubai, share=0.5, seed=0, count=FOLDS)
    asked, everything = situation("noisy"), set[str]()
    for fold, teacher in enumerate(cross_fitting_teachers(asked, tmp_path, Budget())):
        place = DataConfig(dataset="folder", root=str(tmp_path / f"fold-{fold}" / "asked"))
        answers = {hashlib.sha256(scene.image).hexdigest() for scene in open_dataset(place).scenes}
        learned = digests(teacher, labels=False)
        assert len(answers) == len(learned) == 7
        assert not answers & learned
        everything |= answers
    assert everything == digests(noisy_runs(asked, tmp_path, Budget(), 0, answering=0)[-1], labels=True)


def test_with_noisy_labels_what_learns_differs_from_its_control_by_the_labels_alone() -> None:
    """And it pays for the answers; each stands beside the control of its seed that is no shorter."""
    asked = situation("noisy")
    found = {each.name.partition(", ")[2]: each for each in noisy_runs(asked, Path("x"), Budget(), 3, answering=70.0)}
    control = found[CONTROL]
    assert {name: each.data.root for name, each in found.items()} == {
        "cross-fitted": "x/cross-fitted",
        "corrected": "x/corrected",
        CONTROL: "x/noisy",
    }
    assert [each.train.match_seconds for each in found.values()] == [530.0, 600.0, 600.0]
    for each in found.values():
        assert replace(each, name="", data=control.data, train=control.train) == replace(control, name="")
        assert replace(each.train, match_seconds=600.0) == control.train
        assert replace(each.data, root=control.data.root) == control.data
    others = noisy_runs(asked, Path("x"), Budget(seconds=900.0), 3, answering=70.0)
    beside = [record(each, each.name, 0.5) for each in (*found.values(), replace(others[-1], name=control.name))]
    told = [(a and a.id.partition(", ")[2], b and b.config.train.match_seconds) for a, b in pairs(beside)]
    assert told == [("cross-fitted", 600.0), ("corrected", 600.0), (None, 900.0)]


@pytest.mark.parametrize("name", CASES)
def test_student_and_control_differ_by_the_teacher_alone(name: str, dubai: Path, tmp_path: Path) -> None:
    _, student, control = linked(CASES[name], dubai, tmp_path)
    assert (control.train, control.model) == (student.train, student.model)
    assert control.distill is None
    assert digests(control, labels=True) == digests(student, labels=True)


def test_without_labels_the_teacher_alone_speaks(tmp_path: Path) -> None:
    student = student_run(CASES["given 0"], tmp_path, Budget(), 0, "teacher")
    assert student.distill is not None
    assert (student.distill.alpha, student.distill.alpha_at(1.0)) == (0.0, 0.0)


@pytest.mark.parametrize("wrong", [{"labelled": 25}, {"labelled": -1}])
def test_a_number_that_it_cannot_have_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="give 0 to 24"):
        situation("given", **wrong)
    with pytest.raises(ConfigError, match="needs its tile"):
        situation("new-place")
    with pytest.raises(ConfigError, match="choose given"):
        situations.situation("moon")


def made(method: str, *, name: str = "given 4", seed: int = 0) -> tuple[RunConfig, RunConfig]:
    """What learns by a method, and its control."""
    config = student_run(CASES[name], Path("there"), Budget(), seed, "teacher", method=method)
    return config, control_run(config, "run", Budget())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_a_control_is_denied_the_teacher_alone(name: str, method: str) -> None:
    config, control = made(method, name=name)
    assert control.distill is None
    assert (control.train.match_seconds, control.train.clock) == (config.train.match_seconds, "processor")
    assert (control.model, control.data.crop, control.data.labelled) == (
        config.model,
        config.data.crop,
        config.data.labelled,
    )
    taught = config.distill is not None
    assert control.train.consistency == (config.train.consistency if taught else 0)
    assert control.data.transfer == (config.data.transfer if taught and config.train.consistency else None)
    assert control.problems() == []


@pytest.mark.parametrize(("have", "name"), [("few", "given 4"), ("none", "given 0"), ("place", "new place")])
def test_what_was_measured_is_what_the_form_starts_with(have: str, name: str) -> None:
    """All that Full sets but how long it lasts, how many have labels, and what goes with settings that are off."""
    form, measured = defaults("full", have), made("mixed", name=name)[0]
    settled = set(SET_BY_PRESET) - {"epochs", "labelled", "cache_views", "confidence"}
    assert {each: value_of(form, each) for each in settled} == {each: value_of(measured, each) for each in settled}
    assert (form.data.scale, form.data.colour) == (measured.data.scale, measured.data.colour)
    assert value_of(form, "losses") == value_of(measured, "losses")


def test_for_all_labels_the_form_starts_with_what_its_figure_was_measured_by() -> None:
    """+0.4 ± 0.5 points: the channel-wise loss, on all labels, by benchmarks/gains.py."""
    form = defaults("full", "all")
    (measured,) = screening(minutes=10, family="compact", base=4, batch=8, seed=0, losses=["channel_wise"])[1:]
    settled = set(SET_BY_PRESET) - {"epochs", "cache_views", "confidence"}
    assert {each: value_of(form, each) for each in settled} == {each: value_of(measured, each) for each in settled}
    assert (form.data.scale, form.data.colour) == (measured.data.scale, measured.data.colour)
    assert value_of(form, "losses") == value_of(measured, "losses")


@pytest.mark.parametrize("method", ["start", "start-student"])
def test_what_begins_with_other_weights_differs_from_its_control_by_these_alone(method: str) -> None:
    config, control = made(method)
    assert config.train.start_from in ("compact-4-start", "student-control")
    assert replace(control, name=config.name, control_of=None) == replace(
        config, train=replace(config.train, start_from=None)
    )
    found = pairs([record(config, "begun", 0.6), record(control, "fresh", 0.5)])
    assert [(a and a.id, b and b.id) for a, b in found] == [("begun", "fresh")]


def test_a_student_is_prepared_without_the_clients_pictures_without_labels_and_without_another_place(
    dubai: Path, tmp_path: Path
) -> None:
    teacher, client, _ = linked(CASES["given all"], dubai, tmp_path)
    for number, name in enumerate(("riverside_2020_1", "palm_springs_2020_1")):
        save_pair(tmp_path / "crops", name, seed=900 + number)
    starting_point.link_pictures(tmp_path / "naip", tmp_path / "crops" / "images")
    config = starting_point.preparing_run(tmp_path, Budget(), "teacher")
    assert config.distill is not None
    assert (config.distill.alpha, config.distill.alpha_at(1.0)) == (0.0, 0.0)
    seen = digests(config, labels=False)
    assert digests(teacher, labels=False) < seen
    assert len(seen) == 32 + 1
    assert not seen & (digests(client, labels=False) | held_out(tmp_path))


def test_methods_that_have_the_same_control_share_it() -> None:
    controls = {method: same_but_for_names(made(method)[1]) for method in METHODS}
    assert controls["mixed"] == controls["answers"] == controls["consistency-alone"] == controls[CONTROL]
    assert controls["start"] == controls["start-student"] == controls[CONTROL]
    assert controls["large-views"] == controls["large-views-alone"]
    assert len({controls["mixed"], controls["consistent"], controls["large-views"]}) == 3
    assert same_but_for_names(made("mixed", seed=1)[1]) != controls["mixed"]
    for method in METHODS:
        assert control_key(made(method)[0]) == controls[method]


def record(config: RunConfig, name: str, score: float) -> RunRecord:
    summary = {"best_miou5": score, "teacher_miou5": 0.7, "epochs": 9, "train_seconds": 600.0}
    return RunRecord(name, config.name, RunState.DONE, config, "cpu", 0.0, summary=summary)


def finished_runs() -> list[RunRecord]:
    """Two seeds of two methods over the controls that they share, and labels alone beside nothing."""
    found = []
    for seed in (0, 1):
        for method, score in (("mixed", 0.60), ("answers", 0.58)):
            found.append(record(made(method, seed=seed)[0], f"{method}-{seed}", score + seed / 100))
        found.append(record(made("mixed", seed=seed)[1], f"control-{seed}", 0.50))
    return [*found, record(made(CONTROL, name="few 8")[1], "alone", 0.65)]


def test_each_run_stands_beside_the_control_of_its_seed() -> None:
    names = [tuple(each and each.id for each in pair) for pair in pairs(finished_runs())]
    assert sorted(names[:4]) == [
        ("answers-0", "control-0"),
        ("answers-1", "control-1"),
        ("mixed-0", "control-0"),
        ("mixed-1", "control-1"),
    ]
    assert names[4:] == [(None, "alone")]


def test_the_table_has_a_row_for_each_method_over_its_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(situation_table, "finished", lambda _: finished_runs())
    alone, answers, mixed = rows(None)  # type: ignore[arg-type]
    assert (answers["method"], mixed["method"], alone["method"]) == ("answers", "mixed", CONTROL)
    assert (mixed["seeds"], alone["seeds"]) == ([0, 1], [0])
    assert mixed["gain"] == pytest.approx(10.5)
    assert mixed["spread"] == pytest.approx(0.7071, abs=1e-4)
    assert mixed["gap_closed"] == pytest.approx(0.105 / 0.2)
    assert (alone["control"], alone["student"], alone["gain"], alone["teacher"]) == (0.65, None, None, None)


def test_what_learned_without_labels_is_measured_against_labels_on_all() -> None:
    student, labels = made("mixed", name="given 0")[0], made(CONTROL, name="given all")[1]
    found = pairs([record(student, "student", 0.6), record(labels, "labels", 0.6)])
    assert [(a and a.id, b and b.id) for a, b in found] == [("student", "labels")]
