"""From one version of the store's schema to the next, in the transaction that also sets the new version.

A version that is out in the world is never changed: a new one gets the next number and its statements here.
"""

from sqlalchemy import Connection, Table, inspect, text, update
from sqlalchemy.schema import CreateColumn

from core.runs.store.tables import RUNS, SCHEMA, WORKERS

_ADDED: dict[int, tuple[tuple[Table, tuple[str, ...]], ...]] = {
    6: ((RUNS, ("owner", "shared")),),
    5: ((RUNS, ("study", "role", "trial")),),
    4: ((RUNS, ("kind", "job")),),
    3: ((RUNS, ("launched_by",)),),
    2: ((RUNS, ("priority", "pinned", "beats", "narrowed")), (WORKERS, ("memory", "born"))),
}
"""By version: the columns that it added. Each has a default in the database, so that an older program goes on."""


def migrate(connection: Connection, version: int, wanted: int) -> None:
    """Bring a store of `version` to `wanted`. The transaction is the only writer (`Database.write(alone=True)`)."""
    for number in range(version + 1, wanted + 1):
        for table, names in _ADDED[number]:
            there = {column["name"] for column in inspect(connection).get_columns(table.name)}
            for name in names:
                if name not in there:
                    column = CreateColumn(table.c[name]).compile(dialect=connection.dialect)
                    connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column}"))
    for index in RUNS.indexes:
        index.create(connection, checkfirst=True)
    connection.execute(update(SCHEMA).values(version=wanted))
