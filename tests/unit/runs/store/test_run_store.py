"""The contract of the store: a run is kept as given, each state allows what it should, nothing leads outside."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from core.config import RunConfig, TrainConfig
from core.errors import ConfigError, RunNotFoundError, RunStateError, StoreError
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore
from tests.unit.runs.conftest import Clock, claimed, make_checkpoint


@pytest.fixture
def store(any_store: RunStore) -> RunStore:
    """Every test here is part of the contract, and runs over each database."""
    return any_store


def _in(store: RunStore, state: RunState, config: RunConfig) -> RunRecord:
    """A run brought into a state by the shortest way."""
    record = store.add(config)
    if state == RunState.QUEUED:
        return record
    if state == RunState.CANCELLED:
        return store.request_cancel(record.id)
    store.claim("w", ["cpu"])
    if state == RunState.DONE:
        return store.finish(record.id, "w", {}, attempt=1)
    if state == RunState.FAILED:
        return store.fail(record.id, "w", "It broke.", attempt=1)
    return store.get(record.id)


def test_an_added_run_comes_back_as_it_was_given(store: RunStore, config: RunConfig, clock: Clock) -> None:
    added = store.add(config)
    assert added == store.get(added.id) == store.list()[0]
    assert (added.config, added.state, added.created_at) == (config, RunState.QUEUED, clock())
    assert RunConfig.from_json((store.folder(added.id) / "config.json").read_text()) == config


def test_settings_out_of_range_leave_no_trace(store: RunStore, config: RunConfig) -> None:
    with pytest.raises(ConfigError, match="Epochs"):
        store.add(replace(config, train=TrainConfig(epochs=0)))
    assert store.list() == []
    assert [path for path in store.home.iterdir() if path.is_dir()] == []


def test_two_runs_of_the_same_second_get_two_ids(
    store_url: str, tmp_path: Path, clock: Clock, config: RunConfig
) -> None:
    tokens = iter(["aaaa", "aaaa", "bbbb"])
    store = RunStore(store_url, home=tmp_path / "home", now=clock, token=lambda: next(tokens))
    first, second = store.add(config), store.add(config)
    store.close()
    assert (first.id[-4:], second.id[-4:]) == ("aaaa", "bbbb")


def test_a_finished_run_keeps_its_summary(store: RunStore, config: RunConfig, clock: Clock) -> None:
    run = claimed(store, config)
    clock.pass_(60)
    done = store.finish(run.id, "w", {"best_miou5": 0.5, "scores": {"Road": None}}, attempt=1)
    assert (done.state, done.progress, done.finished_at) == (RunState.DONE, 1.0, clock())
    assert store.get(run.id).summary == {"best_miou5": 0.5, "scores": {"Road": None}}


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (RunState.QUEUED, RunState.CANCELLED),
        (RunState.RUNNING, RunState.RUNNING),
        (RunState.CANCELLED, RunState.CANCELLED),
        (RunState.DONE, None),
        (RunState.FAILED, None),
    ],
)
def test_what_a_cancel_does_in_each_state(
    store: RunStore, config: RunConfig, state: RunState, after: RunState | None
) -> None:
    run = _in(store, state, config)
    if after is None:
        with pytest.raises(RunStateError, match=f"already {state}"):
            store.request_cancel(run.id)
    else:
        assert store.request_cancel(run.id).state == after
        assert store.get(run.id).cancel_requested == (state == RunState.RUNNING)


@pytest.mark.parametrize("state", list(RunState))
def test_only_a_failed_or_cancelled_run_can_be_retried(store: RunStore, config: RunConfig, state: RunState) -> None:
    run = _in(store, state, config)
    if state not in (RunState.FAILED, RunState.CANCELLED):
        with pytest.raises(RunStateError, match="only a failed or cancelled run"):
            store.retry(run.id)
        return
    fresh = store.retry(run.id)
    assert (fresh.state, fresh.error, fresh.finished_at, fresh.restarts) == (RunState.QUEUED, None, None, 0)
    assert not fresh.cancel_requested
    assert store.claim("w", ["cpu"]) is not None


def test_a_retry_keeps_the_checkpoint_and_its_progress(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    make_checkpoint(store, run.id)
    store.heartbeat(run.id, "w", 0.5, attempt=1)
    store.fail(run.id, "w", "It broke.", attempt=1)
    assert store.retry(run.id).progress == 0.5
    assert store.has_checkpoint(run.id)
    store.request_cancel(run.id)
    other = claimed(store, config)
    store.heartbeat(other.id, "w", 0.5, attempt=1)
    store.fail(other.id, "w", "It broke.", attempt=1)
    assert store.retry(other.id).progress == 0.0


@pytest.mark.parametrize("state", list(RunState))
def test_delete_takes_row_and_folder_but_no_running_run(store: RunStore, config: RunConfig, state: RunState) -> None:
    run = _in(store, state, config)
    kept = store.add(config)
    if state == RunState.RUNNING:
        with pytest.raises(RunStateError, match="cancel it first"):
            store.delete(run.id)
        assert store.folder(run.id).is_dir()
        return
    store.delete(run.id)
    with pytest.raises(RunNotFoundError):
        store.get(run.id)
    assert {path.name for path in store.home.iterdir() if path.is_dir()} == {kept.id}


@pytest.mark.parametrize("whole_folder", [True, False])
def test_delete_never_deletes_through_a_link(
    store: RunStore, config: RunConfig, tmp_path: Path, whole_folder: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("keep me")
    run = store.add(config)
    folder = store.folder(run.id)
    if whole_folder:
        (folder / "config.json").unlink()
        folder.rmdir()
        folder.symlink_to(outside)
    else:
        (folder / "link").symlink_to(outside)
    store.delete(run.id)
    assert (outside / "precious.txt").read_text() == "keep me"
    assert not folder.is_symlink()
    assert not folder.exists()


@pytest.mark.parametrize(
    "text", ["..", "../../etc", "", "20260101-000000-zzzz", "20260101-000000-aaaa/..", "٢٠٢٦٠١٠١-000000-aaaa"]
)
def test_no_text_leads_out_of_the_home(store: RunStore, text: str) -> None:
    with pytest.raises(RunNotFoundError, match="not the id of a run"):
        store.folder(text)
    with pytest.raises(RunNotFoundError):
        store.delete(text)


def test_settings_of_another_version_fail_alone_and_with_a_message(
    store: RunStore, store_url: str, config: RunConfig
) -> None:
    old, new = store.add(config), store.add(config)
    with engine(store_url).begin() as connection:
        connection.execute(text("update runs set config = '{\"colour\": 1}' where id = :id"), {"id": old.id})
    assert {run.id for run in store.list()} == {old.id, new.id}
    taken = store.claim("w", ["cpu"])
    assert taken is not None
    assert taken.id == new.id
    failed = store.get(old.id)
    assert failed.state == RunState.FAILED
    assert failed.error is not None
    assert "cannot be read" in failed.error


def test_a_second_opening_finds_everything(store: RunStore, store_url: str, config: RunConfig) -> None:
    run = store.add(config)
    again = RunStore(store_url, home=store.home)
    assert again.get(run.id) == run
    again.close()


def test_a_store_of_a_newer_version_is_refused(store: RunStore, store_url: str) -> None:
    del store
    with engine(store_url).begin() as connection:
        connection.execute(text("update schema_version set version = 99"))
    with pytest.raises(StoreError, match="version 99"):
        RunStore(store_url)


def engine(url: str) -> Engine:
    """The database itself, past the store; nothing of it stays open."""
    return create_engine(url, poolclass=NullPool)


def test_a_file_that_is_no_database_is_reported_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError, match="cannot be used"):
        RunStore(home=tmp_path)


def test_a_home_that_cannot_be_made_is_reported_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="TERRASTILL_HOME"):
        RunStore(home=tmp_path / "file" / "home")


def test_a_retry_is_helped_anew_when_memory_runs_out(store: RunStore, config: RunConfig) -> None:
    run = claimed(store, config)
    store.reduce_batch(run.id, "w", attempt=1)
    store.claim("w", ["cpu"])
    assert store.reduce_batch(run.id, "w", attempt=2).state == RunState.FAILED
    store.retry(run.id)
    store.claim("w", ["cpu"])
    again = store.reduce_batch(run.id, "w", attempt=3)
    assert (again.state, again.batch_reductions, again.config.train.accumulate) == (RunState.QUEUED, 1, 4)
