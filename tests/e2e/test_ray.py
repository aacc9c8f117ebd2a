"""A worker on a real Ray cluster of two node processes, one of which is killed while a run trains on it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core import paths
from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from core.runs.records import RunState
from core.runs.store import RunStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(420),
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="the processes of a node are found in /proc"),
]
EPOCHS = 30
PATIENCE = 150.0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head and a second node, a processor each."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
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
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()}
    except OSError:
        return {}
    for child in children:
        found |= tree(int(child))
    return found


def pictures(folder: Path) -> Path:
    """Three small scenes of two classes, in the flat layout."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(3):
        mask = np.zeros((64, 64), np.uint8)
        mask[:, 16 * number : 16 * number + 32] = 2
        image = np.where(mask[..., None] == 2, np.uint8(200), np.uint8(60)).repeat(3, axis=-1)
        Image.fromarray(image).save(folder / "images" / f"scene_{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"scene_{number}.png")
    return folder


def queue(store: RunStore, name: str, root: Path, epochs: int) -> str:
    data = DataConfig(dataset="folder", root=str(root), crop=32, views_per_epoch=32)
    train = TrainConfig(epochs=epochs, batch_size=4, device="cpu", precision="float32", validate_every=5)
    return store.add(RunConfig("train", name, data, ModelConfig("unet", {"base": 2}), train)).id


def log(store: RunStore, run_id: str) -> str:
    return (store.folder(run_id) / "log.txt").read_text()


def test_a_run_outlives_its_machine_and_another_is_cancelled(
    cluster: Any, store: RunStore, worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert worker.poll() is None
    root = pictures(tmp_path / "pictures")
    ids = [queue(store, name, root, 10_000) for name in ("first", "second")]
    until(lambda: all(store.has_checkpoint(run) for run in ids), "both runs train")
    assert [store.get(run).state for run in ids] == [RunState.RUNNING] * 2

    (node,) = cluster.worker_nodes
    lost = tree(node.all_processes["raylet"][0].process.pid)
    (victim,) = [run for run in ids if any(f"--execute {run}" in line for line in lost.values())]
    other = next(run for run in ids if run != victim)
    third = queue(store, "third", root, EPOCHS)
    for pid in lost:
        os.kill(pid, signal.SIGKILL)
    cluster.remove_node(node, allow_graceful=False)
    until(lambda: store.get(victim).state == RunState.QUEUED, "the run of the lost machine waits again")
    assert "was lost" in log(store, victim)
    assert store.get(other).state == RunState.RUNNING
    at_least = store.get(victim).progress

    store.request_cancel(other)
    assert until(lambda: store.get(other).state == RunState.CANCELLED, "the cancel") < 15
    until(lambda: store.get(victim).state == RunState.RUNNING, "the run goes on")
    until(lambda: store.get(victim).progress > at_least, "the run gets further")
    assert "Going on from epoch" in log(store, victim)
    assert (store.get(victim).attempt, store.get(victim).lapses) == (2, 1)
    store.request_cancel(victim)
    until(lambda: store.get(third).state.final, "the third run ends")
    done = store.get(third)
    assert (done.state, done.attempt) == (RunState.DONE, 1), log(store, third)
