"""What the store knows of a run and of a worker: plain frozen values. Pure Python."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.config import RunConfig

LAST_CHECKPOINT = "last.ckpt"
"""The folder inside a run's folder that holds everything needed to go on from."""


class RunKind(StrEnum):
    """What a run does: an executor for each in core/runs/executors/, and slots of the worker that no other kind takes.

    A training run is shown to everybody who may look; those of `VISITOR_KINDS` to the visitor whose pictures they are
    made of alone.
    """

    TRAINING = "training"
    BENCHMARK = "benchmark"
    PREDICTION = "prediction"
    SEARCH = "search"
    PSEUDO_MASKS = "pseudo-masks"
    COMBINATION = "combination"

    @property
    def priority(self) -> int:
        """What a run of this kind begins with: somebody waits for those of `VISITOR_KINDS`."""
        return {RunKind.TRAINING: 0, RunKind.PREDICTION: 1000, RunKind.COMBINATION: 1000}.get(self, 500)

    @property
    def full(self) -> str:
        """What is said when too many of this kind wait, `{most}` being how many may."""
        return {
            RunKind.TRAINING: "At most {most} runs wait here at a time: cancel one, or come back later.",
            RunKind.BENCHMARK: "Another benchmark is running, and two would spoil each other: stop it, or wait for it.",
            RunKind.PREDICTION: "Many people are segmenting pictures now: try again in a few minutes.",
            RunKind.COMBINATION: "Many people are putting results together now: try again in a few minutes.",
            RunKind.SEARCH: "At most {most} searches go on here at a time: stop one, or wait for its end.",
            RunKind.PSEUDO_MASKS: "At most {most} datasets of pseudo-masks are made here at a time: try again later.",
        }[self]


VISITOR_KINDS = (RunKind.PREDICTION, RunKind.COMBINATION)
"""On a visitor's own pictures: segmenting them, and putting their results together. They go with the pictures."""
QUICK_KINDS = (*VISITOR_KINDS, RunKind.BENCHMARK, RunKind.SEARCH, RunKind.PSEUDO_MASKS)
"""Each has slots of its own on every machine, so that it never waits behind a training run. It runs on the machine
where it was queued: the pictures of a visitor lie there, a benchmark measures that machine, and so does a search before
it queues its trials, which are training runs."""
SEARCHES = 4
"""How many searches one machine leads at once; of the other quick kinds it does one at a time."""


MACHINE_WIDTH = 32
MACHINE = (platform.node() or "localhost")[:MACHINE_WIDTH]
"""This machine, as its slots for quick runs are called."""


@dataclass(frozen=True)
class StudyPart:
    """What a run is to a search: the search's name, its role and its number, which are unique together.

    `role` is `trial`, or once the search is over `winner` (trained again with a fresh seed) and its `control`. `facts`
    are JSON values: the settings that were drawn for it, and what the search has noted of it.
    """

    study: str
    role: str
    number: int
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobRequest:
    """A quick run to be queued: its kind, its settings as JSON values, what it is called, and where it runs."""

    kind: RunKind
    settings: dict[str, Any]
    name: str = ""
    machine: str = MACHINE


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
    `launched_by` is the key of the visitor who launched it ("" for the command line); of a prediction, the name of the
    folder that holds the visitor's pictures. `owner` is whose models it uses ("": everybody's), by the name of their
    folder: until they share it, nobody else is shown the run or its student. `config` are the settings of a training
    run; other kinds have theirs in `job`, as JSON values, and of `config` only the name counts. `part` says which
    search a run belongs to, if any.
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
    owner: str = ""
    shared: bool = False
    progress: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    kind: RunKind = RunKind.TRAINING
    job: dict[str, Any] = field(default_factory=dict)
    part: StudyPart | None = None

    @property
    def private_to(self) -> str:
        """Whose it is alone, by the name of their folder; "" for everybody's."""
        return "" if self.shared else self.owner


@dataclass(frozen=True)
class RunQuery:
    """Which runs of a long list are wanted: `most` of them, newest first, from number `first` (0: the newest).

    `text` stands somewhere in the name or the id of a run, of its teacher, or of the run that it controls; upper and
    lower case are the same. No `states` are all of them; `ids` None: any run, else only these. `viewer` is the folder
    of a visitor who asks, "" of one who cannot be known again: others' private runs are left out; None: none is.
    """

    text: str = ""
    states: tuple[RunState, ...] = ()
    first: int = 0
    most: int = 50
    kinds: tuple[RunKind, ...] = (RunKind.TRAINING,)
    ids: tuple[str, ...] | None = None
    viewer: str | None = None


@dataclass(frozen=True)
class RunPage:
    """Some runs of a long list. `total` is how many suit the query; `known` how many there are of these kinds.

    `controls` names the newest control of each of the records that has one.
    """

    records: list[RunRecord]
    total: int
    known: int
    controls: dict[str, str] = field(default_factory=dict)


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
