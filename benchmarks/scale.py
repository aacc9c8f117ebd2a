"""What 1,000 runs on 64 GPUs ask of the store and of the shared disk (docs/SCALE.md).

    python benchmarks/scale.py [--runs 1000] [--gpus 64] [--seconds 20] [--processes 8] [--json]

The store, over SQLite and over a PostgreSQL server that writes to its disk: seconds to queue the runs, to claim one
among them, and to finish one; heartbeats at the pace of that many runs (one a second each), and how many it could
take. The clients are processes that share the runs among them. `cpu_ms` are milliseconds of processor that a client
spends on one: they say the same on a busy machine. The checkpoint: bytes of `last.ckpt` and seconds to write one, for
each kind of model.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.config import RunConfig
from core.runs.store.records import RunState
from core.runs.store.run_store import RunStore
from tests import postgres

Figures = dict[str, float]
_CLAIMS = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--gpus", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement of heartbeats")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    figures: dict[str, Figures] = {}
    for kind in ("SQLite", "PostgreSQL"):
        with database(kind) as (url, home):
            figures[kind] = measure_store(url, home, args)
    figures |= {f"checkpoint of {name}": measure_checkpoint(name) for name in ("compact4", "unet4", "teacher")}
    show(figures, as_json=args.json)
    return 0


@contextmanager
def database(kind: str) -> Iterator[tuple[str | None, Path]]:
    """An empty store of this kind: its URL (None: SQLite in the home) and its home."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        if kind == "SQLite":
            yield None, Path(folder)
            return
        with postgres.server(durable=True) as url:
            yield url, Path(folder)


def measure_store(url: str | None, home: Path, args: argparse.Namespace) -> Figures:
    store = RunStore(url, home=home)
    config = RunConfig(kind="train", name="one of many")
    began = time.perf_counter()
    for _ in range(args.runs):
        store.add(config)
    figures = {"queue_a_run_ms": (time.perf_counter() - began) / args.runs * 1000}
    figures |= measure_claims(store)
    held = [store.claim("w", ["cpu"]) for _ in range(args.gpus)]
    ids = [record.id for record in held if record is not None]
    assert len(ids) == args.gpus
    store.close()
    for name, pace in (("paced", 1.0), ("unpaced", 0.0)):
        seconds, figures[f"{name}_beat_cpu_ms"] = beat(url, home, ids, pace, args)
        figures[f"{name}_beats_a_second"] = len(seconds) / args.seconds
        figures[f"{name}_beat_p50_ms"] = statistics.median(seconds) * 1000
        figures[f"{name}_beat_p95_ms"] = p95(seconds) * 1000
    store = RunStore(url, home=home)
    figures["watch_turn_ms"] = statistics.median(timed(lambda: watch(store)) for _ in range(20)) * 1000
    figures["list_all_ms"] = statistics.median(timed(store.list) for _ in range(5)) * 1000
    store.close()
    return figures


def measure_claims(store: RunStore) -> Figures:
    """A run's whole dealings with the store besides its beats."""
    claims, ends = [], []
    busy = time.process_time()
    for _ in range(_CLAIMS):
        began = time.perf_counter()
        record = store.claim("w", ["cpu"])
        claimed = time.perf_counter()
        assert record is not None
        store.finish(record.id, "w", {"best_miou5": 0.5}, attempt=record.attempt)
        claims.append(claimed - began)
        ends.append(time.perf_counter() - claimed)
    return {
        "claim_and_finish_cpu_ms": (time.process_time() - busy) / _CLAIMS * 1000,
        "claim_p50_ms": statistics.median(claims) * 1000,
        "claim_p95_ms": p95(claims) * 1000,
        "finish_p50_ms": statistics.median(ends) * 1000,
    }


def watch(store: RunStore) -> None:
    """What a worker asks of the store at each of its turns."""
    store.list([RunState.RUNNING])
    store.workers()


def beat(
    url: str | None, home: Path, ids: list[str], pace: float, args: argparse.Namespace
) -> tuple[list[float], float]:
    """Seconds of each heartbeat, every run once each `pace` seconds or without a pause; and ms of processor."""
    parts = [part for number in range(args.processes) if (part := ids[number :: args.processes])]
    with multiprocessing.get_context("spawn").Pool(len(parts)) as pool:
        answers = pool.starmap(beat_some, [(url, home, part, pace, args.seconds) for part in parts])
    seconds = [one for answer, _ in answers for one in answer]
    return seconds, sum(busy for _, busy in answers) / len(seconds) * 1000


def beat_some(url: str | None, home: Path, ids: list[str], pace: float, duration: float) -> tuple[list[float], float]:
    store = RunStore(url, home=home)
    found = []
    began, busy = time.monotonic(), time.process_time()
    turn = 0
    while (now := time.monotonic()) - began < duration:
        due = began + (turn + 1) * pace / len(ids)
        if due > now:
            time.sleep(due - now)
        found.append(timed(lambda: store.heartbeat(ids[turn % len(ids)], "w", 0.5, attempt=1)))  # noqa: B023 (called at once)
        turn += 1
    busy = time.process_time() - busy
    store.close()
    return found, busy


def measure_checkpoint(name: str) -> Figures:
    """A state as the loop saves it: weights, their average, the best ones, and two moments of each in AdamW."""
    import torch

    from benchmarks.train_step import MODELS
    from core.models import build_model
    from core.train.checkpointing import TrainState, save_state

    model = build_model(MODELS[name], outputs=5)
    optimiser = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    state: dict[str, Any] = {"progress": TrainState(), "modules": {"model": model, "average": model}}
    state |= {"optimiser": optimiser, "scaler": torch.amp.GradScaler("cpu"), "best": model.state_dict()}
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        place = Path(folder) / "last.ckpt"
        seconds = [timed(lambda: save_state(place, **state)) for _ in range(5)]
        size = max(file.stat().st_size for file in place.iterdir())
    return {"megabytes": size / 1e6, "save_p50_ms": statistics.median(seconds) * 1000}


def timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[round(0.95 * (len(seconds) - 1))]


def show(figures: dict[str, Figures], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(figures))
        return
    for title, values in figures.items():
        print(title)
        for name, value in values.items():
            print(f"  {name:<28}{value:>12.2f}")


if __name__ == "__main__":
    sys.exit(main())
