"""What the store knows of a run and of a worker: plain frozen values. Pure Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.config import RunConfig

LAST_CHECKPOINT = "last.ckpt"
"""The folder inside a run's folder that holds everything needed to go on from."""


class RunState(StrEnum):
    """queued → running → done | failed | cancelled; a run that lost its worker goes from running back to queued."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens to the run unless a person retries or deletes it."""
        return self in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)


@dataclass(frozen=True)
class RunRecord:
    """One run as the store holds it. Times are Unix seconds; `progress` is a fraction from 0 to 1.

    `device` is the slot the run was given, or the device it asks for while it waits. `attempt` counts the claims and
    is the fencing token against earlier ones; `heartbeats` counts those of its process. `restarts` is how often it was
    requeued because its process died or sent no heartbeat for too long, `batch_reductions` how often its batch was
    reduced because memory ran out. `worker` names who holds it ("" when nobody does). `priority`: higher goes first; a
    pinned run is never pruned. `summary` is what `core.runs.execution.execute` gave back, empty until the run is done.
    `launched_by` is the key of the visitor who launched it ("" for the command line).
    """

    id: str
    name: str
    state: RunState
    config: RunConfig
    device: str
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    heartbeat_at: float | None = None
    error: str | None = None
    cancel_requested: bool = False
    attempt: int = 0
    heartbeats: int = 0
    restarts: int = 0
    batch_reductions: int = 0
    worker: str = ""
    priority: int = 0
    pinned: bool = False
    launched_by: str = ""
    progress: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerRecord:
    """One worker process: `device` lists its slots, separated by commas; times are Unix seconds.

    `memory` is what the processes of its runs take, in bytes. `born` is when it began, in ticks since the machine did:
    its process number may belong to another program by now. Both are 0 where the system does not report them.
    """

    id: str
    pid: int
    host: str
    device: str
    started_at: float
    heartbeat_at: float
    memory: int = 0
    born: int = 0


def choose_slot(wanted: str, free: Sequence[str]) -> str | None:
    """The first free slot that suits a run: `auto` takes any, `cuda` any `cuda:N`, another name only itself."""
    for slot in free:
        if wanted in ("auto", slot) or slot.startswith(f"{wanted}:"):
            return slot
    return None
