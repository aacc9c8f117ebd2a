"""A search whose process and whose workers are killed at any moment loses no trial and repeats none.

What is durable changes with the commits of two databases, the store's and the search engine's, and with nothing else.
So a kill before each commit in turn leaves every state that a kill can leave.
"""

import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.runs.store.records import JobRequest, RunKind, RunState
from core.runs.store.studies import StudyStore
from core.search.study_plan import SearchPlan
from tests.unit.search.kit import Trainers, begin, finish, head, lead, make_plan

PLAN = make_plan(trials=9, confirm=1)
_LONG = 24
"""Trials of a search that is killed fifty times before its end."""
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.unit.search.preloaded"])


def _queue(store: StudyStore, plan: SearchPlan = PLAN) -> None:
    store.add_study(JobRequest(RunKind.SEARCH, {"plan": json.loads(json.dumps(plan.to_json()))}, "s"))


def _lead(store: StudyStore, workers: Trainers, gap: int) -> bool:
    """One process, which kills itself before its commit number `gap`; whether it came to its end before."""
    process = _FORKS.Process(target=lead, args=(str(store.home), gap))
    process.start()
    while process.is_alive():
        workers.turn()
        time.sleep(0.005)
    process.join()
    search = store.study("s")
    if search.state == RunState.RUNNING:
        assert process.exitcode == -9
        store.reclaim(search, "Its process was killed.")
    return search.state == RunState.DONE


@pytest.mark.slow
def test_a_search_that_is_killed_before_every_commit_ends_as_if_it_were_not(tmp_path: Path) -> None:
    store = StudyStore(home=tmp_path / "home")
    # How often it may be restarted without getting on is another matter.
    store.max_restarts = 1000
    workers, kills, workers_killed, runs_lost = Trainers(store), 0, 0, 0
    _queue(store, make_plan(trials=_LONG, confirm=1))
    # Gaps of 2 to 61 commits, reads included: over a search each place in the loop is met, and it gets on.
    while not _lead(store, workers, gap=2 + 7 * kills % 60):
        kills += 1
        if kills % 3 == 0 and workers.held:
            workers_killed += 1
            runs_lost += workers.die()
    rows = store.trials("s")
    trials = [row for row in rows if row.role == "trial"]
    assert kills >= 50
    assert workers_killed >= 5
    assert [row.number for row in trials] == list(range(_LONG))
    assert all("told" in row.facts for row in trials)
    assert len(set(workers.ran)) == len(rows) == _LONG + 2
    # A run is claimed again where its worker was killed, and nowhere else.
    assert len(rows) < len(workers.ran) <= len(rows) + runs_lost
    assert store.study("s").summary["trials"] == _LONG
    own = {"temperature": 2.0, "alpha": 0.5}
    sizes = ("compact 2", "compact 4", "compact 8")
    assert [row.facts["params"] for row in trials[:3]] == [{"size": size, **own} for size in sizes]
    assert {row.state for row in rows} <= {RunState.DONE, RunState.CANCELLED}
    _engine_agrees(store)
    store.close()


def _engine_agrees(store: StudyStore) -> None:
    """Optuna knows each trial once, with the settings and the score of its run."""
    import optuna

    storage = optuna.storages.RDBStorage(store.search_url)
    study = optuna.load_study(study_name=f"{store.study('s').id}/0", storage=storage)
    rows = [row for row in store.trials("s") if row.role == "trial"]
    assert len(study.trials) == len(rows)
    for trial, row in zip(study.trials, rows, strict=True):
        assert trial.params == row.facts["params"]
        told = {"COMPLETE": "done", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
        assert told == row.facts["told"]
        if told == "done":
            assert trial.value == row.summary["best_miou5"]
    storage.remove_session()
    storage.engine.dispose()


@pytest.mark.slow
def test_a_search_whose_engine_lost_its_storage_makes_it_anew(tmp_path: Path) -> None:
    store = StudyStore(home=tmp_path / "home")
    workers = Trainers(store)
    _queue(store)
    assert not _lead(store, workers, gap=150)
    assert store.trials("s")
    for file in store.home.glob("searches.db*"):
        file.unlink()
    assert _lead(store, workers, gap=1_000_000)
    assert [row.number for row in store.trials("s") if row.role == "trial"] == list(range(9))
    _engine_agrees(store)
    store.close()


@pytest.mark.slow
def test_two_workers_share_the_trials_on_postgresql(new_postgres: Callable[[], str], tmp_path: Path) -> None:
    """Two workers with connections of their own serve one search; the engine's tables lie in the same database."""
    store = StudyStore(new_postgres(), home=tmp_path / "home")
    other = StudyStore(store.search_url, home=tmp_path / "home")
    pair = [Trainers(store, places=1), Trainers(other, places=1)]
    store.register_worker("w", 1, "cpu")
    store.worker_heartbeat("v", 1, "cpu")

    def turn() -> None:
        for workers in pair:
            workers.turn()

    search = begin(store, make_plan(trials=6, prune=False))
    finish(store, search, head(store, search, turn, cancelled=lambda: False).run())
    rows = store.trials("s")
    assert [row.number for row in rows] == list(range(6))
    assert {row.state for row in rows} == {RunState.DONE}
    assert sorted([*pair[0].ran, *pair[1].ran]) == sorted(row.id for row in rows)
    assert pair[0].ran
    assert pair[1].ran
    assert not (store.home / "searches.db").exists()
    _engine_agrees(store)
    other.close()
    store.close()
