"""The contract of the store: what each state allows, who may speak for a run, and that nothing is ever lost."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from core.config import RunConfig, TrainConfig
from core.errors import ConfigError, RunNotFoundError, RunStateError, StoreError
from core.runs.records import LAST_CHECKPOINT, RunRecord, RunState
from core.runs.store import MAX_LAPSES, RunStore
from tests.unit.runs.conftest import Clock


def _on(device: str) -> RunConfig:
    return RunConfig(kind="train", train=TrainConfig(device=device))


def _claimed(store: RunStore, config: RunConfig) -> RunRecord:
    store.add(config)
    record = store.claim("w", ["cpu"])
    assert record is not None
    return record


def _checkpoint(store: RunStore, run_id: str) -> None:
    (store.folder(run_id) / LAST_CHECKPOINT).mkdir()


def _in(store: RunStore, state: RunState, config: RunConfig) -> RunRecord:
    """A run brought into a state by the shortest way."""
    record = store.add(config)
    if state == RunState.QUEUED:
        return record
    if state == RunState.CANCELLED:
        return store.request_cancel(record.id)
    store.claim("w", ["cpu"])
    if state == RunState.DONE:
        return store.finish(record.id, "w", {})
    if state == RunState.FAILED:
        return store.fail(record.id, "w", "It broke.")
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


def test_two_runs_of_the_same_second_get_two_ids(tmp_path: Path, clock: Clock, config: RunConfig) -> None:
    tokens = iter(["aaaa", "aaaa", "bbbb"])
    store = RunStore(home=tmp_path, now=clock, token=lambda: next(tokens))
    first, second = store.add(config), store.add(config)
    assert (first.id[-4:], second.id[-4:]) == ("aaaa", "bbbb")


def test_the_oldest_run_is_claimed_first_and_its_row_stays(store: RunStore, config: RunConfig) -> None:
    first, second = store.add(config), store.add(config)
    claimed = store.claim("w", ["cpu"])
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.worker, claimed.device) == (first.id, RunState.RUNNING, "w", "cpu")
    assert [run.id for run in store.list()] == [second.id, first.id]
    assert [run.id for run in store.list([RunState.QUEUED])] == [second.id]


def test_many_workers_never_claim_the_same_run(tmp_path: Path, config: RunConfig) -> None:
    store = RunStore(home=tmp_path)
    wanted = {store.add(config).id for _ in range(24)}
    claimed: list[str] = []

    def work(name: str) -> None:
        mine = RunStore(home=tmp_path)
        while record := mine.claim(name, ["cpu"]):
            claimed.append(record.id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(claimed) == Counter(wanted)


@pytest.mark.parametrize(
    ("wanted", "free", "given"),
    [
        ("auto", ["cuda:0", "cpu"], "cuda:0"),
        ("auto", ["cpu"], "cpu"),
        ("cpu", ["cuda:0", "cpu"], "cpu"),
        ("cuda", ["cpu", "cuda:1"], "cuda:1"),
        ("cuda:0", ["cuda:1", "cpu"], None),
        ("cuda", ["cpu"], None),
        ("auto", [], None),
    ],
)
def test_a_run_gets_a_slot_that_suits_it(store: RunStore, wanted: str, free: list[str], given: str | None) -> None:
    store.add(_on(wanted))
    claimed = store.claim("w", free)
    assert (claimed.device if claimed else None) == given


def test_a_run_that_waits_for_its_device_holds_nobody_up(store: RunStore) -> None:
    store.add(_on("cuda"))
    second = store.add(_on("cpu"))
    claimed = store.claim("w", ["cpu"])
    assert claimed is not None
    assert claimed.id == second.id


@pytest.mark.parametrize("end", [RunState.DONE, RunState.FAILED, RunState.CANCELLED])
def test_a_control_waits_for_the_end_of_its_run(store: RunStore, config: RunConfig, end: RunState) -> None:
    first = store.add(config)
    control = store.add(replace(config, control_of=first.id))
    store.claim("w", ["cpu"])
    assert store.claim("w", ["cpu"]) is None
    if end == RunState.DONE:
        store.finish(first.id, "w", {})
    elif end == RunState.FAILED:
        store.fail(first.id, "w", "It broke.")
    else:
        store.request_cancel(first.id)
        store.release(first.id, "w")
    claimed = store.claim("w", ["cpu"])
    assert claimed is not None
    assert claimed.id == control.id


def test_a_control_of_a_deleted_run_does_not_wait_for_ever(store: RunStore, config: RunConfig) -> None:
    first = store.add(config)
    store.add(replace(config, control_of=first.id))
    store.delete(first.id)
    assert store.claim("w", ["cpu"]) is not None


def test_a_heartbeat_moves_time_and_progress_and_tells_of_a_cancel(
    store: RunStore, config: RunConfig, clock: Clock
) -> None:
    run = _claimed(store, config)
    clock.pass_(5)
    beaten = store.heartbeat(run.id, "w", 0.25)
    assert (beaten.heartbeat_at, beaten.progress, beaten.cancel_requested) == (clock(), 0.25, False)
    store.request_cancel(run.id)
    assert store.heartbeat(run.id, "w", 1.5).cancel_requested
    assert store.get(run.id).progress == 1.0


Word = Callable[[RunStore, str, str, int | None], object]
WORDS: dict[str, Word] = {
    "heartbeat": lambda store, run, worker, attempt: store.heartbeat(run, worker, 0.5, attempt=attempt),
    "finish": lambda store, run, worker, attempt: store.finish(run, worker, {}, attempt=attempt),
    "fail": lambda store, run, worker, attempt: store.fail(run, worker, "It broke.", attempt=attempt),
    "release": lambda store, run, worker, attempt: store.release(run, worker, attempt=attempt),
    "abandon": lambda store, run, worker, attempt: store.abandon(run, worker, "It died.", attempt=attempt),
}


@pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)
def test_only_the_holder_of_this_attempt_may_speak(
    store: RunStore, config: RunConfig, clock: Clock, word: Word
) -> None:
    run = _claimed(store, config)
    clock.pass_(500)
    store.requeue_lapsed(120)
    again = store.claim("w", ["cpu"])
    assert again is not None
    for worker, attempt in (("other", None), ("w", run.attempt)):
        with pytest.raises(RunStateError, match="not held"):
            word(store, run.id, worker, attempt)
    assert store.get(run.id) == again
    word(store, run.id, "w", again.attempt)
    with pytest.raises(RunNotFoundError):
        word(store, "20260101-000000-0000", "w", None)


def test_a_finished_run_keeps_its_summary(store: RunStore, config: RunConfig, clock: Clock) -> None:
    run = _claimed(store, config)
    clock.pass_(60)
    done = store.finish(run.id, "w", {"best_miou5": 0.5, "scores": {"Road": None}})
    assert (done.state, done.progress, done.finished_at) == (RunState.DONE, 1.0, clock())
    assert store.get(run.id).summary == {"best_miou5": 0.5, "scores": {"Road": None}}


def test_a_silent_run_returns_three_times_and_then_fails_in_words(
    store: RunStore, config: RunConfig, clock: Clock
) -> None:
    store.add(config)
    for lapse in range(1, MAX_LAPSES + 1):
        store.claim("w", ["cpu"])
        clock.pass_(119)
        assert store.requeue_lapsed(120) == []
        clock.pass_(2)
        (back,) = store.requeue_lapsed(120)
        assert (back.state, back.lapses, back.worker, back.device) == (RunState.QUEUED, lapse, "", "auto")
    store.claim("w", ["cpu"])
    clock.pass_(121)
    (failed,) = store.requeue_lapsed(120)
    assert failed.state == RunState.FAILED
    assert failed.error is not None
    assert failed.error.startswith("The run gave no sign of life for 120 seconds. It was started again 3 times")


def test_a_beating_run_is_left_alone(store: RunStore, config: RunConfig, clock: Clock) -> None:
    run = _claimed(store, config)
    for _ in range(5):
        clock.pass_(100)
        store.heartbeat(run.id, "w", 0.1)
        assert store.requeue_lapsed(120) == []


@pytest.mark.parametrize("way", ["release", "abandon", "lapse"])
def test_a_cancelled_run_never_returns_to_the_queue(store: RunStore, config: RunConfig, clock: Clock, way: str) -> None:
    run = _claimed(store, config)
    _checkpoint(store, run.id)
    assert store.request_cancel(run.id).state == RunState.RUNNING
    if way == "release":
        store.release(run.id, "w")
    elif way == "abandon":
        store.abandon(run.id, "w", "It died.")
    else:
        clock.pass_(121)
        store.requeue_lapsed(120)
    assert store.get(run.id).state == RunState.CANCELLED


def test_leaving_counts_no_lapse(store: RunStore, config: RunConfig) -> None:
    run = store.add(config)
    for _ in range(2 * MAX_LAPSES):
        store.claim("w", ["cpu"])
        assert store.release(run.id, "w").state == RunState.QUEUED
    assert store.get(run.id).lapses == 0


def test_a_dead_run_goes_on_only_from_a_checkpoint(store: RunStore, config: RunConfig) -> None:
    without = _claimed(store, config)
    failed = store.abandon(without.id, "w", "It died.")
    assert (failed.state, failed.error) == (RunState.FAILED, "It died.")
    having = _claimed(store, config)
    _checkpoint(store, having.id)
    for _ in range(MAX_LAPSES):
        assert store.abandon(having.id, "w", "It died.").state == RunState.QUEUED
        store.claim("w", ["cpu"])
    assert store.abandon(having.id, "w", "It died.").state == RunState.FAILED


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
    assert (fresh.state, fresh.error, fresh.finished_at, fresh.lapses) == (RunState.QUEUED, None, None, 0)
    assert not fresh.cancel_requested
    assert store.claim("w", ["cpu"]) is not None


def test_a_retry_keeps_the_checkpoint_and_its_progress(store: RunStore, config: RunConfig) -> None:
    run = _claimed(store, config)
    _checkpoint(store, run.id)
    store.heartbeat(run.id, "w", 0.5)
    store.fail(run.id, "w", "It broke.")
    assert store.retry(run.id).progress == 0.5
    assert store.has_checkpoint(run.id)
    store.request_cancel(run.id)
    other = _claimed(store, config)
    store.heartbeat(other.id, "w", 0.5)
    store.fail(other.id, "w", "It broke.")
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
def test_delete_never_follows_a_link(store: RunStore, config: RunConfig, tmp_path: Path, whole_folder: bool) -> None:
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


def test_settings_of_another_version_fail_alone_and_in_words(store: RunStore, config: RunConfig) -> None:
    old, new = store.add(config), store.add(config)
    with create_engine(f"sqlite:///{store.home / 'runs.db'}").begin() as connection:
        connection.execute(text("update runs set config = '{\"colour\": 1}' where id = :id"), {"id": old.id})
    assert {run.id for run in store.list()} == {old.id, new.id}
    claimed = store.claim("w", ["cpu"])
    assert claimed is not None
    assert claimed.id == new.id
    failed = store.get(old.id)
    assert failed.state == RunState.FAILED
    assert failed.error is not None
    assert "cannot be read" in failed.error


def test_a_second_opening_finds_everything(store: RunStore, config: RunConfig) -> None:
    run = store.add(config)
    assert RunStore(home=store.home).get(run.id) == run


def test_a_store_of_another_version_is_refused(store: RunStore) -> None:
    with create_engine(f"sqlite:///{store.home / 'runs.db'}").begin() as connection:
        connection.execute(text("update schema_version set version = 99"))
    with pytest.raises(StoreError, match="version 99"):
        RunStore(home=store.home)


def test_a_file_that_is_no_database_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "runs.db").write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    with pytest.raises(StoreError, match="cannot be used"):
        RunStore(home=tmp_path)


def test_a_home_that_cannot_be_made_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="TERRASTILL_HOME"):
        RunStore(home=tmp_path / "file" / "home")
