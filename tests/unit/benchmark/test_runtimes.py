"""A runtime is registered in one place: whoever lists, opens, draws or starts runtimes reads it there."""

from pathlib import Path

import numpy as np
import pytest

from app.services import benchmarks
from core.benchmark import measure
from core.benchmark.plan import Plan
from core.benchmark.runtimes import RUNTIMES, Pictures, Runtime

from .test_run import quick


def _open_zeros(file: Path, threads: int, device: str) -> object:
    del file, threads, device

    def answer(images: Pictures) -> np.ndarray:
        return np.zeros((len(images), 5, *images.shape[1:3]), np.float32)

    return answer


def _always(_device: str) -> None:
    return None


@pytest.fixture
def zeros(monkeypatch: pytest.MonkeyPatch) -> str:
    """A made-up runtime, registered by one entry."""
    made = Runtime("All zeros", "numpy", "checkpoint", "star", _open_zeros, _always)  # type: ignore[arg-type]
    monkeypatch.setitem(RUNTIMES, "zeros", made)
    return "zeros"


def test_one_entry_is_enough_to_plan_measure_and_draw(zeros: str, stem: str, files: Path) -> None:
    assert Plan(("student",), runtimes=(zeros,)).problems() == []
    assert benchmarks.runtime_title(zeros) == "All zeros"
    assert benchmarks.runtime_symbol(zeros) == "star"
    assert benchmarks.choices().runtimes[zeros] is None
    result = measure.run(quick(stem, runtimes=(zeros,), sizes=(32,)), folder=files)
    assert result.rows[0].problem is None
    assert result.rows[0].p50_ms is not None


def test_the_command_line_offers_it(zeros: str, capsys: pytest.CaptureFixture[str]) -> None:
    from core.cli.main import main

    with pytest.raises(SystemExit):
        main(["benchmark", "--help"])
    assert zeros in capsys.readouterr().out


def test_the_usual_ones_work_on_every_processor() -> None:
    assert all(runtime.unavailable("cpu") is None for runtime in RUNTIMES.values() if runtime.usual)
