"""The store towards searches: a search is a run of its own kind, and each of its trials is a training run.

Besides the contract of `RunStore`:

- A search has a name that no other has. A run of it has a role and a number: no two runs of one search share both, so
  a trial that was queued cannot be queued again, whoever tries.
- What queues, notes, prunes or retries a trial takes the record of the search that its process holds, and works only as
  long as that attempt holds it and nobody has asked the search to stop: `RunStateError` otherwise. So a search's
  process that was taken for dead adds nothing.
- Each of these is one transaction. The number of restarts of a search counts from the last trial that it queued or
  noted: one that gets on is restarted as often as it is killed.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy.orm  # noqa: F401  (the search engine loads it: not while another thread asks the store)
from sqlalchemy import Connection, Select, func, select

from core.config import RunConfig
from core.errors import ConfigError, RunNotFoundError, RunStateError, TerrastillError
from core.runs.store.records import JobRequest, RunKind, RunRecord, RunState, StudyPart
from core.runs.store.run_files import announce_job, remove_folder
from core.runs.store.run_store import RunStore
from core.runs.store.tables import RUNS, change, end_run, find, insert_run, require_room, to_run

TRIAL, WINNER, CONTROL = "trial", "winner", "control"
_ACTIVE = (RunState.QUEUED, RunState.RUNNING)
_LENGTH = func.length(RUNS.c.job)
_FACTS = (
    *(RUNS.c.sequence, RUNS.c.id, RUNS.c.role, RUNS.c.trial, RUNS.c.state, RUNS.c.progress, RUNS.c.job),
    *(RUNS.c.summary, RUNS.c.error, RUNS.c.started_at, RUNS.c.finished_at, RUNS.c.control_of, RUNS.c.cancel_requested),
)


@dataclass(frozen=True)
class TrialRow:
    """One run of a search without its settings, which are long: `facts` is `StudyPart.facts`. Times: Unix seconds.

    `summary` is what the run gave, empty until it is done.
    """

    id: str
    role: str
    number: int
    state: RunState
    progress: float
    facts: dict[str, Any]
    summary: dict[str, Any]
    error: str | None
    started_at: float | None
    finished_at: float | None
    control_of: str | None = None
    cancel_requested: bool = False


class StudyStore(RunStore):
    """A `RunStore` that also knows searches."""

    @property
    def search_url(self) -> str:
        """Where the search engine keeps its own tables: in this PostgreSQL database, or a SQLite file beside ours."""
        url = self._database.url
        if url.get_backend_name() == "sqlite":
            return f"sqlite:///{self.home / 'searches.db'}"
        return url.render_as_string(hide_password=False)

    def add_study(self, job: JobRequest, *, most: int | None = None, launched_by: str = "") -> RunRecord:
        """Queue a search.

        Raises:
            ConfigError: For a name that cannot be shown in a line.
            RunStateError: For a name that is taken, or when more than `most` would go on.
        """
        if not (0 < len(job.name) <= 80 and job.name.isprintable() and job.name == job.name.strip()):
            raise ConfigError("A search is called by 1 to 80 letters, digits, signs and spaces between them.")
        with self._database.write(alone=True) as connection:
            require_room(connection, RunKind.SEARCH, 1, most)
            if connection.execute(_by_name(job.name)).first() is not None:
                raise RunStateError(f"There is a search {job.name} already: continue that one, or choose another name.")
            run_id = self._new_folder(json.dumps({"kind": job.kind, **job.settings}))
            config = RunConfig(kind="train", name=job.name)
            now = self._now()
            made = self.model_use.insert(connection, run_id, config, now, launched_by=launched_by, job=job)
        announce_job(self.home)
        return made

    def study(self, name: str) -> RunRecord:
        """The search of this name. Raises `RunNotFoundError`."""
        with self._database.read() as connection:
            row = connection.execute(_by_name(name)).first()
            if row is None:
                raise RunNotFoundError(f"There is no search {name}: `python -m core search list` names all.")
            return to_run(row)

    def studies(self) -> list[RunRecord]:
        """Every search, newest first."""
        return self.list(kinds=(RunKind.SEARCH,))

    def continue_study(self, name: str, settings: dict[str, Any]) -> RunRecord:
        """Queue a search again, with these settings. Raises `RunStateError` while it goes on."""
        with self._database.write() as connection:
            row = connection.execute(_by_name(name).with_for_update()).first()
            if row is None:
                raise RunNotFoundError(f"There is no search {name}: it may have been deleted.")
            if RunState(row.state) in _ACTIVE:
                raise RunStateError(f"The search {name} is {row.state}: stop it first, then continue with more.")
            change(connection, row.id, job=json.dumps(settings))
            if row.state == RunState.DONE:
                end_run(connection, row, RunState.CANCELLED, self._now(), summary="{}")
            after = self._retry(connection, row.id)
        announce_job(self.home)
        return after

    def add_trial(self, search: RunRecord, config: RunConfig, part: StudyPart) -> RunRecord:
        """Queue a run of a search; gives the one that is there where it was queued before. Raises `ConfigError`."""
        run_id = self._new_folder(config.validate().to_json())
        try:
            with self._holding(search) as connection:
                there = connection.execute(_runs_of(part.study, part.role).where(RUNS.c.trial == part.number)).first()
                if there is None:
                    by, owner = search.launched_by, search.private_to
                    made = insert_run(connection, run_id, config, self._now(), launched_by=by, part=part, owner=owner)
                    change(connection, search.id, lapses=0)
                    return made
        except TerrastillError:
            remove_folder(self.folder(run_id))
            raise
        remove_folder(self.folder(run_id))
        return to_run(there)

    def note_trial(self, search: RunRecord, run_id: str, facts: dict[str, Any], *, cancel: bool = False) -> RunRecord:
        """Add `facts` to those of a run of a search; `cancel` also asks it to stop, in the same transaction."""
        with self._holding(search) as connection:
            row = find(connection, run_id)
            change(connection, search.id, lapses=0)
            noted = change(connection, run_id, job=json.dumps({**json.loads(row.job), **facts}))
            if cancel and row.state == RunState.QUEUED:
                return end_run(connection, row, RunState.CANCELLED, self._now())
            if cancel and row.state == RunState.RUNNING:
                return change(connection, run_id, cancel_requested=True)
            return noted

    def retry_trial(self, search: RunRecord, run_id: str, facts: dict[str, Any]) -> RunRecord:
        """Queue a failed or cancelled run of a search again, and add `facts`; it goes on from its checkpoint."""
        with self._holding(search) as connection:
            row = find(connection, run_id)
            change(connection, run_id, job=json.dumps({**json.loads(row.job), **facts}))
            return self._retry(connection, run_id)

    def stop_study(self, name: str) -> None:
        """Ask a search to stop, and then its runs; what they have is kept, and the search can be continued."""
        search = self.study(name)
        if search.state in _ACTIVE:
            self.request_cancel(search.id)
        self.stop_trials(name)

    def stop_trials(self, name: str) -> None:
        """Ask all runs of a search to stop."""
        with self._database.read() as connection:
            active = select(RUNS.c.id).where(RUNS.c.study == name, RUNS.c.state.in_(_ACTIVE))
            ids = list(connection.scalars(active))
        for run_id in ids:
            try:
                self.request_cancel(run_id)
            except RunStateError:
                # It ended meanwhile.
                continue

    def delete_study(self, name: str) -> None:
        """Remove a search with all its runs. Raises `RunStateError` while one of them is running."""
        search = self.study(name)
        if search.state in _ACTIVE:
            raise RunStateError(f"The search {name} is {search.state}: stop it first, then delete it.")
        for row in self.trials(name):
            self.delete(row.id)
        self.delete(search.id)

    def trials(self, name: str) -> list[TrialRow]:
        """The runs of a search in the order in which they were queued."""
        return [row for _, row in self.trials_since(name)]

    def trial(self, run_id: str) -> TrialRow | None:
        """One run of a search; None where somebody deleted it."""
        with self._database.read() as connection:
            row = connection.execute(select(*_FACTS).where(RUNS.c.id == run_id)).first()
            return None if row is None else _to_trial(row)

    def trials_since(self, name: str, *, after: int = 0, ids: Sequence[str] = ()) -> list[tuple[int, TrialRow]]:
        """The runs queued `after` a place, and `ids`, each with its place, for who keeps what they have read."""
        wanted = (RUNS.c.sequence > after) | RUNS.c.id.in_(list(ids)) if ids else RUNS.c.sequence > after
        query = select(*_FACTS).where(RUNS.c.study == name, wanted).order_by(RUNS.c.sequence)
        with self._database.read() as connection:
            return [(row.sequence, _to_trial(row)) for row in connection.execute(query)]

    def study_version(self, name: str) -> tuple[str, ...]:
        """Changes when a search or the state of one of its runs does, or what is noted of it; not with heartbeats."""
        counts = func.count(), func.sum(RUNS.c.attempt), func.max(RUNS.c.finished_at), func.sum(func.length(RUNS.c.job))
        with self._database.read() as connection:
            runs = connection.execute(select(*counts).where(RUNS.c.study == name)).one()
            own = select(RUNS.c.id, RUNS.c.state, RUNS.c.attempt, RUNS.c.cancel_requested, RUNS.c.shared, _LENGTH)
            search = connection.execute(own.where(RUNS.c.kind == RunKind.SEARCH, RUNS.c.name == name)).first()
            return (*map(str, runs), *map(str, search or ()))

    @contextmanager
    def _holding(self, search: RunRecord) -> Iterator[Connection]:
        """A write transaction of the process that holds a search, which nobody has asked to stop."""
        with self._held(search.id, search.worker, search.attempt) as (connection, row):
            if row.cancel_requested:
                raise RunStateError(f"The search {row.name} was asked to stop.")
            yield connection


def _by_name(name: str) -> Select[Any]:
    return select(RUNS).where(RUNS.c.kind == RunKind.SEARCH, RUNS.c.name == name)


def _runs_of(study: str, role: str) -> Select[Any]:
    return select(RUNS).where(RUNS.c.study == study, RUNS.c.role == role)


def _to_trial(row: Any) -> TrialRow:
    return TrialRow(
        id=row.id,
        role=row.role,
        number=row.trial,
        state=RunState(row.state),
        progress=row.progress,
        facts=json.loads(row.job),
        summary=json.loads(row.summary),
        error=row.error,
        started_at=row.started_at,
        finished_at=row.finished_at,
        control_of=row.control_of,
        cancel_requested=row.cancel_requested,
    )
