"""The machine under a benchmark: its facts, without which figures mean nothing, its load, and its energy.

Energy is that of the processor, where the machine reports it: Intel's and AMD's running average power limit counters.
"""

import importlib.metadata
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.benchmark.runtimes import RUNTIMES

_CPUINFO, _MEMINFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "avx_vnni")
_POWERCAP = Path("/sys/class/powercap")
GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
"""What a driver of NVIDIA, the same below Windows, or one of AMD makes on Linux."""


def facts() -> dict[str, Any]:
    """Processor, cores, memory, graphics cards, system and versions, as plain JSON values."""
    packages = dict.fromkeys((*(runtime.package for runtime in RUNTIMES.values()), "numpy"))
    return {
        "processor": processor(),
        "instructions": [flag for flag in _FLAGS if flag in _cpu_flags()],
        "cores": os.cpu_count() or 1,
        "memory_gb": _memory_gb(),
        "gpus": _gpus(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: version for name in packages if (version := _version(name))},
    }


def load() -> float | None:
    """Processes that wanted to run in the last minute, on average, ours included; None where nobody counts them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def processor() -> str:
    for line in _lines(_CPUINFO):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def _cpu_flags() -> set[str]:
    return next((set(line.partition(":")[2].split()) for line in _lines(_CPUINFO) if line.startswith("flags")), set())


def _memory_gb() -> float | None:
    total = next((line.split()[1] for line in _lines(_MEMINFO) if line.startswith("MemTotal")), None)
    return round(int(total) * 1024 / 1e9, 1) if total else None


def _gpus() -> list[str]:
    """Their names. Torch knows them, and takes seconds to import: it is asked where the system has a driver for one."""
    if sys.platform != "win32" and not any(device.exists() for device in GPU_DEVICES):
        return []
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


@dataclass(frozen=True)
class EnergyCounters:
    """Microjoules so far, counter by counter, and where each begins again from zero."""

    microjoules: tuple[int, ...]
    wraps_at: tuple[int, ...]


def read_energy(folder: Path = _POWERCAP) -> EnergyCounters | None:
    """The counters of every processor package; None where there are none, or where only an administrator may read."""
    packages = sorted(path for path in folder.glob("*-rapl:*") if path.name.count(":") == 1)
    try:
        counts = tuple(int((path / "energy_uj").read_text()) for path in packages)
        limits = tuple(int((path / "max_energy_range_uj").read_text()) for path in packages)
    except (OSError, ValueError):
        return None
    return EnergyCounters(counts, limits) if counts else None


def joules(before: EnergyCounters | None, after: EnergyCounters | None) -> float | None:
    """Between two readings; a counter that began again in between is allowed for, once."""
    if before is None or after is None or len(before.microjoules) != len(after.microjoules):
        return None
    return sum(_steps(before.microjoules, after.microjoules, after.wraps_at)) / 1e6


def _steps(before: Sequence[int], after: Sequence[int], limits: Sequence[int]) -> list[int]:
    return [(b - a) if b >= a else (b - a) + limit for a, b, limit in zip(before, after, limits, strict=True)]
