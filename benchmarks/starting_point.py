"""A student to begin with: prepared by the answers of a teacher on pictures without labels, its last layer fresh.

    python benchmarks/starting_point.py make --naip DIR [--base 4] [--seconds 360] [--data DIR] [--out checkpoints]
    python benchmarks/starting_point.py naip DIR [--seconds 8] [--seeds 0 1 2] [--labelled 2] [--work DIR]

`make` trains the teacher of the situation `given` (benchmarks/situations.py: Dubai, parts 1, 3, 5 and 7; what is in the
store of runs is taken from there), has it answer on these pictures and on those of NAIP that lie in DIR, and trains a
student on the answers alone: it is shown no label. Part 008 of each tile chooses among its weights. Then the last layer
is made fresh, and what is left is written as `compact-BASE-start`. Left out are the client's pictures of that
situation and all crops of Palm Springs, so that neither the situation nor `naip` begins with pictures that it knows.

What such a start is worth on few labels of Dubai: `benchmarks/situations.py run given --method start`, beside
`--method start-student`. `naip` says it of other classes in another place: the dataset of benchmarks/infrared.py by
its colours, few pictures with labels, from fresh weights and from each start, all for as many seconds.
"""

import argparse
import json
import os
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import nn

from benchmarks import infrared, situations
from benchmarks.gains import carry_out
from core import checkpoint, paths
from core.checkpoint import Loaded, ModelCard
from core.config import RunConfig
from core.data.datasets.dubai import DUBAI
from core.errors import DatasetNotFoundError
from core.models import build_model, with_weights
from core.runs.store.run_store import RunStore

KNOWN_TO_NAIP = "palm_springs"
"""How the names of crops begin that show a place of benchmarks/infrared.py."""


def link_pictures(folder: Path, source: Path) -> Path:
    """A folder of links to the crops of NAIP without labels. Raises `DatasetNotFoundError` where there are none."""
    found = [path for path in sorted(source.glob("*.[jp][pn]*g")) if not path.name.startswith(KNOWN_TO_NAIP)]
    if not found:
        raise DatasetNotFoundError(f"{source} holds no crops of NAIP as JPEG or PNG: name the folder that holds them.")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for path in found:
        place = folder / "images" / path.name
        if not place.exists():
            place.symlink_to(path.resolve())
    return folder


def preparing_run(root: Path, budget: situations.Budget, teacher: str) -> RunConfig:
    """The run that prepares a student: the teacher's answers on its own pictures and on those of NAIP, no label."""
    asked = situations.situation("given", labelled=0)
    config = situations.student_run(asked, root, budget, 0, teacher, method="answers")
    data = replace(config.data, root=str(root / "teacher"), transfer=str(root / "naip"))
    return replace(config, name=f"preparing compact {budget.base}", data=data).validate()


def prepare(args: argparse.Namespace) -> str:
    """The id of the run that prepared the student, in the store."""
    store, budget = RunStore(), situations.Budget(args.seconds, args.teacher_seconds, args.base)
    asked = situations.situation("given", labelled=0)
    root = paths.home() / "situations" / "given"
    situations.link_folders(root, DUBAI.require_here(args.data), asked.pictures)
    link_pictures(root / "naip", args.naip)
    teacher = args.teacher or carry_out(situations.teacher_run(asked, root, budget), store).id
    return carry_out(preparing_run(root, budget, teacher), store).id


def start_of(record: Loaded, name: str) -> tuple[nn.Module, ModelCard]:
    """The starting point that is in a student: all of its weights but those of the last layer, which is fresh."""
    card = record.card
    torch.manual_seed(card.seed)
    model = with_weights(build_model(card.model, outputs=card.classes.outputs, inputs=card.inputs), record.model)
    told = {
        "origin": "a teacher's answers to pictures without labels (Dubai, NAIP)",
        "recipe": f"python -m benchmarks.starting_point make --base {card.model.arguments['base']}",
        "notes": [LEARNED],
    }
    made = replace(
        card,
        name=name,
        teacher=TEACHER,
        distillation=(card.distillation or {}) | {"teacher": TEACHER},
        metrics={},
        training=card.training | told,
        starting_point=True,
    )
    return model, made


TEACHER = "U-Net on EfficientNet-Lite0, labels of Dubai's parts 1, 3, 5 and 7"
LEARNED = (
    "It learned a teacher's answers to 32 pictures of Dubai (CC0) and 374 crops of NAIP (public domain; crops by "
    "Ventura et al. 2024, CC BY 4.0), and no label; the labels of part 008 chose among its weights. The teacher had "
    "the labels of those 32 and weights of ImageNet (Apache-2.0). Its last layer is fresh: it answers nothing."
)
"""What a card of a starting point says of the pictures behind it."""


def make(args: argparse.Namespace) -> None:
    """Prepare a student and write what is left of it without its last layer."""
    name = f"compact-{args.base}-start"
    record = checkpoint.load(checkpoint.resolve(prepare(args), runs=paths.home()))
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint.save(args.out / name, *start_of(record, name))
    print(f"{name} is in {args.out}")


STARTS = {"scratch": None, "start": "compact-4-start", "student-control": "student-control"}
"""What the runs of `naip` begin with."""


def naip(args: argparse.Namespace) -> None:
    """Mean IoU on the test pictures of another place and other classes, by seed and start."""
    home = args.work.absolute()
    os.environ["TERRASTILL_HOME"] = str(home)
    infrared.make_dataset(args.folder, home, args.ndvi)
    rows: list[dict[str, Any]] = []
    for seed in args.seeds:
        alone = infrared.student_run(seed, args.seconds, args.labelled)
        row: dict[str, Any] = {"seed": seed}
        for name, start in STARTS.items():
            config = replace(alone, train=replace(alone.train, start_from=start))
            row[name] = infrared.carry_out(config, home, f"{name}-{args.labelled}-{args.seconds:g}-{seed}")
        print(json.dumps(row), flush=True)
        rows.append(row)
    for name in STARTS:
        found = [100 * row[name] for row in rows]
        spread = statistics.stdev(found) if len(found) > 1 else float("nan")
        print(f"{name:<16} {statistics.mean(found):.1f} ± {spread:.1f} % mIoU on the test pictures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make")
    making.add_argument("--naip", type=Path, required=True, metavar="DIR", help="crops of NAIP as JPEG or PNG")
    making.add_argument("--data", metavar="DIR", help="the Dubai dataset (default: where it is by default)")
    making.add_argument("--base", type=int, default=4, help="width of the student")
    making.add_argument("--seconds", type=float, default=360.0, help="of the processor, the teacher's answers included")
    making.add_argument("--teacher-seconds", type=float, default=900.0)
    making.add_argument("--teacher", help="a model to take instead of training the situation's teacher")
    making.add_argument("--out", type=Path, default=paths.CHECKPOINTS, metavar="DIR", help="where it is written")
    making.set_defaults(do=make)
    scoring = verbs.add_parser("naip")
    scoring.add_argument("folder", type=Path, help="the four-band pictures of NAIP")
    scoring.add_argument("--work", type=Path, default=Path("infrared"), help="where datasets and runs are written")
    scoring.add_argument("--labelled", type=int, default=2, help="pictures with labels")
    scoring.add_argument("--seconds", type=float, default=8, help="of the processor, for each run")
    scoring.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    scoring.add_argument("--ndvi", type=float, default=0.1, help="vegetation is above it")
    scoring.set_defaults(do=naip)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.do(args)


if __name__ == "__main__":
    main()
