"""How long a visitor waits for a photo: a process of its own for each job, as it was, and a run of the worker.

In turns, so that a machine that slows down slows all of them alike: `own process` starts Python for each job, `run`
queues it with the worker idle, `expected run` does so after the page has said that a photo was brought. With
`--training` a run trains in the worker's other slot all the while. Prints seconds and ratios to `own process`.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from core import paths

PATIENCE_SECONDS = 600.0


def direct(job: Path) -> None:
    """What the process of a job did: load the model, do the picture, write a report."""
    from core.infer.batch import BatchPredictor, BatchRequest

    request = BatchRequest.from_json(json.loads(job.read_text()))
    predictor = BatchPredictor(request)
    job.with_suffix(".report").write_text(json.dumps([predictor.predict(item).to_json() for item in request.items]))


def own_process(workspace: Any, pictures: list[Any]) -> float:
    from app.services import mapping

    folder = workspace.folder / "direct"
    folder.mkdir(parents=True, exist_ok=True)
    job = folder / "job.json"
    began = time.monotonic()
    job.write_text(json.dumps(mapping._job(pictures, mapping.Choice("student"), folder)))
    subprocess.run([sys.executable, "-m", "benchmarks.photo_wait", "--direct", str(job)], check=True, cwd=paths.ROOT)
    return time.monotonic() - began


def as_run(workspace: Any, pictures: list[Any]) -> float:
    from app.services import mapping

    began = time.monotonic()
    job = mapping.SegmentationJob(workspace, pictures, mapping.Choice("student"))
    while (found := job.read_state()).state in ("waiting", "running"):
        time.sleep(0.02)
    assert found.state == "done", found
    return time.monotonic() - began


def until(true: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def stands_by(worker: int) -> bool:
    """Whether the worker's waiting process has imported everything: it sleeps, and its memory no longer grows."""
    import psutil

    def seen() -> tuple[int, float] | None:
        for child in psutil.Process(worker).children():
            # One that has just ended is still listed.
            with suppress(psutil.Error):
                if "--standby" in child.cmdline():
                    return int(child.memory_info().rss), float(sum(child.cpu_times()[:2]))
        return None

    before = seen()
    time.sleep(1.0)
    return before is not None and before == seen()


def measure(turns: int, training: bool) -> dict[str, list[float]]:
    """Seconds of every turn."""
    from app.services import workers, workspaces
    from app.services.stores import open_store
    from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig

    workspace = workspaces.open_workspace()
    scene = min((paths.SAMPLES / "images").iterdir())
    workspace.add(scene.name, scene.read_bytes())
    pictures, store = list(workspace.pictures), open_store()
    if training:
        model, train = ModelConfig("unet", {"base": 8}), TrainConfig(epochs=10_000, device="cpu")
        store.add(RunConfig(kind="train", name="beside", data=DataConfig("samples"), model=model, train=train))
    workers.ensure_worker()
    until(store.workers)
    (worker,) = store.workers()
    if training:
        until(lambda: store.list()[0].progress > 0)
    seconds: dict[str, list[float]] = {"own process": [], "run": [], "expected run": []}
    expected = store.home / ".expected"
    for _ in range(turns):
        seconds["own process"].append(own_process(workspace, pictures))
        seconds["run"].append(as_run(workspace, pictures))
        workers.expect_prediction()
        until(lambda: stands_by(worker.pid))
        seconds["expected run"].append(as_run(workspace, pictures))
        expected.unlink(missing_ok=True)
    workspace.close()
    os.kill(worker.pid, signal.SIGTERM)
    until(lambda: not store.workers())
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--training", action="store_true", help="a run trains all the while")
    parser.add_argument("--direct", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.direct:
        direct(args.direct)
        return
    with tempfile.TemporaryDirectory() as home:
        os.environ["TERRASTILL_HOME"] = home
        found = measure(args.turns, args.training)
    before = statistics.median(found["own process"])
    for name, seconds in found.items():
        ratios = [one / other for one, other in zip(seconds, found["own process"], strict=True)]
        median, told = statistics.median(seconds), " ".join(f"{one:.2f}" for one in seconds)
        spread = f"{min(ratios):.2f}-{max(ratios):.2f} x turn by turn"
        print(f"{name:<13} {median:6.2f} s  {median / before:5.2f} x  ({spread}): {told}")


if __name__ == "__main__":
    main()
