"""The process that runs a brought model: `python -m core.brought.runner`, for `core.models.external.confined_network`.

It limits itself before it opens the model (`core.imagery.child`): memory, processor time, no file written, no network
where the kernel lets a process give that up. The first question says which model; each further one is a JSON line and
an array, and so is each answer, or `{"error": a sentence}`.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError, PictureRefusedError
from core.imagery.child import allow_seconds, confine, leave_network
from core.imagery.limits import Limits
from core.out_of_memory import DECODING, is_out_of_memory, set_kill_priority

Run = Callable[[NDArray[Any]], NDArray[np.float32]]


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Open the model that the first line names, then answer until the questions end."""
    first = json.loads(questions.readline())
    limits = Limits(memory=first["memory"], seconds=first["seconds"])
    opening = _opener(first)
    leave_network()
    confine(limits)
    allow_seconds(limits.seconds)
    try:
        run = opening()
        _answer(answers, {"ready": True})
        while line := questions.readline():
            allow_seconds(limits.seconds)
            try:
                run_one(run, json.loads(line), questions, answers)
            except PictureRefusedError as error:
                _answer(answers, {"refused": str(error)})
    except ModelError as error:
        _answer(answers, {"error": str(error)})
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not is_out_of_memory(error):
            raise
        _answer(answers, {"error": "The model needs more memory than it may take here: bring a smaller one."})


def run_one(run: Run, told: dict[str, Any], questions: BinaryIO, answers: BinaryIO) -> None:
    """Read one array, run the model on it, and give what it gives."""
    kind = np.dtype(told["type"])
    data = questions.read(int(np.prod(told["shape"])) * kind.itemsize)
    found = np.ascontiguousarray(run(np.frombuffer(data, kind).reshape(told["shape"])), np.float32)
    _answer(answers, {"shape": found.shape})
    answers.write(found.data)
    answers.flush()


def _opener(first: dict[str, Any]) -> Callable[[], Run]:
    """What opens the model. Libraries are imported now, before memory is counted."""
    folder, kind, threads = Path(first["folder"]), first["kind"], first["threads"]
    if kind == "onnx":
        from core.brought.onnx_session import OnnxSession

        return lambda: OnnxSession(folder / first["network"]["file"], threads=threads)
    import torch

    from core.models.external.torch_networks import build_here, imported, run_of

    imported(kind)
    torch.set_num_threads(max(1, threads))
    return lambda: run_of(build_here(folder, kind, first["network"]))


def _answer(answers: BinaryIO, told: dict[str, Any]) -> None:
    answers.write(json.dumps(told).encode() + b"\n")
    answers.flush()


def main() -> None:
    set_kill_priority(DECODING)
    # What a library prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with suppress(BrokenPipeError):
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
