"""`search`: started, listed, shown, stopped, continued and deleted from the command line."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from core import paths
from core.cli.main import main, parser
from core.cli.search import USUAL_SPACE, plan_from
from core.runs.store.records import RunState
from core.runs.store.studies import StudyStore
from core.search.study_plan import SearchPlan, StudentLimits
from tests.unit.search.kit import begin, carry_out, make_plan


@pytest.fixture
def store() -> Iterator[StudyStore]:
    made = StudyStore(home=paths.home())
    yield made
    made.close()


def test_the_flags_say_what_is_searched() -> None:
    args = parser().parse_args(
        ["search", "--goal", "parameters", "--latency-ms", "20", "--keep", "0.97", "--minutes", "5", "--epochs", "4"]
    )
    plan = plan_from(args)
    assert plan.goals == ("parameters",)
    assert plan.limits == StudentLimits(latency_ms=20.0, keep=0.97)
    assert (plan.trials, plan.seconds, plan.config.train.epochs) == (None, 300.0, 4)
    assert len(plan.space) == len(USUAL_SPACE)


def test_a_search_is_shown_with_the_numbers_of_its_runs(store: StudyStore, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(store, make_plan(trials=2, prune=False), "depot")
    assert main(["search", "show", "depot", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    scores = {row.number: row.summary["best_miou5"] for row in store.trials("depot")}
    assert {(row["number"], row["miou"]) for row in found["best"]} == {max(scores.items(), key=lambda item: item[1])}
    assert (found["state"], found["trials"], found["pruned"]) == ("done", 2, 0)
    assert main(["search", "list"]) == 0
    assert "depot" in capsys.readouterr().out


def test_a_front_is_shown_with_its_cost_and_an_end_without_a_winner_is_said(
    store: StudyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    carry_out(store, make_plan(trials=1, limits=StudentLimits(latency_ms=99.0, keep=1.2)), "depot")
    assert main(["search", "show", "depot"]) == 0
    said = capsys.readouterr().out
    (row,) = store.trials("depot")
    assert "No trial meets the limits." in said
    assert "Best" not in said
    assert "confirmed" not in said
    base = int(row.facts["params"]["size"].split()[1])
    share = 100 * row.facts["miou"] / row.facts["teacher"]
    assert f"{100 * row.facts['miou']:.1f} %  {share:.1f} % of the teacher  {4 * base} ms  {row.id}" in said


def test_a_date_that_has_passed_is_refused(store: StudyStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--until", "2020-01-31T08:00", "--queue"]) == 1
    assert "still to come" in capsys.readouterr().err
    assert store.studies() == []


def test_a_search_is_stopped_continued_with_more_and_deleted(
    store: StudyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    search = begin(store, make_plan(), "depot")
    assert main(["search", "stop", "depot"]) == 0
    store.release(search.id, "h", attempt=search.attempt)
    wider = ["--trials", "50", "--vary", "size=compact 2,compact 12", "--latency-ms", "77", "--queue"]
    assert main(["search", "continue", "depot", *wider]) == 0
    again = store.study("depot")
    plan = SearchPlan.from_json(again.job["plan"])
    assert again.state == RunState.QUEUED
    assert plan.limits.latency_ms == 77.0
    assert (plan.trials, plan.sizes, plan.generation) == (50, ("compact 2", "compact 12"), 1)
    assert main(["search", "delete", "depot"]) == 1
    assert "stop it first" in capsys.readouterr().err
    assert main(["search", "stop", "depot"]) == 0
    assert main(["search", "delete", "depot"]) == 0
    assert main(["search", "show", "depot"]) == 1
    assert "There is no search depot" in capsys.readouterr().err


OWN: dict[str, Any] = {
    "goals": ("miou", "latency"),
    "sampler": "random",
    "confirm": 1,
    "at_once": 2,
    "trials": 6,
    "seconds": 600.0,
}
CONTINUED: list[tuple[list[str], dict[str, Any]]] = [
    (["--trials", "9"], {"trials": 9}),
    (["--goal", "miou"], {"goals": ("miou",), "generation": 1}),
    (["--goal", "miou", "parameters"], {"goals": ("miou", "parameters"), "generation": 2}),
    (["--sampler", "tpe"], {"sampler": "tpe"}),
    (["--confirm", "3"], {"confirm": 3}),
    (["--confirm", "0"], {"confirm": 0}),
    (["--at-once", "4"], {"at_once": 4}),
    (["--minutes", "5"], {"seconds": 300.0}),
    (["--keep", "0.9"], {"limits": StudentLimits(keep=0.9), "generation": 3}),
    (["--no-pruning"], {"prune": False}),
]


def test_what_is_typed_holds_and_all_else_stays_when_a_search_is_continued(store: StudyStore) -> None:
    expected = make_plan(**OWN)
    search = begin(store, expected, "depot")
    store.stop_study("depot")
    store.release(search.id, "h", attempt=search.attempt)
    for flags, changed in CONTINUED:
        expected = replace(expected, **changed)
        assert main(["search", "continue", "depot", *flags, "--queue"]) == 0
        assert SearchPlan.from_json(store.study("depot").job["plan"]) == expected, flags
        store.stop_study("depot")


FIXED = (
    *("--epochs 9", "--lr 0.01", "--teacher teacher", "--data there", "--set base=3", "--base 4", "--side 512"),
    *("--threads 1", "--runtime onnx", "--name other", "--config file.json", "--check"),
)


def test_what_cannot_change_is_refused_in_one_sentence(store: StudyStore, capsys: pytest.CaptureFixture[str]) -> None:
    carry_out(store, make_plan(trials=1), "depot")
    before = store.study("depot")
    for flags in map(str.split, FIXED):
        assert main(["search", "continue", "depot", *flags]) == 1
        assert f"does not take {flags[0]}: what its trials train" in capsys.readouterr().err
        for deed in ("show", "stop", "delete", "list"):
            assert main(["search", deed, "depot", *flags]) == 1
            assert f"does not take {flags[0]}: leave it out." in capsys.readouterr().err
    grid = ["--sampler", "grid", "--vary", "temperature=1,2", "--vary", "alpha=0,1", "--trials", "9"]
    assert main(["search", "continue", "depot", *grid]) == 1
    assert "start the grid as a new search" in capsys.readouterr().err
    assert store.study("depot") == before
