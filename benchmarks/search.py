"""What a search finds for its cost, beside random search and a grid; and the maps that come with the project.

    OMP_NUM_THREADS=1 python benchmarks/search.py compare [--trials 8] [--repeats 3] [--minutes 60] [--seconds 5]
    OMP_NUM_THREADS=1 python benchmarks/search.py maps --data DIR [--seconds 15] [--only map|sizes]

`compare` runs a search, random search of as many trials, and a grid of three times as many, each `--repeats` times on
the shipped scenes, all within the same space. Each is worth the area under its front, accuracy against latency. `maps`
trains two small grids on Dubai pictures, four of which keep their labels, and writes them to the folder of studies,
where the page finds them. Runs are real ones, trained in a thread of this process: so importing torch is paid once.
`--seconds` is what a run may take of the processor, its teacher's answers included: other work on the machine makes it
last longer, and no worse. Both keep their runs in TERRASTILL_HOME, and go on where they were stopped.
"""

import argparse
import json
import math
import sys
import threading
import time
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dubai_parts import link_folder, parts
from core import paths
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data.datasets.dubai import DUBAI
from core.events import CancelledError, Progress
from core.runs import execution
from core.runs.store.records import MACHINE, JobRequest, RunKind, RunState
from core.runs.store.studies import StudyStore
from core.runs.worker.run_process import Heartbeat, perform
from core.search import read
from core.search.engine import open_storage
from core.search.head import Head
from core.search.outcome import volume
from core.search.space import Axis, size_name
from core.search.study_plan import SearchPlan

TINY = RunConfig(
    kind="distill",
    data=DataConfig(crop=96, views_per_epoch=48, labelled=2),
    model=ModelConfig("compact", {"base": 2}),
    train=TrainConfig(epochs=6, batch_size=8, validate_every=3, device="cpu"),
    distill=DistillConfig(cache_views=2),
)
SIZES = ("compact 2", "compact 3", "compact 4", "compact 6")
SPACE = (
    Axis("size", SIZES),
    Axis("temperature", low=1.0, high=8.0, log=True),
    Axis("alpha", low=0.0, high=1.0),
    Axis("learning_rate", low=0.002, high=0.02, log=True),
)
GRID = (
    Axis("size", SIZES),
    Axis("temperature", (1.0, 4.0)),
    Axis("alpha", (0.1, 0.9)),
    Axis("learning_rate", (0.003, 0.006, 0.012)),
)
SEEDS = Axis("seed", (0, 1))
MAPS = {
    "map": (Axis("temperature", (1.0, 2.0, 4.0, 8.0)), Axis("alpha", (0.0, 0.5, 0.9)), SEEDS),
    "sizes": (Axis("size", ("compact 2", "compact 4", "compact 8")), Axis("taught", (True, False)), SEEDS),
}
"""The grids that come with the project: by name, what they vary."""
TILES, PARTS = range(1, 5), range(1, 9)
"""The Dubai pictures of the maps: the small tiles, whose parts 1 to 7 train and whose part 8 validates."""


def map_run(root: Path, seconds: float) -> RunConfig:
    """The run that the maps vary: a teacher that has seen much, and a student with labels on four pictures.

    It is validated once, at its end: no epoch is chosen.
    """
    return RunConfig(
        kind="distill",
        data=DataConfig(dataset="folder", root=str(root), crop=96, views_per_epoch=64, labelled=4),
        model=ModelConfig("compact", {"base": 2}),
        train=TrainConfig(
            epochs=1,
            batch_size=8,
            validate_every=10_000,
            device="cpu",
            match_seconds=seconds,
            clock="processor",
        ),
        distill=DistillConfig(temperature=2.0, alpha=0.5, cache_views=4, losses={"soft_targets": 1.0}),
    ).validate()


class Trainer(threading.Thread):
    """A worker in this process: it claims trials and trains them, one at a time, until it is told to stop."""

    def __init__(self, home: Path) -> None:
        super().__init__(daemon=True)
        self._home, self.over = home, threading.Event()

    def run(self) -> None:
        store = StudyStore(home=self._home)
        while not self.over.is_set():
            record = store.claim("benchmark", ["cpu"])
            if record is None:
                time.sleep(0.1)
                continue
            perform(store, Heartbeat(store, record), execute=execution.execute, stopped=CancelledError)
        store.close()


def carry_out(store: StudyStore, trainer: Trainer, name: str, plan: SearchPlan) -> read.Standing:
    """The finished search of this name: found in the store, gone on with, or begun now."""
    known = {search.name: search for search in store.studies()}
    if name not in known:
        store.add_study(JobRequest(RunKind.SEARCH, {"plan": json.loads(json.dumps(plan.to_json()))}, name))
    elif known[name].state in (RunState.FAILED, RunState.CANCELLED):
        store.continue_study(name, known[name].job)
    while (search := store.study(name)).state != RunState.DONE:
        held = store.claim("benchmark", [MACHINE], RunKind.SEARCH)
        assert held is not None, search.error
        assert held.name == name
        summary = Head(store, held, emit=_show, cancelled=partial(_over, store, trainer, held)).run()
        store.finish(held.id, "benchmark", summary, attempt=held.attempt)
    return read.standing(store, name)


def _over(store: StudyStore, trainer: Trainer, held: Any) -> bool:
    """Whether nothing trains any more, or another process took the search over."""
    return not trainer.is_alive() or store.heartbeat(held.id, held.worker, 0.0, attempt=held.attempt) is None


def _show(progress: Progress) -> None:
    print(f"\r{progress.done} of {progress.total}: {progress.doing}   ", end="", file=sys.stderr)


def compare(args: argparse.Namespace, store: StudyStore, trainer: Trainer) -> dict[str, Any]:
    """The area under the front of each kind of search, by repeat, and what it cost."""
    kinds = {
        "search": (SPACE, "tpe", args.trials),
        "random": (SPACE, "random", args.trials),
        "grid, three times the cost": (GRID, "grid", 3 * args.trials),
    }
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    base, each = TINY, ""
    if args.seconds is not None:
        train = replace(TINY.train, epochs=1, validate_every=10_000, match_seconds=args.seconds, clock="processor")
        base, each = replace(TINY, train=train), f" {args.seconds:g} s"
    for repeat in range(args.repeats):
        results = {}
        for kind, (space, sampler, trials) in kinds.items():
            plan = SearchPlan(
                base, space, goals=("miou", "latency"), trials=trials, seconds=60 * args.minutes, sampler=sampler
            )
            plan = replace(plan, seed=repeat, confirm=0)
            results[kind] = carry_out(store, trainer, f"{kind} {args.trials} {repeat}{each}", plan)
        # One measure of each student for all, and one end of the axis: else a slow moment would decide.
        figures = next(iter(results.values())).figures
        worst = max(one.latency_ms or 0.0 for one in figures.values())
        for kind, result in results.items():
            trials_here = [replace(trial, figures=figures.get(trial.size)) for trial in result.trials]
            seconds = sum(trial.seconds or 0.0 for trial in trials_here)
            area = volume(trials_here, "latency", worst=worst)
            best = max((trial.miou or 0.0 for trial in trials_here), default=0.0)
            row = {"area": area, "best": best, "trials": len(trials_here), "training_seconds": seconds}
            found[kind].append(row)
    return {"trials": args.trials, "minutes": args.minutes, "seconds": args.seconds, "kinds": found}


def maps(args: argparse.Namespace, store: StudyStore, trainer: Trainer) -> dict[str, Any]:
    """Train the grids and write what was finished in the time to the folder of studies."""
    root = link_folder(paths.home() / "maps", DUBAI.require_here(args.data), parts(TILES, PARTS))
    seconds = 15.0 if args.seconds is None else args.seconds
    written = {}
    for name in [args.only] if args.only else MAPS:
        cells = math.prod(len(axis.choices) for axis in MAPS[name])
        config = map_run(root, seconds)
        plan = SearchPlan(
            config, MAPS[name], trials=cells, seconds=60 * args.minutes, sampler="grid", confirm=0, prune=False
        )
        result = carry_out(store, trainer, f"{name} {seconds:g} s", plan)
        content = study(name, result, config, wanted=cells)
        paths.STUDIES.mkdir(exist_ok=True)
        (paths.STUDIES / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        written[name] = len(content["cells"])
    return written


def study(name: str, found: read.Standing, config: RunConfig, *, wanted: int) -> dict[str, Any]:
    """What the page shows of one grid: its finished runs, and everything that a reader must know of them."""
    assert config.distill is not None
    seconds = config.train.match_seconds
    done = sorted((trial for trial in found.trials if trial.miou is not None), key=lambda trial: trial.number)
    return {
        "command": f"OMP_NUM_THREADS=1 python benchmarks/search.py maps --only {name} --seconds {seconds:g} --data DIR",
        "measured": date.today().isoformat(),
        "dataset": "dubai",
        "labelled": config.data.labelled,
        "training_pictures": len(TILES) * (len(PARTS) - 1),
        "validation_pictures": len(TILES),
        "teacher": config.distill.teacher,
        "teacher_miou": next((trial.teacher for trial in done if trial.teacher), None),
        "model": size_name(config.model),
        "parameters": {size: one.parameters for size, one in found.figures.items()},
        "temperature": config.distill.temperature,
        "alpha": config.distill.alpha,
        "seconds": seconds,
        "least_seconds": round(min((trial.seconds or 0.0 for trial in done), default=0.0), 1),
        "most_seconds": round(max((trial.seconds or 0.0 for trial in done), default=0.0), 1),
        "wanted": wanted,
        "cells": [{**trial.params, "miou": trial.miou} for trial in done],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("compare", "maps"))
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60.0, help="by the clock, for each search (default: 60)")
    parser.add_argument("--seconds", type=float, help="of the processor, for each run (maps: 15)")
    parser.add_argument("--data", metavar="DIR", help="the Dubai dataset (default: where it is by default)")
    parser.add_argument("--only", choices=tuple(MAPS))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    store = StudyStore()
    # SQLAlchemy must not load more of itself while another thread asks the store.
    open_storage(store.search_url).engine.dispose()
    for left in store.list([RunState.RUNNING], kinds=(RunKind.TRAINING, RunKind.SEARCH)):
        store.reclaim(left, "Its process was stopped.")
    trainer = Trainer(store.home)
    trainer.start()
    found = (compare if args.what == "compare" else maps)(args, store, trainer)
    trainer.over.set()
    if args.json or args.what == "maps":
        print(json.dumps(found, indent=2))
        return
    for kind, repeats in found["kinds"].items():
        areas = [one["area"] for one in repeats]
        seconds = sum(one["training_seconds"] for one in repeats) / len(repeats)
        best = max(one["best"] for one in repeats)
        print(f"{kind:<28} area {min(areas):.4f} to {max(areas):.4f}  best {best:.4f}  {seconds:6.0f} s of training")


if __name__ == "__main__":
    main()
