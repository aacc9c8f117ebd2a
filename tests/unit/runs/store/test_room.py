"""The limit on waiting runs holds in the transaction that queues them, however many are queued at once."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.config import RunConfig
from core.errors import ConfigError, RunStateError
from core.paths import ROOT
from core.runs.store.run_store import RunStore
from tests.unit.runs.conftest import Clock

MOST = 5


def control(config: RunConfig, of: str) -> RunConfig:
    return config.as_control(of)


def test_as_many_get_in_as_fit_over_every_database(
    store_url: str, tmp_path: Path, config: RunConfig, clock: Clock
) -> None:
    gate, refused = threading.Barrier(6), []

    def launch() -> None:
        store = RunStore(store_url, home=tmp_path / "home", now=clock)
        gate.wait()
        try:
            store.add_all([config], control=control, most=MOST, launched_by="ann")
        except RunStateError as error:
            refused.append(str(error))
        store.close()

    threads = [threading.Thread(target=launch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = RunStore(store_url, home=tmp_path / "home", now=clock)
    queued = store.list()
    assert (len(queued), len(refused)) == (4, 4)
    assert {run.launched_by for run in queued} == {"ann"}
    assert sum(run.config.control_of is not None for run in queued) == 2
    assert len(list(store.home.glob("*/config.json"))) == 4
    store.close()


@pytest.mark.slow
def test_as_many_get_in_as_fit_from_several_processes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from core.config import RunConfig; from core.runs.store.run_store import RunStore\n"
        "from core.errors import RunStateError\n"
        "store = RunStore(home=Path(sys.argv[1])); config = RunConfig(kind='train', name='a run')\n"
        "for _ in range(10):\n"
        "    try: store.add_all([config], most=5)\n"
        "    except RunStateError: pass\n"
    )
    RunStore(home=tmp_path).close()
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT) for _ in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0] * 4
    assert len(RunStore(home=tmp_path).list()) == MOST


def test_all_are_queued_or_none_and_nothing_is_left_of_those(store: RunStore, config: RunConfig) -> None:
    bad = RunConfig(kind="train", name="x" * 100)
    with pytest.raises(ConfigError):
        store.add_all([config, bad], control=control)
    with pytest.raises(RunStateError, match="At most 2 runs wait"):
        store.add_all([config, config, config], most=2)
    assert store.list() == []
    assert list(store.home.glob("*/config.json")) == []


def test_several_are_tried_again_or_none(store: RunStore, config: RunConfig) -> None:
    ended = [store.add(config).id for _ in range(3)]
    for run_id in ended:
        store.request_cancel(run_id)
    with pytest.raises(RunStateError, match="At most 2"):
        store.retry_all(ended, most=2)
    assert store.queue() == []
    assert len(store.retry_all(ended[:2], most=2)) == 2
