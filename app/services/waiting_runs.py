"""The runs that wait: where each stands, when it will probably start, and what moves it."""

import heapq
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.services import access, progress, run_settings
from app.services.access import Person
from app.services.runs import Run
from app.services.stores import open_store, training_run
from core.data.datasets import has_pictures
from core.errors import RunStateError
from core.runs.store.records import RunState
from core.runs.worker.processes import count_slots


@dataclass(frozen=True)
class Turn:
    """`position` counts from 1; `starts_in` seconds, None where nothing like a run before it has been timed."""

    position: int
    starts_in: float | None


def turns(known: Sequence[Run]) -> dict[str, Turn]:
    """The place of every waiting run. Raises `StoreError`."""
    store = open_store()
    by_id = {run.id: run for run in known}
    waiting = [by_id[record.id] for record in store.queue() if record.id in by_id]
    slots = sum(count_slots(worker.device) for worker in store.workers()) or 1
    left = {run.id: time_left(run, known) for run in known if run.state == "running"}
    starts = forecast(waiting, left, {run.id: expected_seconds(run, by_id) for run in waiting}, slots=slots)
    return {run.id: Turn(place, starts[run.id]) for place, run in enumerate(waiting, start=1)}


def forecast(
    waiting: Sequence[Run], left: Mapping[str, float | None], needs: Mapping[str, float | None], *, slots: int
) -> dict[str, float | None]:
    """In how many seconds each starts, when `slots` runs go on at once.

    `left` are the seconds of the runs under way, `needs` those of the waiting ones; None is not known, and makes all
    that comes behind it unknown too.
    """
    ends: dict[str, float] = {name: _INFINITE if seconds is None else seconds for name, seconds in left.items()}
    free = sorted(ends.values())[-slots:]
    free = [0.0] * (slots - len(free)) + free
    heapq.heapify(free)
    starts: dict[str, float | None] = {}
    for run in waiting:
        start = max(heapq.heappop(free), ends.get(run.control_of or run.teacher or "", 0.0))
        need = needs[run.id]
        ends[run.id] = start + (_INFINITE if need is None else need)
        heapq.heappush(free, ends[run.id])
        starts[run.id] = None if start == _INFINITE else start
    return starts


_INFINITE = float("inf")


def time_left(run: Run, known: Iterable[Run]) -> float | None:
    """Seconds until a running run is done: its own estimate, else by its share that is done."""
    said = progress.read_progress(run.id).seconds_left
    if said is not None:
        return said
    need = expected_seconds(run, {other.id: other for other in known})
    return None if need is None else need * (1 - run.progress)


def expected_seconds(run: Run, known: Mapping[str, Run]) -> float | None:
    """How long a run will train, by finished ones: with the same settings, else with the same student and data, by the
    epoch. A control trains as long as the run it controls for."""
    if run.control_of:
        partner = known.get(run.control_of)
        return None if partner is None else partner.train_seconds or expected_seconds(partner, known)
    done = [other for other in known.values() if other.state == "done" and other.train_seconds]
    same = [other.train_seconds or 0.0 for other in done if other.settings_key == run.settings_key]
    if same:
        return statistics.median(same)
    alike = [
        (other.train_seconds or 0.0) / other.config.train.epochs * run.config.train.epochs
        for other in done
        if _work(other) == _work(run) and not other.control_of
    ]
    return statistics.median(alike) if alike else None


def _work(run: Run) -> tuple[str, str, str]:
    """What makes epochs of two runs take about as long."""
    return run.config.kind, run.student, run.config.data.dataset


def move_to_front(run_id: str, who: Person) -> None:
    """Put a waiting run before all others; a control follows the run it controls for.

    Raises `RunError`, also when this person may not launch.
    """
    access.require(who, "launch")
    store, _ = open_store(), training_run(run_id, who.folder)
    moved = store.prioritise(run_id)
    for record in store.list([RunState.QUEUED]):
        if record.config.control_of == run_id:
            store.prioritise(record.id, moved.priority)


def copy_link(run_id: str, owner: str | None = None) -> dict[str, str]:
    """The link to Distill with the settings of this run but its losses; of a control, those of the run it controls for.

    Raises `RunStateError` for a run that the form cannot hold, `DatasetNotFoundError` for pictures of a folder that is
    not opened.
    """
    store, config = open_store(), training_run(run_id, owner).config
    if config.control_of:
        config = store.get(config.control_of).config
    if not run_settings.fits_form(config):
        raise RunStateError("This run was started from the command line with settings that the form does not have.")
    root, transfer = config.data.root, config.data.transfer
    shown = {"root": access.below_opened(root) if root else None}
    if transfer and not has_pictures(transfer):
        shown |= {"transfer": access.below_opened(transfer)}
    link = run_settings.to_link(run_settings.with_values(config, shown))
    return link | {"name": f"{config.name[:64]}, copy"}
