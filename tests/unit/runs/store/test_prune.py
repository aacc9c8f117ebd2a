"""Old runs make room; what is pinned, under way or needed stays."""

from dataclasses import replace

import pytest

from core.config import DistillConfig, RunConfig, TrainConfig
from core.errors import ConfigError
from core.runs.store.prune import KeepLimits, Nightly, candidates, prune
from core.runs.store.run_store import RunStore
from tests.unit.runs.conftest import Clock, claimed

DAY = 86_400.0


def _ended(store: RunStore, config: RunConfig, *, size: int = 0) -> str:
    run = claimed(store, config)
    (store.folder(run.id) / "student.safetensors").write_bytes(bytes(size))
    return store.finish(run.id, "w", {}, attempt=1).id


def test_what_ended_too_long_ago_goes_and_nothing_else(store: RunStore, config: RunConfig, clock: Clock) -> None:
    old, pinned = _ended(store, config), _ended(store, config)
    store.pin(pinned)
    clock.pass_(20 * DAY)
    recent = _ended(store, config)
    waiting = store.add(config).id
    clock.pass_(11 * DAY)
    assert [run.id for run in prune(store, KeepLimits(days=30), now=clock)] == [old]
    assert {run.id for run in store.list()} == {pinned, recent, waiting}
    assert not store.folder(old).exists()


def test_the_oldest_go_until_the_rest_fits(store: RunStore, config: RunConfig, clock: Clock) -> None:
    runs = []
    for _ in range(5):
        clock.pass_(60)
        runs.append(_ended(store, config, size=1_000_000))
    store.pin(runs[0])
    assert [run.id for run in prune(store, KeepLimits(gigabytes=0.0031), now=clock)] == runs[1:3]
    assert prune(store, KeepLimits(gigabytes=0.0031), now=clock) == []


def test_pinned_runs_stay_though_they_alone_are_too_much(store: RunStore, config: RunConfig, clock: Clock) -> None:
    pinned = _ended(store, config, size=1_000_000)
    store.pin(pinned)
    assert prune(store, KeepLimits(days=0, gigabytes=0), now=clock) == []
    store.pin(pinned, pinned=False)
    clock.pass_(1)
    assert [run.id for run in prune(store, KeepLimits(days=0), now=clock)] == [pinned]


@pytest.mark.parametrize("need", ["teacher", "start", "control"])
def test_what_a_waiting_run_needs_stays(store: RunStore, config: RunConfig, clock: Clock, need: str) -> None:
    run = _ended(store, config)
    needing = {
        "teacher": replace(config, kind="distill", distill=DistillConfig(teacher=run)),
        "start": replace(config, train=TrainConfig(start_from=run)),
        "control": replace(config, control_of=run),
    }
    waiting = store.add(needing[need])
    clock.pass_(100 * DAY)
    assert candidates(store, KeepLimits(days=30), now=clock) == []
    store.request_cancel(waiting.id)
    assert [found.id for found in candidates(store, KeepLimits(days=30), now=clock)] == [run]


def test_without_limits_nothing_is_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not KeepLimits.from_environment()
    monkeypatch.setenv("TERRASTILL_KEEP_DAYS", "30")
    assert KeepLimits.from_environment() == KeepLimits(days=30)
    for nonsense in ("soon", "-1", "nan"):
        monkeypatch.setenv("TERRASTILL_KEEP_GB", nonsense)
        with pytest.raises(ConfigError, match="TERRASTILL_KEEP_GB"):
            KeepLimits.from_environment()


def test_it_is_due_once_a_night(clock: Clock) -> None:
    nightly = Nightly(clock)
    dues = []
    for _ in range(24 * 10):
        dues.append(nightly.due())
        clock.pass_(3600)
    assert sum(dues) == 11
    assert dues[0]
