"""The process that runs a brought model: `python -m core.brought.runner`, for `core.models.external.confined_network`.

It limits itself before it opens the model (`core.confinement`): memory, processor time, no file written, no network
where the kernel lets a process give that up. The first question says which model; each further one is a JSON line and
an array, and so is each answer, or `{"error": a sentence}`. `{"macs": a shape}` asks for the work of one pass.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.brought.kinds import FILE_KINDS, KINDS
from core.confinement import allow_seconds, answer, confine, leave_network, run
from core.errors import ModelError, PictureRefusedError
from core.imagery.limits import Limits
from core.out_of_memory import lacking, out_of_memory_as

Run = Callable[[NDArray[Any]], NDArray[np.float32]]
Count = Callable[[tuple[int, ...]], int]


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Open the model that the first line names, then answer until the questions end."""
    first = json.loads(questions.readline())
    limits = Limits(memory=first["memory"], seconds=first["seconds"])
    opening = _opener(first)
    leave_network()
    confine(limits.memory)
    allow_seconds(limits.seconds)
    try:
        with out_of_memory_as(ModelError(lacking("brought model"))):
            run, count = opening()
            answer(answers, {"ready": True})
            while line := questions.readline():
                allow_seconds(limits.seconds)
                told = json.loads(line)
                try:
                    if "macs" in told:
                        answer(answers, {"macs": count(tuple(told["macs"]))})
                    else:
                        run_one(run, told, questions, answers)
                except PictureRefusedError as error:
                    answer(answers, {"refused": str(error)})
    except ModelError as error:
        answer(answers, {"error": str(error)})


def run_one(run: Run, told: dict[str, Any], questions: BinaryIO, answers: BinaryIO) -> None:
    """Read one array, run the model on it, and give what it gives."""
    kind = np.dtype(told["type"])
    data = questions.read(int(np.prod(told["shape"])) * kind.itemsize)
    found = np.ascontiguousarray(run(np.frombuffer(data, kind).reshape(told["shape"])), np.float32)
    answer(answers, {"shape": found.shape})
    answers.write(found.data)
    answers.flush()


def _opener(first: dict[str, Any]) -> Callable[[], tuple[Run, Count]]:
    """What opens the model, to run it and to count its work. Libraries are imported now, before memory is counted."""
    folder, kind, threads = Path(first["folder"]), first["kind"], first["threads"]
    if kind in FILE_KINDS:
        opened, file = KINDS[kind].opener(), folder / first["network"]["file"]
        return lambda: (opened(file, threads=threads), partial(KINDS[kind].macs, file))
    import torch

    from core.models.external.torch_networks import TorchRun, build_here, imported

    imported(kind)
    torch.set_num_threads(max(1, threads))

    def opening() -> tuple[Run, Count]:
        run = TorchRun(build_here(folder, kind, first["network"]))
        return run, run.macs

    return opening


if __name__ == "__main__":
    run(serve)
