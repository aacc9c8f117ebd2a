"""What the app's preset Quick gives: its student and its control on the shipped scenes, seed by seed.

    OMP_NUM_THREADS=1 python benchmarks/quick.py run [--seeds 0 1 2]
    python benchmarks/quick.py table [--json]

`run` trains what the app would launch, with two differences: the seconds that the control gets are those that the
processor worked for the student, so that other work on the machine favours neither, and nothing is queued. Both are
scored on the pictures that neither trained them nor chose their weights, and so is the teacher. Runs go into the store
of runs (`TERRASTILL_HOME`); what is there already is left out.
"""

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.services import launch
from benchmarks.gains import carry_out, finished
from core import checkpoint
from core.config import RunConfig
from core.data import open_split
from core.evaluate import evaluate
from core.normalise import Normaliser
from core.runs.store.records import RunRecord
from core.runs.store.run_store import RunStore

NAME = "Quick, measured"


def quick_run(seed: int) -> RunConfig:
    """What the app launches for Quick with this seed, on the processor's clock."""
    config = launch.to_config(launch.Request())
    return replace(config, name=NAME, train=replace(config.train, seed=seed, clock="processor"))


def run(seeds: list[int], store: RunStore) -> None:
    for seed in seeds:
        begun = time.process_time()
        record = carry_out(quick_run(seed), store)
        carry_out(record.config.as_control(record.id, name=f"{NAME}, control"), store)
        spent = time.process_time() - begun
        print(f"seed {seed}: {spent:.0f} seconds of the processor for both, all told", file=sys.stderr, flush=True)


def rows(store: RunStore) -> list[dict[str, Any]]:
    """A row for each seed: scores on the test scenes from 0 to 1, seconds of the processor."""
    records = finished(store)
    controls = {record.config.control_of: record for record in records if record.config.control_of}
    ours = {
        record.config.train.seed: record for record in records if _is_quick(record.config) and record.id in controls
    }
    return [_row(record, controls[record.id]) for _, record in sorted(ours.items())]


def _is_quick(found: RunConfig) -> bool:
    return replace(found, train=replace(found.train, device="auto")) == quick_run(found.train.seed)


def _row(record: RunRecord, control: RunRecord) -> dict[str, Any]:
    ours, theirs = (float(each.summary["test_miou5"]) for each in (record, control))
    return {
        "seed": record.config.train.seed,
        "distilled": ours,
        "control": theirs,
        "gain": 100 * (ours - theirs),
        "validation_gain": 100 * (float(record.summary["best_miou5"]) - float(control.summary["best_miou5"])),
        "epochs": [each.summary["epochs"] for each in (record, control)],
        "seconds": [float(each.summary["train_seconds"]) for each in (record, control)],
        "test_images": record.summary["test_images"],
    }


def teacher_score() -> float:
    """The teacher's mean IoU on the same test scenes."""
    config = quick_run(0)
    assert config.distill is not None
    loaded = checkpoint.load(checkpoint.resolve(config.distill.teacher))
    test = open_split(config.data)[1].test
    normaliser = Normaliser.of_card(loaded.card, "cpu")
    return evaluate(loaded.model, test, loaded.card.classes, normaliser=normaliser).scores.miou5


def print_table(found: list[dict[str, Any]], teacher: float) -> None:
    print("| seed | teacher | control | distilled | gain, points | gain on validation | epochs | seconds |")
    print("|---" * 8 + "|")
    for row in found:
        epochs, seconds = (", ".join(f"{value:.0f}" for value in row[key]) for key in ("epochs", "seconds"))
        print(
            f"| {row['seed']} | {teacher:.3f} | {row['control']:.3f} | {row['distilled']:.3f} | {row['gain']:+.1f} "
            f"| {row['validation_gain']:+.1f} | {epochs} | {seconds} |"
        )
    if len(found) > 1:
        control, distilled = (statistics.mean(row[key] for row in found) for key in ("control", "distilled"))
        gains, others = ([row[key] for row in found] for key in ("gain", "validation_gain"))
        told = [f"{statistics.mean(each):+.1f} ± {statistics.stdev(each):.1f}" for each in (gains, others)]
        print(f"| mean | {teacher:.3f} | {control:.3f} | {distilled:.3f} | **{told[0]}** | {told[1]} | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run")
    running.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    showing = verbs.add_parser("table")
    showing.add_argument("--json", action="store_true")
    args = parser.parse_args()
    store = RunStore()
    if args.verb == "run":
        run(args.seeds, store)
    found, teacher = rows(store), teacher_score()
    print(json.dumps(found)) if getattr(args, "json", False) else print_table(found, teacher)


if __name__ == "__main__":
    main()
