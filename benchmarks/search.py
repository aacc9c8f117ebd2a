"""What a search finds for its cost, beside random search and a grid; and the maps that come with the project.

    OMP_NUM_THREADS=1 python benchmarks/search.py compare [--trials 13] [--repeats 3] [--epochs 9] [--views 128]
    OMP_NUM_THREADS=1 python benchmarks/search.py maps --data DIR [--seconds 15] [--only map|sizes]

`compare` runs the search that the page *Search* begins from its situation "A first look" with accuracy and latency as
goals, random search in the same space, and a grid over the same students and settings, each `--repeats` times on parts
of the shipped scenes. Cost is counted in epochs that were trained: random search has `--trials` whole trials, the
search ends when its trials, those that were stopped early included, had as many epochs, and the grid has every
combination of its ticks, three times as many whole trials. So other work on the machine changes neither what a search
costs nor what is learned. Each is worth the area under its front, accuracy against latency: the hypervolume above the
reference point of no accuracy at the latency of the slowest student, as a share of that latency. Latency is measured
once, for all of them. How much of the scores the settings explain is told beside it. What is known is written to
`compare.json` in TERRASTILL_HOME after every search.

`maps` trains two small grids on Dubai pictures, four of which keep their labels, and writes them to the folder of
studies, where the page finds them. `--seconds` is what a run may take of the processor, its teacher's answers included.

Runs are real ones, trained in a thread of this process: so importing torch is paid once. They lie in TERRASTILL_HOME,
and both go on where they were stopped.
"""

import argparse
import itertools
import json
import math
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.dubai_parts import link_folder, parts
from core import paths
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data.datasets.dubai import DUBAI
from core.events import CancelledError, Progress
from core.runs import execution
from core.runs.recorder import read_metrics
from core.runs.store.records import MACHINE, JobRequest, RunKind, RunRecord, RunState
from core.runs.store.studies import StudyStore
from core.runs.worker.run_process import Heartbeat, perform
from core.search import read
from core.search.engine import open_storage
from core.search.figures import Figures, from_json, measure_sizes, to_json
from core.search.head import Head
from core.search.outcome import Trial, front, volume
from core.search.space import Axis, size_name
from core.search.study_plan import SearchPlan

TICKS = (
    Axis("temperature", (2.0, 4.0)),
    Axis("alpha", (0.1, 0.5)),
    Axis("learning_rate", (0.004, 0.012)),
)
"""What the grid varies besides the student: with five of these it has 40 cells, three times thirteen and one."""
SEEDS = Axis("seed", (0, 1))
MAPS = {
    "map": (Axis("temperature", (1.0, 2.0, 4.0, 8.0)), Axis("alpha", (0.0, 0.5, 0.9)), SEEDS),
    "sizes": (Axis("size", ("compact 2", "compact 4", "compact 8")), Axis("taught", (True, False)), SEEDS),
}
"""The grids that come with the project: by name, what they vary."""
LARGE, SMALL = 512, 320
"""Sides in pixels of the parts of the shipped scenes that train and validate: a run is to spend its time on steps."""
VALIDATING = 4
"""So many of the twelve scenes validate; the others train, two of them with labels."""
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


def carry_out(
    store: StudyStore, trainer: Trainer, name: str, plan: SearchPlan, *, in_epochs: bool = False, **options: Any
) -> read.Standing:
    """The finished search of this name: found in the store, gone on with, or begun now. `options`: those of `Head`.

    With `in_epochs` the seconds of the plan are epochs that its trials were trained.
    """
    known = {search.name: search for search in store.studies()}
    if name not in known:
        store.add_study(JobRequest(RunKind.SEARCH, {"plan": json.loads(json.dumps(plan.to_json()))}, name))
    elif known[name].state in (RunState.FAILED, RunState.CANCELLED):
        store.continue_study(name, known[name].job)
    while (search := store.study(name)).state != RunState.DONE:
        held = store.claim("benchmark", [MACHINE], RunKind.SEARCH)
        assert held is not None, search.error
        assert held.name == name
        ended = partial(_over, store, trainer, held)
        if in_epochs:
            options["now"] = partial(_after_epochs, store, held)
        summary = Head(store, held, emit=_show, cancelled=ended, **options).run()
        store.finish(held.id, "benchmark", summary, attempt=held.attempt)
    return read.standing(store, name)


def _over(store: StudyStore, trainer: Trainer, held: Any) -> bool:
    """Whether nothing trains any more, or another process took the search over."""
    return not trainer.is_alive() or store.heartbeat(held.id, held.worker, 0.0, attempt=held.attempt) is None


def _after_epochs(store: StudyStore, held: RunRecord) -> float:
    """When a search began, and a second for each epoch that its trials had since."""
    begun = held.started_at or held.created_at
    return begun + sum(_epochs(read_metrics(store.folder(row.id) / "metrics.csv")) for row in store.trials(held.name))


def _epochs(rows: list[dict[str, str]]) -> int:
    return int(rows[-1]["epoch"]) if rows else 0


def _show(progress: Progress) -> None:
    print(f"\r{progress.done} of {progress.total}: {progress.doing}   ", end="", file=sys.stderr)


def scene_parts(root: Path) -> Path:
    """A dataset of one part of each shipped scene, from its corner: folders that train and that validate."""
    for kind in ("images", "masks"):
        files = sorted((paths.SAMPLES / kind).iterdir())
        for at, file in enumerate(files):
            use, side = ("val", SMALL) if at >= len(files) - VALIDATING else ("train", LARGE)
            part = root / use / kind / f"{file.stem}.png"
            part.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(file) as whole:
                whole.crop((0, 0, side, side)).save(part)
    return root


def search_of_the_page(args: argparse.Namespace, root: Path, repeat: int) -> SearchPlan:
    """The search that the page begins from "A first look" with two goals, on these pictures and views of 64 pixels."""
    from app.services.searches import SITUATIONS, SearchRequest, plan_of

    situation = SITUATIONS["first"]
    request = SearchRequest(vary=situation.vary, goals=("miou", "latency"), trials=2 * args.trials, epochs=args.epochs)
    plan = plan_of(request)
    data = replace(plan.config.data, dataset="folder", root=str(root), crop=64, views_per_epoch=args.views)
    train = replace(plan.config.train, seed=repeat, device="cpu", clock="processor")
    config = replace(plan.config, data=data, train=train)
    return replace(plan, config=config, seed=repeat, confirm=0, seconds=float(args.trials * args.epochs)).validate()


def compare(args: argparse.Namespace, store: StudyStore, trainer: Trainer) -> dict[str, Any]:
    """The area under the front of each kind of search, by repeat, and what it cost."""
    file = store.home / "compare.json"
    found = json.loads(file.read_text()) if file.is_file() else {}
    root = scene_parts(store.home / "scene_parts")
    for repeat in range(args.repeats):
        plan = search_of_the_page(args, root, repeat)
        size = plan.axis("size")
        assert size is not None
        whole = replace(plan, prune=False, seconds=None)
        plans = {
            "search": plan,
            "random": replace(whole, sampler="random", trials=args.trials),
            "grid": replace(whole, sampler="grid", space=(size, *TICKS), trials=1000),
        }
        for kind, asked in plans.items():
            name = f"{kind} of {args.trials} trials of {args.epochs} x {args.views} views, {repeat}"
            if name in found:
                continue
            begun, began = any(one.name == name for one in store.studies()), time.process_time()
            measure = partial(_measured_once, store.home)
            result = carry_out(store, trainer, name, asked, in_epochs=kind == "search", measure=measure)
            # One that an earlier process began took more than this process knows of.
            spent = None if begun else round(time.process_time() - began, 1)
            found[name] = {"kind": kind, "repeat": repeat, "processor_seconds": spent, **_worth(result)}
            file.write_text(json.dumps(found, indent=1))
            print(_line(found[name]), flush=True)
    return found


def explained(trials: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """How much of the scores the settings explain.

    A least-squares fit on the student, and on temperature (its logarithm), alpha and learning rate (its logarithm) with
    their squares.

    Returns:
        R², adjusted for the number of terms, and the standard deviation of what is left, in points of mIoU.
    """
    sizes = sorted({trial["size"] for trial in trials})
    rows = []
    for trial in trials:
        values = (math.log(trial["temperature"]), trial["alpha"], math.log(trial["learning_rate"]))
        rows.append([*(float(trial["size"] == size) for size in sizes), *values, *(value**2 for value in values)])
    terms, scores = np.array(rows), np.array([100 * trial["miou"] for trial in trials])
    left = scores - terms @ np.linalg.lstsq(terms, scores, rcond=None)[0]
    free = len(scores) - terms.shape[1]
    if free < 1:
        return math.nan, math.nan
    variance = float(left @ left) / free
    return 1 - variance / float(scores.var(ddof=1)), math.sqrt(variance)


def agreement(curves: Sequence[Mapping[int, float]], epoch: int, end: int) -> float:
    """Of all pairs of trials the share whose order by the best score up to `epoch` was that of the end."""
    scores = [(max(curve[at] for at in curve if at <= epoch), max(curve.values())) for curve in curves if end in curve]
    signs = [(mine[0] - theirs[0]) * (mine[1] - theirs[1]) for mine, theirs in itertools.combinations(scores, 2)]
    told = [sign > 0 for sign in signs if sign]
    return sum(told) / len(told) if told else math.nan


def _measured_once(home: Path, plan: SearchPlan, **options: Any) -> dict[str, Figures]:
    """The students as the first search of this folder measured them: else a slow moment would decide."""
    file = home / "figures.json"
    known = from_json(file.read_text()) if file.is_file() else {}
    found = measure_sizes(plan, **{**options, "known": known})
    file.write_text(to_json(found))
    return found


def _worth(result: read.Standing) -> dict[str, Any]:
    """What a search found, and the seconds of training that it took."""
    worst = max(one.latency_ms or 0.0 for one in result.figures.values())
    return {
        "area": volume(result.trials, "latency", worst=worst),
        "worst_ms": worst,
        "front": [_point(trial) for trial in front(result.trials, "latency")],
        "done": [{"miou": trial.miou, **trial.params} for trial in result.trials if trial.miou is not None],
        "begun": len(result.trials),
        "epochs": sum(trial.curve[-1][0] for trial in result.trials if trial.curve),
        "training_seconds": round(sum(trial.seconds or 0.0 for trial in result.trials), 1),
        "clock_seconds": round((result.search.finished_at or 0.0) - (result.search.started_at or 0.0)),
    }


def _point(trial: Trial) -> dict[str, Any]:
    return {"ms": trial.value("latency"), "miou": trial.miou, **trial.params}


def _line(found: dict[str, Any]) -> str:
    points = ", ".join(f"{point['ms']:.1f} ms {100 * point['miou']:.1f} %" for point in found["front"])
    spent = found["processor_seconds"]
    trials = f"{len(found['done'])} of {found['begun']} trials to the end"
    cost = f"{trials}, {found['epochs']} epochs, {found['training_seconds']:.0f} s of training" + (
        "" if spent is None else f", {spent:.0f} s in all"
    )
    return f"{found['repeat']} {found['kind']:<6} area {100 * found['area']:.2f}  {cost}  front: {points}"


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
    parser.add_argument("--trials", type=int, default=13, help="of compare: whole trials that a search may cost")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=9, help="of compare: of each trial")
    parser.add_argument("--views", type=int, default=128, help="of compare: in an epoch")
    parser.add_argument("--minutes", type=float, default=60.0, help="of maps: by the clock, for each (default: 60)")
    parser.add_argument("--seconds", type=float, help="of maps: of the processor, for each run (default: 15)")
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
    for kind in dict.fromkeys(one["kind"] for one in found.values()):
        areas = [100 * one["area"] for one in found.values() if one["kind"] == kind]
        mean = sum(areas) / len(areas)
        print(f"{kind:<6} area {mean:.2f} on average, {min(areas):.2f} to {max(areas):.2f} in {len(areas)} repeats")
    for repeat in dict.fromkeys(one["repeat"] for one in found.values()):
        share, spread = explained([trial for one in found.values() if one["repeat"] == repeat for trial in one["done"]])
        print(f"{repeat} settings explain {share:.2f} of the variance of the scores; {spread:.1f} points are left")
    curves = [dict(trial.curve) for one in store.studies() for trial in read.standing(store, one.name).trials]
    for epoch in range(1, args.epochs):
        share = agreement(curves, epoch, args.epochs)
        print(f"The order after epoch {epoch} was that of the end in {100 * share:.0f} % of all pairs of trials")


if __name__ == "__main__":
    main()
