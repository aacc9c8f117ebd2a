"""Runs as the app shows them, and what a person can do with them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache

from app.services import access, artifacts, own_datasets
from app.services.access import Person
from app.services.artifacts import architecture
from app.services.stores import is_shown, open_store, training_run
from core.config import RunConfig
from core.data.datasets import has_pictures
from core.errors import RunStateError
from core.runs.store.records import RunQuery, RunRecord, RunState
from core.runs.store.studies import TRIAL

ACTIVE = ("queued", "running")


@dataclass(frozen=True)
class Run:
    """One run as the pages show it. Times are Unix seconds, `progress` and the scores fractions from 0 to 1.

    `control` is the id of this run's control. Runs whose `settings_key` is the same differ in seed, name and device at
    most. `copyable`: the form of Distill can hold its settings. `owner` and `shared` are those of `RunRecord`.
    """

    id: str
    name: str
    state: str
    config: RunConfig
    progress: float
    device: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    error: str | None
    cancel_requested: bool
    control: str | None
    best_miou5: float | None
    teacher_miou5: float | None
    train_seconds: float | None
    collapsed: bool
    settings_key: str
    pinned: bool = False
    priority: int = 0
    copyable: bool = False
    test_miou5: float | None = None
    test_images: int | None = None
    teacher_test_miou5: float | None = None
    val_images: int | None = None
    leaks: bool = False
    owner: str = ""
    shared: bool = False

    @property
    def private_to(self) -> str:
        """Whose it is alone, by the name of their folder; "" for everybody's."""
        return "" if self.shared else self.owner

    @property
    def control_of(self) -> str | None:
        """The id of the run that this one is the control of."""
        return self.config.control_of

    @property
    def student(self) -> str:
        """What kind of network is trained, in words."""
        return architecture(self.config.model)

    @property
    def teacher(self) -> str | None:
        """The name of the teacher, None for a run on labels alone."""
        return self.config.distill.teacher if self.config.distill else None

    @property
    def seed(self) -> int:
        return self.config.train.seed

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


STATES = {
    "all": ("All", ()),
    "active": ("Waiting or running", (RunState.QUEUED, RunState.RUNNING)),
    "done": ("Done", (RunState.DONE,)),
    "ended": ("Failed or cancelled", (RunState.FAILED, RunState.CANCELLED)),
}
"""What the list can be narrowed to: a title, and the states of the store (none: all)."""
AT_ONCE = 50
"""Runs on one page of the list."""


@dataclass(frozen=True)
class RunList:
    """One page of the list. `total` runs suit what is searched for, of `known` in all; `pages` is 1 or more."""

    runs: list[Run]
    total: int
    known: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // AT_ONCE))


def find_runs(
    text: str = "", state: str = "all", *, page: int = 1, most: int | None = None, owner: str | None = None
) -> RunList:
    """The runs of this state whose name or id (or those of their teacher) hold `text`, newest first.

    `page` counts from 1 and holds `most` (None: `AT_ONCE`); one that is not there gives the last. Those on models that
    are another's alone than `owner`'s are left out, here and below (`stores.is_shown`). Raises `StoreError`.
    """
    most = AT_ONCE if most is None else most
    query = RunQuery(text, STATES[state][1], first=most * (page - 1), most=most, viewer=owner or "")
    found = open_store().page(query)
    if page > 1 and not found.records and found.total:
        found = open_store().page(replace(query, first=(found.total - 1) // most * most))
    made = [_run(record, found.controls.get(record.id)) for record in found.records]
    return RunList(made, found.total, found.known)


def some_runs(run_ids: Iterable[str], owner: str | None = None) -> list[Run]:
    """Those of these runs that are there, in this order. Raises `StoreError`."""
    ids = tuple(dict.fromkeys(run_ids))
    found = open_store().page(RunQuery(ids=ids, most=len(ids), viewer=owner or ""))
    by_id = {record.id: _run(record, found.controls.get(record.id)) for record in found.records}
    return [by_id[run_id] for run_id in ids if run_id in by_id]


def running_run(owner: str | None = None) -> Run | None:
    """The newest run that is under way. Raises `StoreError`."""
    records = [record for record in open_store().list([RunState.RUNNING]) if is_shown(record, owner)]
    return next(iter(some_runs((record.id for record in records[:1]), owner)), None)


def list_runs(owner: str | None = None) -> list[Run]:
    """Every run, newest first: for what is worked out over all of them. Raises `StoreError`."""
    return [run for run in every_run() if run.private_to in ("", owner)]


def every_run() -> list[Run]:
    """Those of everybody, for the queue: nothing of another's private run but its turn is shown to anybody."""
    records = open_store().list()
    controls = {record.config.control_of: record.id for record in reversed(records) if record.config.control_of}
    return [_run(record, controls.get(record.id)) for record in records]


def cancel(run_id: str, who: Person) -> None:
    """Stop a run, and with it a control that waits for it. Raises `RunError`, also when this person may not."""
    store = open_store()
    access.require(who, "cancel", launched_by=training_run(run_id, who.folder).launched_by)
    store.request_cancel(run_id)
    for record in store.list([RunState.QUEUED]):
        if record.config.control_of == run_id:
            store.request_cancel(record.id)


def retry(run_id: str, who: Person) -> None:
    """Queue a failed or cancelled run again, a distillation with its control. Raises `RunError`, as `launch` does.

    Raises `DatasetNotFoundError` and `CheckpointError` for what a visitor may not open.
    """
    store = open_store()
    config, known = training_run(run_id, who.folder).config, store.list()
    require_opened(config, who.folder)
    own_datasets.require_data(config.data, who.folder)
    if config.control_of and config.train.match_seconds is None:
        _require_unfinished(next((record for record in known if record.id == config.control_of), None))
    ended = (RunState.FAILED, RunState.CANCELLED)
    controls = [record.id for record in known if record.config.control_of == run_id and record.state in ended]
    with access.launching(who, 1 + len(controls)) as allowed:
        store.retry_all([run_id, *controls], most=allowed.waiting_runs)


def require_opened(config: RunConfig, owner: str | None) -> None:
    """A visitor may start what reads other folders and models than those that are offered here as little as name them.

    Raises `DatasetNotFoundError` and `CheckpointError`.
    """
    data = config.data
    if data.root:
        access.opened_path(data.root)
    if data.transfer and not has_pictures(data.transfer):
        access.opened_path(data.transfer)
    if config.model.weights_file is not None:
        access.opened_path(config.model.weights_file)
    teacher = config.distill.teacher if config.distill else None
    start = config.train.start_from
    begins = start in artifacts.starting_points(owner)
    artifacts.require_known(*(name for name in (teacher, None if begins else start) if name is not None), owner=owner)


def _require_unfinished(run: RunRecord | None) -> None:
    """A control trains as long as its distillation did: without that it would only fail."""
    if run is None:
        raise RunStateError("The run it controls for was deleted, and its training time with it: launch a new pair.")
    if run.state != RunState.DONE and (run.state not in ACTIVE_STATES or run.cancel_requested):
        raise RunStateError(f"The run it controls for, {run.name}, is not done: retry that run, and this one follows.")


def pin(run_id: str, pinned: bool, who: Person) -> None:
    """Keep a run from being pruned, or no longer. Raises `RunError`, also when this person may not launch."""
    access.require(who, "launch")
    training_run(run_id, who.folder)
    open_store().pin(run_id, pinned)


def share(run: Run, shared: bool, who: Person) -> None:
    """Show a run on models of one person, its student and its control to everybody, or to its owner alone again.

    Raises `RunNotFoundError` for another's, and `RunStateError` where it is taken back while its student is needed.
    """
    store, record = open_store(), training_run(run.id, who.folder)
    if not record.owner or record.owner != who.folder:
        raise RunStateError("Only whose model a run learnt from can share it: ask them.")
    partners = [one.id for one in store.list() if record.id in (one.id, one.config.control_of)]
    together = [*partners, *([record.config.control_of] if record.config.control_of else [])]
    for run_id in together if not shared else ():
        store.model_use.require_unneeded(run_id)
    store.model_use.share(together, shared)


def delete(run_id: str, who: Person) -> None:
    """Remove a run and all its files; its control stays. Raises `RunError` while it is running, or may not."""
    access.require(who, "delete")
    training_run(run_id, who.folder)
    store = open_store()
    if any(record.config.control_of == run_id for record in store.list(ACTIVE_STATES)):
        raise RunStateError("Its control has not finished: cancel or delete the control first.")
    store.delete(run_id)


ACTIVE_STATES = (RunState.QUEUED, RunState.RUNNING)


def _run(record: RunRecord, control: str | None) -> Run:
    config, summary = record.config, record.summary
    return Run(
        id=record.id,
        name=record.name,
        state=str(record.state),
        config=config,
        progress=record.progress,
        device=record.device,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        error=record.error,
        cancel_requested=record.cancel_requested,
        control=control,
        best_miou5=summary.get("best_miou5"),
        teacher_miou5=summary.get("teacher_miou5"),
        train_seconds=summary.get("train_seconds"),
        collapsed=bool(summary.get("collapsed")),
        settings_key=settings_key(config),
        pinned=record.pinned,
        priority=record.priority,
        # Nobody chooses a trial by its test score: it is shown of the winner alone, which is trained again.
        test_miou5=None if record.part is not None and record.part.role == TRIAL else summary.get("test_miou5"),
        test_images=summary.get("test_images"),
        teacher_test_miou5=summary.get("teacher_test_miou5"),
        val_images=summary.get("val_images"),
        leaks=bool(summary.get("leaks")),
        owner=record.owner,
        shared=record.shared,
        copyable=config.model.architecture == "compact"
        and (config.distill is not None or config.control_of is not None),
    )


def settings_key(config: RunConfig) -> str:
    """The same for two runs that differ in seed, name and device at most."""
    return _key(_Itself(config))


@dataclass(frozen=True, eq=False)
class _Itself:
    """Settings as a key: the store gives the very same object for a run again, and comparing all values is slow."""

    config: RunConfig

    def __hash__(self) -> int:
        return id(self.config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.config is self.config


@lru_cache(maxsize=4096)
def _key(same: _Itself) -> str:
    settings = asdict(same.config)
    del settings["name"], settings["control_of"], settings["trial_of"], settings["data"]["opened"]
    del settings["train"]["seed"], settings["train"]["device"]
    # Read back with every number a float: a weight of 1 is a weight of 1.0.
    plain = json.loads(json.dumps(settings), parse_int=float)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
