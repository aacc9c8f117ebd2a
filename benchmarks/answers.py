"""What an answer of a model costs the app's server: the processor's time, and the memory that stays.

    python benchmarks/answers.py [--model teacher] [--repeats 5]

One shipped scene (1024²) is answered in a thread, as the server does it, in three processes that differ in two things:
whether freed memory is kept for the next layer and given back after the answer (`core/freed_memory.py`), and whether
batch normalisation is merged into the convolutions (`core/infer/fused.py`). The first answer is not counted. Seconds
are the median over all threads of a process; memory is what the process holds after the last answer.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

VARIANTS = {"as it was": (False, False), "memory kept": (True, False), "memory kept, merged": (True, True)}


def answer_in_threads(model: str, repeats: int, *, kept: bool, merged: bool) -> dict[str, float]:
    """Median seconds of the processor, and megabytes afterwards, in this process."""
    from core.freed_memory import give_back_freed_memory, keep_freed_memory

    if kept:
        keep_freed_memory()
    import psutil
    import torch

    from app.services import datasets
    from core import checkpoint
    from core.infer.fused import fused
    from core.infer.predict import predict
    from core.infer.tiling import WHOLE
    from core.normalise import Normaliser

    torch.set_num_threads(1)
    found = checkpoint.load(checkpoint.resolve(model))
    network = fused(found.model, len(found.card.bands)) if merged else found.model
    image, normaliser = datasets.load_scene(datasets.scene_names()[0]).image, Normaliser.of_card(found.card, "cpu")
    taken: list[float] = []
    for _ in range(1 + repeats):
        begun = time.process_time()
        thread = threading.Thread(
            target=predict, args=(network, image), kwargs={"normaliser": normaliser, "tile": WHOLE}
        )
        thread.start()
        thread.join()
        if kept:
            give_back_freed_memory()
        taken.append(time.process_time() - begun)
    return {"seconds": statistics.median(taken[1:]), "megabytes": psutil.Process().memory_info().rss / 1e6}


def measured(model: str, repeats: int, variant: str) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--model", model, "--repeats", str(repeats), "--variant", variant]
    told = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="teacher", help="which is asked (default: teacher)")
    parser.add_argument("--repeats", type=int, default=5, help="answers that count (default: 5)")
    parser.add_argument("--variant", choices=list(VARIANTS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.variant:
        kept, merged = VARIANTS[args.variant]
        print(json.dumps(answer_in_threads(args.model, args.repeats, kept=kept, merged=merged)))
        return
    first = 0.0
    print(f"{args.model:<22}{'seconds':>9}{'ratio':>7}{'MB':>8}")
    for variant in VARIANTS:
        found = measured(args.model, args.repeats, variant)
        first = first or found["seconds"]
        seconds, ratio = found["seconds"], found["seconds"] / first
        print(f"{variant:<22}{seconds:>9.3f}{ratio:>7.2f}{found['megabytes']:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
