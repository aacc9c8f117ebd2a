"""The parts of a benchmark: plans, turns, intervals, energy, what is kept."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from core.benchmark import machine, results, turns
from core.benchmark.plan import MOST_CASES, Case, Plan
from core.benchmark.results import Result, Row
from core.benchmark.runtimes import RUNTIMES
from core.benchmark.turns import spread
from core.config import DataConfig
from core.errors import BenchmarkError, ConfigError

PLAN = Plan(models=("a",), fewest=5, most=40, seconds=1000.0, confidence=0.05)


def test_a_plan_is_every_combination_with_the_teacher_first() -> None:
    plan = Plan(models=("a", "b"), teacher="t", runtimes=("pytorch", "onnx"), sizes=(256, 512), threads=(1, 2))
    cases = plan.cases()
    assert len(cases) == len(set(cases)) == 3 * 2 * 2 * 2
    assert cases[0] == Case("t", "pytorch", 256, 1, 1)
    assert [(case.size, case.threads) for case in cases[::6]] == [(256, 1), (256, 2), (512, 1), (512, 2)]


def test_a_teacher_among_the_models_is_measured_once() -> None:
    assert [case.model for case in Plan(models=("t", "a"), teacher="t", runtimes=("onnx",)).cases()] == ["t", "a"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": ()}, "at least one model"),
        ({"runtimes": ()}, "at least one runtime"),
        ({"runtimes": ("tensorrt",)}, f"choose {', '.join(RUNTIMES)}"),
        ({"sizes": (0,)}, "Size must be from 1"),
        ({"threads": (0,)}, "Threads must be from 1"),
        ({"batches": (65,)}, "Batch must be from 1 to 64"),
        ({"confidence": 0.0}, "interval"),
        ({"fewest": 3}, "Repeats"),
        ({"seconds": 0.0}, "seconds"),
        ({"sizes": tuple(range(1, MOST_CASES))}, "cases"),
    ],
)
def test_what_cannot_be_measured_is_said(change: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Plan(**{"models": ("a",), **change}).cases()  # type: ignore[arg-type]


def test_a_plan_survives_json() -> None:
    plan = Plan(models=("a",), teacher="t", score=DataConfig("dubai", root="x"), sizes=(256, 512))
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    with pytest.raises(ConfigError, match="nonsense"):
        Plan.from_json({"models": ["a"], "nonsense": 1})
    with pytest.raises(ConfigError, match="sizes must be"):
        Plan.from_json({"models": ["a"], "sizes": ["large"]})


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    """Timings with a long tail, as machines give them; 95 % within what 600 draws allow."""
    draw = random.Random(0)
    held = 0
    for _ in range(600):
        found = spread([0.01 + draw.expovariate(100) for _ in range(40)])
        held += found.low_ms <= 1000 * (0.01 + 0.00693147) <= found.high_ms
    assert 0.93 <= held / 600 <= 0.99


def test_percentiles_and_width() -> None:
    found = spread([value / 1000 for value in range(1, 102)])
    assert (found.p50_ms, found.p95_ms, found.repeats) == (51, 96, 101)
    assert found.low_ms < 51 < found.high_ms
    assert found.half_width == pytest.approx((found.high_ms - found.low_ms) / 2 / 51)
    assert spread([0.005]).half_width == 0


class Clock:
    """Goes on by what a pass takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: Callable[[], float], calls: list[str]) -> Callable[[], None]:
        def run() -> None:
            calls.append(name)
            self.now += seconds()

        return run


def test_cases_take_turns_and_stop_when_all_are_known() -> None:
    clock, calls = Clock(), list[str]()
    work = {name: clock.work(name, lambda: 0.2, calls) for name in "ab"}
    found = turns.take_turns(work, PLAN, clock=clock)
    warm = 3
    assert calls == ["a"] * warm + ["b"] * warm + ["a", "b"] * PLAN.fewest
    assert found["a"].spread.p50_ms == pytest.approx(200)


def test_what_others_did_meanwhile_is_told_without_our_own_share() -> None:
    """Cores that the machine kept busy beside this process: half of one here, and none where only we worked."""
    for beside in (0.0, 0.5):
        clock, calls = Clock(), list[str]()
        work = {"a": clock.work("a", lambda: 0.2, calls)}
        clocks = {"cpu_clock": clock, "machine_clock": lambda clock=clock, beside=beside: (1 + beside) * clock.now}
        found = turns.take_turns(work, PLAN, clock=clock, **clocks)
        assert found["a"].others == pytest.approx(beside)


def test_a_steady_case_goes_on_while_another_is_unsteady() -> None:
    clock, draw, calls = Clock(), random.Random(0), list[str]()
    work = {
        "steady": clock.work("steady", lambda: 0.2, calls),
        "wild": clock.work("wild", lambda: draw.uniform(0.1, 1.0), calls),
    }
    found = turns.take_turns(work, PLAN, clock=clock)
    assert found["steady"].spread.repeats == found["wild"].spread.repeats
    assert PLAN.fewest < found["wild"].spread.repeats <= PLAN.most


def test_a_slow_case_leaves_when_its_time_is_up() -> None:
    clock, calls = Clock(), list[str]()
    plan = Plan(models=("a",), fewest=20, seconds=30.0)
    work = {"slow": clock.work("slow", lambda: 10.0, calls), "quick": clock.work("quick", lambda: 0.01, calls)}
    found = turns.take_turns(work, plan, clock=clock)
    assert found["slow"].spread.repeats == 5
    assert found["quick"].spread.repeats == 20


def test_timing_stops_when_asked() -> None:
    with pytest.raises(turns.CancelledError):
        turns.take_turns({"a": lambda: None}, PLAN, cancelled=lambda: True)


def _counter(folder: Path, name: str, count: int, limit: int = 1000) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "energy_uj").write_text(str(count))
    (folder / name / "max_energy_range_uj").write_text(str(limit))


def test_energy_is_of_all_packages_and_survives_a_wrap(tmp_path: Path) -> None:
    assert machine.read_energy(tmp_path) is None
    _counter(tmp_path, "intel-rapl:0", 900)
    _counter(tmp_path, "intel-rapl:1", 100)
    _counter(tmp_path, "intel-rapl:0:0", 5)
    before = machine.read_energy(tmp_path)
    _counter(tmp_path, "intel-rapl:0", 50)
    _counter(tmp_path, "intel-rapl:1", 400)
    assert machine.joules(before, machine.read_energy(tmp_path)) == pytest.approx((150 + 300) / 1e6)
    assert machine.joules(None, before) is None


def test_results_are_kept_and_broken_ones_named() -> None:
    row = Row("a", "onnx", 512, 1, 1, p50_ms=1.0, miou5=None)
    result = Result(results.new_id(), Plan(models=("a",)), {"processor": "p"}, (row,), created_at=1.0)
    path = results.save(result)
    (path.parent / "broken.json").write_text("{")
    (path.parent / "old.json").write_text('{"schema": 0}')
    found = results.listing()
    assert found.results == [result]
    assert found.unreadable == ["old.json", "broken.json"]
    with pytest.raises(BenchmarkError, match="measure again"):
        results.load(path.parent / "broken.json")


def test_the_processors_time_is_told_beside_the_clocks() -> None:
    clock, cpu, calls = Clock(), Clock(), list[str]()

    def run() -> None:
        clock.work("a", lambda: 0.3, calls)()
        cpu.now += 0.1

    found = turns.take_turns({"a": run}, PLAN, clock=clock, cpu_clock=cpu)
    assert found["a"].spread.p50_ms == pytest.approx(300)
    assert found["a"].cpu_ms == pytest.approx(100)
