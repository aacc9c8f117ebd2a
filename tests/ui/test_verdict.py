"""Was the teacher worth it: one seed cannot tell, several can, and the words turn exactly where the spread begins."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.services import launch, runs, verdicts
from app.services.stores import open_store
from core import cards, paths
from core.config import DistillConfig, RunConfig
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


FEW = "beyond their spread, but two seeds are few: launch more"


@pytest.mark.parametrize(
    ("gains", "figures", "said", "tone"),
    [
        ((1.7, 2.5, 2.1), "+2.1 ± 0.4 mIoU over its control (3 seeds)", "worth it", "good"),
        ((1.0, 1.0), "+1.0 ± 0.0 mIoU over its control (2 seeds)", FEW, "open"),
        ((-9.0, -9.5), "−9.2 ± 0.4", FEW, "open"),
        ((0.4, 2.4), "+1.4 ± 1.4", "within the spread: not shown to help", "open"),
        # A sample deviation of 1 for gains 1 apart: just within, on the border as it is shown, and just beyond.
        ((-0.1, 0.9, 1.9), "+0.9 ± 1.0", "within the spread: not shown to help", "open"),
        ((0.0, 1.0, 2.0), "+1.0 ± 1.0", "within the spread: not shown to help", "open"),
        ((0.1, 1.1, 2.1), "+1.1 ± 1.0", "worth it", "good"),
        ((0.0, 0.0, 0.0), "+0.0 ± 0.0", "within the spread: not shown to help", "open"),
        ((0.02, 0.04, 0.03), "+0.0 ± 0.0", "within the spread: not shown to help", "open"),
        ((0.0, -1.0, -2.0), "−1.0 ± 1.0", "within the spread: not shown to help", "open"),
        ((-0.1, -1.1, -2.1), "−1.1 ± 1.0", "the teacher hurt", "bad"),
    ],
)
def test_the_mean_gain_is_judged_by_its_spread(gains: tuple[float, ...], figures: str, said: str, tone: str) -> None:
    verdict = told(finished(*gains))
    assert figures in verdict.sentence
    assert f"seeds): {said}." in verdict.sentence
    assert verdict.tone == tone
    assert "One seed" not in verdict.sentence


def test_the_gap_to_the_teacher_is_closed_by_a_shown_gain_only() -> None:
    assert "closes 40 % of the gap to the teacher's 75.0 %" in told(finished(10.0, 10.0, 10.0)).sentence
    assert "gap" not in told(finished(1.0, 30.0)).sentence
    assert "gap" not in told(finished(10.0, 10.0, 10.0, teacher=0.4)).sentence


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
        ({"losses": {"soft_targets": 1, "channel_wise": 3}}, True),
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
    run_id = launch.launch(ask(seeds=3), ANYBODY)
    store = open_store()
    for score in (0.56, 0.50, 0.58, 0.50, 0.57, 0.50):
        claimed = store.claim("here-1", ["cpu"])
        assert claimed is not None
        store.finish(claimed.id, "here-1", {"best_miou5": score, "teacher_miou5": 0.7}, attempt=claimed.attempt)
    page = view("runs", run=run_id)
    assert not page.exception
    assert "+7.0 ± 1.0 mIoU over its control (3 seeds): worth it." in page.success[0].value
    assert "closes 35 % of the gap" in words(page)


def test_the_test_part_is_what_counts_and_says_how_many_pictures_it_has() -> None:
    """Validation chose the weights, so it flatters; here it even says the opposite."""
    found = [
        replace(run, test_miou5=0.6 if run.control_of else 0.7, test_images=2, val_images=3)
        for run in finished(-5.0, -5.0, -5.0)
    ]
    assert "+10.0 ± 0.0" in told(found).sentence
    assert "70.0 % with the teacher, 60.0 % with labels only on 2 test pictures (" in told(found).sentence
    alone = [replace(run, test_miou5=None, val_images=1) for run in found]
    assert "closes" not in told(found).sentence
    known = [replace(run, teacher_test_miou5=None if run.control_of else 0.85) for run in found]
    assert "That closes 40 % of the gap to the teacher's 85.0 %." in told(known).sentence
    assert "labels only on 1 validation picture, which also chose the weights (" in told(alone).sentence
    mixed = [replace(run, test_miou5=None) if run.seed == 1 and run.control_of else run for run in found]
    assert "−5.0 ± 0.0" in told(mixed).sentence
    assert "on 3 validation pictures" in told(mixed).sentence


@pytest.mark.parametrize("seeds", [1, 2])
def test_one_picture_and_a_leak_are_no_proof(seeds: int) -> None:
    for test_images, val_images, leaks in ((1, 5, False), (None, 1, False), (3, 1, False), (3, 1, True), (1, 1, True)):
        test = None if test_images is None else 0.6
        run = {"test_miou5": test, "test_images": test_images, "val_images": val_images, "leaks": leaks}
        sentence = told([replace(one, **run) for one in finished(*(1.0,) * seeds)]).sentence
        assert ("One picture tells little of others" in sentence) == (1 in (test_images, test_images or val_images))
        assert ("so both scores are too high" in sentence) == leaks


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_shown_adds_up(count: int) -> None:
    """Whatever the scores: the gain is the difference of the two figures beside it."""
    runs_of_three, random = finished(0.0, 0.0, 0.0), np.random.default_rng(count)
    for _ in range(100):
        found = [replace(run, best_miou5=random.uniform()) for run in runs_of_three if run.seed < count]
        sentence = told(found).sentence
        figures = re.search(r"([\d.]+) % with the teacher, ([\d.]+) % with labels", sentence)
        shown = re.search(r"(gained|lost|([+−][\d.]+) ±) ?([\d.]*)", sentence)
        assert figures is not None
        difference = float(figures[1]) - float(figures[2])
        if shown is None:
            assert difference == 0.0
            continue
        gain = float(shown[2].replace("−", "-")) if shown[2] else float(shown[3]) * (-1 if shown[1] == "lost" else 1)
        assert gain == pytest.approx(difference, abs=1e-6)


def test_it_says_what_the_teacher_knew_and_the_control_did_not() -> None:
    """Of the shipped teacher from its card: 163 pictures of the mixture, and the control two shipped scenes."""
    found = finished(1.0)
    assert "The teacher had learned from 163 pictures with labels of " in told(found).sentence
    assert "the control from at most 2 pictures with labels of " in told(found).sentence
    every = [replace(run, config=replace(run.config, data=replace(run.config.data, labelled=None))) for run in found]
    assert "the control from all training pictures with labels" in told(every).sentence
    unknown = DistillConfig(teacher="nobody")
    without = [replace(run, config=replace(run.config, distill=run.config.distill and unknown)) for run in found]
    assert "had learned" not in told(without).sentence


def card_of(name: str, **data: object) -> None:
    """A model in the home that says this of its data."""
    stem = paths.home() / name / "student"
    stem.parent.mkdir(parents=True, exist_ok=True)
    shipped = cards.load_card(cards.resolve("student", runs=paths.home()))
    stem.with_suffix(".json").write_text(replace(shipped, data=data).to_json(), encoding="utf-8")


@pytest.mark.parametrize(
    ("teacher", "control", "said"),
    [
        (
            {"dataset": "dubai", "labelled_images": 4, "labelled": 9, "training_images": 30},
            {"labelled_images": 3},
            "learned from 4 pictures with labels of Dubai; the control from 3 pictures with labels of Shipped",
        ),
        (
            {"dataset": "dubai", "labelled": 9, "training_images": 4},
            {"labelled": 2, "training_images": 1},
            "learned from 4 pictures with labels of Dubai; the control from 1 picture with labels of Shipped",
        ),
        (
            {"dataset": "dubai", "labelled_images": 0, "training_images": 30},
            {"labelled_images": 3},
            "learned from another model's answers, and from no label; the control from 3 pictures",
        ),
        (
            {},
            {"labelled_images": 3},
            "What the teacher had learned from is not known here; the control from 3 pictures",
        ),
    ],
)
def test_labels_are_counted_where_they_taught(
    teacher: dict[str, object], control: dict[str, object], said: str
) -> None:
    """What was asked for may be more than there was, and pictures without labels are none."""
    card_of("brought", **teacher)
    found = [
        replace(run, config=replace(run.config, distill=run.config.distill and DistillConfig(teacher="brought")))
        for run in finished(1.0)
    ]
    card_of(str(first(found).control), **control)
    assert said in told(found).sentence


def test_three_more_seeds_come_with_their_controls_and_repeat_none() -> None:
    launch.launch(ask(seeds=2, seed=4, name="Roofs"), ANYBODY)
    store = open_store()
    run = next(run for run in runs.list_runs() if run.seed == 4 and run.control_of is None)
    launch.launch_more_seeds(run, runs.list_runs(), ANYBODY)
    taught = [record for record in store.list() if record.config.distill is not None]
    assert sorted(record.config.train.seed for record in taught) == [4, 5, 6, 7, 8]
    assert {record.config.name for record in taught} == {f"Roofs, seed {seed}" for seed in range(4, 9)}
    assert len({runs.settings_key(record.config) for record in taught}) == 1
    controls = [record.config for record in store.list() if record.config.control_of]
    assert sorted(config.train.seed for config in controls) == [4, 5, 6, 7, 8]


def test_seeds_begin_anew_beyond_the_largest() -> None:
    launch.launch(ask(seed=2**31 - 1), ANYBODY)
    run = next(run for run in runs.list_runs() if run.control_of is None)
    launch.launch_more_seeds(run, runs.list_runs(), ANYBODY)
    seeds = sorted(run.seed for run in runs.list_runs() if run.control_of is None)
    assert seeds == [0, 1, 2, 2**31 - 1]
