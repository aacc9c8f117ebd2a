"""The tables of docs/RESULTS.md: every shipped model scored on a split, with what it costs.

    python benchmarks/results.py [--data DIR] [--split val] [--threads 1] [--json]

DIR is a folder in either layout (default: where the Dubai images are). Models are timed in turns on 256 x 256 and
512 x 512 pictures, so that a machine that slows down slows all of them alike; ratios are to `teacher`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

from core import checkpoint, paths
from core.benchmark.latency import compare
from core.data.datasets.dubai import AERIAL, DUBAI
from core.data.folder import load_folder
from core.data.scene import Scene
from core.data.splits import split_scenes
from core.evaluate import evaluate
from core.normalise import Normaliser

CPU = torch.device("cpu")


def scenes_of(folder: Path, split: str) -> list[Scene]:
    scenes = load_folder(folder, AERIAL).scenes
    return scenes if split == "all" else getattr(split_scenes(scenes, "by-image", parts=DUBAI.split), split)


def rows_for(scenes: list[Scene], threads: int) -> list[dict[str, Any]]:
    """One row a shipped model: scores, size, and latency alone on `threads` processor threads."""
    loaded = {
        name: checkpoint.load(stem)
        for name, stem in checkpoint.available().items()
        if stem.parent == paths.CHECKPOINTS and not checkpoint.load_card(stem).starting_point
    }
    models = {name: item.model for name, item in loaded.items()}
    latency = {
        size: compare(models, size=size, device=CPU, threads=threads, repeats=15, warmup=3) for size in (256, 512)
    }
    rows = []
    for name, item in loaded.items():
        card = item.card
        report = evaluate(item.model, scenes, card.classes, normaliser=Normaliser.of_card(card, CPU))
        print(f"scored {name}", file=sys.stderr)
        rows.append(
            {
                "model": name,
                **report.scores.to_json(),
                "parameters": card.parameters,
                "macs_256": card.macs_256,
                "bytes": card.bytes,
                "train_seconds": card.training.get("seconds"),
                "epochs": card.training.get("epochs"),
                **{f"latency_{size}_ms": result[name].median_ms for size, result in latency.items()},
            }
        )
    return rows


def print_tables(rows: list[dict[str, Any]]) -> None:
    classes = list(rows[0]["per_class"])
    print("| model | mIoU-5 | mIoU-6 | accuracy | " + " | ".join(f"{name} IoU" for name in classes) + " |")
    print("|---|" + "---|" * (3 + len(classes)))
    for row in rows:
        ious = " | ".join(f"{row['per_class'][name]['iou']:.3f}" for name in classes)
        print(f"| {row['model']} | {row['miou5']:.3f} | {row['miou6']:.3f} | {row['accuracy']:.3f} | {ious} |")
    print_costs(rows)
    print("\n| model | class | IoU | precision | recall | F1 |\n|---|---|---|---|---|---|")
    for row in rows:
        for name, score in row["per_class"].items():
            values = [score[key] for key in ("iou", "precision", "recall", "f1")]
            print(f"| {row['model']} | {name} | " + " | ".join("–" if v is None else f"{v:.3f}" for v in values) + " |")


def print_costs(rows: list[dict[str, Any]]) -> None:
    teacher = next((row for row in rows if row["model"] == "teacher"), rows[0])
    head = ("model", "share of the teacher's mIoU-5", "parameters", "GMACs at 256²", "bytes")
    print("\n| " + " | ".join([*head, "ms at 256²", "ms at 512²", "times faster at 512²"]) + " |\n|" + "---|" * 8)
    for row in rows:
        faster = teacher["latency_512_ms"] / row["latency_512_ms"]
        cost = f"{row['parameters']:,} | {row['macs_256'] / 1e9:.2f} | {row['bytes']:,}"
        speed = f"{row['latency_256_ms']:.1f} | {row['latency_512_ms']:.1f} | {faster:.1f}"
        print(f"| {row['model']} | {row['miou5'] / teacher['miou5']:.1%} | {cost} | {speed} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DUBAI.folder())
    parser.add_argument("--split", default="val", choices=("train", "val", "test", "all"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = rows_for(scenes_of(args.data, args.split), args.threads)
    print(json.dumps(rows)) if args.json else print_tables(rows)


if __name__ == "__main__":
    main()
