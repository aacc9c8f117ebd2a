"""Was the teacher worth it: one seed cannot tell, several can, and the words turn exactly where the spread begins."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.services import launch, runs, verdicts
from app.services.stores import open_store
from core.config import RunConfig
from tests.ui.conftest import ANYBODY, ask, words

CONTROL_MIOU5 = 0.50
Found = list[runs.Run]


def finished(*gains: float, teacher: float | None = 0.75) -> Found:
    """A distillation and its control for each gain in points, with seeds 0, 1, … and all done."""
    launch.launch(ask(seeds=max(2, len(gains))), ANYBODY)
    found = [run for run in runs.list_runs() if run.seed < len(gains)]
    ours = {run.seed: CONTROL_MIOU5 + gains[run.seed] / 100 for run in found}
    return [
        replace(
            run,
            state="done",
            best_miou5=CONTROL_MIOU5 if run.control_of else ours[run.seed],
            teacher_miou5=None if run.control_of else teacher,
        )
        for run in found
    ]


def first(found: Found) -> runs.Run:
    return next(run for run in found if run.config.kind == "distill" and run.seed == 0)


def told(found: Found) -> verdicts.Verdict:
    verdict = verdicts.verdict(first(found), found)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("gains", "figures", "said", "tone"),
    [
        ((1.7, 2.5, 2.1), "+2.1 ± 0.4 mIoU over its control (3 seeds)", "worth it", "good"),
        ((1.0, 1.0), "+1.0 ± 0.0 mIoU over its control (2 seeds)", "worth it", "good"),
        # A sample deviation of √2 for gains 2 apart: just within, on the border as it is shown, and just beyond.
        ((0.3, 2.3), "+1.3 ± 1.4", "within the spread: not shown to help", "open"),
        ((0.4, 2.4), "+1.4 ± 1.4", "within the spread: not shown to help", "open"),
        ((0.5, 2.5), "+1.5 ± 1.4", "worth it", "good"),
        ((0.0, 0.0), "+0.0 ± 0.0", "within the spread: not shown to help", "open"),
        ((0.02, 0.04), "+0.0 ± 0.0", "within the spread: not shown to help", "open"),
        ((-0.4, -2.4), "−1.4 ± 1.4", "within the spread: not shown to help", "open"),
        ((-0.5, -2.5), "−1.5 ± 1.4", "the teacher hurt", "bad"),
    ],
)
def test_the_mean_gain_is_judged_by_its_spread(gains: tuple[float, ...], figures: str, said: str, tone: str) -> None:
    verdict = told(finished(*gains))
    assert figures in verdict.sentence
    assert f"seeds): {said}." in verdict.sentence
    assert verdict.tone == tone
    assert "One seed" not in verdict.sentence


def test_the_gap_to_the_teacher_is_closed_by_a_shown_gain_only() -> None:
    assert "closes 40 % of the gap to the teacher's 75.0 %" in told(finished(10.0, 10.0)).sentence
    assert "gap" not in told(finished(1.0, 30.0)).sentence
    assert "gap" not in told(finished(10.0, 10.0, teacher=0.4)).sentence


@pytest.mark.parametrize(("gain", "said", "tone"), [(7.0, "gained 7.0", "open"), (-7.0, "lost 7.0", "bad")])
def test_one_seed_says_that_it_cannot_tell(gain: float, said: str, tone: str) -> None:
    verdict = told(finished(gain))
    assert said in verdict.sentence
    assert verdict.sentence.endswith("One seed cannot tell luck from gain: launch more seeds.")
    assert verdict.tone == tone


def test_run_and_control_tell_the_same_and_an_unfinished_pair_tells_nothing() -> None:
    found = finished(1.0, 2.0, 3.0)
    assert {verdicts.verdict(run, found) for run in found} == {told(found)}
    waiting = [replace(run, state="running") if run.seed == 0 and run.control_of else run for run in found]
    assert verdicts.verdict(first(waiting), waiting) is None
    assert verdicts.verdict(replace(first(found), control=None), [replace(r, control=None) for r in found]) is None


def test_other_settings_other_states_and_runs_without_control_do_not_count() -> None:
    found = finished(1.0, 2.0)
    alone = [first(found), next(run for run in found if run.id == first(found).control)]
    second = next(run for run in found if run.config.kind == "distill" and run.seed == 1)
    control = next(run for run in found if run.id == second.control)
    for spoilt in (
        [replace(second, settings_key="other"), control],
        [replace(second, state="failed"), control],
        [second, replace(control, state="cancelled")],
        [replace(second, control=None), control],
    ):
        assert told([*alone, *spoilt]) == told(alone)
    coming = told([*alone, second, replace(control, state="queued")])
    assert coming.sentence.endswith("One seed cannot tell luck from gain: the others are still to come.")


def test_a_seed_launched_twice_counts_once() -> None:
    found = finished(1.0, 2.0)
    again = [
        replace(
            run,
            id=f"{run.id}-again",
            control=run.control and f"{run.control}-again",
            config=replace(run.config, control_of=run.control_of and f"{run.control_of}-again"),
            best_miou5=0.9 if run.config.kind == "distill" else CONTROL_MIOU5,
            created_at=run.created_at + 100,
        )
        for run in found
        if run.seed == 0
    ]
    assert verdicts.verdict(first(found), [*again, *found]) == told(found)
    other = next(run for run in found if run.config.kind == "distill" and run.seed == 1)
    newest = verdicts.verdict(other, [*again, *found])
    assert newest is not None
    assert "(2 seeds)" in newest.sentence
    assert "by seed +40.0, +2.0" in newest.sentence


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": 9}, True),
        ({"name": "another"}, True),
        ({"device": "cpu"}, True),
        ({"losses": {"channel_wise": 3}}, True),
        ({"losses": {"channel_wise": 1.5}}, False),
        ({"losses": {"soft_targets": 1.0}}, False),
        ({"base": 8}, False),
        ({"crop": 256}, False),
        ({"ema": 0.9}, False),
        ({"average_flips": True}, False),
    ],
)
def test_the_key_of_settings_leaves_out_seed_name_and_device(change: dict[str, object], same: bool) -> None:
    usual, changed = launch.to_config(ask()), launch.to_config(ask(**change))
    assert (runs.settings_key(usual) == runs.settings_key(changed)) == same
    back = RunConfig.from_json(changed.to_json())
    assert runs.settings_key(back) == runs.settings_key(changed)


def test_the_page_tells_the_spread_over_finished_seeds(view: Callable[..., AppTest]) -> None:
    run_id = launch.launch(ask(seeds=2), ANYBODY)
    store = open_store()
    for score in (0.56, 0.50, 0.58, 0.50):
        claimed = store.claim("here-1", ["cpu"])
        assert claimed is not None
        store.finish(claimed.id, "here-1", {"best_miou5": score, "teacher_miou5": 0.7}, attempt=claimed.attempt)
    page = view("runs", run=run_id)
    assert not page.exception
    assert "+7.0 ± 1.4 mIoU over its control (2 seeds): worth it." in page.success[0].value
    assert "closes 35 % of the gap" in words(page)
