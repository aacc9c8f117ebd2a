"""A prediction as a run: a visitor's pictures, one after another, into the folder that holds these pictures.

`report.json` in the run's folder says what came of each picture that is finished. An attempt that follows a killed one
goes on behind these. A picture that is refused does not stop the others.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import RunError
from core.events import Cancelled, CancelledError, OnProgress, Progress
from core.files import write_aside
from core.infer.batch import BatchPredictor, BatchRequest, Item
from core.runs.store.run_files import REPORT_FILE


def execute(job: dict[str, Any], folder: Path, *, emit: OnProgress, cancelled: Cancelled, runs: Path) -> dict[str, Any]:
    """Segment every item of `job`, JSON values of a `BatchRequest`; gives how many, and how many failed.

    Args:
        job: The settings of the run.
        folder: The run's folder, for the report.
        emit: Takes a `Progress` of the picture that is worked on.
        cancelled: Asked between windows; what is finished by then stays.
        runs: The folder of all runs.

    Raises:
        CheckpointError, ConfigError: A model that cannot be.
        RunError: The folder of the results is gone, or cannot be written to.
        CancelledError: It was stopped.
    """
    del runs
    request = BatchRequest.from_json(job)
    done = _finished(folder / REPORT_FILE)
    emit(Progress(0, 0, "Loading the model"))
    _require_there(request.items)
    predictor = BatchPredictor(request)
    try:
        for at, item in enumerate(request.items[len(done) :], start=len(done)):
            _write(folder, at, len(request.items), done)
            _require_there([item])
            if cancelled():
                raise CancelledError
            result = predictor.predict(item, progress=_named(item, emit), cancelled=cancelled)
            done.append(result.to_json())
        _write(folder, len(request.items), len(request.items), done)
    except OSError as error:
        raise RunError(f"The results cannot be written ({error.strerror or 'unknown'}): try again.") from error
    return {"pictures": len(done), "failed": sum(result["error"] is not None for result in done)}


def _named(item: Item, emit: OnProgress) -> Callable[[Progress], None]:
    emit(Progress(0, 0, item.name))
    return lambda now: emit(Progress(now.done, now.total, item.name))


def _require_there(items: "tuple[Item, ...] | list[Item]") -> None:
    """Folders that a visitor deleted are not made again. Raises `RunError`."""
    if any(not Path(item.stem).parent.is_dir() for item in items):
        raise RunError("The images were deleted before they were segmented: bring them again.")


def _write(folder: Path, at: int, of: int, results: list[dict[str, Any]]) -> None:
    text = json.dumps({"at": at, "of": of, "results": results})
    write_aside(folder / REPORT_FILE, lambda aside: aside.write_text(text, encoding="utf-8"))


def _finished(report: Path) -> list[dict[str, Any]]:
    """What an attempt before this one finished, as far as its files are still there."""
    try:
        results = json.loads(report.read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, KeyError):
        return []
    whole: list[dict[str, Any]] = []
    for result in results:
        if not all(Path(file).is_file() for file in result["files"]):
            break
        whole.append(result)
    return whole
