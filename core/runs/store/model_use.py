"""Models that runs use: whose a run is by them, and what keeps a model from being deleted, renamed or taken back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from core.config import RunConfig
from core.errors import RunStateError
from core.model_owners import committees_with, known_name, models_used, one_owner, owners_of
from core.runs.store import listing
from core.runs.store.database import Database
from core.runs.store.records import JobRequest, RunKind, RunRecord, RunState
from core.runs.store.tables import RUNS, insert_run, read_settings


class ModelUse:
    """The part of the run store that knows of models below `home`."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database, self._home = database, home

    def insert(
        self,
        connection: Connection,
        run_id: str,
        config: RunConfig,
        now: float,
        *,
        job: JobRequest | None = None,
        **more: Any,
    ) -> RunRecord:
        """Add a queued run as `tables.insert_run`, which is whose models it uses."""
        owner = self._owner(connection, config, {} if job is None else job.settings)
        return insert_run(connection, run_id, config, now, job=job, owner=owner, **more)

    def share(self, run_ids: Sequence[str], shared: bool = True) -> None:
        """Show runs on models of one person to everybody, or to their owner alone again."""
        with self._database.write() as connection:
            connection.execute(update(RUNS).where(RUNS.c.id.in_(list(run_ids))).values(shared=shared))

    def private_runs(self) -> dict[str, str]:
        """The runs of all kinds that one person alone is shown: the name of their folder by the run's id."""
        with self._database.read() as connection:
            return listing.private_runs(connection)

    def require_unneeded(self, name: str, within: Connection | None = None) -> None:
        """Raises `RunStateError` while a committee has this model as a member, or a run that waits or works uses it.

        Args:
            name: Of the model, or the id of a run for its student.
            within: The transaction that deletes it. None: one of its own.
        """
        if within is not None:
            return self._require_unneeded(within, name)
        with self._database.read() as connection:
            return self._require_unneeded(connection, known_name(name, self._home))

    def _require_unneeded(self, connection: Connection, name: str) -> None:
        if found := committees_with(name, self._home):
            raise RunStateError(f"{name} is a member of the committee {found[0]}: delete the committee first.")
        active = select(RUNS).where(RUNS.c.state.in_((RunState.QUEUED, RunState.RUNNING)))
        for row in connection.execute(active):
            used = models_used(read_settings(row)[0], json.loads(row.job))
            if name in used or name in {known_name(one, self._home) for one in used}:
                called = _called(row.kind, row.name, private=bool(row.owner) and not row.shared)
                raise RunStateError(f"{called} uses {name}: cancel it, or wait until it has ended.")

    def _owner(self, connection: Connection, config: RunConfig, job: dict[str, Any]) -> str:
        """For `RunRecord.owner`; a control is whose the run is that it controls for."""

        def of_run(run_id: str) -> str:
            row = connection.execute(select(RUNS.c.owner, RUNS.c.shared).where(RUNS.c.id == run_id)).first()
            return "" if row is None or row.shared else str(row.owner)

        owners = {of_run(config.control_of)} - {""} if config.control_of else set()
        for name in dict.fromkeys(models_used(config, job)):
            owners |= owners_of(known_name(name, self._home), self._home, of_run)
        return one_owner(frozenset(owners))


def _called(kind: str, name: str, *, private: bool) -> str:
    """Names of what one person alone is shown are not told."""
    if private or kind in (RunKind.PREDICTION, RunKind.BENCHMARK):
        return f"A {kind} run that waits or works"
    return f"The {'search' if kind == RunKind.SEARCH else 'run'} {name}, which waits or works,"
