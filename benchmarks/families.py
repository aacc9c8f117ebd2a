"""The two student families beside each other: parameters, MACs, latency and the time of a training step, by base.

    python benchmarks/families.py [--bases 2 4 8 16] [--size 512] [--repeats 20] [--json]

One thread, one picture, float32 for the latency; batches of 16 views of 256², in the precision that training takes
here, for the step. The two families take turns, so that what else the machine does hits both.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.config import FAMILIES, ModelConfig
from core.device import autocast, autocast_dtype, describe
from core.losses.supervised import supervised
from core.models import build_model, count_macs, count_parameters
from core.train.compiling import keep_in_float32

CPU = torch.device("cpu")
_WARMUP = 2


def family(base: int) -> dict[str, nn.Module]:
    """A fresh model of each family."""
    built = {name: build_model(ModelConfig(name, {"base": base}), outputs=5) for name in FAMILIES}
    return {name: model.to(memory_format=torch.channels_last) for name, model in built.items()}


def forward_of(model: nn.Module, size: int) -> Callable[[], None]:
    image = torch.randn(1, 3, size, size).to(memory_format=torch.channels_last)

    def forward() -> None:
        with torch.inference_mode():
            model.eval()(image)

    return forward


def step_of(model: nn.Module, batch: int = 16, crop: int = 256) -> Callable[[], None]:
    """A labels-only training step, as a run does it but for the views and the schedule."""
    keep_in_float32(model)
    images = torch.randn(batch, 3, crop, crop).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 5, (batch, crop, crop))
    optimiser = torch.optim.AdamW(model.parameters(), foreach=True)

    def step() -> None:
        with autocast(CPU, autocast_dtype(CPU)):
            logits = model.train()(images)
        optimiser.zero_grad(set_to_none=True)
        sum(supervised(logits=logits, labels=labels, ignore_index=5, dice_share=0.5).values()).backward()
        optimiser.step()

    return step


def medians(works: dict[str, Callable[[], None]], repeats: int, label: str) -> dict[str, float]:
    """Milliseconds of each, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in tqdm(range(_WARMUP + repeats), desc=label, leave=False):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if turn >= _WARMUP:
                taken[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(times) for name, times in taken.items()}


def row(base: int, size: int, repeats: int) -> dict[str, Any]:
    models = family(base)
    latency = medians({name: forward_of(model, size) for name, model in models.items()}, repeats, f"base {base}")
    step = medians({name: step_of(model) for name, model in models.items()}, max(2, repeats // 4), f"base {base}, step")
    return {
        "base": base,
        **{name: _costs(model) | {"ms": latency[name], "step": step[name]} for name, model in models.items()},
        "latency_ratio": latency["unet"] / latency["compact"],
        "step_ratio": step["unet"] / step["compact"],
    }


def _costs(model: nn.Module) -> dict[str, int]:
    return {"parameters": count_parameters(model), "macs_256": count_macs(model)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = [row(base, args.size, args.repeats) for base in args.bases]
    if args.json:
        print(json.dumps({"device": describe(CPU), "size": args.size, "rows": rows}))
        return
    print(f"{describe(CPU)}, {args.size} x {args.size}\n")
    print("| base | family | parameters | M MACs at 256² | ms a picture | ms a training step | unet's latency / ours |")
    print("|---" * 7 + "|")
    for line in rows:
        for name in FAMILIES:
            it = line[name]
            ratio = f"{line['latency_ratio']:.2f}" if name == "compact" else ""
            figures = f"{it['parameters']:,} | {it['macs_256'] / 1e6:.0f} | {it['ms']:.1f} | {it['step']:.0f}"
            print(f"| {line['base']} | {name} | {figures} | {ratio} |")


if __name__ == "__main__":
    main()
