"""Predictions and benchmarks are runs like the others, counted, claimed and listed by their kind."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import RunConfig
from core.errors import RunNotFoundError, RunStateError
from core.runs.store.records import MACHINE, JobRequest, RunKind, RunState
from core.runs.store.run_store import RunStore
from tests.unit.runs.conftest import Clock

PHOTO = JobRequest(RunKind.PREDICTION, {"items": ["/home/visitor/roof.png"]}, "1 image")
BENCHMARK = JobRequest(RunKind.BENCHMARK, {"plan": {}}, "Benchmark")
ALL = tuple(RunKind)


def test_a_photo_is_claimed_while_training_runs_wait_and_work(store: RunStore, config: RunConfig) -> None:
    """The order of claims: whatever waits, a prediction takes its own slot at once, and gives it back."""
    for _ in range(3):
        store.add(config)
    training = store.claim("w", ["cpu"])
    assert training is not None
    store.add_job(BENCHMARK)
    photo = store.add_job(PHOTO)
    assert [run.kind for run in store.queue(kinds=ALL)] == ["prediction", "benchmark", "training", "training"]
    claimed = store.claim("w", [MACHINE], RunKind.PREDICTION)
    assert claimed is not None
    assert (claimed.id, claimed.job, claimed.device) == (photo.id, PHOTO.settings, MACHINE)
    assert store.claim("w", [MACHINE], RunKind.PREDICTION) is None
    store.finish(photo.id, "w", {}, attempt=1)
    second = store.claim("w", ["cpu"])
    assert second is not None
    assert second.kind == RunKind.TRAINING


def test_a_training_run_takes_no_slot_of_a_quick_kind_and_the_reverse(store: RunStore, config: RunConfig) -> None:
    store.add(config)
    assert store.claim("w", [MACHINE, "cpu"], RunKind.PREDICTION) is None
    store.add_job(PHOTO)
    first = store.claim("w", ["cpu", MACHINE])
    assert first is not None
    assert first.kind == RunKind.TRAINING
    assert store.claim("w", ["cpu", MACHINE]) is None


def test_no_list_names_what_a_visitor_brought(store: RunStore, config: RunConfig) -> None:
    """But who asks for the kind. Its folder tells nothing of it either."""
    run = store.add(config)
    photo = store.add_job(PHOTO, launched_by="folder")
    assert [one.id for one in store.list()] == [run.id] == [one.id for one in store.queue()]
    assert [one.id for one in store.list(kinds=(RunKind.PREDICTION,))] == [photo.id]
    assert "roof" not in "".join(file.read_text() for file in store.folder(photo.id).iterdir())


def test_as_many_of_a_kind_wait_as_may_however_many_come_at_once(
    store_url: str, tmp_path: Path, config: RunConfig, clock: Clock
) -> None:
    gate, refused = threading.Barrier(6), []
    store = RunStore(store_url, home=tmp_path / "home", now=clock)
    store.add(config)

    def bring() -> None:
        mine = RunStore(store_url, home=tmp_path / "home", now=clock)
        gate.wait()
        try:
            mine.add_job(PHOTO, most=4)
        except RunStateError as error:
            refused.append(str(error))
        mine.close()

    threads = [threading.Thread(target=bring) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.list(kinds=(RunKind.PREDICTION,))) == 4
    assert refused == ["Many people are segmenting pictures now: try again in a few minutes."] * 2
    assert len(list(store.home.glob("*/config.json"))) == 5, "no folder of a refused one"
    # The other kinds count for themselves.
    store.add_job(BENCHMARK, most=1)
    with pytest.raises(RunStateError, match="Another benchmark is running"):
        store.add_job(BENCHMARK, most=1)
    store.close()


def test_a_running_one_can_be_removed_and_its_process_loses_it(store: RunStore) -> None:
    photo = store.add_job(PHOTO)
    held = store.claim("w", [MACHINE], RunKind.PREDICTION)
    assert held is not None
    with pytest.raises(RunStateError):
        store.delete(photo.id)
    store.delete(photo.id, running=True)
    assert store.heartbeat(photo.id, "w", 0.5, attempt=held.attempt) is None
    assert not store.folder(photo.id).exists()
    with pytest.raises(RunNotFoundError):
        store.get(photo.id)


@pytest.mark.parametrize(("job", "word"), [(PHOTO, "segmented"), (BENCHMARK, "measured")])
def test_memory_that_runs_out_ends_a_quick_run_with_a_sentence_of_its_own(
    store: RunStore, job: JobRequest, word: str
) -> None:
    run = store.add_job(job)
    assert store.claim("w", [MACHINE], job.kind)
    after = store.reduce_batch(run.id, "w", attempt=1)
    assert after.state == RunState.FAILED
    assert f"Memory ran out while this was {word}" in (after.error or "")


def test_a_quick_run_waits_for_its_own_machine_unless_that_is_gone(store: RunStore) -> None:
    run = store.add_job(replace(PHOTO, machine="elsewhere"))
    assert store.claim("w", [MACHINE], RunKind.PREDICTION) is None
    store.adopt_jobs(MACHINE)
    claimed = store.claim("w", [MACHINE], RunKind.PREDICTION)
    assert claimed is not None
    assert claimed.id == run.id
    # It goes back to the machine that has it now.
    after = store.release(run.id, "w", attempt=1)
    assert (after.state, after.device) == (RunState.QUEUED, MACHINE)


def test_running_next_among_training_runs_does_not_pass_a_photo(store: RunStore, config: RunConfig) -> None:
    first, second = store.add(config), store.add(config)
    store.add_job(PHOTO)
    assert store.prioritise(second.id).priority == first.priority + 1
    assert store.queue(kinds=ALL)[0].kind == RunKind.PREDICTION


def test_what_waits_is_asked_without_a_lock(store: RunStore, config: RunConfig) -> None:
    assert store.waiting_kinds() == set()
    store.add(config)
    store.add_job(PHOTO)
    assert store.waiting_kinds() == {RunKind.TRAINING, RunKind.PREDICTION}
