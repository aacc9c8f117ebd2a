"""A page of the list is a part of the whole list: in its order, of what was searched for, and nothing else is read."""

from dataclasses import replace
from typing import Any

import pytest

from core.config import DistillConfig, RunConfig
from core.runs.store import tables
from core.runs.store.records import JobRequest, RunKind, RunQuery, RunState
from core.runs.store.run_store import RunStore


@pytest.fixture
def store(any_store: RunStore, config: RunConfig) -> RunStore:
    """Nine runs, among them a distillation with its control, one that is cancelled, and a visitor's prediction."""
    for name in ("North 1", "north 2", "South 100%", "South 1000", "under_score"):
        any_store.add(replace(config, name=name))
    taught = RunConfig(kind="distill", name="Taught", distill=DistillConfig(teacher="teacher-of-roofs"))
    run = any_store.add(taught)
    any_store.add(taught.as_control(run.id, name="Alone"))
    any_store.add(replace(taught, name="Again", distill=DistillConfig(teacher=run.id)))
    any_store.request_cancel(any_store.add(replace(config, name="Given up")).id)
    any_store.add_job(JobRequest(RunKind.PREDICTION, {}, "North, of a visitor"))
    return any_store


def names(store: RunStore, query: RunQuery) -> list[str]:
    return [record.name for record in store.page(query).records]


@pytest.mark.parametrize("most", [1, 4, 50])
@pytest.mark.parametrize("query", [RunQuery(), RunQuery("north"), RunQuery(states=(RunState.QUEUED,))], ids=str)
def test_all_pages_together_are_the_list(store: RunStore, query: RunQuery, most: int) -> None:
    wanted = [
        run
        for run in store.list()
        if query.text in run.name.lower() and (not query.states or run.state in query.states)
    ]
    found = []
    for first in range(0, len(wanted) + most, most):
        page = store.page(replace(query, first=first, most=most))
        assert (page.total, page.known) == (len(wanted), 9)
        found += page.records
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("NORTH", ["north 2", "North 1"]),
        ("100%", ["South 100%"]),
        ("r_s", ["under_score"]),
        ("south 1000", ["South 1000"]),
        ("roofs", ["Taught"]),
        ("visitor", []),
    ],
)
def test_words_are_found_as_they_are_written(store: RunStore, text: str, found: list[str]) -> None:
    assert names(store, RunQuery(text)) == found


def test_two_teachers_whose_names_begin_alike_are_told_apart(store: RunStore) -> None:
    begin = "a-teacher-of-roofs-in-the-north-of-the-city"
    for year in (2024, 2025):
        store.add(RunConfig(kind="distill", name=f"Of {year}", distill=DistillConfig(teacher=f"{begin}-{year}")))
    assert len(begin) > 40
    assert names(store, RunQuery(f"{begin}-2025")) == ["Of 2025"]
    assert names(store, RunQuery(begin[:30])) == ["Of 2025", "Of 2024"]


def test_the_id_of_a_run_finds_what_belongs_to_it_and_tells_its_control(store: RunStore) -> None:
    run = next(run for run in store.list() if run.name == "Taught")
    assert names(store, RunQuery(run.id)) == ["Again", "Alone", "Taught"]
    control = next(run for run in store.list() if run.name == "Alone")
    assert store.page(RunQuery("taught")).controls == {run.id: control.id}
    assert names(store, RunQuery(ids=(control.id, run.id, "no such run"))) == ["Alone", "Taught"]
    assert names(store, RunQuery(ids=())) == []


def test_only_the_runs_of_a_page_are_read(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = tables.read_settings

    def noted(row: Any) -> Any:
        read.append(row.name)
        return real(row)

    monkeypatch.setattr(tables, "read_settings", noted)
    assert names(store, RunQuery(first=5, most=2)) == read == ["South 1000", "South 100%"]
