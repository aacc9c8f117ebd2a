"""What teachers are worth: runs on equal wall-clock, and tables of their gains over controls.

    python benchmarks/gains.py screen --minutes 15 [--family compact] [--base 4] [--batch 8] [--losses soft_targets …]
    python benchmarks/gains.py seeds --config docs/recipes/few-labels.json [--seeds 0 1 2]
    python benchmarks/gains.py table [--json]

`screen` trains one student a loss, each at its usual weight, and one on labels alone, all for as many minutes, the
teacher's share included: it looks at whole pictures once, or for losses on features at a few epochs of views, which
are replayed. `seeds` trains a recipe and its control, which gets the seconds that the recipe took, for each seed.
Both use the store of runs (`TERRASTILL_HOME`), leave out what is there already, and so go on where they were stopped.
`table` reads the store: gain ± spread (sample standard deviation over seeds), and the share of the gap between control
and teacher that was closed.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.cli.inline import run_now
from core.config import FAMILIES, DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.losses.catalogue import LOSSES
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_store import RunStore

FEATURE_VIEWS = 4
"""Epochs of views whose features a screen stores: the teacher's share of ten minutes stays below a third."""


def screening(
    *, minutes: float, family: str, base: int, batch: int, seed: int, losses: Sequence[str]
) -> list[RunConfig]:
    """A run on labels alone, then one for each loss, alike in everything else. Raises `ConfigError`."""
    plain = RunConfig(
        kind="train",
        name=f"screen {family} {base}, labels alone, {minutes:g} min",
        data=DataConfig(dataset="dubai", scale=(0.7, 1.5), colour=0.2),
        model=ModelConfig(family, {"base": base}),
        train=TrainConfig(
            epochs=1, batch_size=batch, ema=0.998, seed=seed, validate_every=4, match_seconds=60 * minutes
        ),
    )
    taught = [
        replace(
            plain,
            kind="distill",
            name=f"screen {family} {base}, {loss}, {minutes:g} min",
            distill=DistillConfig(losses={loss: LOSSES[loss].weight}, cache_form="uint8", **_stored(loss)),
        )
        for loss in losses
    ]
    return [config.validate() for config in (plain, *taught)]


def _stored(loss: str) -> dict[str, Any]:
    return {"cache_views": FEATURE_VIEWS} if LOSSES[loss].on_features else {"cache_pictures": True}


def finished(store: RunStore) -> list[RunRecord]:
    return [record for record in store.list([RunState.DONE]) if record.summary]


def carry_out(config: RunConfig, store: RunStore) -> RunRecord:
    """The finished run of these settings: found in the store, or done now."""

    wanted = _but(config, device="auto")
    found = next((record for record in finished(store) if _but(record.config, device="auto") == wanted), None)
    print(f"{config.name or 'run'}, seed {config.train.seed}: {'there already' if found else 'now'}", file=sys.stderr)
    return found or run_now(config, store)


def _but(config: RunConfig, **train: Any) -> RunConfig:
    """The same settings, with these of the training in place of its own."""
    return replace(config, train=replace(config.train, **train))


def screen(args: argparse.Namespace, store: RunStore) -> None:
    asked = {name: getattr(args, name) for name in ("minutes", "family", "base", "batch", "seed", "losses")}
    for config in screening(**asked):
        carry_out(config, store)


def seeds(args: argparse.Namespace, store: RunStore) -> None:
    recipe = RunConfig.from_json(args.config.read_text(encoding="utf-8"))
    for seed in args.seeds:
        record = carry_out(_but(recipe, seed=seed), store)
        carry_out(record.config.as_control(record.id, name=f"{recipe.name}, control"), store)


def pairs(records: Iterable[RunRecord]) -> list[tuple[RunRecord, RunRecord]]:
    """Each distillation beside its control: that of its own, or the screen's run on labels alone."""
    records = list(records)
    controls = {record.config.control_of: record for record in records if record.config.control_of}
    alone = {_budget(record): record for record in records if _budget(record) and record.config.distill is None}
    taught = [record for record in records if record.config.distill is not None]
    beside = ((record, controls.get(record.id) or alone.get(_budget(record))) for record in taught)
    return [(record, control) for record, control in beside if control is not None]


def _budget(record: RunRecord) -> tuple[Any, ...] | None:
    """What runs of one screen share; None for any other run."""
    config = record.config
    if config.control_of or config.train.match_seconds is None:
        return None
    return (config.model.architecture, str(config.model.arguments), config.train.match_seconds, config.train.seed)


def gap_closed(*, distilled: float, control: float, teacher: float) -> float | None:
    """(distilled − control) / (teacher − control); None where the control is as good as the teacher."""
    return (distilled - control) / (teacher - control) if teacher > control else None


def rows_of(found: Iterable[tuple[RunRecord, RunRecord]]) -> list[dict[str, Any]]:
    """A row for each recipe over its seeds: means, gain ± spread in points, gap closed, seconds of both.

    Runs are of one recipe when nothing but their seeds (and devices) differ: a name alone may stand for two budgets.
    """
    groups: dict[str, list[tuple[RunRecord, RunRecord]]] = defaultdict(list)
    for record, control in found:
        groups[_but(record.config, device="auto", seed=0).to_json()].append((record, control))
    return [_row(group[0][0].name, group) for group in groups.values()]


def _row(name: str, group: list[tuple[RunRecord, RunRecord]]) -> dict[str, Any]:
    distilled, control = ([float(pair[at].summary["best_miou5"]) for pair in group] for at in (0, 1))
    teacher = float(group[0][0].summary["teacher_miou5"])
    gains = [100 * (ours - theirs) for ours, theirs in zip(distilled, control, strict=True)]
    means = {"control": statistics.mean(control), "distilled": statistics.mean(distilled)}
    seconds = [statistics.mean(float(pair[at].summary["train_seconds"]) for pair in group) for at in (0, 1)]
    return {
        "recipe": name,
        "seeds": len(group),
        "teacher": teacher,
        **means,
        "gain": statistics.mean(gains),
        "spread": statistics.stdev(gains) if len(gains) > 1 else None,
        "gap_closed": gap_closed(teacher=teacher, **means),
        "seconds": seconds[0],
        "control_seconds": seconds[1],
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    print("| recipe | seeds | teacher | control | distilled | gain, points | gap closed | seconds | control's |")
    print("|---" * 9 + "|")
    for row in sorted(rows, key=lambda row: -row["gain"]):
        spread = f" ± {row['spread']:.1f}" if row["spread"] is not None else ""
        closed = f"{row['gap_closed']:.2f}" if row["gap_closed"] is not None else "–"
        scores = " | ".join(f"{row[key]:.3f}" for key in ("teacher", "control", "distilled"))
        times = f"{row['seconds']:.0f} | {row['control_seconds']:.0f}"
        print(f"| {row['recipe']} | {row['seeds']} | {scores} | {row['gain']:+.1f}{spread} | {closed} | {times} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    first = verbs.add_parser("screen")
    first.add_argument("--minutes", type=float, default=15)
    first.add_argument("--family", default=FAMILIES[0], choices=FAMILIES)
    first.add_argument("--base", type=int, default=4)
    first.add_argument("--batch", type=int, default=8)
    first.add_argument("--seed", type=int, default=0)
    first.add_argument("--losses", nargs="+", default=list(LOSSES), choices=list(LOSSES))
    second = verbs.add_parser("seeds")
    second.add_argument("--config", type=Path, required=True)
    second.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    third = verbs.add_parser("table")
    third.add_argument("--json", action="store_true")
    args = parser.parse_args()
    store = RunStore()
    if args.verb != "table":
        (screen if args.verb == "screen" else seeds)(args, store)
    rows = rows_of(pairs(finished(store)))
    print(json.dumps(rows)) if getattr(args, "json", False) else print_table(rows)


if __name__ == "__main__":
    main()
