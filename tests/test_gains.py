"""The table of gains: each student beside its own control, and figures that a person can check on paper."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gains
from core.config import DistillConfig, RunConfig, TrainConfig
from core.losses.catalogue import LOSSES
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore


def record(run_id: str, config: RunConfig, miou5: float, **summary: Any) -> RunRecord:
    facts = {"best_miou5": miou5, "teacher_miou5": 0.8, "train_seconds": 100.0} | summary
    return RunRecord(run_id, config.name, RunState.DONE, config, "cpu", created_at=0.0, summary=facts)


def recipe(seed: int) -> RunConfig:
    return RunConfig(name="recipe", train=TrainConfig(seed=seed), distill=DistillConfig())


def test_the_gain_is_the_mean_over_seeds_and_its_spread_their_deviation() -> None:
    records = []
    for seed, (ours, theirs) in enumerate([(0.70, 0.60), (0.72, 0.60), (0.74, 0.60)]):
        records.append(record(f"run{seed}", recipe(seed), ours))
        records.append(record(f"control{seed}", recipe(seed).as_control(f"run{seed}"), theirs, train_seconds=90.0))
    (row,) = gains.rows_of(gains.pairs(records))
    assert row["seeds"] == 3
    assert row["gain"] == pytest.approx(12.0)
    assert row["spread"] == pytest.approx(2.0)
    assert row["gap_closed"] == pytest.approx((0.72 - 0.60) / (0.80 - 0.60))
    assert (row["seconds"], row["control_seconds"]) == (100.0, 90.0)


def test_one_seed_has_no_spread_and_a_run_without_control_no_row() -> None:
    alone = record("other", replace(recipe(0), name="other"), 0.7)
    records = [record("run", recipe(0), 0.7), record("control", recipe(0).as_control("run"), 0.75), alone]
    (row,) = gains.rows_of(gains.pairs(records))
    assert row["spread"] is None
    assert row["gain"] == pytest.approx(-5.0)


def test_recipes_of_one_name_and_two_budgets_are_not_averaged() -> None:
    records = []
    for seconds, ours in ((420.0, 0.50), (900.0, 0.70)):
        config = replace(recipe(0), train=TrainConfig(match_seconds=seconds))
        records.append(record(f"run{seconds}", config, ours))
        records.append(record(f"control{seconds}", config.as_control(f"run{seconds}"), 0.60))
    rows = gains.rows_of(gains.pairs(records))
    assert sorted(row["gain"] for row in rows) == pytest.approx([-10.0, 10.0])


def test_a_control_as_good_as_its_teacher_leaves_no_gap_to_close() -> None:
    assert gains.gap_closed(distilled=0.8, control=0.8, teacher=0.8) is None
    assert gains.gap_closed(distilled=0.7, control=0.6, teacher=0.8) == pytest.approx(0.5)


def test_a_screen_differs_in_the_loss_alone() -> None:
    plain, *taught = gains.screening(minutes=15, family="compact", base=4, batch=8, seed=2, losses=list(LOSSES))
    assert plain.distill is None
    assert [list(config.distill.losses) for config in taught if config.distill] == [[name] for name in LOSSES]
    for config in taught:
        assert replace(config, kind="train", name=plain.name, distill=None) == plain
    assert plain.train.match_seconds == 900


def test_each_run_of_a_screen_stands_beside_the_labels_of_its_own_budget() -> None:
    records = []
    for minutes, miou5 in ((15, 0.5), (30, 0.6)):
        plain, taught = gains.screening(minutes=minutes, family="compact", base=4, batch=8, seed=0, losses=["hint"])
        records += [record(f"a{minutes}", plain, miou5), record(f"b{minutes}", taught, 0.7)]
    rows = gains.rows_of(gains.pairs(records))
    assert sorted(row["gain"] for row in rows) == pytest.approx([10.0, 20.0])


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RunStore(home=tmp_path)
    done: list[RunConfig] = []

    def run_now(config: RunConfig, store: RunStore) -> RunRecord:
        """As the command line does it: on a device by name."""
        done.append(config)
        added = store.add(replace(config, train=replace(config.train, device="cpu")), worker="me")
        return store.finish(added.id, "me", {"best_miou5": 0.5}, attempt=added.attempt)

    monkeypatch.setattr(gains, "run_now", run_now)
    first = gains.carry_out(recipe(0), store)
    assert gains.carry_out(recipe(0), store).id == first.id
    gains.carry_out(recipe(1), store)
    assert [config.train.seed for config in done] == [0, 1]
