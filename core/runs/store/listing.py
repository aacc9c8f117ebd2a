"""Reading the list of runs: all of it, the queue, or one page of what people search for."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from core.runs.store.records import RunKind, RunPage, RunQuery, RunRecord, RunState
from core.runs.store.tables import QUEUE_ORDER, RUNS, read_settings, to_run


def all_runs(connection: Connection, states: Iterable[RunState] | None, kinds: Sequence[RunKind]) -> list[RunRecord]:
    """The runs of these kinds in these states (None: all), newest first."""
    query = select(RUNS).where(RUNS.c.kind.in_(kinds)).order_by(RUNS.c.sequence.desc())
    if states is not None:
        query = query.where(RUNS.c.state.in_(tuple(states)))
    return [to_run(row) for row in connection.execute(query)]


def queued_runs(connection: Connection, kinds: Sequence[RunKind]) -> list[RunRecord]:
    """The queued runs of these kinds, the next one first."""
    query = select(RUNS).where(RUNS.c.state == RunState.QUEUED, RUNS.c.kind.in_(kinds)).order_by(*QUEUE_ORDER)
    return [to_run(row) for row in connection.execute(query)]


def page_of_runs(connection: Connection, query: RunQuery) -> RunPage:
    """The runs that suit the query, without reading the others."""
    kind, suits = and_(RUNS.c.kind.in_(query.kinds), *_shown_to(query.viewer)), _conditions(query)
    wanted = select(RUNS).where(kind, *suits).order_by(RUNS.c.sequence.desc()).offset(query.first).limit(query.most)
    known = connection.scalars(select(func.count()).where(kind)).one()
    total = connection.scalars(select(func.count()).where(kind, *suits)).one() if suits else known
    records = [to_run(row) for row in connection.execute(wanted)]
    return RunPage(records, total, known, _controls_of(connection, [record.id for record in records]))


def _controls_of(connection: Connection, run_ids: Sequence[str]) -> dict[str, str]:
    """The newest control of each of these runs that has one."""
    query = select(RUNS).where(RUNS.c.control_of.in_(run_ids)).order_by(RUNS.c.sequence)
    # The column also names the run that trains a teacher; only settings tell these from controls.
    read = ((row.id, read_settings(row)[0].control_of) for row in connection.execute(query))
    return {controlled: run_id for run_id, controlled in read if controlled}


def private_runs(connection: Connection) -> dict[str, str]:
    """The runs of all kinds that are one person's alone: the name of their folder by the run's id."""
    query = select(RUNS.c.id, RUNS.c.owner).where(RUNS.c.owner != "", RUNS.c.shared.is_(False))
    return {row.id: row.owner for row in connection.execute(query)}


def _shown_to(viewer: str | None) -> list[ColumnElement[bool]]:
    """Everybody's runs and those of the viewer; None: all runs."""
    return [] if viewer is None else [or_(RUNS.c.owner.in_(("", viewer)), RUNS.c.shared)]


def waiting_kinds(connection: Connection) -> set[RunKind]:
    """The kinds of which a run is queued."""
    query = select(RUNS.c.kind).where(RUNS.c.state == RunState.QUEUED).distinct()
    return {RunKind(kind) for kind in connection.scalars(query)}


def _conditions(query: RunQuery) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.states:
        found.append(RUNS.c.state.in_(query.states))
    if query.ids is not None:
        found.append(RUNS.c.id.in_(query.ids))
    if text := query.text.strip():
        # `control_of` holds the first letters of a teacher's name; the settings hold all of them.
        whole = len(text) > RUNS.c.control_of.type.length  # type: ignore[attr-defined]
        columns = (RUNS.c.name, RUNS.c.id, RUNS.c.config if whole else RUNS.c.control_of)
        found.append(or_(*(column.icontains(text, autoescape=True) for column in columns)))
    return found
