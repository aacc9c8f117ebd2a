"""A benchmark as a run: its plan is measured, and the result kept in the list of results under the run's id."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from core.benchmark import results
from core.benchmark.measure import run as measure
from core.benchmark.plan import Plan
from core.events import Cancelled, CancelledError, OnProgress


def execute(job: dict[str, Any], folder: Path, *, emit: OnProgress, cancelled: Cancelled, runs: Path) -> dict[str, Any]:
    """Measure `job["plan"]`, what `Plan.to_json` gave; gives the id of the result.

    Args:
        job: The settings of the run.
        folder: The run's folder; its name is the id of the result.
        emit: Takes a `Progress` before each step.
        cancelled: Asked between passes; true stops the run, and nothing is kept.
        runs: The folder of all runs, below which results and exported models lie.

    Raises:
        ConfigError, CheckpointError: A plan or a model that cannot be.
        CancelledError: It was stopped.
    """
    kept = runs / results.FOLDER
    plan = Plan.from_json(job["plan"])
    found = measure(plan, folder=kept / "files", emit=emit, cancelled=cancelled, benchmark_id=folder.name)
    if cancelled():
        raise CancelledError
    results.save(replace(found, owner=str(job.get("owner", ""))), into=kept)
    return {"result": found.id}
