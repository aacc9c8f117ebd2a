"""Benchmark and Cost: what is measured is shown with its ratios first; what cannot be is said."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app.components.benchmark_table import table_rows
from app.services import benchmarks, costs, speeds
from app.services.benchmarks import Choices, Job, Result, Row
from app.services.scenarios import SCENARIOS
from app.views.benchmark.pareto import front, pareto_chart
from core.benchmark.plan import Plan
from core.errors import BenchmarkError
from core.events import Progress

from .conftest import World, words

View = Callable[..., AppTest]
TEACHER = Row(
    "teacher",
    "pytorch",
    512,
    1,
    1,
    p50_ms=400.0,
    p95_ms=450.0,
    low_ms=390.0,
    high_ms=410.0,
    repeats=20,
    megapixels_per_second=0.65536,
    faster=1.0,
    smaller=1.0,
    parameters=2_000_000,
    macs=8_000_000_000,
    bytes=8_000_000,
    miou5=0.75,
)
STUDENT = replace(
    TEACHER, model="student", runtime="onnx", p50_ms=20.0, megapixels_per_second=13.1072, faster=20.0, miou5=0.7
)
INT8 = replace(STUDENT, runtime="onnx-int8", p50_ms=30.0, megapixels_per_second=8.7, faster=13.3, miou5=0.69)
FAILED = Row("student", "compiled", 512, 1, 1, problem="There is no C++ compiler here.")
RESULT = Result(
    "20261124-201500-123",
    Plan(models=("student",), teacher="teacher"),
    {"processor": "A CPU", "cores": 2, "packages": {"torch": "2.15"}},
    (TEACHER, STUDENT, INT8, FAILED),
    scored_on="samples, val: 2 pictures",
)


@pytest.fixture
def bench(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the service holds and was asked for."""
    held: dict[str, object] = {"found": [RESULT], "job": None, "started": []}
    compiled = {"pytorch": None, "onnx": None, "onnx-int8": None, "compiled": "There is no C++ compiler here."}
    choices = Choices(compiled, (1, 2), {"none": "No scores", "samples": "Shipped scenes"})
    monkeypatch.setattr(benchmarks, "found", lambda _owner=None: held["found"])
    monkeypatch.setattr(benchmarks, "job", lambda _owner=None: held["job"])
    monkeypatch.setattr(benchmarks, "choices", lambda: choices)
    monkeypatch.setattr(benchmarks, "start", lambda _, **settings: held["started"].append(settings))  # type: ignore[attr-defined]
    del world
    return held


def test_the_table_says_ratios_first_and_why_a_case_is_missing() -> None:
    rows = table_rows(RESULT.rows, {"student": "Student"})
    assert list(rows[0])[:4] == ["Model", "Runtime", "Faster", "Smaller file"]
    assert (rows[1]["Model"], rows[1]["Faster"], rows[0]["± (%)"]) == ("Student", 20.0, 2.5)
    assert rows[3]["Why not"] == "There is no C++ compiler here."
    assert "GPU memory (MB)" not in rows[0]


def test_the_front_holds_what_nothing_beats_on_both() -> None:
    assert front([TEACHER, STUDENT, INT8, FAILED], "latency") == [STUDENT, TEACHER]
    assert front([TEACHER, replace(TEACHER, model="worse", miou5=0.6)], "latency") == [TEACHER]
    assert front([FAILED], "latency") == []


def test_points_of_the_chart_carry_their_model() -> None:
    traces = pareto_chart(RESULT.rows, "latency", {}).data
    assert {trace.name: list(trace.customdata) for trace in traces[1:]} == {
        "teacher": ["teacher"],
        "student": ["student", "student"],
    }


@pytest.mark.parametrize("spread", [1.0, 1.05, 1.5, 4, 30, 1e3, 1e6])
@pytest.mark.parametrize("lowest", [0.0123, 0.7, 27.0, 98_765.0])
def test_the_cost_axis_has_a_few_round_numbers_that_do_not_overlap(lowest: float, spread: float) -> None:
    rows = [replace(TEACHER, p50_ms=lowest * spread), replace(STUDENT, p50_ms=lowest)]
    axis = pareto_chart(rows, "latency", {}).layout.xaxis
    low, high = axis.range
    assert low < math.log10(lowest)
    assert math.log10(lowest * spread) < high
    assert 2 <= len(axis.tickvals) <= 8
    places = [(math.log10(value) - low) / (high - low) for value in axis.tickvals]
    assert all(0 <= place <= 1 for place in places)
    # On a phone the axis has some 300 pixels, and a number of five letters 35.
    assert min(after - before for before, after in itertools.pairwise(places)) > 0.09
    for value, text in zip(axis.tickvals, axis.ticktext, strict=True):
        assert len(text) <= 6
        assert len(f"{value:.6f}".replace(".", "").strip("0")) <= 3, "a round number"


def test_a_result_is_shown_with_its_machine(bench: dict[str, object], view: View) -> None:
    test = view("benchmark")
    assert not test.exception
    assert "A CPU, 2 cores" in words(test)
    assert "scored on samples" in words(test)
    assert len(test.dataframe[0].value) == 4
    bench["found"] = [replace(RESULT, load_before=3.0)]
    assert "The machine was busy (load 3.0" in words(test.run())


def test_a_first_visit_to_cost_measures_the_usual_pair(bench: dict[str, object], view: View) -> None:
    bench["found"] = []
    test = view("cost")
    assert not test.exception
    assert "No speeds yet" not in words(test)
    assert "Costs less" in [metric.label for metric in test.metric]
    assert "saved a year" in next(metric.delta for metric in test.metric if metric.label == "Costs less")
    assert [metric.label for metric in test.metric if metric.label.endswith("time for a year's maps")][1:]


def test_nothing_measured_yet_says_what_to_do(bench: dict[str, object], view: View, world: World) -> None:
    bench["found"] = []
    assert "Nothing measured yet" in words(view("benchmark"))
    del world.models["student"]
    test = view("cost")
    assert "No speeds yet" in words(test)
    assert "Go to Benchmark" in [button.label for button in test.button]


def test_measuring_starts_what_the_form_says(bench: dict[str, object], view: View) -> None:
    test = view("benchmark")
    assert "There is no C++ compiler here." in words(test)
    test.button(key="measure").click().run()
    assert bench["started"] == [
        {
            "models": ["student"],
            "teacher": "teacher",
            "runtimes": ["pytorch", "onnx", "onnx-int8"],
            "sizes": [512],
            "batches": [1],
            "threads": [1],
            "labelled": "samples",
            "care": "Quick",
        }
    ]


@pytest.mark.usefixtures("bench")
def test_a_refusal_is_a_sentence(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BenchmarkError("Another benchmark is running.")

    monkeypatch.setattr(benchmarks, "start", refuse)
    test = view("benchmark")
    test.button(key="measure").click().run()
    assert "Another benchmark is running." in words(test)


def test_a_running_benchmark_can_be_stopped(
    bench: dict[str, object], view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(benchmarks, "cancel", lambda job, _: stopped.append(job))
    bench["job"] = Job("job-1", True, Progress(2, 8, "Timing 1 × 512²"), None)
    test = view("benchmark")
    assert test.button(key="measure").disabled
    test.button(key="stop").click().run()
    assert stopped == ["job-1"]
    bench["job"] = Job("job-1", False, Progress(2, 8), "Memory is full.")
    assert "Memory is full." in words(view("benchmark"))


def test_cost_is_what_the_formula_gives() -> None:
    task = costs.AreaToMap(area_km2=1000, resolution_m=0.5, overlap=0.0, price_an_hour=0.2, machines=4)
    assert task.megapixels == pytest.approx(1000e6 / 0.25 / 1e6)
    hours, price, energy = costs.cost(task, replace(TEACHER, megapixels_per_second=2.0, joules_per_megapixel=9.0))
    assert hours == pytest.approx(4000 / 2 / 3600 / 4)
    assert price == pytest.approx(4000 / 2 / 3600 * 0.2)
    assert energy == pytest.approx(9 * 4000 / 3.6e6)
    assert costs.AreaToMap(overlap=0.5).megapixels == pytest.approx(4 * costs.AreaToMap(overlap=0).megapixels)


def test_costs_are_sorted_and_refer_to_the_teacher() -> None:
    found = costs.costs(costs.AreaToMap(), RESULT.rows, teacher="teacher")
    assert [(item.model, item.runtime) for item in found] == [
        ("student", "ONNX Runtime"),
        ("student", "ONNX Runtime, INT8"),
        ("teacher", "PyTorch"),
    ]
    assert found[0].cheaper == pytest.approx(20)
    assert found[-1].cheaper == 1


@pytest.mark.usefixtures("bench")
def test_the_page_of_costs_answers_to_what_is_typed(view: View) -> None:
    test = view("cost")
    assert not test.exception
    first = test.dataframe[0].value
    assert "This machine does not report its energy." in words(test)
    test.number_input(key="area").set_value(2 * test.number_input(key="area").value).run()
    assert test.dataframe[0].value["Price"][0] == pytest.approx(2 * first["Price"][0])


PYTORCH = replace(STUDENT, runtime="pytorch", p50_ms=50.0, megapixels_per_second=5.24288)
TEACHER_INT8 = replace(TEACHER, runtime="onnx-int8", p50_ms=200.0, megapixels_per_second=1.31072)


def test_like_is_compared_with_like_unless_somebody_asks(bench: dict[str, object], view: View) -> None:
    bench["found"] = [replace(RESULT, rows=(TEACHER, PYTORCH, STUDENT, INT8))]
    test = view("cost")
    assert not test.exception
    assert list(test.dataframe[0].value["Runtime"]) == ["PyTorch", "PyTorch"]
    assert test.dataframe[0].value["Costs less"][0] == pytest.approx(8)
    test.segmented_control(key="runtime").set_value("all").run()
    assert len(test.dataframe[0].value) == 4


def test_a_saving_is_split_into_what_each_step_gave() -> None:
    rows = (TEACHER, TEACHER_INT8, PYTORCH, STUDENT, replace(INT8, megapixels_per_second=26.2144))
    found = [step.factor for step in costs.steps(rows, teacher="teacher", student="student")]
    assert found == pytest.approx([8, 2.5, 2, 40, 2])
    assert found[3] == pytest.approx(found[0] * found[1] * found[2])
    assert [*costs.steps(rows[:1], teacher="teacher", student="student")] == []


@pytest.mark.usefixtures("bench")
def test_a_scenario_brings_its_numbers_and_they_can_be_changed(view: View) -> None:
    test = view("cost")
    first = next(iter(SCENARIOS.values()))
    assert test.number_input(key="area").value == first.area_km2 > 10_000
    test.number_input(key="area").set_value(5.0).run()
    test.selectbox(key="map").set_value("switzerland").run()
    assert test.number_input(key="area").value == SCENARIOS["switzerland"].area_km2
    once = costs.AreaToMap(area_km2=10.0)
    assert replace(once, times=3).megapixels == pytest.approx(3 * once.megapixels)


def test_every_page_shows_the_kept_figure(bench: dict[str, object], view: View, world: World) -> None:
    """Compare measures; Benchmark and Cost show the same number first."""
    bench["found"] = []
    speeds.measure(list(world.models.values()))
    benchmark = view("benchmark")
    assert not benchmark.exception
    table = benchmark.dataframe[0].value
    assert dict(zip(table["Model"], table["Median (ms)"], strict=True)) == {
        model.label: speeds.kept(model)["pytorch"].latency_ms for model in world.models.values()
    }
    assert not any(button.key == "delete" for button in benchmark.button)
    assert list(view("cost").dataframe[0].value["Costs less"]) == pytest.approx([4.0, 4.0, 1.0])
