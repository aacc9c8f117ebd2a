"""The sentence for a run whose process died, and the devices of this machine."""

import os
import signal
import sys
from pathlib import Path

import pytest

from core.runs.worker import processes


@pytest.mark.parametrize(
    ("code", "lines", "message"),
    [
        (-signal.SIGKILL, [], "was killed"),
        (-signal.SIGSEGV, ["loading"], "signal 11"),
        (1, ["torch.OutOfMemoryError: CUDA out of memory. Tried to allocate"], "smaller batch size"),
        (1, ["Traceback (most recent call last):", "MemoryError"], "Memory ran out"),
        (1, ["OSError: [Errno 28] No space left on device: 'x'"], "The disk is full"),
        (1, ["Traceback (most recent call last):", "ValueError: odd", ""], "(ValueError: odd)"),
        (3, [], "exit code 3"),
        (0, [], "exit code 0"),
    ],
)
def test_every_death_has_its_sentence(code: int, lines: list[str], message: str) -> None:
    sentence = processes.exit_message(code, lines)
    assert message in sentence
    assert sentence.endswith((".", "retry."))
    assert "\n" not in sentence


def test_without_a_sign_of_a_gpu_torch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(processes.sys, "platform", "linux")
    monkeypatch.setattr(processes.shutil, "which", lambda _: None)
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.setattr(processes.subprocess, "run", refuse)
    assert processes.find_devices() == ["cpu"]


@pytest.mark.parametrize(("printed", "found"), [("cuda:0 cuda:1 cpu\n", ["cuda:0", "cuda:1", "cpu"]), ("", ["cpu"])])
def test_with_a_sign_of_a_gpu_torch_lists_the_devices(
    monkeypatch: pytest.MonkeyPatch, printed: str, found: list[str]
) -> None:
    answer = processes.subprocess.CompletedProcess([], 0, stdout=printed)
    monkeypatch.setattr(processes.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(processes.subprocess, "run", lambda *_, **__: answer)
    assert processes.find_devices() == found


_SAY = "import os; from core.runs.worker.processes import lower_priority; lower_priority(); print(os.nice(0)); "
_SAY += "print(open('/proc/self/autogroup').read().split()[-1])"


_AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not _AUTOGROUP.exists(), reason="this system does not group by sessions")
def test_a_run_has_a_low_priority_with_its_whole_session(tmp_path: Path) -> None:
    said = tmp_path / "said.txt"
    with said.open("wb") as output:
        assert processes.start([sys.executable, "-c", _SAY], output).wait() == 0
    assert said.read_text().split() == [str(os.nice(0) + 10), "10"]
    own = _AUTOGROUP.read_text().split()  # empty where the session is the first of a container
    assert own[-1:] != ["10"]
