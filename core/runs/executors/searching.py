"""A search as a run: it queues its trials as runs of their own, and leads them (core/search/head.py)."""

from pathlib import Path
from typing import Any

from core.events import Cancelled, OnProgress
from core.runs.store.records import RunRecord
from core.runs.store.studies import StudyStore


def execute(search: RunRecord, folder: Path, *, emit: OnProgress, cancelled: Cancelled, runs: Path) -> dict[str, Any]:
    """Lead the search whose run this process holds; gives the number of trials, and the winner's.

    Args:
        search: The run, as this process holds it.
        folder: The run's folder.
        emit: Takes how far the search is.
        cancelled: Asked between two looks at the trials.
        runs: The folder of all runs.

    Raises:
        ConfigError: No student meets the limits.
        RunError: No trial could be finished.
        CancelledError: It was stopped; its trials were too where a person stopped it.
    """
    from core.search.head import Head

    del folder
    store = StudyStore(home=runs)
    try:
        return Head(store, search, emit=emit, cancelled=cancelled).run()
    finally:
        store.close()
