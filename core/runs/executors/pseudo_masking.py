"""A dataset of pseudo-masks as a run: written aside, then put in its place under its name, with its owner."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config.pseudo_mask_order import PseudoMaskOrder
from core.data import named
from core.errors import RunError
from core.events import Cancelled, OnProgress, Progress
from core.infer.pseudo_masks import make_dataset

_RUN = "run"


def execute(job: dict[str, Any], folder: Path, *, emit: OnProgress, cancelled: Cancelled, runs: Path) -> dict[str, Any]:
    """Make the dataset of `job["order"]`, a `PseudoMaskOrder`, for `job["owner"]`; gives its name and its counts.

    Args:
        job: The settings of the run.
        folder: The run's folder; its name tells what an attempt before this one left aside.
        emit: Takes a `Progress` of the picture that is worked on.
        cancelled: Asked between windows; true stops the run, and nothing is kept.
        runs: The folder of all runs.

    Raises:
        ConfigError, CheckpointError, DataError: A model, a name or pictures that cannot be.
        RunError: The dataset cannot be written.
        CancelledError: It was stopped.
    """
    order = PseudoMaskOrder.from_json(job["order"])
    target = named.folder_of(order.name)
    if (kept := _made_before(target, folder.name)) is not None:
        return kept
    emit(Progress(0, 0, "Loading the model"))
    try:
        found = make_dataset(
            order,
            target,
            partial=partial_of(target, folder.name),
            owner={**job["owner"], _RUN: folder.name},
            runs=runs,
            progress=emit,
            cancelled=cancelled,
        )
    except OSError as error:
        raise RunError(f"The dataset cannot be written ({error.strerror or 'unknown'}): try again.") from error
    return {"dataset": order.name, **found.to_json()}


def partial_of(target: Path, run_id: str) -> Path:
    """Where a run prepares its dataset."""
    return target.with_name(f".{target.name}.{run_id}.part")


def _made_before(target: Path, run_id: str) -> dict[str, Any] | None:
    """What an earlier attempt of this run had finished when it was killed."""
    with suppress(OSError, ValueError):
        told = json.loads((target / named.OWNER_FILE).read_text(encoding="utf-8"))
        if told.get(_RUN) == run_id:
            return {"dataset": target.name, "pictures": told["pictures"], "masks": told["labelled"]}
    return None
