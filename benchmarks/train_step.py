"""Seconds of one training step, by model, number format and compilation, in turns so that drift hits all alike.

    python benchmarks/train_step.py [--batch 16] [--repeats 3] [--models compact4 unet4 teacher] [--no-compile] [--json]

Forward, cross-entropy, backward and AdamW on random 256 x 256 pictures, channels last. On a processor without bfloat16
instructions the bfloat16 rows are emulated and slow; that is why `core.device` takes float32 there. *As trained* leaves
the depthwise convolutions that bfloat16 slows down in float32 (`core/train/compiling.py`).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.benchmark.runtimes import can_compile
from core.config import ModelConfig
from core.device import autocast, describe
from core.losses.supervised import cross_entropy
from core.models import build_model
from core.train.compiling import keep_in_float32

TEACHER = {"architecture": "Unet", "encoder": "tu-tf_efficientnet_lite0", "decoder_channels": [128, 64, 48, 32, 16]}
MODELS = {
    **{f"compact{base}": ModelConfig("compact", {"base": base}) for base in (2, 4, 8, 16)},
    **{f"unet{base}": ModelConfig("unet", {"base": base}) for base in (2, 4, 8, 16)},
    "teacher": ModelConfig("smp", TEACHER),
}
CPU = torch.device("cpu")


def step_of(
    config: ModelConfig, dtype: torch.dtype, compiled: bool, batch: int, *, kept: bool = False
) -> Callable[[], float]:
    """A function that takes one step and gives its seconds."""
    model: nn.Module = build_model(config, outputs=5).to(memory_format=torch.channels_last).train()
    if kept:
        keep_in_float32(model)
    forward = torch.compile(model) if compiled else model
    images = torch.randn(batch, 3, 256, 256).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 5, (batch, 256, 256))
    optimiser = torch.optim.AdamW(model.parameters(), foreach=True)

    def step() -> float:
        started = time.perf_counter()
        with autocast(CPU, dtype):
            logits = forward(images)
        optimiser.zero_grad()
        cross_entropy(logits=logits, labels=labels, ignore_index=5).backward()
        optimiser.step()
        return time.perf_counter() - started

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["compact4", "unet4", "unet16", "teacher"], choices=list(MODELS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="leave the compiled variants out")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    variants = [("float32", torch.float32, False, False), ("bfloat16", torch.bfloat16, False, False)]
    variants.append(("bfloat16, as trained", torch.bfloat16, False, True))
    if args.compile and can_compile(CPU.type):
        variants += [(f"{name} compiled", dtype, True, kept) for name, dtype, _, kept in (variants[0], variants[2])]
    steps = {
        (model, label): step_of(MODELS[model], dtype, compiled, args.batch, kept=kept)
        for model in args.models
        for label, dtype, compiled, kept in variants
    }
    seconds: dict[tuple[str, str], float] = {}
    for turn in range(args.repeats + 1):
        for key, step in steps.items():
            taken = step()
            if turn:
                seconds[key] = min(taken, seconds.get(key, taken))
    rows = [
        {
            "model": model,
            "variant": label,
            "seconds": round(taken, 3),
            "ratio": round(taken / seconds[model, "float32"], 2),
        }
        for (model, label), taken in seconds.items()
    ]
    if args.json:
        print(json.dumps({"device": describe(CPU), "batch": args.batch, "rows": rows}))
        return
    print(f"batch {args.batch} of 256 x 256 on {describe(CPU)}; the quickest of {args.repeats} steps, ratio to float32")
    for row in rows:
        print(f"{row['model']:<9} {row['variant']:<29} {row['seconds']:>7.3f} s  {row['ratio']:>5.2f}")


if __name__ == "__main__":
    main()
