"""The process that runs a brought model: `python -m core.brought.runner`, for `core.models.external.confined_network`.

It limits itself before it opens the model (`core.confinement`): memory, processor time, no file written, no network
where the kernel lets a process give that up. The first question says which model; each further one is a JSON line and
an array, and so is each answer, or `{"error": a sentence}`.
"""

import json
from collections.abc import Callable
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
            run = opening()
            answer(answers, {"ready": True})
            while line := questions.readline():
                allow_seconds(limits.seconds)
                try:
                    run_one(run, json.loads(line), questions, answers)
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


def _opener(first: dict[str, Any]) -> Callable[[], Run]:
    """What opens the model. Libraries are imported now, before memory is counted."""
    folder, kind, threads = Path(first["folder"]), first["kind"], first["threads"]
    if kind in FILE_KINDS:
        opened = KINDS[kind].opener()
        return lambda: opened(folder / first["network"]["file"], threads=threads)
    import torch

    from core.models.external.torch_networks import build_here, imported, run_of

    imported(kind)
    torch.set_num_threads(max(1, threads))
    return lambda: run_of(build_here(folder, kind, first["network"]))


if __name__ == "__main__":
    run(serve)
