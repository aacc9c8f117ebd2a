"""A worker like the real one whose runs only count: `stub_worker.py serve HOME`, or `run HOME ID WORKER ATTEMPT`.

The name of a run says how it behaves: `count` counts to its number of epochs in small steps and resumes where its
checkpoint is, `crash` ends without a word, `refuse` raises an error that is meant for a person.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.config import RunConfig
from core.errors import DataError
from core.events import Cancelled, Emit, StepEvent
from core.runs.store.records import LAST_CHECKPOINT, RunRecord
from core.runs.store.run_files import atomic_write
from core.runs.store.run_store import RunStore
from core.runs.worker.command import serve
from core.runs.worker.run_process import hold, perform

STEP_SECONDS = 0.05


class StoppedError(Exception):
    """The count was told to stop; where it was lies in its checkpoint."""


def execute(
    config: RunConfig, folder: Path, *, emit: Emit, cancelled: Cancelled, runs: Path, resume: bool = True
) -> dict[str, Any]:
    if config.name == "crash":
        sys.stdout.write("about to fall\n")
        sys.stdout.flush()
        os._exit(3)
    if config.name == "refuse":
        raise DataError("There are no pictures in the folder: choose another.")
    mark = folder / LAST_CHECKPOINT / "step"
    first = int(mark.read_text()) if resume and mark.exists() else 0
    for step in range(first, config.train.epochs):
        if cancelled():
            raise StoppedError
        time.sleep(STEP_SECONDS)
        atomic_write(mark, str(step + 1).encode())
        emit(StepEvent(1, 1, step + 1, config.train.epochs, {"total": 1.0}, 1e-3, 20.0, 1.0))
    return {"began_at": first, "niceness": os.nice(0), "runs": str(runs)}


def _command(home: str, record: RunRecord) -> list[str]:
    return [sys.executable, __file__, "run", home, record.id, record.worker, str(record.attempt)]


def main(verb: str, home: str, *held: str) -> int:
    store = RunStore(home=Path(home))
    if verb == "serve":
        return serve(store, command=partial(_command, home), pause=0.1)
    run_id, worker, attempt = held
    perform(store, hold(store, run_id, worker, int(attempt)), execute=execute, stopped=StoppedError)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
