"""What a distillation step costs: beside its own parts, and beside torchdistill doing the same work.

    python benchmarks/distill_step.py [--teacher 16] [--student 4] [--batch 16] [--rounds 7] [--device auto] [--json]

Same views, same models, same loss (cross-entropy and soft targets) everywhere; each round takes one step of every kind
in turn, so that a busy machine slows all alike, and ratios are of medians. torchdistill runs its own loop as it comes:
float32, without a cache (it has none). Waiting for the loader, memory (each kind in a process of its own) and the
seconds of one and of two epochs are measured on the training loop itself.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import peer
from benchmarks.distillation import Bench
from core.device import describe

WARM = 3
BARS = {
    "uncached / (teacher + student alone)": ("at most", 1.05),
    "cached / student alone": ("at most", 1.15),
    "from pictures / student alone": ("at most", 1.15),
    "images a second, uncached / torchdistill": ("at least", 2.5),
    "images a second, cached / torchdistill": ("at least", 4.0),
    "share of the time that steps wait for views": ("at most", 0.03),
    "peak memory, distilling / (teacher + 1.3 x student alone)": ("at most", 1.0),
    "seconds of two epochs / twice one": ("at most", 1.05),
}


def step_seconds(bench: Bench, args: argparse.Namespace) -> dict[str, float]:
    """Median seconds of a step by kind."""
    kinds = bench.kinds()
    if args.peer:
        kinds["torchdistill"] = peer.steps(
            teacher=bench.teacher_model, student=bench.build(args.student), batches=bench.batches, device=bench.device
        )
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(WARM + args.rounds):
        batch = bench.batches[turn % len(bench.batches)]
        for name, step in kinds.items():
            seconds = bench.seconds(lambda step=step, batch=batch: step(batch))
            if turn >= WARM:
                taken[name].append(seconds)
        print(f"\rround {turn + 1} of {WARM + args.rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return {name: statistics.median(values) for name, values in taken.items()}


def loop_figures(bench: Bench, epoch_steps: int = 12) -> dict[str, float]:
    """Over the loader as training uses it: the share of the time that steps wait, and two epochs against one."""

    def epochs(count: int) -> tuple[float, float]:
        waited, started = 0.0, time.perf_counter()
        for _ in range(count):
            batches = iter(bench.epoch(epoch_steps * bench.batch_size))
            while True:
                asked = time.perf_counter()
                batch = next(batches, None)
                waited += time.perf_counter() - asked
                if batch is None:
                    break
                bench.alone.step(batch, None, 1e-4)
        bench.wait()
        return waited, time.perf_counter() - started

    epochs(1)
    _, once = epochs(1)
    waited, twice = epochs(2)
    return {
        "share of the time that steps wait for views": waited / twice,
        "seconds of two epochs / twice one": twice / (2 * once),
    }


def peak_megabytes(kind: str, args: argparse.Namespace) -> float:
    """Peak memory of a few steps of one kind above that of the models and views, in a process of its own."""
    command = [sys.executable, __file__, "--memory-of", kind, "--teacher", str(args.teacher), "--student"]
    command += [str(args.student), "--batch", str(args.batch), "--device", args.device]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def tell_memory(args: argparse.Namespace) -> None:
    args.compile = False
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, Path(folder))
        before = _peak(bench.device)
        steps = {
            "teacher forward": lambda batch: bench.teacher.output(batch.images),
            "student alone": lambda batch: bench.alone.step(batch, None, 1e-4),
            "uncached": lambda batch: bench.taught.step(batch, bench.teacher.output(batch.images), 1e-4),
        }
        for _ in range(3):
            steps[args.memory_of](bench.batches[0])
        print(_peak(bench.device) - before)


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def ratios(seconds: dict[str, float], loop: dict[str, float], memory: dict[str, float]) -> dict[str, float]:
    found = {
        "uncached / (teacher + student alone)": seconds["uncached"]
        / (seconds["teacher forward"] + seconds["student alone"]),
        "cached / student alone": seconds["cached"] / seconds["student alone"],
        "from pictures / student alone": seconds["from pictures"] / seconds["student alone"],
        "peak memory, distilling / (teacher + 1.3 x student alone)": memory["uncached"]
        / (memory["teacher forward"] + 1.3 * memory["student alone"]),
        **loop,
    }
    for kind in ("uncached", "cached"):
        if "torchdistill" in seconds:
            found[f"images a second, {kind} / torchdistill"] = seconds["torchdistill"] / seconds[kind]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=int, default=16, help="base of the teacher, a unet")
    parser.add_argument("--student", type=int, default=4, help="base of the student, a unet")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--no-peer", dest="peer", action="store_false", help="leave torchdistill out")
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="run our models as they are")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.memory_of:
        tell_memory(args)
        return
    memory = {kind: peak_megabytes(kind, args) for kind in ("teacher forward", "student alone", "uncached")}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, Path(folder))
        seconds = step_seconds(bench, args)
        found = ratios(seconds, loop_figures(bench), memory)
    if args.json:
        facts = {"device": describe(bench.device), "dtype": str(bench.dtype), "batch": args.batch}
        print(json.dumps(facts | {"seconds": seconds, "megabytes": memory, "ratios": found}))
        return
    _print(bench, args, seconds, memory, found)


def _print(
    bench: Bench, args: argparse.Namespace, seconds: dict[str, float], memory: dict[str, float], found: dict[str, float]
) -> None:
    print(f"unet {args.teacher} teaches unet {args.student}, batch {args.batch} of 256 x 256, {describe(bench.device)}")
    print(f"ours in {str(bench.dtype).removeprefix('torch.')}{', compiled' if bench.compiles else ''}\n")
    print(f"{'step':<18}{'seconds':>9}{'images/s':>10}{'peak MB':>10}")
    for name, taken in seconds.items():
        megabytes = f"{memory[name]:.0f}" if name in memory else ""
        print(f"{name:<18}{taken:>9.3f}{args.batch / taken:>10.1f}{megabytes:>10}")
    print()
    for name, value in found.items():
        word, bar = BARS[name]
        holds = value <= bar if word == "at most" else value >= bar
        print(f"{name:<60}{value:>7.2f}   {'holds' if holds else 'MISSED'} ({word} {bar})")


if __name__ == "__main__":
    main()
