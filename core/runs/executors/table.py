"""Which module carries out a run of each kind. To add a kind: a file here, a line here, and one in `RunKind`."""

import importlib

from core.runs.store.records import RunKind
from core.runs.worker.run_process import Execute

EXECUTORS = {
    RunKind.TRAINING: "core.runs.execution",
    RunKind.BENCHMARK: "core.runs.executors.benchmarking",
    RunKind.PREDICTION: "core.runs.executors.predicting",
    RunKind.COMBINATION: "core.runs.executors.merging",
    RunKind.SEARCH: "core.runs.executors.searching",
    RunKind.PSEUDO_MASKS: "core.runs.executors.pseudo_masking",
}
"""Each has `execute`, an `Execute`. Named and not imported: each brings torch, and a process needs one of them."""


def executor(kind: RunKind) -> Execute:
    """Import what carries out runs of a kind, which takes seconds."""
    execute: Execute = importlib.import_module(EXECUTORS[kind]).execute
    return execute
