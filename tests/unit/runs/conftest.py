"""A store in a folder of its own, with a clock that the test moves; and the same store over each database there is."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from core.config import RunConfig
from core.runs.store.records import LAST_CHECKPOINT, RunRecord
from core.runs.store.run_store import RunStore
from tests import postgres

Url = Callable[[], str]


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[Url]:
    """Gives the URL of an empty PostgreSQL database each time, in one real server; skips where there is none."""
    if postgres.programs() is None:
        pytest.skip(postgres.MISSING)
    with postgres.server() as url:
        numbers = itertools.count()
        engine = create_engine(url, isolation_level="AUTOCOMMIT")

        def new() -> str:
            # A schema of its own is as empty as a database of its own, and sooner made.
            name = f"store_{next(numbers)}"
            with engine.connect() as connection:
                connection.execute(text(f"CREATE SCHEMA {name}"))
            return make_url(url).update_query_dict({"options": f"-csearch_path={name}"}).render_as_string()

        yield new
        engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that a store can lie in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    new: Url = request.getfixturevalue("new_postgres")
    return new()


@pytest.fixture
def any_store(store_url: str, tmp_path: Path, clock: Clock) -> Iterator[RunStore]:
    """The store over each kind of database: what a test asserts with it is part of the contract."""
    store = RunStore(store_url, home=tmp_path / "home", now=clock)
    yield store
    store.close()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> RunStore:
    return RunStore(home=tmp_path / "home", now=clock)


@pytest.fixture
def config() -> RunConfig:
    return RunConfig(kind="train", name="a run")


def claimed(store: RunStore, config: RunConfig) -> RunRecord:
    """A run that worker `w` holds."""
    store.add(config)
    record = store.claim("w", ["cpu"])
    assert record is not None
    return record


def miss_heartbeats(store: RunStore, run_id: str) -> RunRecord | None:
    """Reclaim a run, as an observer does that has seen no heartbeat since now."""
    return store.reclaim(store.get(run_id), "The run sent no heartbeat.")


def make_checkpoint(store: RunStore, run_id: str) -> None:
    """Leave what a run can go on from."""
    (store.folder(run_id) / LAST_CHECKPOINT).mkdir()
