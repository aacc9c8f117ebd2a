"""The rows of `benchmarks/situations.py table`, read from the store of runs."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.gains import finished, gap_closed
from core import checkpoint
from core.config import DataConfig, RunConfig
from core.data import open_dataset
from core.evaluate import evaluate
from core.normalise import Normaliser
from core.runs.store.records import RunRecord
from core.runs.store.run_store import RunStore

PREFIX = "situation "
Pair = tuple[RunRecord | None, RunRecord | None]
"""What learned by a method, and its control; one of them may be missing."""


def same_but_for_names(config: RunConfig) -> str:
    """The settings of a run as text, without its names and the device: alike for runs that do the same."""
    train = replace(config.train, device="auto")
    return replace(config, name="", control_of=None, train=train).to_json()


def control_key(config: RunConfig) -> str:
    """What `same_but_for_names` gives for the control of a run (`benchmarks.situations.control_run`)."""
    if config.distill is None:
        config = replace(config, train=replace(config.train, consistency=0.0, start_from=None))
    return same_but_for_names(config.as_control("", name=""))


def pairs(records: Iterable[RunRecord]) -> list[Pair]:
    """Each run of a situation beside its control, then the controls that stand beside nothing.

    Where a client has no labels no control is possible: its student stands beside labels on all of the pictures. What
    learned from other labels than its control (`noisy`) has that of its situation, size and seed.
    """
    records = [record for record in records if record.config.name.startswith(PREFIX)]
    by_key = {same_but_for_names(record.config): record for record in records}
    found: list[Pair] = []
    used: set[str] = set()
    for record in records:
        key = control_key(record.config)
        if key == same_but_for_names(record.config):
            beside = _of_other_labels(record, records)
            if beside is None:
                continue
            used.add(key)
            key = same_but_for_names(beside.config)
        found.append((record, by_key.get(key)))
        used.add(key)
    return found + [(None, record) for key, record in by_key.items() if key == control_key(record.config) not in used]


def _of_other_labels(record: RunRecord, records: Iterable[RunRecord]) -> RunRecord | None:
    """The control of what learned from labels alone, but not from those of its situation; None for any other run.

    Of several it is that with the fewest seconds that are no fewer than its own.
    """
    situation, _, method = record.config.name.partition(", ")
    if method in ("labels-alone", "large-views-alone"):
        return None
    same = [
        other
        for other in records
        if other.config.name == f"{situation}, labels-alone"
        and other.config.model == record.config.model
        and other.config.train.seed == record.config.train.seed
        and _seconds(other) >= _seconds(record)
    ]
    return min(same, key=_seconds, default=None)


def _seconds(record: RunRecord) -> float:
    return record.config.train.match_seconds or 0.0


def rows(store: RunStore) -> list[dict[str, Any]]:
    """A row for each situation, method, size and budget over its seeds, in the order of their names."""
    groups: dict[tuple[str, str, float], list[Pair]] = defaultdict(list)
    for pair in pairs(finished(store)):
        record = pair[0] or pair[1]
        assert record is not None
        config = record.config
        # The control has all of them: of a student those are taken away that answers took which were made before it.
        seconds = _seconds(pair[1] or record)
        groups[config.name.removeprefix(PREFIX), str(config.model.arguments["base"]), seconds].append(pair)
    return [_row(*key, group) for key, group in sorted(groups.items(), key=lambda item: _order(item[0][0]))]


def _order(name: str) -> tuple[str, int, str]:
    situation, _, method = name.partition(", ")
    words, _, number = situation.rpartition(" ")
    return words, int(number), method


def _row(name: str, base: str, seconds: float, group: Sequence[Pair]) -> dict[str, Any]:
    ours = [(record, control) for record, control in group if record is not None]
    scores = [_score(record) for record, _ in ours]
    beside = [_score(control) for _, control in group if control is not None]
    gains = [100 * (_score(record) - _score(control)) for record, control in ours if control is not None]
    taught = next((record for record, _ in ours if record.config.distill is not None), None)
    teacher = _teacher_score(taught) if taught else None
    closed = None
    if teacher is not None and gains:
        mean = statistics.mean(beside)
        closed = gap_closed(distilled=mean + statistics.mean(gains) / 100, control=mean, teacher=teacher)
    situation, _, method = name.partition(", ")
    return {
        "situation": situation,
        "method": method,
        "base": base,
        "seconds": seconds,
        "seeds": sorted((record or control).config.train.seed for record, control in group if record or control),
        "teacher": teacher,
        "control": _mean(beside),
        "control_spread": _spread(beside),
        "student": _mean(scores),
        "student_spread": _spread(scores),
        "gain": _mean(gains),
        "spread": _spread(gains),
        "gap_closed": closed,
        "epochs": [_mean(_counts(each, "epochs")) for each in zip(*group, strict=True)],
        "used_seconds": [_mean(_counts(each, "train_seconds")) for each in zip(*group, strict=True)],
    }


def _counts(records: Iterable[RunRecord | None], key: str) -> list[float]:
    return [float(record.summary[key]) for record in records if record is not None and record.summary]


def _mean(values: Sequence[float]) -> float | None:
    return statistics.mean(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _score(record: RunRecord) -> float:
    """mIoU-5 on the pictures that the situation scores."""
    if record.config.data.transfer is None and not record.config.name.startswith(f"{PREFIX}new place"):
        assert record.summary is not None
        return float(record.summary["best_miou5"])
    return _score_of(record.id, record)


def _teacher_score(record: RunRecord) -> float:
    assert record.config.distill is not None
    if record.config.data.transfer is None:
        assert record.summary is not None
        return float(record.summary["teacher_miou5"])
    return _score_of(record.config.distill.teacher, record)


def _score_of(model: str, record: RunRecord) -> float:
    """mIoU-5 on the pictures beside the run's own folder, which are not those that chose its weights."""
    loaded = checkpoint.load(checkpoint.resolve(model))
    scenes = open_dataset(DataConfig(dataset="folder", root=str(Path(record.config.data.root or "").parent / "scores")))
    card = loaded.card
    found = evaluate(loaded.model, scenes.scenes, card.classes, normaliser=Normaliser.of_card(card, "cpu"))
    return found.scores.miou5


def print_table(found: Sequence[dict[str, Any]]) -> None:
    print(
        "| situation, labels | method | base | seconds each | seeds | teacher | control | student | gain, points "
        "| gap closed | epochs, student and control | seconds used |"
    )
    print("|---" * 12 + "|")
    for row in found:
        scores = [_with_spread(row[key], row[f"{key}_spread"]) for key in ("control", "student")]
        gain = "" if row["gain"] is None else f"{row['gain']:+.1f}" + _plus_minus(row["spread"], ".1f")
        closed = "" if row["gap_closed"] is None else f"{row['gap_closed']:.2f}"
        teacher = "" if row["teacher"] is None else f"{row['teacher']:.3f}"
        epochs, used = (_both(row[key]) for key in ("epochs", "used_seconds"))
        seeds = ", ".join(f"{seed}" for seed in row["seeds"])
        print(
            f"| {row['situation']} | {row['method']} | {row['base']} | {row['seconds']:.0f} | {seeds} | {teacher} "
            f"| {scores[0]} | {scores[1]} | {gain} | {closed} | {epochs} | {used} |"
        )


def _both(values: Sequence[float | None]) -> str:
    return ", ".join("–" if value is None else f"{value:.0f}" for value in values)


def _with_spread(value: float | None, spread: float | None) -> str:
    return "" if value is None else f"{value:.3f}" + _plus_minus(spread, ".3f")


def _plus_minus(spread: float | None, form: str) -> str:
    return "" if spread is None else f" ± {spread:{form}}"
