"""A worker on a real Ray cluster of two node processes: a search on both, and one that is killed while a run trains."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reliability.kit import pictures
from core import paths
from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from core.runs.recorder import read_events, read_metrics
from core.runs.store.records import JobRequest, RunKind, RunState
from core.runs.store.run_store import RunStore
from core.runs.store.studies import StudyStore
from core.search.space import Axis
from core.search.study_plan import SearchPlan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="the processes of a node are found in /proc"),
]
EPOCHS, EVERY, VIEWS, BATCH = 40, 5, 32, 4
TRIALS = 4
PATIENCE = 300.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and a second node, a processor each. The test that kills a node is the last."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray's own 15 would starve a run while it imports torch on a busy machine; a run lowers its priority itself.
        patch.setenv("RAY_worker_niceness", "0")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args=node())
        try:
            made.add_node(**node())
            yield made
        finally:
            made.shutdown()


def node() -> dict[str, Any]:
    """Settings of a small node. Ray gives its helpers 15 seconds to say which ports they took, unless they are told."""
    names = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port", "runtime_env_agent_port")
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    return {"num_cpus": 1, "object_store_memory": 80_000_000, "include_dashboard": False, **ports}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(home=tmp_path / "home")


@pytest.fixture
def worker(store: RunStore, cluster: Any) -> Iterator[subprocess.Popen[str]]:
    """`python -m core worker --engine ray`, as a person starts it."""
    command = [sys.executable, "-m", "core", "worker", "--engine", "ray", "--address", cluster.address]
    environment = {**os.environ, "TERRASTILL_HOME": str(store.home), "TERRASTILL_TENSORBOARD": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=paths.ROOT, env=environment
    )
    yield process
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said


def until(seen: Callable[[], object], what: str) -> float:
    """Wait for something; gives the seconds it took."""
    began = time.monotonic()
    while not seen():
        assert time.monotonic() - began < PATIENCE, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began


def tree(pid: int) -> dict[int, str]:
    """A process with all below it, each with its command line."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = " ".join((thread / "children").read_text() for thread in threads).split()
        found = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()}
    except OSError:
        return {}
    for child in children:
        found |= tree(int(child))
    return found


def config(name: str, root: Path, *, epochs: int = EPOCHS) -> RunConfig:
    data = DataConfig(dataset="folder", root=str(root), crop=32, views_per_epoch=VIEWS)
    train = TrainConfig(epochs=epochs, batch_size=BATCH, device="cpu", precision="float32", validate_every=EVERY)
    return RunConfig("train", name, data, ModelConfig("unet", {"base": 2}), train)


def queue(store: RunStore, name: str, root: Path) -> str:
    return store.add(config(name, root)).id


def log(store: RunStore, run_id: str) -> str:
    return (store.folder(run_id) / "log.txt").read_text()


def starts(store: RunStore, run_id: str) -> int:
    """How often a process began to work on a run."""
    events, _ = read_events(store.folder(run_id) / "events.jsonl")
    return sum(event["type"] == "start" for event in events)


def curve(folder: Path) -> list[int]:
    """The steps that TensorBoard shows of a run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return [event.step for event in accumulator.Scalars("train/cross_entropy")]


def kill_machine(cluster: Any, node: Any) -> None:
    """What a power cut does: all that runs on a node is gone at once, the training process included."""
    for pid in tree(node.all_processes["raylet"][0].process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)


def on_nodes(cluster: Any) -> set[tuple[str, str]]:
    """The runs that train now, each with the node whose process trains it."""
    nodes = {one.node_id: tree(one.all_processes["raylet"][0].process.pid) for one in cluster.list_all_nodes()}
    texts = [(name, line.split()) for name, lines in nodes.items() for line in lines.values()]
    return {(name, words[words.index("--execute") + 1]) for name, words in texts if "--execute" in words}


def test_a_search_is_placed_on_both_nodes_and_loses_and_doubles_no_trial(
    cluster: Any, store: RunStore, worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    space = (Axis("learning_rate", low=0.001, high=0.02, log=True),)
    plan = SearchPlan(
        config("", pictures(tmp_path / "pictures"), epochs=EVERY), space, trials=TRIALS, prune=False, confirm=0
    )
    searches = StudyStore(home=store.home)
    searches.add_study(JobRequest(RunKind.SEARCH, {"plan": json.loads(json.dumps(plan.to_json()))}, "study"))
    seen: set[tuple[str, str]] = set()

    def over() -> bool:
        seen.update(on_nodes(cluster))
        return worker.poll() is not None or searches.study("study").state.final

    until(over, "the search ends")
    search, rows = searches.study("study"), searches.trials("study")
    assert search.state == RunState.DONE, log(store, search.id)
    assert [row.number for row in rows] == list(range(TRIALS))
    assert {(row.state, row.facts["told"]) for row in rows} == {(RunState.DONE, "done")}
    assert [(store.get(row.id).attempt, starts(store, row.id)) for row in rows] == [(1, 1)] * TRIALS
    assert all("Placed on" in log(store, row.id) for row in rows)
    assert sorted(run for _, run in seen) == sorted(row.id for row in rows)
    assert len({name for name, _ in seen}) == 2
    searches.close()


def test_a_run_outlives_its_machine_and_another_is_cancelled(
    cluster: Any, store: RunStore, worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    root = pictures(tmp_path / "pictures")
    ids = [queue(store, name, root) for name in ("first", "second")]
    until(lambda: worker.poll() is not None or all(store.has_checkpoint(run) for run in ids), "both runs train")
    assert [store.get(run).state for run in ids] == [RunState.RUNNING] * 2
    third = queue(store, "third", root)

    (node,) = cluster.worker_nodes
    lines = tree(node.all_processes["raylet"][0].process.pid).values()
    (victim,) = [run for run in ids if any(f"--execute {run}" in line for line in lines)]
    (other,) = [run for run in ids if run != victim]
    kill_machine(cluster, node)
    store.request_cancel(other)
    assert until(lambda: store.get(other).state == RunState.CANCELLED, "the cancel") < 15

    until(lambda: all(store.get(run).state.final for run in (victim, third)), "the runs that are left end")
    resumed, fresh = store.get(victim), store.get(third)
    assert (resumed.state, resumed.attempt, resumed.restarts) == (RunState.DONE, 2, 1), log(store, victim)
    assert (fresh.state, fresh.attempt, fresh.restarts) == (RunState.DONE, 1, 0), log(store, third)
    assert [starts(store, run) for run in (victim, other, third)] == [2, 1, 1]
    assert "was lost, and the run's process with it. Now queued." in log(store, victim)
    assert "Going on from epoch" in log(store, victim)
    for run in (victim, third):
        rows = read_metrics(store.folder(run) / "metrics.csv")
        assert [int(row["epoch"]) for row in rows] == list(range(EVERY, EPOCHS + 1, EVERY))
        assert (store.folder(run) / "student.safetensors").is_file()
    steps = curve(store.folder(victim) / "tb")
    assert steps == sorted(set(steps))
    assert steps[-1] == EPOCHS * VIEWS // BATCH
