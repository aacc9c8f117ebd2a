"""What a benchmark found, kept as one JSON file a benchmark under `core.paths.home()`. No torch."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core import paths
from core.benchmark.plan import Plan
from core.errors import BenchmarkError
from core.files import write_aside
from core.typed import build

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """One case. Times in milliseconds from a picture's bytes to its logits; `problem` says why there are none.

    `low_ms` to `high_ms` holds the true median with 95 % confidence; `cpu_ms` is the processor's time, which does not
    grow when others work on the machine. `faster` and `smaller` are the teacher's latency
    (in its first runtime, same settings) and bytes divided by this one's; `miou5` is of this very file. `weights`
    tells the weights that were measured: a name may get others. `others` is how many cores other processes kept busy
    meanwhile, on average.
    """

    model: str
    runtime: str
    size: int
    batch: int
    threads: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    cpu_ms: float | None = None
    repeats: int = 0
    megapixels_per_second: float | None = None
    faster: float | None = None
    smaller: float | None = None
    parameters: int = 0
    macs: int = 0
    bytes: int = 0
    miou5: float | None = None
    cold_ms: float | None = None
    peak_memory_mb: float | None = None
    device_memory_mb: float | None = None
    joules_per_megapixel: float | None = None
    problem: str | None = None
    weights: str = ""
    others: float | None = None

    @property
    def half_width(self) -> float | None:
        """Half the interval as a share of the median."""
        if self.p50_ms is None or self.low_ms is None or self.high_ms is None:
            return None
        return (self.high_ms - self.low_ms) / 2 / max(self.p50_ms, 1e-9)


@dataclass(frozen=True)
class Result:
    """All rows of one benchmark, with the settings and the machine that they mean nothing without.

    `load_before` counts the processes that wanted to run in the minute before: above 0.5, others took part. `owner` is
    the folder of the visitor whose own models it measured, "" where these are everybody's.
    """

    id: str
    plan: Plan
    machine: dict[str, Any]
    rows: tuple[Row, ...] = ()
    created_at: float = 0.0
    seconds: float = 0.0
    load_before: float | None = None
    scored_on: str = ""
    schema: int = SCHEMA
    owner: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, allow_nan=False)


@dataclass(frozen=True)
class Listing:
    """Every readable result, newest first, and the names of the files that cannot be read."""

    results: list[Result] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


FOLDER = "benchmarks"
"""Below the folder of all runs."""


def folder() -> Path:
    return paths.home() / FOLDER


def new_id() -> str:
    """Sorts by time."""
    now = time.time()
    return f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{int(now * 1000) % 1000:03d}"


def save(result: Result, *, into: Path | None = None) -> Path:
    """Write it to `into` (default: the home's folder) and give the file."""
    path = (into or folder()) / f"{result.id}.json"
    write_aside(path, lambda aside: aside.write_text(result.to_json(), encoding="utf-8"))
    return path


def load(path: Path) -> Result:
    """Raises `BenchmarkError` when it is no result of this version."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError("another schema")
        data["plan"] = Plan.from_json(data["plan"])
        data["rows"] = tuple(build(Row, row, nested={}) for row in data["rows"])
        return Result(**data)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BenchmarkError(f"{path.name} is no result of a benchmark ({error}): measure again.") from error


def listing() -> Listing:
    """What has been measured here."""
    found = Listing()
    for path in sorted(folder().glob("*.json"), reverse=True):
        try:
            found.results.append(load(path))
        except BenchmarkError:
            found.unreadable.append(path.name)
    return found
