"""The verb `runs`: the queue from a terminal."""

import json
import os

import pytest

from core.config import RunConfig
from core.runs.store.records import JobRequest, RunKind, RunState
from core.runs.store.run_store import RunStore

from .conftest import Run


@pytest.fixture
def store() -> RunStore:
    return RunStore()


def _add(store: RunStore, name: str) -> str:
    return store.add(RunConfig(kind="train", name=name)).id


def test_it_lists_all_runs_newest_first(store: RunStore, run: Run) -> None:
    assert run("runs") == (0, "No runs.\n", "")
    ids = [_add(store, "one"), _add(store, "two")]
    code, out, _ = run("runs")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ids[::-1]
    facts = json.loads(run("runs", "--json")[1])["runs"]
    assert [(fact["id"], fact["state"], fact["pinned"]) for fact in facts] == [(i, "queued", False) for i in ids[::-1]]


def test_other_kinds_are_listed_to_who_asks_and_cancelled_by_their_id(store: RunStore, run: Run) -> None:
    photo = store.add_job(JobRequest(RunKind.PREDICTION, {}, "1 image")).id
    assert run("runs") == (0, "No runs.\n", "")
    assert run("runs", "--kind", "prediction")[1].split()[0] == photo
    assert "cancelled" in run("runs", "cancel", photo)[1]
    assert store.get(photo).state == RunState.CANCELLED


def test_what_it_does_is_done(store: RunStore, run: Run) -> None:
    one, two = _add(store, "one"), _add(store, "two")
    assert run("runs", "first", two)[0] == 0
    assert [record.id for record in store.queue()] == [two, one]
    run("runs", "pin", one, two)
    run("runs", "unpin", two)
    assert [store.get(name).pinned for name in (one, two)] == [True, False]
    assert "pinned one" in run("runs")[1]
    run("runs", "cancel", one)
    assert store.get(one).state == RunState.CANCELLED
    run("runs", "retry", one)
    assert store.get(one).state == RunState.QUEUED
    assert run("runs", "delete", one) == (0, "Deleted.\n", "")
    assert [record.id for record in store.list()] == [two]


def test_what_cannot_be_done_is_told_in_a_line(store: RunStore, run: Run) -> None:
    one = _add(store, "one")
    for words, told in (
        (("retry", one), "only a failed or cancelled run"),
        (("cancel", "20260101-000000-aaaa"), "There is no run"),
        (("cancel",), "Name the run to cancel"),
        (("prune",), "Say what to keep"),
    ):
        code, out, err = run("runs", *words)
        assert (code, out) == (1, "")
        assert told in err
        assert err.count("\n") == 1


def test_prune_tells_first_and_spares_the_pinned(store: RunStore, run: Run) -> None:
    ids = [_add(store, name) for name in ("old", "kept")]
    for name in ids:
        store.request_cancel(name)
    store.pin(ids[1])
    (store.folder(ids[0]) / "big").write_bytes(os.urandom(2000))
    told = run("runs", "prune", "--keep-gb", "0.000001", "--check")[1]
    assert [line.split()[0] for line in told.splitlines()] == [ids[0]]
    assert len(store.list()) == 2
    run("runs", "prune", "--keep-gb", "0.000001")
    assert [record.id for record in store.list()] == [ids[1]]
