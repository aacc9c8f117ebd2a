"""The fastest way to run a model is found by trying; what fails is left out with its reason."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core import paths
from core.events import CancelledError, Event, MessageEvent
from core.train import compiling, loop
from core.train.compiling import PLAIN, Forward, fastest
from core.train.task import Task
from tests.unit.train.recorded_run import RecordedRun, differing

PIXELS = torch.zeros(2, 3, 8, 8)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5))


def slower(net: nn.Module, seconds: float) -> Forward:
    def forward(pixels: Tensor) -> Tensor:
        found: Tensor = net(pixels)
        return found

    forward.seconds = seconds  # type: ignore[attr-defined]
    return forward


def failing(error: Exception) -> Forward:
    def forward(_: Tensor) -> Tensor:
        raise error

    return forward


def failing_backwards(net: nn.Module) -> Forward:
    """As where only the gradient cannot be compiled."""

    def forward(pixels: Tensor) -> Tensor:
        found: Tensor = net(pixels)
        found.register_hook(failing(RuntimeError("no kernel")))
        return found

    return forward


def pick(candidates: dict[str, Forward], net: nn.Module, **more: Any) -> tuple[str, list[Event]]:
    told: list[Event] = []
    return fastest(candidates, net, PIXELS, dtype=torch.float32, emit=told.append, **more), told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way is really run, and takes as long as it says: a busy machine must not decide."""
    run = compiling._time

    def time(forward: Forward, *given: Any) -> float:
        run(forward, *given)
        return getattr(forward, "seconds", 0.001)

    monkeypatch.setattr(compiling, "_time", time)


@pytest.mark.usefixtures("clock")
def test_the_quickest_is_taken_and_the_log_has_the_figures() -> None:
    net = model()
    found, told = pick({PLAIN: slower(net, 0.02), "compiled": net, "as a graph": slower(net, 0.05)}, net)
    assert found == "compiled"
    (message,) = told
    assert isinstance(message, MessageEvent)
    figures = "as it is 20.0 ms, compiled 1.0 ms, as a graph 50.0 ms"
    assert message.text == f"The model is run compiled (a forward and backward pass: {figures})."


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("fails", ["forwards", "backwards"])
def test_a_mode_that_fails_is_left_out_with_its_reason(fails: str) -> None:
    net = model()
    broken = failing(RuntimeError("no kernel\nmore")) if fails == "forwards" else failing_backwards(net)
    found, told = pick({PLAIN: slower(net, 0.01), "as a CUDA graph": broken}, net)
    assert found == PLAIN
    assert told[0] == MessageEvent("The model cannot be run as a CUDA graph here: no kernel", "warning")


def test_what_really_cannot_be_compiled_falls_back() -> None:
    """`torch.compile` itself, with a backend that refuses."""
    net = model()

    def refuse(*_: object) -> Any:
        raise NotImplementedError("no compiler for this")

    found, told = pick({PLAIN: net, "compiled": torch.compile(net, backend=refuse)}, net)
    assert found == PLAIN
    assert isinstance(told[0], MessageEvent)
    assert told[0].text.startswith("The model cannot be run compiled here: ")
    assert told[0].level == "warning"


def test_a_model_that_fails_uncompiled_fails() -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        pick({PLAIN: failing(RuntimeError("out of memory"))}, model())


@pytest.mark.usefixtures("clock")
def test_what_was_taken_before_is_taken_again_where_it_works() -> None:
    net = model()
    slow = slower(net, 0.02)
    assert pick({PLAIN: net, "compiled": slow}, net, prefer="compiled")[0] == "compiled"
    assert pick({PLAIN: net, "compiled": failing(RuntimeError("x"))}, net, prefer="compiled")[0] == PLAIN


def test_trying_leaves_the_model_and_the_random_numbers_as_they_were() -> None:
    net = model()
    before, state = {key: value.clone() for key, value in net.state_dict().items()}, torch.get_rng_state()
    pick({PLAIN: net, "other": slower(net, 0.0)}, net)
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.usefixtures("clock")
def test_a_run_goes_on_in_the_mode_it_had(
    make_task: Callable[..., Task],
    make_collector: Callable[..., Any],
    folders: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Although another one is quicker by then."""
    quick: list[str] = []

    def modes(net: nn.Module, _: torch.device) -> dict[str, Forward]:
        return {name: net if name == quick[-1] else slower(net, 0.01) for name in (PLAIN, "compiled")}

    monkeypatch.setattr(loop, "run_modes", modes)
    folder = folders("one")
    for now, stop_at in (("compiled", 2), (PLAIN, None)):
        quick.append(now)
        collector = make_collector(stop_at=stop_at)
        try:
            collector.run(make_task(compile=True), folder)
        except CancelledError:
            assert stop_at
        (said,) = (event.text for event in collector.of(MessageEvent) if event.text.startswith("The model is run"))
        assert said.startswith("The model is run compiled")
    alone = RecordedRun(lambda: make_task(compile=False), make_collector, folders("alone"))
    twin = RecordedRun(lambda: make_task(compile=True), make_collector, folders("twin"))
    assert differing(alone, twin) == [], "trying changed what is learnt"


def test_a_graph_is_only_tried_on_cuda() -> None:
    assert set(compiling.run_modes(model(), torch.device("cpu"))) == {PLAIN, "compiled"}
    assert set(compiling.run_modes(model(), torch.device("cuda"))) == {PLAIN, "compiled", "as a CUDA graph"}


@pytest.mark.slow
def test_a_run_imports_no_compiler_and_no_library_of_other_networks(tmp_path: Path) -> None:
    """They take longer to import than torch itself, and a process that computes with another network needs none.

    A process that waits for the next prediction, of whatever network, has them before anybody waits for it.
    """
    heavy = ["segmentation_models_pytorch", "timm", "torch._dynamo", "torchvision"]
    code = (
        "import sys, core.runs.execution, core.runs.executors.predicting, core.train.compiling\n"
        "from core.runs.worker import command\n"
        f"def there(): print([name for name in {heavy} if name in sys.modules])\n"
        "there()\n"
        "command.wait_for_run = there\n"
        f"command.main(['--home', {str(tmp_path)!r}, '--standby'])"
    )
    env = {**os.environ, "TERRASTILL_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["[]", str(heavy)]
