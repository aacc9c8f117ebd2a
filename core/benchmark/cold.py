"""A fresh process that starts a model and answers once: how long that takes, and how much memory.

`python -m core.benchmark.cold ORDER.json`: reads the order, writes what it found to the order's `answer`. An exported
model is started without torch, as it would be in use.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from core import paths
from core.band_set import COLOURS, BandSet
from core.benchmark.runtimes import RUNTIMES
from core.errors import ExportError

_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class ColdStart:
    """`cold_ms` from starting Python to the first answer. Memory at its most, in MB: of the process, of the device."""

    cold_ms: float
    peak_memory_mb: float | None
    device_memory_mb: float | None


def measure(*, runtime: str, file: Path, threads: int, size: int, device: str, bands: BandSet = COLOURS) -> ColdStart:
    """Start `file` in a process of its own and let it answer once. Raises `ExportError` when that fails."""
    with TemporaryDirectory() as folder:
        order, answer = Path(folder) / "order.json", Path(folder) / "answer.json"
        wanted = {"runtime": runtime, "file": str(file), "threads": threads, "size": size, "device": device}
        wanted |= {"bands": len(bands), "depth": bands.depth}
        order.write_text(json.dumps({**wanted, "answer": str(answer), "begun": time.time()}), encoding="utf-8")
        command = [sys.executable, "-m", "core.benchmark.cold", str(order)]
        try:
            done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, timeout=_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"A fresh start took longer than {_PATIENCE_SECONDS:.0f} s.") from error
        if done.returncode or not answer.is_file():
            reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1][:200]
            raise ExportError(f"A fresh start of this model failed ({reason}).")
        return ColdStart(**json.loads(answer.read_text(encoding="utf-8")))


def _start(order: dict[str, Any]) -> None:
    """What a program does that opens a model and segments one picture."""
    images = np.zeros((1, order["size"], order["size"], order["bands"]), order["depth"])
    RUNTIMES[order["runtime"]].open(Path(order["file"]), order["threads"], order["device"])(images)


def _peak_memory_mb() -> float | None:
    """None on Windows, which counts it elsewhere."""
    status = Path("/proc/self/status")
    if status.is_file():
        # getrusage would count what the parent held when it forked.
        line = next((line for line in status.read_text().splitlines() if line.startswith("VmHWM")), None)
        return int(line.split()[1]) * 1024 / 1e6 if line else None
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def _device_memory_mb() -> float | None:
    if "torch" not in sys.modules:
        return None
    import torch

    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else None


def main(order: Path) -> None:
    wanted = json.loads(order.read_text(encoding="utf-8"))
    _start(wanted)
    found = ColdStart(1000 * (time.time() - wanted["begun"]), _peak_memory_mb(), _device_memory_mb())
    Path(wanted["answer"]).write_text(json.dumps(asdict(found)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
