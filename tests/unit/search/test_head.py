"""The process that leads a search: how many trials it queues, what it stops, and what it makes of the best."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import ConfigError, RunError, RunStateError
from core.events import CancelledError
from core.runs.store.records import RunRecord, RunState, StudyPart
from core.runs.store.studies import StudyStore
from core.search.outcome import Trial, best, confirmations, fits, read_trials
from core.search.space import Axis
from core.search.study_plan import StudentLimits
from tests.unit.search.kit import (
    TEACHER,
    Trainers,
    begin,
    carry_out,
    fake_measure,
    finish,
    head,
    hold,
    make_plan,
    score,
    states,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StudyStore]:
    made = StudyStore(home=tmp_path / "home")
    yield made
    made.close()


def test_every_trial_is_a_run_and_pairs_up_by_number(store: StudyStore) -> None:
    plan = make_plan(prune=False)
    summary, workers = carry_out(store, plan)
    rows = store.trials("s")
    assert [row.number for row in rows] == list(range(6))
    assert {row.state for row in rows} == {RunState.DONE}
    assert sorted(workers.ran) == sorted(row.id for row in rows)
    trials = read_trials(rows, plan, fake_measure(plan))
    for trial in trials:
        run = store.get(trial.run_id)
        assert run.part is not None
        assert (run.part.study, run.part.role, run.part.number) == ("s", "trial", trial.number)
        assert run.config.model.arguments["base"] == int(str(trial.params["size"]).split()[1])
        assert run.config.distill is not None
        assert run.config.distill.temperature == trial.params["temperature"]
        assert trial.miou == run.summary["best_miou5"] == score(run.config, 9, 9)
        assert trial.curve == tuple((epoch, score(run.config, epoch, 9)) for epoch in range(1, 10))
    first = [trial.params for trial in trials[:2]]
    assert first == [{"size": size, "temperature": 2.0, "alpha": 0.5} for size in ("compact 2", "compact 8")]
    assert summary == {"trials": 6, "pruned": 0, "winner": max(trials, key=lambda trial: trial.miou or 0).number}


def test_a_student_over_a_limit_is_never_trained(store: StudyStore) -> None:
    carry_out(store, make_plan(limits=StudentLimits(latency_ms=17.0), trials=5, prune=False))
    assert {row.facts["params"]["size"] for row in store.trials("s")} == {"compact 2", "compact 4"}


def test_where_no_student_meets_a_limit_it_is_said_before_anything_is_trained(store: StudyStore) -> None:
    search = begin(store, make_plan(limits=StudentLimits(latency_ms=7.0)))
    with pytest.raises(ConfigError, match=r"None of 3 students .* compact 2 comes nearest with 8 ms of at most 7"):
        head(store, search, lambda: None).run()
    assert store.trials("s") == []


@pytest.mark.slow
def test_trials_that_lag_behind_are_stopped_and_cost_less(store: StudyStore) -> None:
    summary, workers = carry_out(store, make_plan(trials=18, space=(Axis("alpha", low=0.0, high=1.0),)), places=1)
    rows = store.trials("s")
    pruned = [row for row in rows if row.facts["told"] == "pruned"]
    assert len(pruned) == summary["pruned"] >= 3
    assert {row.state for row in pruned} == {RunState.CANCELLED}
    assert {row.facts["pruned"] for row in pruned} == {"scores"}
    assert all(len(row.facts["curve"]) < 9 for row in pruned)
    assert len(workers.ran) == 18


@pytest.mark.slow
def test_the_share_of_the_teacher_decides_who_may_win(store: StudyStore) -> None:
    plan = make_plan(goals=("parameters",), limits=StudentLimits(keep=0.7), trials=10)
    summary, _ = carry_out(store, plan)
    trials = read_trials(store.trials("s"), plan, fake_measure(plan))
    enough = [trial for trial in trials if (trial.miou or 0) >= 0.7 * TEACHER]
    assert enough
    assert [trial for trial in trials if fits(trial, plan)] == enough
    assert trials[summary["winner"]].figures == min(
        (t.figures for t in enough if t.figures), key=lambda f: f.parameters
    )


@pytest.mark.slow
def test_a_search_that_finds_nobody_good_enough_says_so(store: StudyStore) -> None:
    summary, _ = carry_out(store, make_plan(limits=StudentLimits(keep=1.2), trials=4, confirm=2))
    assert summary["winner"] is None
    assert {row.role for row in store.trials("s")} == {"trial"}


@pytest.mark.slow
@pytest.mark.parametrize("prune", [True, False])
def test_of_a_front_only_trials_that_cannot_reach_it_are_stopped_early(store: StudyStore, prune: bool) -> None:
    plan = make_plan(goals=("miou", "latency"), trials=24, sampler="nsga2", prune=prune)
    summary, _ = carry_out(store, plan, places=4)
    trials = read_trials(store.trials("s"), plan, fake_measure(plan))
    pruned = [trial for trial in trials if trial.told == "pruned"]
    assert len(pruned) == summary["pruned"]
    assert bool(pruned) == prune
    reached = {trial.number: score(store.get(trial.run_id).config, 9, 9) for trial in trials}
    for trial in pruned:
        assert trial.why == "scores"
        cheaper = [other for other in trials if other.told == "done" and latency(other) <= latency(trial)]
        assert max(reached[other.number] for other in cheaper) > reached[trial.number]


def latency(trial: Trial) -> float:
    value = trial.value("latency")
    assert value is not None
    return value


@pytest.mark.slow
def test_the_winner_is_trained_again_with_fresh_seeds_and_controls(store: StudyStore) -> None:
    plan = make_plan(confirm=3, prune=False)
    summary, _ = carry_out(store, plan)
    rows = store.trials("s")
    winner = best(read_trials(rows, plan, fake_measure(plan)), plan)
    assert winner is not None
    assert summary["winner"] == winner.number
    again = [store.get(row.id) for row in rows if row.role == "winner"]
    controls = [store.get(row.id) for row in rows if row.role == "control"]
    original, search = store.get(winner.run_id), store.study("s")
    assert len({run.config.train.seed for run in again} | {original.config.train.seed}) == 4
    for run, control in zip(again, controls, strict=True):
        same = replace(run.config, name=original.config.name, train=original.config.train, trial_of=search.id)
        assert same == original.config, "a trial says whose it is; what confirms one is scored on the test part"
        assert (control.config.control_of, control.config.distill) == (run.id, None)
        assert (run.config.trial_of, control.config.trial_of) == (None, None)
        assert control.config.train.seed == run.config.train.seed
    (found,) = confirmations(rows)
    assert (found.winner, found.part, len(found.gains)) == (winner.number, "test", 3)
    assert found.scores == [run.summary["test_miou5"] for run in again]


@pytest.mark.slow
def test_a_grid_tries_every_cell_once(store: StudyStore) -> None:
    space = (Axis("temperature", (1.0, 2.0, 4.0)), Axis("alpha", (0.1, 0.9)), Axis("seed", (0, 1)))
    carry_out(store, make_plan(space=space, sampler="grid", trials=None, seconds=1e6), places=3)
    cells = [tuple(row.facts["params"].values()) for row in store.trials("s")]
    assert len(cells) == len(set(cells)) == 12


@pytest.mark.slow
def test_with_and_without_a_teacher_differ_in_that_alone(store: StudyStore) -> None:
    space = (Axis("size", ("compact 2", "compact 4")), Axis("taught", (True, False)))
    carry_out(store, make_plan(space=space, sampler="grid"))
    runs = [store.get(row.id).config for row in store.trials("s")]
    assert sorted((run.kind, run.model.arguments["base"]) for run in runs) == [
        ("distill", 2),
        ("distill", 4),
        ("train", 2),
        ("train", 4),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["seconds", "until"])
def test_time_that_is_over_ends_the_search_and_keeps_what_was_finished(store: StudyStore, end: str) -> None:
    over = 100.0 if end == "seconds" else time.time() + 100.0
    search, workers = begin(store, make_plan(trials=None, prune=False, **{end: over})), Trainers(store)
    clock = [search.started_at or 0.0]

    def turn() -> None:
        clock[0] += 4.0
        workers.turn()

    summary = head(store, search, turn, now=lambda: clock[0]).run()
    told = [row.facts["told"] for row in store.trials("s")]
    assert summary["trials"] == len(told)
    assert told.count("done") >= 2
    assert told.count("pruned") <= 2
    assert {row.facts["pruned"] for row in store.trials("s") if row.facts["told"] == "pruned"} <= {"time"}


@pytest.mark.slow
def test_a_trial_that_fails_is_tried_once_more_and_does_not_end_the_search(store: StudyStore) -> None:
    def fails(record: RunRecord) -> str | None:
        return "It broke." if record.part is not None and record.part.number == 3 else None

    summary, workers = carry_out(store, make_plan(prune=False), fails=fails)
    rows = store.trials("s")
    assert [row.facts["told"] for row in rows].count("failed") == 1
    assert workers.ran.count(rows[3].id) == 2
    assert summary["trials"] == 6


@pytest.mark.slow
def test_a_search_whose_first_trials_all_fail_ends_with_their_reason(store: StudyStore) -> None:
    search, workers = begin(store, make_plan(trials=50)), Trainers(store, fails=lambda _: "There is no teacher.")
    with pytest.raises(RunError, match="The first 5 trials failed, the last one so: There is no teacher"):
        head(store, search, workers.turn).run()
    assert len(store.trials("s")) < 9


@pytest.mark.slow
def test_a_search_whose_trials_all_fail_for_one_reason_ends_though_some_were_done(store: StudyStore) -> None:
    def fails(record: RunRecord) -> str | None:
        return "There is no teacher." if record.part is not None and record.part.number >= 2 else None

    search, workers = begin(store, make_plan(trials=None, seconds=1e6, prune=False)), Trainers(store, fails=fails)
    with pytest.raises(RunError, match="The last 5 trials failed, the last one so: There is no teacher"):
        head(store, search, workers.turn).run()
    assert len(store.trials("s")) < 11


@pytest.mark.slow
def test_a_stopped_search_goes_on_with_the_same_trials(store: StudyStore) -> None:
    search, workers = begin(store, make_plan(prune=False)), Trainers(store)
    turns = iter(range(10_000))

    def turn() -> None:
        workers.turn()
        if next(turns) == 11:
            store.stop_study("s")

    leading = head(store, search, turn, cancelled=lambda: store.get(search.id).cancel_requested)
    with pytest.raises(CancelledError):
        leading.run()
    store.release(search.id, "h", attempt=search.attempt)
    for _ in range(3):
        workers.turn()
    before = states(store)
    assert RunState.CANCELLED in before.values()
    assert not set(before.values()) & {RunState.RUNNING, RunState.QUEUED}
    time.sleep(0.01)
    store.continue_study("s", search.job)
    again = hold(store)
    summary = head(store, again, workers.turn).run()
    assert summary["trials"] == 6
    assert set(states(store).values()) == {RunState.DONE}
    assert set(before) <= set(states(store))


@pytest.mark.slow
def test_a_confirmation_that_still_stops_while_its_search_is_continued_goes_on(store: StudyStore) -> None:
    search, workers = begin(store, make_plan(trials=1, confirm=1, prune=False)), Trainers(store)

    def turn() -> None:
        workers.turn()
        if any(row.role == "winner" and row.state == RunState.RUNNING for row in store.trials("s")):
            store.stop_study("s")

    with pytest.raises(CancelledError):
        head(store, search, turn, cancelled=lambda: store.get(search.id).cancel_requested).run()
    store.release(search.id, "h", attempt=search.attempt)
    store.continue_study("s", search.job)
    again = hold(store)
    head(store, again, workers.turn).run()
    assert set(states(store).values()) == {RunState.DONE}


@pytest.mark.slow
def test_a_search_can_be_widened_and_keeps_its_trials(store: StudyStore) -> None:
    plan = make_plan(prune=False)
    carry_out(store, plan)
    before = {row.id for row in store.trials("s")}
    sizes = Axis("size", ("compact 2", "compact 4", "compact 8", "compact 12"))
    wider = replace(plan, space=(sizes, *plan.space[1:]), trials=14, generation=1)
    store.continue_study("s", {"plan": wider.to_json()})
    search, workers = hold(store), Trainers(store, places=4)
    finish(store, search, head(store, search, workers.turn).run())
    rows = store.trials("s")
    assert before < {row.id for row in rows}
    assert [row.number for row in rows] == list(range(14))
    assert "compact 12" in {row.facts["params"]["size"] for row in rows[6:]}


@pytest.mark.slow
def test_a_trial_that_a_person_stops_is_not_started_again(store: StudyStore) -> None:
    search, workers = begin(store, make_plan(prune=False)), Trainers(store, places=1)
    turns = iter(range(10_000))

    def turn() -> None:
        workers.turn()
        if next(turns) == 3:
            store.request_cancel(store.trials("s")[0].id)

    summary = head(store, search, turn).run()
    assert summary == {"trials": 6, "pruned": 1, "winner": summary["winner"]}
    assert states(store)["trial", 0] == RunState.CANCELLED


def test_a_process_that_lost_its_search_adds_nothing(store: StudyStore) -> None:
    search = begin(store, make_plan())
    store.reclaim(search, "The search sent no heartbeat.")
    newer = hold(store)
    part = StudyPart("s", "trial", 0, {"params": {}})
    with pytest.raises(RunStateError, match="not held"):
        store.add_trial(search, make_plan().config, part)
    first = store.add_trial(newer, make_plan().config, part)
    assert store.add_trial(newer, make_plan().config, part).id == first.id
    with pytest.raises(RunStateError, match="not held"):
        store.note_trial(search, first.id, {"told": "done"})
    store.request_cancel(newer.id)
    with pytest.raises(RunStateError, match="asked to stop"):
        store.add_trial(newer, make_plan().config, replace(part, number=1))
    folders = [path for path in store.home.iterdir() if path.is_dir()]
    assert sorted(path.name for path in folders) == sorted([search.id, first.id])


@pytest.mark.slow
def test_two_searches_never_share_a_name(store: StudyStore) -> None:
    carry_out(store, make_plan(trials=1))
    with pytest.raises(RunStateError, match="There is a search s already"):
        begin(store, make_plan())
    store.delete_study("s")
    assert store.list() == []
    # What the engine kept of the first is not taken for the second's.
    carry_out(store, make_plan(trials=2, goals=("miou", "latency")))
    assert [row.number for row in store.trials("s")] == [0, 1]


@pytest.mark.parametrize("name", ["", " s", "two\nlines", "\x1b[31m", "x" * 81])
def test_a_name_that_cannot_be_shown_in_a_line_is_refused(store: StudyStore, name: str) -> None:
    with pytest.raises(ConfigError, match="A search is called by 1 to 80 letters"):
        begin(store, make_plan(), name)
    assert store.studies() == []


@pytest.mark.slow
def test_of_a_long_name_the_number_of_the_trial_is_kept(store: StudyStore) -> None:
    name = "Straße “7/8”; DROP " + "x" * 60
    carry_out(store, make_plan(trials=1, confirm=1), name)
    endings = [store.get(row.id).name for row in store.trials(name)]
    assert [len(one) for one in endings] == [80] * 3
    assert [one[-9:] for one in endings] == [", trial 0", "0, seed 1", ", control"]
