"""What a teacher is worth in each situation: the same seconds for the student and for its control, named pictures.

    python benchmarks/situations.py list
    python benchmarks/situations.py run given --labelled 4 [--seeds 0 1 2] [--seconds 600] [--base 4] [--data DIR]
    python benchmarks/situations.py run noisy [--seeds 0] [--teacher-seconds 200] [--data DIR]
    python benchmarks/situations.py table [--json]

A method says how the student learns (`METHODS`). `run` makes folders of links to the Dubai pictures that each model of
the situation may see, trains the situation's teacher once (`--teacher-seconds`), then for each seed a student and its
control, each with as many seconds, the time that the teacher takes to answer included. Runs go into the store of runs
(`TERRASTILL_HOME`); what is there already is left out, so that a stopped benchmark goes on, and methods that have the
same control share it. `table` reads the store. Part 008 of each tile chooses the weights, and scores; where a tile is
left out, its own part 008 scores and that of the other tiles chooses. `noisy` corrupts labels as
benchmarks/noisy_labels.py says and trains a teacher for each fold without its pictures, a student on their answers,
and a control on the labels as they are.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.services.run_settings import FULL
from benchmarks.dubai_parts import CHOOSES, TILES, Part, link_folder, parts
from benchmarks.gains import carry_out, finished
from benchmarks.noisy_labels import SHARE, answered, corrected, make
from benchmarks.situation_table import print_table, rows, same_but_for_names
from core import paths
from core.config import DataConfig, DistillConfig, ModelConfig, RunConfig, TrainConfig
from core.data.datasets.dubai import DUBAI
from core.errors import ConfigError
from core.losses.catalogue import MIXED
from core.runs.store.run_store import RunStore


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
    if name == "noisy":
        client = parts(TILES, range(1, 8))
        pictures = Pictures(client, client, chooses, chooses)
        return Situation(f"noisy {100 * SHARE:.0f}", QUESTIONS[name], pictures, labelled=None, same_labels=True)
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
    "noisy": "A share of the regions has wrong labels; cross-fitted teachers judge only what they did not learn from.",
}
"""By name, what is asked."""


def link_folders(root: Path, source: Path, pictures: Pictures) -> None:
    """`teacher`, `client`, `scores` and `unlabelled` below `root`: each model is shown a folder of its own."""
    link_folder(root / "teacher", source, pictures.teacher | pictures.chooses)
    link_folder(root / "client", source, pictures.client | pictures.chooses)
    link_folder(root / "scores", source, pictures.scores)
    if pictures.unlabelled:
        link_folder(root / "unlabelled", source, pictures.unlabelled, labels=False)


@dataclass(frozen=True)
class Budget:
    """What each run may cost, in seconds of `clock`, and how large the student is."""

    seconds: float = 600.0
    teacher_seconds: float = 1500.0
    base: int = 4
    clock: Literal["wall", "processor"] = "processor"


assert FULL.distill is not None
_TAUGHT = FULL.distill


@dataclass(frozen=True)
class Method:
    """How a student learns, by the settings of the app's preset Full. Its control has all of it but the teacher.

    Attributes:
        losses: on the teacher's answers, with their weights; none of them: without a teacher.
        alpha: the share of the labels at first, and `alpha_end` in the end.
        crop: side of a view in pixels; `views` make an epoch.
        consistency: weight of consistency training, which also needs no teacher.
        start: the model that it begins with, by its name with `{base}` in it; its control begins afresh.
    """

    losses: Mapping[str, float]
    alpha: float
    alpha_end: float | None = None
    temperature: float = _TAUGHT.temperature
    crop: int = FULL.data.crop
    views: int = FULL.data.views_per_epoch or 0
    ema: float = FULL.train.ema
    consistency: float = 0.0
    confidence: float = 0.9
    start: str | None = None


METHODS = {
    "mixed": Method(_TAUGHT.losses, _TAUGHT.alpha),
    "answers": Method(MIXED, alpha=0.0),
    "hand-over": Method(MIXED, alpha=0.0, alpha_end=0.6),
    "consistent": Method(MIXED, alpha=0.2, consistency=1.0),
    "consistency-alone": Method({}, alpha=1.0, consistency=1.0),
    "labels-alone": Method({}, alpha=1.0),
    "start": Method({}, alpha=1.0, start="compact-{base}-start"),
    "start-student": Method({}, alpha=1.0, start="student-control"),
    "large-views": Method({"soft_targets": 1.0}, alpha=0.5, crop=256, views=480, ema=0.998),
    "large-views-alone": Method({}, alpha=1.0, crop=256, views=480, ema=0.998),
}
"""By name, the first one being the usual one. Without labels every alpha is 0."""
CONTROL = "labels-alone"


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
            clock=budget.clock,
        ),
    ).validate()


def student_run(
    asked: Situation, root: Path, budget: Budget, seed: int, teacher: str, *, method: str = next(iter(METHODS))
) -> RunConfig:
    """What learns by this method; `control_run` of it is its control."""
    none = asked.labelled == 0
    everything = asked.labelled in (None, len(asked.pictures.client))
    how = METHODS[method]
    taught = DistillConfig(
        teacher=teacher,
        temperature=how.temperature,
        alpha=0.0 if none else how.alpha,
        alpha_end=None if none else how.alpha_end,
        cache_pictures=True,
        cache_form="uint8",
        losses=dict(how.losses) or {"soft_targets": 1.0},
    )
    unlabelled = asked.pictures.unlabelled and (how.losses or how.consistency)
    return RunConfig(
        kind="distill" if how.losses else "train",
        name=f"situation {asked.name}, {method}",
        data=DataConfig(
            dataset="folder",
            root=str(root / "client"),
            crop=how.crop,
            scale=FULL.data.scale,
            colour=FULL.data.colour,
            labelled=None if everything or none else asked.labelled,
            views_per_epoch=how.views,
            transfer=str(root / "unlabelled") if unlabelled else None,
        ),
        model=ModelConfig("compact", {"base": budget.base}),
        train=TrainConfig(
            epochs=1,
            batch_size=FULL.train.batch_size,
            learning_rate=FULL.train.learning_rate,
            ema=how.ema,
            seed=seed,
            validate_every=4,
            match_seconds=budget.seconds,
            clock=budget.clock,
            consistency=how.consistency,
            confidence=how.confidence,
            start_from=how.start.format(base=budget.base) if how.start else None,
        ),
        distill=taught if how.losses else None,
    ).validate()


def control_run(config: RunConfig, of: str | None, budget: Budget) -> RunConfig:
    """The same pictures with labels, the same seconds, no teacher.

    It has the consistency training that its rival has beside a teacher, but not that of a rival which has nothing else,
    and begins with fresh weights where its rival has nothing else than others.
    """
    if config.distill is None:
        config = replace(config, train=replace(config.train, consistency=0.0, start_from=None))
    how = "consistency-alone" if config.train.consistency else CONTROL
    control = config.as_control(of or "", name=f"{config.name.rpartition(', ')[0]}, {how}")
    return replace(control, control_of=of, train=replace(control.train, match_seconds=budget.seconds))


FOLDS = 2
"""Of the pictures with noisy labels: each has a teacher that did not learn from it."""


def cross_fitting_teachers(asked: Situation, root: Path, budget: Budget) -> list[RunConfig]:
    """A teacher for each fold, of the noisy labels of all pictures but these."""
    made = [teacher_run(asked, root / f"fold-{fold}", budget) for fold in range(FOLDS)]
    return [replace(config, name=f"{config.name}, not of fold {fold}") for fold, config in enumerate(made)]


def noisy_runs(asked: Situation, root: Path, budget: Budget, seed: int, *, answering: float) -> list[RunConfig]:
    """What learns from the answers of cross-fitted teachers in the place of labels, and what from corrected labels.

    Then their control, on the labels as they are. The `answering` seconds that the answers took are taken from the
    first one's; corrected labels are there, as a dataset that somebody has corrected would be.
    """
    alone = student_run(asked, root, budget, seed, "none", method=CONTROL)
    control = replace(alone, data=replace(alone.data, root=str(root / "noisy")))
    charged = replace(control.train, match_seconds=max(1.0, budget.seconds - answering))
    made = {"cross-fitted": charged, "corrected": control.train}
    return [
        *(
            replace(
                control,
                name=f"situation {asked.name}, {labels}",
                data=replace(alone.data, root=str(root / labels)),
                train=train,
            )
            for labels, train in made.items()
        ),
        control,
    ]


def run_noisy(args: argparse.Namespace, asked: Situation, budget: Budget, root: Path, store: RunStore) -> None:
    """Corrupt the labels, train the teachers, have them answer, then train students and control."""
    make(root, DUBAI.require_here(args.data), share=SHARE, seed=0, count=FOLDS)
    teachers = [carry_out(config, store).id for config in cross_fitting_teachers(asked, root, budget)]
    answering = answered(root, teachers)
    corrected(root)
    for seed in args.seeds:
        *students, beside = noisy_runs(asked, root, budget, seed, answering=answering)
        for config in students:
            carry_out(config, store)
        control(beside, store)


def run(args: argparse.Namespace, store: RunStore) -> None:
    asked = situation(args.situation, labelled=args.labelled, tile=args.tile)
    budget = Budget(args.seconds, args.teacher_seconds, args.base, args.clock)
    if args.situation == "noisy":
        run_noisy(args, asked, budget, paths.home() / "situations" / "noisy", store)
        return
    root = paths.home() / "situations" / (f"{args.situation}-{args.tile}" if args.tile else args.situation)
    link_folders(root, DUBAI.require_here(args.data), asked.pictures)
    needed = bool(METHODS[args.method].losses)
    given = args.teacher or (carry_out(teacher_run(asked, root, budget), store).id if needed else "none")
    for seed in args.seeds:
        config = student_run(asked, root, budget, seed, given, method=args.method)
        record = None if args.method == CONTROL else carry_out(config, store)
        if asked.labelled != 0 and not args.no_control:
            control(control_run(config, record.id if record else None, budget), store)


def control(config: RunConfig, store: RunStore) -> None:
    """Done now, unless it was for this student or for one by another method that has the same control."""
    if same_but_for_names(config) not in {same_but_for_names(record.config) for record in finished(store)}:
        carry_out(config, store)


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
    doing.add_argument("--method", choices=list(METHODS), default=next(iter(METHODS)), help="how the student learns")
    doing.add_argument("--no-control", action="store_true", help="only what learns by the method")
    doing.add_argument("--clock", choices=("wall", "processor"), default=Budget.clock, help="that counts the seconds")
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
