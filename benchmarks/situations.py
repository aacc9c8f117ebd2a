"""What a teacher is worth in each situation: the same seconds for the student and for its control, named pictures.

    python benchmarks/situations.py list
    python benchmarks/situations.py run given --labelled 4 [--seeds 0 1 2] [--seconds 600] [--base 4] [--data DIR]
    python benchmarks/situations.py table [--json]

`run` makes folders of links to the Dubai pictures that each model of the situation may see, trains the situation's
teacher once (`--teacher-seconds`), then for each seed a student and its control, each with as many seconds, the time
that the teacher takes to answer included. Runs go into the store of runs (`TERRASTILL_HOME`); what is there already is
left out, so that a stopped benchmark goes on. `table` reads the store. Part 008 of each tile chooses the weights, and
scores; where a tile is left out, its own part 008 scores and that of the other tiles chooses.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.gains import carry_out, finished, gap_closed
from core import checkpoint, paths
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data import open_dataset
from core.data.datasets.dubai import DUBAI
from core.errors import ConfigError
from core.evaluate import evaluate
from core.normalise import Normaliser
from core.runs.store.records import RunRecord
from core.runs.store.run_store import RunStore

Part = tuple[int, int]
"""Tile and part of a Dubai picture: (2, 8) is `Tile 2/image_part_008`."""

TILES = range(1, 9)
CHOOSES = 8
"""The part that chooses the weights of every run. Part 9 is seen by nobody here."""


@dataclass(frozen=True)
class Pictures:
    """Which pictures each model of a situation may see.

    Attributes:
        teacher: with their labels, by the teacher.
        client: by student and control; how many of these keep their labels says the situation.
        unlabelled: by the student alone, never with labels.
        chooses: with their labels, to choose the weights of all three.
        scores: what the table's figures are of.
    """

    teacher: frozenset[Part]
    client: frozenset[Part]
    chooses: frozenset[Part]
    scores: frozenset[Part]
    unlabelled: frozenset[Part] = frozenset()


@dataclass(frozen=True)
class Situation:
    """One question. `labelled` is how many of the client's pictures keep their labels; None: all of them."""

    name: str
    question: str
    pictures: Pictures
    labelled: int | None
    same_labels: bool = False
    """The teacher learns from the very labels that the client has."""


def parts(tiles: Sequence[int], numbers: Sequence[int]) -> frozenset[Part]:
    return frozenset((tile, number) for tile in tiles for number in numbers)


def situation(name: str, *, labelled: int | None = None, tile: int | None = None) -> Situation:
    """The situation of this name. Raises `ConfigError` for an unknown one, or a number that it cannot have."""
    if name not in QUESTIONS:
        raise ConfigError(f"There is no situation {name!r}: choose {', '.join(QUESTIONS)}.")
    chooses = parts(TILES, [CHOOSES])
    if name == "new-place":
        if tile not in TILES:
            raise ConfigError("A new place needs its tile, 1 to 8: give --tile.")
        others = [other for other in TILES if other != tile]
        seen = parts(others, range(1, 8))
        pictures = Pictures(
            teacher=seen,
            client=seen,
            unlabelled=parts([tile], range(1, 8)),
            chooses=parts(others, [CHOOSES]),
            scores=parts([tile], [CHOOSES]),
        )
        return Situation(f"new place {tile}", QUESTIONS[name], pictures, labelled=None)
    if name == "given":
        client = parts(TILES, (2, 4, 6))
        pictures = Pictures(parts(TILES, (1, 3, 5, 7)), client, chooses, chooses)
    else:
        client = parts(TILES, range(1, 8))
        pictures = Pictures(client, client, chooses, chooses)
    if labelled is not None and not 0 <= labelled <= len(client):
        raise ConfigError(f"{labelled} of {len(client)} pictures cannot have labels: give 0 to {len(client)}.")
    kept = len(client) if labelled is None else labelled
    return Situation(f"{name} {kept}", QUESTIONS[name], pictures, kept, same_labels=name == "few")


QUESTIONS = {
    "given": "A teacher of somebody else's labels (parts 1, 3, 5, 7); the client has parts 2, 4, 6, few with labels.",
    "new-place": "Seven tiles have labels; the teacher answers on the unlabelled pictures of the eighth.",
    "few": "Teacher, student and control have the same few labels; the student sees the other pictures as well.",
}
"""By name, what is asked."""


def link_folder(folder: Path, source: Path, pictures: frozenset[Part], *, labels: bool = True) -> Path:
    """A dataset folder with links to just these pictures, and to their masks where `labels`."""
    for tile, part in sorted(pictures):
        for kind in ("images", "masks") if labels else ("images",):
            (file,) = (source / f"Tile {tile}" / kind).glob(f"image_part_{part:03d}.*")
            place = folder / f"Tile {tile}" / kind / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.symlink_to(file.resolve())
    return folder


def link_folders(root: Path, source: Path, pictures: Pictures) -> None:
    """`teacher`, `client`, `scores` and `unlabelled` below `root`: each model is shown a folder of its own."""
    link_folder(root / "teacher", source, pictures.teacher | pictures.chooses)
    link_folder(root / "client", source, pictures.client | pictures.chooses)
    link_folder(root / "scores", source, pictures.scores)
    if pictures.unlabelled:
        link_folder(root / "unlabelled", source, pictures.unlabelled, labels=False)


@dataclass(frozen=True)
class Budget:
    """What each run may cost, and how large the student is."""

    seconds: float = 600.0
    teacher_seconds: float = 1500.0
    base: int = 4


def teacher_run(asked: Situation, root: Path, budget: Budget) -> RunConfig:
    """The run that makes the situation's teacher."""
    labelled = asked.labelled if asked.same_labels and asked.labelled != len(asked.pictures.teacher) else None
    network = {
        "architecture": "Unet",
        "encoder": "tu-tf_efficientnet_lite0",
        "weights": "package",
        "decoder_channels": [128, 64, 48, 32, 16],
    }
    return RunConfig(
        kind="train",
        name=f"teacher of {asked.name if asked.same_labels or asked.pictures.unlabelled else 'given'}",
        data=DataConfig(dataset="folder", root=str(root / "teacher"), labelled=labelled, views_per_epoch=480),
        model=ModelConfig("smp", network),
        train=TrainConfig(
            epochs=1,
            batch_size=8,
            learning_rate=0.0015,
            ema=0.99,
            validate_every=4,
            match_seconds=budget.teacher_seconds,
        ),
    ).validate()


def student_run(asked: Situation, root: Path, budget: Budget, seed: int, teacher: str) -> RunConfig:
    """The student of this seed; `RunConfig.as_control` of it is the control."""
    none = asked.labelled == 0
    everything = asked.labelled in (None, len(asked.pictures.client))
    return RunConfig(
        name=f"situation {asked.name}",
        data=DataConfig(
            dataset="folder",
            root=str(root / "client"),
            scale=(0.7, 1.5),
            colour=0.2,
            labelled=None if everything or none else asked.labelled,
            views_per_epoch=480,
            transfer=str(root / "unlabelled") if asked.pictures.unlabelled else None,
        ),
        model=ModelConfig("compact", {"base": budget.base}),
        train=TrainConfig(
            epochs=1,
            batch_size=8,
            learning_rate=0.006,
            ema=0.998,
            seed=seed,
            validate_every=8,
            match_seconds=budget.seconds,
        ),
        distill=DistillConfig(
            teacher=teacher,
            temperature=2.0,
            alpha=0.0 if none else 0.5,
            cache_pictures=True,
            cache_form="uint8",
            losses={"soft_targets": 1.0},
        ),
    ).validate()


def control_run(config: RunConfig, of: str, budget: Budget) -> RunConfig:
    """The same pictures with labels, the same seconds, no teacher, and no picture without labels."""
    control = config.as_control(of, name=f"{config.name}, control")
    return replace(control, train=replace(control.train, match_seconds=budget.seconds))


def run(args: argparse.Namespace, store: RunStore) -> None:
    asked = situation(args.situation, labelled=args.labelled, tile=args.tile)
    budget = Budget(args.seconds, args.teacher_seconds, args.base)
    root = paths.home() / "situations" / (f"{args.situation}-{args.tile}" if args.tile else args.situation)
    link_folders(root, DUBAI.require_here(args.data), asked.pictures)
    given = args.teacher or carry_out(teacher_run(asked, root, budget), store).id
    for seed in args.seeds:
        config = student_run(asked, root, budget, seed, given)
        record = carry_out(config, store)
        if asked.labelled != 0:
            carry_out(control_run(config, record.id, budget), store)


def rows(store: RunStore) -> list[dict[str, Any]]:
    """A row for each situation and size over its seeds."""
    records = finished(store)
    controls = {record.config.control_of: record for record in records if record.config.control_of}
    groups: dict[tuple[str, str, float], list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.config.name.startswith("situation ") and record.config.distill is not None:
            seconds = record.config.train.match_seconds or 0.0
            groups[record.config.name, str(record.config.model.arguments["base"]), seconds].append(record)
    return [_row(name, base, seconds, group, controls) for (name, base, seconds), group in groups.items()]


def _row(
    name: str, base: str, seconds: float, group: list[RunRecord], controls: dict[str | None, RunRecord]
) -> dict[str, Any]:
    distilled = [_score(record) for record in group]
    teacher = _score_of(group[0].config.distill.teacher, group[0]) if group[0].config.distill else 0.0
    pairs = [
        (ours, _score(controls[record.id]))
        for ours, record in zip(distilled, group, strict=True)
        if record.id in controls
    ]
    beside = [theirs for _, theirs in pairs]
    gains = [100 * (ours - theirs) for ours, theirs in pairs]
    return {
        "situation": name.removeprefix("situation "),
        "base": base,
        "seconds": seconds,
        "seeds": len(group),
        "teacher": teacher,
        "control": statistics.mean(beside) if beside else None,
        "distilled": statistics.mean(distilled),
        "gain": statistics.mean(gains) if gains else None,
        "spread": statistics.stdev(gains) if len(gains) > 1 else None,
        "gap_closed": gap_closed(distilled=statistics.mean(distilled), control=statistics.mean(beside), teacher=teacher)
        if beside
        else None,
    }


def _score(record: RunRecord) -> float:
    return _score_of(record.id, record)


def _score_of(model: str, record: RunRecord) -> float:
    """mIoU-5 on the pictures that the situation scores: those beside the run's own folder."""
    loaded = checkpoint.load(checkpoint.resolve(model))
    scenes = open_dataset(DataConfig(dataset="folder", root=str(Path(record.config.data.root or "").parent / "scores")))
    card = loaded.card
    found = evaluate(loaded.model, scenes.scenes, card.classes, normaliser=Normaliser.of_card(card, "cpu"))
    return found.scores.miou5


def print_table(found: list[dict[str, Any]]) -> None:
    print("| situation | base | seconds each | seeds | teacher | control | distilled | gain, points | gap closed |")
    print("|---" * 9 + "|")
    for row in found:
        spread = "" if row["spread"] is None else f" ± {row['spread']:.1f}"
        gain = "" if row["gain"] is None else f"{row['gain']:+.1f}{spread}"
        closed = "" if row["gap_closed"] is None else f"{row['gap_closed']:.2f}"
        control = "" if row["control"] is None else f"{row['control']:.3f}"
        print(
            f"| {row['situation']} | {row['base']} | {row['seconds']:.0f} | {row['seeds']} | {row['teacher']:.3f} "
            f"| {control} | {row['distilled']:.3f} | {gain} | {closed} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list")
    doing = verbs.add_parser("run")
    doing.add_argument("situation", choices=list(QUESTIONS))
    doing.add_argument("--labelled", type=int, help="pictures of the client that keep their labels (default: all)")
    doing.add_argument("--tile", type=int, help="of a new place: the tile that is left out")
    doing.add_argument("--seeds", type=int, nargs="+", default=[0])
    doing.add_argument("--seconds", type=float, default=Budget.seconds, help="of student and control, each")
    doing.add_argument("--teacher-seconds", type=float, default=Budget.teacher_seconds)
    doing.add_argument("--teacher", help="a model to take instead of training the situation's teacher")
    doing.add_argument("--base", type=int, default=Budget.base, help="width of the student")
    doing.add_argument("--data", metavar="DIR", help="the Dubai dataset (default: where it is by default)")
    showing = verbs.add_parser("table")
    showing.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.verb == "list":
        print("\n".join(f"{name}: {question}" for name, question in QUESTIONS.items()))
        return
    store = RunStore()
    if args.verb == "run":
        run(args, store)
    found = rows(store)
    print(json.dumps(found)) if getattr(args, "json", False) else print_table(found)


if __name__ == "__main__":
    main()
