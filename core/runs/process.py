"""The processes that a worker starts: how one is begun, ended and spoken of, and which devices there are."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from core import paths

_CAUSES = (
    ("out of memory", "Memory ran out: choose a smaller batch size, a smaller crop or a smaller student, then retry."),
    ("MemoryError", "Memory ran out: choose a smaller batch size, a smaller crop or a smaller student, then retry."),
    ("No space left on device", "The disk is full: free some space, then retry."),
)


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that writes into `log`. Raises `OSError`.

    It has a session of its own: Ctrl-C reaches the worker alone, and a kill reaches all that the run started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=paths.ROOT,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started, at once."""
    if process.poll() is not None:
        return
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def obituary(code: int, lines: Sequence[str]) -> str:
    """Why a process ended, in a sentence for the person: from its exit code and the last lines of its log."""
    text = "\n".join(lines)
    for sign, sentence in _CAUSES:
        if sign.lower() in text.lower():
            return sentence
    if code == -signal.SIGKILL:
        return "The run's process was killed. If nobody did it, memory ran out: choose a smaller batch size or crop."
    if code < 0:
        return f"The run's process ended with signal {-code}: its log may say why, then retry."
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"The run's process stopped with an error ({last or f'exit code {code}'}): its log has the whole of it."


def find_devices() -> list[str]:
    """The slots of this machine, best first, `cpu` always among them. Asks torch in a process of its own, and only
    where there may be a GPU: this one stays small."""
    signs = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
    if sys.platform != "darwin" and not shutil.which("nvidia-smi") and not any(sign.exists() for sign in signs):
        return ["cpu"]
    question = "from core.device import available; print(*available())"
    try:
        answer = subprocess.run(
            [sys.executable, "-c", question], capture_output=True, text=True, timeout=120, cwd=paths.ROOT, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ["cpu"]
    return answer.stdout.split() or ["cpu"]
