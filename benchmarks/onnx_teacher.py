"""What a step costs whose teacher is an ONNX file, beside the file's own forward pass and the student's own step.

`python benchmarks/onnx_teacher.py [--side 128] [--batch 8] [--steps 5]`; the ratio is the median over the steps, which
alternate. A teacher of U-Net 16 and a student of `compact` 4, one thread.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import torch

from core import checkpoint
from core.brought.found import ModelAnswers
from core.cards import resolve
from core.config import ModelConfig
from core.losses.objective import distillation_terms, total
from core.models import build_model
from core.models.external.importer import import_model
from core.normalise import Normaliser
from core.train.step import FrozenTeacher


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("side", 128), ("batch", 8), ("steps", 5)):
        options.add_argument(f"--{name}", type=int, default=default)
    args = options.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TERRASTILL_HOME"] = folder
        measure(Path(folder), side=args.side, batch=args.batch, steps=args.steps)


def exported(path: Path) -> Path:
    """A U-Net 16 as an ONNX file of any size."""
    network = build_model(ModelConfig("unet", {"base": 16}), outputs=5).eval()
    free = {0: "n", 2: "h", 3: "w"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 64, 64),),
            path,
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": free, "y": free},
        )
    return path


def measure(folder: Path, *, side: int, batch: int, steps: int) -> None:
    """Print seconds of each part and the ratio."""
    path = exported(folder / "teacher.onnx")
    names = ("a", "b", "c", "d", "e")
    import_model(path, "outside", ModelAnswers(classes=names, mean=(0.5,) * 3, std=(0.25,) * 3))
    loaded = checkpoint.load(resolve("outside"))
    teacher = FrozenTeacher(loaded.model, Normaliser.of_card(loaded.card, "cpu"), torch.float32)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    student = build_model(ModelConfig("compact", {"base": 4}), outputs=5)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), dtype=np.uint8))
    labels = torch.randint(0, 5, (batch, side, side))
    pixels = Normaliser.of_card(loaded.card, "cpu")(images).contiguous()

    def step(logits: torch.Tensor) -> None:
        terms = distillation_terms(
            student=student(pixels),
            teacher=logits,
            labels=labels,
            ignore_index=255,
            alpha=0.5,
            temperature=2.0,
            dice_share=0.0,
        )
        total(terms).backward()  # type: ignore[no-untyped-call]

    def timed(work: object) -> float:
        began = time.perf_counter()
        work()  # type: ignore[operator]
        return time.perf_counter() - began

    logits = teacher.output(images).logits
    step(logits)
    rows = [
        (
            timed(lambda: session.run(None, {"x": pixels.numpy()})),
            timed(lambda: step(logits)),
            timed(lambda: step(teacher.output(images).logits)),
        )
        for _ in range(steps)
    ]
    alone, own, both = (statistics.median(values) for values in zip(*rows, strict=True))
    ratio = statistics.median(both / (forward + student) for forward, student, both in rows)
    print(f"{batch} pictures of {side} x {side}, {steps} steps, medians in seconds:")
    print(f"  forward pass of the file {alone:.3f}, step of the student {own:.3f}, step with its teacher {both:.3f}")
    print(f"  ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
