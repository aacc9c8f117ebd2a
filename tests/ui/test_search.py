"""The page Search: every number on it equals the runs', and ten thousand trials keep it quick."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import streamlit as st
from plotly.colors import sample_colorscale
from sqlalchemy import insert
from streamlit.testing.v1 import AppTest

from app.services import estimates, search_report, searches
from app.services.search_charts import MOST_CURVES, curve_chart, front_chart, heat_map, size_chart
from core import paths
from core.errors import ConfigError
from core.runs.store.records import MACHINE, JobRequest, RunKind, RunState
from core.runs.store.studies import StudyStore
from core.runs.store.tables import RUNS
from core.search.figures import to_json
from core.search.head import confirming
from core.search.outcome import best, front
from core.search.study_plan import StudentLimits
from tests.ui.conftest import ANYBODY, World, as_read, words
from tests.unit.search.kit import fake_measure, make_plan, score

View = Callable[..., AppTest]


@pytest.fixture
def store() -> Iterator[StudyStore]:
    made = StudyStore(home=paths.home())
    yield made
    made.close()


def fill(store: StudyStore, trials: int, name: str = "depot", **changes: Any) -> StudyStore:
    """A finished search with so many trials, written as its runs would have left it, but all at once."""
    plan = make_plan(**{"limits": StudentLimits(latency_ms=20.0), "trials": trials, "prune": True, **changes})
    store.add_study(JobRequest(RunKind.SEARCH, {"plan": json.loads(json.dumps(plan.to_json()))}, name))
    search = store.claim("h", [MACHINE], RunKind.SEARCH)
    assert search is not None
    (store.folder(search.id) / "figures.json").write_text(to_json(fake_measure(plan)))
    rows = [_row(plan, name, number) for number in range(trials)]
    with store._database.write() as connection:
        connection.execute(insert(RUNS), rows)
    store.finish(search.id, "h", {"trials": trials, "winner": 0}, attempt=1)
    return store


def _row(plan: Any, name: str, number: int) -> dict[str, Any]:
    base = (2, 4)[number % 2]
    params = {"size": f"compact {base}", "temperature": 1 + number % 70 / 10, "alpha": number % 11 / 10}
    distill = replace(plan.config.distill, temperature=params["temperature"], alpha=params["alpha"])
    config = replace(plan.config, distill=distill, model=replace(plan.config.model, arguments={"base": base}))
    pruned = number % 3 == 2
    curve = [[epoch, score(config, epoch, 9)] for epoch in range(1, 4 if pruned else 10)]
    facts: dict[str, Any] = {"params": params, "told": "pruned" if pruned else "done", "curve": curve}
    facts |= {"pruned": "scores"} if pruned else {"miou": curve[-1][1], "teacher": 0.8, "seconds": 10.0}
    summary = {} if pruned else {"best_miou5": curve[-1][1], "teacher_miou5": 0.8, "train_seconds": 10.0}
    return {
        "id": f"20260101-000000-{number:04x}",
        "name": f"{name}, trial {number}",
        "state": RunState.CANCELLED if pruned else RunState.DONE,
        "config": config.to_json(),
        "wanted": "auto",
        "device": "cpu",
        "created_at": 1.0,
        "finished_at": 2.0 + number,
        "attempt": 1,
        "progress": 1.0,
        "summary": json.dumps(summary),
        "study": name,
        "role": "trial",
        "trial": number,
        "job": json.dumps(facts),
    }


@pytest.fixture(autouse=True)
def _no_kept_rows() -> None:
    searches._kept.clear()
    st.cache_resource.clear()


def test_every_number_on_the_page_is_that_of_the_runs(store: StudyStore, view: View) -> None:
    fill(store, 24)
    page = view("search", search="depot")
    assert not page.exception
    plan = make_plan(limits=StudentLimits(latency_ms=20.0))
    rows = store.trials("depot")
    scores = {row.number: row.summary["best_miou5"] for row in rows if row.summary}
    number = max(scores, key=lambda one: scores[one])
    shown = {metric.label: as_read(metric.value) for metric in page.metric}
    assert shown["Trials"] == "24"
    assert shown[f"Best: trial {number}"] == f"{100 * scores[number]:.1f} %"
    size = rows[number].facts["params"]["size"]
    assert shown["Student"] == size.capitalize()
    assert shown["Latency"] == f"{fake_measure(plan)[size].latency_ms:g} ms"
    assert "compact 8: 32 ms of at most 20" in words(page)
    found = searches.standing("depot")
    table = searches.table(found, searches.leading(found, 50))
    assert {row["Trial"]: row["mIoU (%)"] for row in table} == {one: 100 * value for one, value in scores.items()}
    for trial in found.trials:
        run = store.get(trial.run_id)
        assert run.config.distill is not None
        assert trial.params["temperature"] == run.config.distill.temperature
        assert trial.miou == (run.summary or {}).get("best_miou5")


def test_every_point_of_the_charts_is_a_run_with_its_own_score(store: StudyStore) -> None:
    found = searches.standing(fill(store, 24) and "depot")
    rows = {row.number: row for row in store.trials("depot")}
    sizes = fake_measure(found.plan)
    points = [
        (int(number), float(cost), float(score))
        for trace in front_chart(found.trials, "latency", "Latency", fits=searches.fitting(found)).data
        if trace.customdata is not None
        for number, cost, score in zip(trace.customdata, trace.x, trace.y, strict=True)
    ]
    assert sorted(points) == [
        (number, sizes[row.facts["params"]["size"]].latency_ms, 100 * row.summary["best_miou5"])
        for number, row in sorted(rows.items())
        if row.summary
    ]
    drawn = {
        (text, epoch, score)
        for trace in curve_chart(found.trials).data
        for text, epoch, score in zip(trace.text, trace.x, trace.y, strict=True)
        if epoch is not None
    }
    assert drawn == {
        (f"trial {number}", epoch, 100 * score) for number, row in rows.items() for epoch, score in row.facts["curve"]
    }


def test_the_confirmed_scores_on_the_page_and_in_the_report_are_the_test_scores_of_their_runs(
    store: StudyStore, view: View
) -> None:
    number = _confirm(fill(store, 12))
    again = {role: [row for row in store.trials("depot") if row.role == role] for role in ("winner", "control")}
    scores, controls = ([100 * row.summary["test_miou5"] for row in rows] for rows in again.values())
    gains = [score - control for score, control in zip(scores, controls, strict=True)]
    mean, half = sum(scores) / 3, (max(scores) - min(scores)) / 2
    gain, apart = sum(gains) / 3, (max(gains) - min(gains)) / 2
    said = words(view("search", search="depot"))
    assert f"Trial {number}, trained again with 3 fresh seeds: {mean:.1f} ± {half:.1f} % mIoU on the test" in said
    assert f"{gain:+.1f} ± {apart:.1f} points against controls of equal cost" in said
    assert "It was the best of 12 trials." in said
    report = search_report.of_search(searches.standing("depot"))
    assert all(f"{score:.1f}" in report for score in [*scores, *controls])


def _confirm(store: StudyStore, name: str = "depot") -> int:
    """Add the runs that train the best trial again, as they end; gives its number."""
    found = searches.standing(name)
    assert found.best is not None
    rows = []
    for at in range(3):
        for role, tested in (("winner", 0.611 + 0.02 * at), ("control", 0.583 + 0.013 * at)):
            row = _row(found.plan, name, found.best.number)
            facts = json.dumps({"of": found.best.number})
            told = json.dumps({"best_miou5": 0.9, "test_miou5": tested, "train_seconds": 10.0})
            number = confirming(found.best.number, at)
            rows.append({**row, "id": f"20260102-{role}-{at}", "role": role, "trial": number, "job": facts})
            rows[-1] |= {"summary": told, "state": RunState.DONE, "name": f"{name}, {role} {at}"}
    with store._database.write() as connection:
        connection.execute(insert(RUNS), rows)
    return found.best.number


def test_the_best_leads_to_its_export_its_run_and_a_comparison(store: StudyStore, view: View, world: World) -> None:
    fill(store, 24)
    best_run, *others = (trial.run_id for trial in searches.leading(searches.standing("depot"), 24))
    page = view("search", search="depot")
    for key in ("search_take", "search_open", "search_compare"):
        page.button(key=key).click().run()
        assert not page.exception
    taken, opened, compared = world.switched
    assert taken == ("views/browser/page.py", {"model": best_run})
    assert opened == ("views/runs/page.py", {"run": best_run})
    page_of, link = compared
    assert (page_of, link["students"][0], link["teacher"]) == ("views/compare/page.py", best_run, "teacher")
    assert set(link["students"][1:]) <= set(others)


@pytest.mark.usefixtures("world")
def test_the_time_of_a_search_is_told_before_it_is_started(view: View) -> None:
    page = view("search")
    page.number_input(key="search_trials").set_value(10).run()
    page.button(key="search_estimate").click().run()
    assert not page.exception
    (ten,) = (metric.value for metric in page.metric if metric.label == "Estimated time of the search")
    assert "Confirming the winner takes about" in words(page)
    page.number_input(key="search_trials").set_value(1000).run()
    page.button(key="search_estimate").click().run()
    (thousand,) = (metric.value for metric in page.metric if metric.label == "Estimated time of the search")
    assert ten != thousand
    assert searches.names() == []


def test_trials_share_the_places_and_a_limit_of_seconds_bounds_them() -> None:
    plan = make_plan(trials=10, confirm=3)
    assert searches.expected_seconds(plan, [10.0, 20.0], 1) == (150.0, 90.0)
    assert searches.expected_seconds(plan, [10.0, 20.0], 4) == (45.0, 30.0)
    assert searches.expected_seconds(replace(plan, seconds=100.0), [10.0, 20.0], 1) == (100.0, 90.0)
    assert searches.expected_seconds(plan, [10.0, 20.0], 1, shared=5.0) == (105.0, 90.0)


def test_what_trials_share_is_what_a_run_would_spend_on_its_teacher() -> None:
    config, still = make_plan().config, estimates.Pace(32, "a CPU", fixed=0.01, per_mac=0.0, teacher=0.0)
    known = {"views": 100, "val_megapixels": 0.5}
    stored: list[dict[str, Any]] = [{"cache_pictures": True, "cache_views": 0}, {"cache_views": 3}, {"cache_views": 0}]
    for distill in stored:
        assert config.distill is not None
        run = replace(config, distill=replace(config.distill, **distill))
        spent = [
            estimates.training_seconds(run, replace(still, teacher=each), macs_256=1, **known) for each in (0.0, 0.1)
        ]
        live = 9 * 100 * 0.1 if len(distill) == 1 and not distill["cache_views"] else 0.0
        shared = estimates.shared_seconds(run, replace(still, teacher=0.1), **known)
        assert shared == pytest.approx(spent[1] - spent[0] - live)


def test_the_report_says_what_the_page_says(store: StudyStore) -> None:
    found = searches.standing(fill(store, 12) and "depot")
    text = search_report.of_search(found)
    winner = best(found.trials, found.plan)
    assert winner is not None
    assert f"12 trials, 4 of them stopped early. The best within the limits is trial {winner.number}" in text
    assert "32 ms of at most 20" in text


@pytest.mark.slow
def test_a_rerun_with_ten_thousand_trials_takes_at_most_three_times_that_with_a_hundred(
    store: StudyStore, view: View
) -> None:
    """A ratio within one process, so that it holds on every machine: what is worked out of all trials is kept."""
    few = _rerun_seconds(fill(store, 100, "few"), view, "few")
    store.delete_study("few")
    many = _rerun_seconds(fill(store, 10_000, "many"), view, "many")
    assert many <= 3 * few, (few, many)


def _rerun_seconds(store: StudyStore, view: View, name: str) -> float:
    """The least processor seconds of five reruns of the page with this search, whose trials are all counted on it."""
    page = view("search", search=name)
    assert not page.exception
    assert str(len(store.trials(name))) in {metric.value for metric in page.metric}
    times = []
    for _ in range(5):
        begun = time.process_time()
        page.run()
        times.append(time.process_time() - begun)
    return min(times)


def test_a_trial_that_ends_is_read_alone(store: StudyStore) -> None:
    fill(store, 30)
    searches.standing("depot")
    with store._database.write() as connection:
        connection.execute(insert(RUNS), [_row(make_plan(), "depot", 30)])
    assert len(searches.standing("depot").trials) == 31
    store.delete("20260101-000000-0003")
    assert len(searches.standing("depot").trials) == 30


@pytest.mark.usefixtures("world")
def test_the_page_starts_stops_and_continues_a_search(world: World, view: View, store: StudyStore) -> None:
    world.models["teacher"] = world.models.pop("teacher")  # by the alphabet students come first
    page = view("search")
    assert page.selectbox(key="search_teacher").value == "teacher"
    page.text_input(key="search_name").set_value("mine").run()
    page.button(key="search_start").click().run()
    assert not page.exception
    search = store.study("mine")
    assert (search.state, world.started) == (RunState.QUEUED, 1)
    plan = searches.SearchPlan.from_json(search.job["plan"])
    assert plan.trials == 30
    assert plan.config.train.epochs == 9
    page.button(key="search_stop").click().run()
    assert store.study("mine").state == RunState.CANCELLED
    searches.go_on("mine", ANYBODY, trials=40, minutes=None, sizes=["compact 2", "compact 16"])
    again = searches.SearchPlan.from_json(store.study("mine").job["plan"])
    assert (again.trials, again.generation, again.sizes) == (40, 1, ("compact 2", "compact 16"))
    page = view("search", search="mine").run()
    page.button(key="search_stop").click().run()
    page.multiselect(key="search_more_vary").set_value(["paste"])
    page.number_input(key="search_more_limit_parameters").set_value(90_000.0)
    page.button(key="search_continue").click().run()
    assert not page.exception
    last = searches.SearchPlan.from_json(store.study("mine").job["plan"])
    assert [axis.name for axis in last.space] == [*(axis.name for axis in again.space), "paste"]
    assert (last.limits.parameters, last.generation, last.sizes) == (90_000.0, 2, again.sizes)


def test_an_operator_bounds_the_trials_of_a_search() -> None:
    (paths.home() / "access.toml").write_text("search_trials = 5")
    with pytest.raises(ConfigError, match="A search may have 5 trials at most"):
        searches.start(searches.SearchRequest(trials=6, name="many"), ANYBODY)
    assert searches.names() == []
    assert searches.start(searches.SearchRequest(trials=5, name="few"), ANYBODY) == "few"


def test_what_a_search_asks_for_is_checked(world: World) -> None:
    del world
    request = searches.SearchRequest(trials=0)
    assert searches.check(request).problems == ["Trials must be from 1 to 100,000, not 0."]
    assert searches.check(replace(request, trials=5, sizes=())).problems == ["Choose at least one size."]


def test_every_situation_is_a_search_that_can_be() -> None:
    for name, situation in searches.SITUATIONS.items():
        plan = searches.plan_of(searches.SearchRequest(situation=name, vary=situation.vary, trials=situation.trials))
        assert plan.problems() == []
        plan = searches.plan_of(searches.SearchRequest(situation=name, vary=tuple(searches.OPTIONAL)))
        assert plan.problems() == []


def test_maps_show_the_mean_and_the_spread_of_their_cells() -> None:
    rows = [{"temperature": 2.0, "alpha": 0.5, "seed": seed, "miou": 0.5 + 0.02 * seed} for seed in (0, 1)]
    cells, _ = heat_map(rows).data
    assert (cells.text[0][0], round(cells.z[0][0], 6)) == ("51.0 ± 1.0", 51.0)
    rows = [
        {"size": size, "taught": taught, "miou": 0.5 + taught / 10} for size in ("a", "b") for taught in (True, False)
    ]
    lines = size_chart(rows, {"a": 100, "b": 200}).data
    assert [list(line.y) for line in lines] == [[60.0, 60.0], [50.0, 50.0]]


def test_what_is_written_on_a_map_is_told_from_its_cell_whatever_its_colour() -> None:
    """By WCAG 2, over the whole scale; the colours of cells are the same on a light and a dark page."""
    rows = [{"temperature": float(at), "alpha": 0.5, "seed": 0, "miou": at / 100} for at in range(101)]
    cells, written = heat_map(rows).data
    assert [cells.colorscale[0][1], cells.colorscale[-1][1], cells.texttemplate] == ["#440154", "#fde725", None]
    assert list(written.text) == list(cells.text[0])
    grounds = sample_colorscale("Viridis", [at / 100 for at in range(101)], colortype="tuple")
    inks = {"black": (0.0,) * 3, "white": (1.0,) * 3}
    contrasts = [contrast(ground, inks[ink]) for ground, ink in zip(grounds, written.textfont.color, strict=True)]
    assert min(contrasts) >= 4.5


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """The contrast of two colours, their parts from 0 to 1, by WCAG 2."""
    dark, light = sorted(
        0.05
        + sum(
            weight * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)
            for weight, part in zip((0.2126, 0.7152, 0.0722), colour, strict=True)
        )
        for colour in (one, other)
    )
    return light / dark


def test_a_map_of_one_value_and_one_with_holes_are_drawn() -> None:
    rows = [{"temperature": t, "alpha": a, "miou": 0.5} for t, a in ((1.0, 0.1), (2.0, 0.9))]
    cells, written = heat_map(rows).data
    assert [list(line) for line in cells.z] == [[50.0, None], [None, 50.0]]
    assert list(zip(written.x, written.y, written.text, strict=True)) == [("1", "0.1", "50.0"), ("2", "0.9", "50.0")]


def test_a_browser_without_webgl_draws_the_charts_of_a_search_of_usual_size(store: StudyStore) -> None:
    found = searches.standing(fill(store, 200) and "depot")
    charts = (
        front_chart(found.trials, "latency", "Latency", fits=searches.fitting(found)),
        curve_chart(searches.some(found, MOST_CURVES)),
    )
    assert {trace.type for chart in charts for trace in chart.data} == {"scatter"}


def test_the_front_holds_whom_no_other_beats(store: StudyStore) -> None:
    found = searches.standing(fill(store, 30) and "depot")
    line = front(found.trials, "latency")
    for trial in line:
        better = [
            one
            for one in found.trials
            if (one.miou or 0) > (trial.miou or 0) and (one.value("latency") or 0) <= (trial.value("latency") or 0)
        ]
        assert better == []
