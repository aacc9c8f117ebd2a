"""What is trained with a model that is one visitor's is theirs too, until they share it; what is needed stays."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.services import (
    artifacts,
    benchmarks,
    brought_models,
    launch,
    runs,
    search_access,
    searches,
    waiting_runs,
    workers,
)
from app.services.stores import open_store, training_run
from core import checkpoint
from core.benchmark import results
from core.benchmark.plan import Plan
from core.benchmark.results import Result
from core.cards import brought_stem, load_card, resolve
from core.cli.main import main
from core.errors import CheckpointError, RunNotFoundError, RunStateError
from core.models.committee import committee_card
from core.models.external.importer import import_model, keep_card
from core.runs.store.prune import KeepLimits, candidates
from core.runs.store.records import RunKind
from tests.ui.conftest import ask
from tests.ui.test_models import ANN, BOB, SAID
from tests.unit.brought.graphs import bright

OTHERS = (BOB.folder, None)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A model of Ann's alone that tells red, green and blue apart."""
    graph = bright(tmp_path / "bright.onnx", source=("n", 3, "h", "w"), result=("n", 3, "h", "w"))
    import_model(graph, "bright", SAID, beside={"owner.json": json.dumps({"owner": ANN.folder, "shared": False})})
    return "bright"


def entry(name: str, owner: str | None) -> brought_models.ModelEntry:
    return next(one for one in brought_models.listing(owner) if one.name == name)


def launched(teacher: str, **config: object) -> list[str]:
    """A distillation and its control, by their ids, queued below the services: from whatever page it came."""
    made = open_store().add_all([replace(launch.to_config(ask(teacher=teacher)), **config)], control=launch.as_control)
    return [run.id for run in made]


def finished(run_id: str, home: Path) -> str:
    """The run is done, and has a student."""
    shipped = checkpoint.load(resolve("student"))
    checkpoint.save(home / run_id / "student", shipped.model, replace(shipped.card, name="mine", teacher="bright"))
    store = open_store()
    record = store.claim("w", ["cpu"])
    while record is not None and record.id != run_id:
        record = store.claim("w", ["cpu"])
    assert record is not None
    store.finish(run_id, "w", {"best_miou5": 0.5}, attempt=record.attempt)
    return run_id


def visible(run_id: str, owner: str | None) -> set[bool]:
    """In every place that names a run or its student, whether it is there."""
    checks: list[Callable[[], object]] = [
        lambda: run_id in {run.id for run in runs.find_runs(owner=owner).runs},
        lambda: run_id in {run.id for run in runs.find_runs(run_id, owner=owner).runs},
        lambda: bool(runs.some_runs([run_id], owner)),
        lambda: run_id in {run.id for run in runs.list_runs(owner)},
        lambda: training_run(run_id, owner) is not None,
    ]
    if (open_store().folder(run_id) / "student.json").is_file():
        checks += [
            lambda: run_id in artifacts.models(owner),
            lambda: run_id in {one.name for one in brought_models.listing(owner)},
            lambda: artifacts.require_known(run_id, owner=owner) is None,
        ]
    found = set()
    for check in checks:
        try:
            found.add(bool(check()))
        except (RunNotFoundError, CheckpointError):
            found.add(False)
    return found


def test_runs_and_students_of_a_private_teacher_are_its_owners_until_they_share(model: str, home: Path) -> None:
    first, control = launched(model)
    finished(first, home)
    student_of_student, _ = launched(first)
    (begun, _) = launched("teacher", train=replace(ask().config.train, start_from=model))
    every = (first, control, student_of_student, begun)
    for run_id in every:
        assert visible(run_id, ANN.folder) == {True}
        for other in OTHERS:
            assert visible(run_id, other) == {False}
    assert runs.find_runs(owner=BOB.folder).known == 0
    run = runs.some_runs([first], ANN.folder)[0]
    for change in (
        lambda: runs.pin(first, True, BOB),
        lambda: runs.cancel(control, BOB),
        lambda: runs.delete(first, BOB),
        lambda: waiting_runs.move_to_front(student_of_student, BOB),
        lambda: waiting_runs.copy_link(first, BOB.folder),
        lambda: launch.launch_more_seeds(run, [], BOB),
        lambda: runs.share(run, True, BOB),
    ):
        with pytest.raises(RunNotFoundError):
            change()
    runs.share(run, True, ANN)
    assert visible(first, BOB.folder) == visible(control, BOB.folder) == {True}
    assert visible(begun, BOB.folder) == {False}
    brought_models.share(entry(model, ANN.folder), True, ANN)
    assert [visible(run_id, BOB.folder) for run_id in every] == [{True}] * 4


def test_a_deleted_or_renamed_teacher_leaves_its_students_their_owners(model: str, home: Path) -> None:
    first, control = launched(model)
    finished(first, home)
    open_store().request_cancel(control)
    brought_models.rename(entry(model, ANN.folder), "other", ANN)
    assert visible(first, BOB.folder) == {False}
    brought_models.delete(entry("other", ANN.folder), ANN)
    assert visible(first, BOB.folder) == {False}
    assert visible(first, ANN.folder) == {True}


def test_runs_of_everybodys_models_are_everybodys(model: str) -> None:
    first, control = launched("teacher")
    brought_models.share(entry(model, ANN.folder), True, ANN)
    shared, _ = launched(model)
    for run_id in (first, control, shared):
        assert [visible(run_id, owner) for owner in (ANN.folder, *OTHERS)] == [{True}] * 3


def test_a_search_a_benchmark_and_a_committee_are_as_private_as_their_models(model: str, home: Path) -> None:
    request = searches.SearchRequest(teacher=model, name="secret", dataset="dubai")
    plan = {"plan": searches.plan_of(replace(request, dataset="samples")).to_json()}
    store = searches.search_store()
    store.add_study(searches.JobRequest(RunKind.SEARCH, plan, "secret"))
    assert (searches.names(ANN.folder), searches.names(BOB.folder)) == (["secret"], [])
    for change in (lambda: searches.stop("secret", BOB), lambda: search_access.share("secret", True, BOB)):
        with pytest.raises(RunNotFoundError):
            change()
    search_access.share("secret", True, ANN)
    assert searches.names(BOB.folder) == ["secret"]
    measured = Plan(models=(model,), teacher="teacher", runtimes=("pytorch",))
    results.save(Result("1", measured, {}, owner=str(ANN.folder)), into=home / results.FOLDER)
    assert (len(benchmarks.found(ANN.folder)), benchmarks.found(BOB.folder)) == (1, [])
    keep_card("both", committee_card("both", {model: load_card(resolve(model))}))
    assert "both" in artifacts.models(ANN.folder)
    for other in OTHERS:
        assert "both" not in artifacts.models(other)
        assert "both" not in {one.name for one in brought_models.listing(other)}
    taught, _ = launched("both")
    assert (visible(taught, ANN.folder), visible(taught, BOB.folder)) == ({True}, {False})


def test_the_sidebar_names_no_private_run(model: str) -> None:
    first, _ = launched(model, name="secret")
    open_store().claim("w", ["cpu"])
    assert workers.worker_state(ANN.folder).current == ("secret",)
    assert "secret" not in str(workers.worker_state(BOB.folder))
    assert runs.running_run(BOB.folder) is None
    assert [run.id for run in (runs.running_run(ANN.folder),) if run] == [first]


def _changes(name: str) -> list[Callable[[], object]]:
    return [
        lambda: brought_models.delete(entry(name, ANN.folder), ANN),
        lambda: brought_models.rename(entry(name, ANN.folder), "new", ANN),
        lambda: brought_models.share(entry(name, ANN.folder), False, ANN),
    ]


@pytest.mark.parametrize("need", ["committee", "run", "start", "search", "benchmark"])
def test_what_a_committee_or_a_run_needs_is_not_deleted_renamed_or_taken_back(model: str, need: str) -> None:
    brought_models.share(entry(model, ANN.folder), True, ANN)
    store = searches.search_store()
    if need == "committee":
        keep_card("both", committee_card("both", {model: load_card(resolve(model))}))
    elif need == "run":
        launched(model)
    elif need == "start":
        launched("teacher", train=replace(ask().config.train, start_from=model))
    elif need == "search":
        plan = {"plan": searches.plan_of(searches.SearchRequest(teacher=model)).to_json()}
        store.add_study(searches.JobRequest(RunKind.SEARCH, plan, "wide"))
    else:
        plan = {"plan": Plan(models=("student",), teacher=model, runtimes=("pytorch",)).to_json()}
        store.add_job(searches.JobRequest(RunKind.BENCHMARK, plan))
    for change in _changes(model):
        with pytest.raises(RunStateError, match=f"{model}") as told:
            change()
        assert str(told.value).count(".") == 1
    for command in (["rename", model, "new"], ["delete", model], ["share", "--private", model]):
        assert main(["models", *command]) != 0
    assert entry(model, BOB.folder).shared
    for run in store.list([runs.RunState.QUEUED], kinds=tuple(RunKind)):
        store.request_cancel(run.id)
    if need == "committee":
        assert main(["models", "delete", "both"]) == 0
    assert main(["models", "share", "--private", model]) == 0
    assert model not in artifacts.models(BOB.folder)
    assert main(["models", "share", model]) == 0
    assert main(["models", "rename", model, "new"]) == 0
    assert main(["models", "delete", "new"]) == 0


def test_a_student_that_a_committee_or_a_run_needs_is_not_deleted_or_pruned(home: Path) -> None:
    first = finished(launched("teacher")[0], home)
    keep_card("both", committee_card("both", {first: load_card(resolve(first))}))
    store = open_store()
    with pytest.raises(RunStateError, match="committee both"):
        store.delete(first)
    assert first not in {run.id for run in candidates(store, KeepLimits(days=0), now=lambda: 9e9)}
    assert main(["models", "delete", "both"]) == 0
    taught = launched(first)[0]
    with pytest.raises(RunStateError, match="which waits or works, uses"):
        store.delete(first)
    store.request_cancel(taught)
    store.delete(first)
    assert not brought_stem(first).parent.exists()
