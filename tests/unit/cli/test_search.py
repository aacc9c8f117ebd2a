"""`search`: started, listed, shown, stopped, continued and deleted from the command line."""

import json
from collections.abc import Iterator

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
