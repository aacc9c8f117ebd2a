"""A second opinion on `python -m core benchmark`: the same files, timed by a loop of its own, and how far both agree.

`python benchmarks/latency.py --models student --teacher teacher` runs the benchmark, then times each of its files here:
PyTorch through the model's own forward pass, ONNX through a session opened here. Nothing of core/benchmark is imported.
Both clocks are compared: the wall's, and the processor's. Neither is free of others' work: two threads of one core slow
each other down. So PyTorch is timed here before the benchmark and after it; where these two differ as much as the bar
allows, the machine changed meanwhile, and the comparison says nothing.
"""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch

from core import checkpoint, paths

ROOT = Path(__file__).resolve().parent.parent
Pass = Callable[[], object]


def measured(models: list[str], teacher: str, runtimes: list[str], size: int, *, careful: bool) -> dict[str, Any]:
    """What the benchmark finds, one thread, batch of one."""
    command = [sys.executable, "-m", "core", "benchmark", "--json", "--no-cold", "--device", "cpu"]
    command += ["--teacher", teacher, "--model", *models, "--runtime", *runtimes, "--size", str(size)]
    command += [] if careful else ["--confidence", "0.1", "--seconds", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def torch_pass(model: str, pixels: np.ndarray) -> Pass:
    loaded = checkpoint.load(checkpoint.resolve(model))
    mean, std = (np.asarray(values, np.float32) for values in (loaded.card.mean, loaded.card.std))

    def run() -> object:
        with torch.no_grad():
            scaled = (torch.from_numpy(pixels).float() - torch.from_numpy(mean)) / torch.from_numpy(std)
            return loaded.model(scaled.permute(0, 3, 1, 2)).numpy()

    return run


def onnx_pass(model: str, runtime: str, pixels: np.ndarray) -> Pass:
    kind = "int8" if runtime == "onnx-int8" else "float32"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    (file,) = (paths.home() / "benchmarks" / "files").glob(f"{model}-{kind}-*.onnx")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": pixels})


def time_in_blocks(passes: dict[Any, Pass], *, blocks: int, each: int) -> dict[Any, tuple[float, float]]:
    """Milliseconds of wall and processor: blocks of `each` passes take turns, the first pass of a block is dropped."""
    wall: dict[Any, list[float]] = {key: [] for key in passes}
    processor: dict[Any, list[float]] = {key: [] for key in passes}
    gc.disable()
    for _ in range(blocks):
        for key, run in passes.items():
            run()
            for _ in range(each):
                begun, begun_cpu = time.perf_counter_ns(), time.process_time_ns()
                run()
                processor[key].append((time.process_time_ns() - begun_cpu) / 1e6)
                wall[key].append((time.perf_counter_ns() - begun) / 1e6)
    gc.enable()
    return {key: (median(wall[key]), median(processor[key])) for key in passes}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["student"])
    parser.add_argument("--teacher", default="teacher")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--within", type=float, default=0.10, help="largest deviation of the processor's time")
    parser.add_argument("--careful", action="store_true", help="the benchmark's usual precision instead of a quick one")
    args = parser.parse_args()
    torch.set_num_threads(1)
    runtimes = ["pytorch", "onnx", "onnx-int8"]
    pixels = np.random.default_rng(1).integers(0, 256, (1, args.size, args.size, 3), dtype=np.uint8)
    passes: dict[Any, Pass] = {(name, "pytorch"): torch_pass(name, pixels) for name in (args.teacher, *args.models)}
    before = time_in_blocks(passes, blocks=args.blocks, each=3)
    rows = measured(args.models, args.teacher, runtimes, args.size, careful=args.careful)["rows"]
    for row in rows:
        if row["runtime"] != "pytorch":
            passes[row["model"], row["runtime"]] = onnx_pass(row["model"], row["runtime"], pixels)
    here = time_in_blocks(passes, blocks=args.blocks, each=3)
    drift = max(abs(here[key][1] / cpu - 1) for key, (_, cpu) in before.items())
    print(f"processor's time of the same PyTorch passes, after the benchmark against before: {100 * drift:.1f} % apart")
    return compare(rows, here, args)


def compare(rows: list[dict[str, Any]], here: dict[Any, tuple[float, float]], args: argparse.Namespace) -> int:
    """Print both opinions and their deviation; 1 when the processor's time deviates too far anywhere."""
    reference = (args.teacher, rows[0]["runtime"])
    cpu_0 = next(row["cpu_ms"] for row in rows if row["model"] == args.teacher)
    heads = f"{'wall: benchmark, here':>26} {'processor: benchmark, here':>30} {'faster (processor)':>22}"
    print(f"{'model':<16} {'runtime':<10} {heads}")
    worst = 0.0
    for row in rows:
        wall, cpu = here[row["model"], row["runtime"]]
        off = cpu / row["cpu_ms"] - 1
        worst = max(worst, abs(off))
        walls = f"{row['p50_ms']:8.1f} {wall:8.1f} {100 * (wall / row['p50_ms'] - 1):+6.1f} %"
        cpus = f"{row['cpu_ms']:10.1f} {cpu:8.1f} {100 * off:+6.1f} %"
        ratios = f"{cpu_0 / row['cpu_ms']:8.2f}× {here[reference][1] / cpu:8.2f}×"
        print(f"{row['model']:<16} {row['runtime']:<10} {walls:>26} {cpus:>30} {ratios:>22}")
    print(f"largest deviation of the processor's time: {100 * worst:.1f} %, of {100 * args.within:.0f} % allowed")
    return 1 if worst > args.within else 0


if __name__ == "__main__":
    sys.exit(main())
