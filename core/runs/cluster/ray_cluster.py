"""A Ray cluster: which machines there are, and a run's process on one of them.

Each run gets an actor on the machine that was chosen for it. The actor reserves the GPUs, starts the process that a
worker of that machine would start, and waits for it. Nothing of a run is kept in Ray, so that losing Ray loses nothing.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from core import paths
from core.errors import ConfigError, RunError
from core.out_of_memory import OUT_OF_MEMORY_EXIT, ExitWatch, mentions_out_of_memory
from core.runs.cluster.placement import Machine, MachineShare

NO_START = 127
"""The exit code of a process that could not be started where it was sent."""
_KILL_SECONDS = 5.0
_CONNECT_SECONDS = 10.0


class Cluster:
    """A connection to a running cluster. `address` as Ray has it: `auto`, `HOST:6379`."""

    def __init__(self, address: str = "auto") -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise ConfigError("The engine ray needs Ray on every machine: pip install ray.") from error
        self._ray = ray
        # The machines import this file, wherever Ray was started there.
        environment = {"env_vars": {"PYTHONPATH": str(paths.ROOT)}}
        try:
            _check_reachable(address)
            ray.init(
                address=address,
                runtime_env=environment,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"No Ray cluster answers at {address}: start one with ray start --head, or give its address."
            ) from error
        self._actor_class = ray.remote(ProcessActor)

    def machines(self) -> list[Machine]:
        """The machines that are there now. Raises `RunError` when the cluster does not answer."""
        try:
            nodes = self._ray.nodes()
        except self._ray.exceptions.RayError as error:
            raise RunError(f"The Ray cluster does not answer ({type(error).__name__}).") from error
        return [_machine(node) for node in nodes if node["Alive"]]

    def start(self, command: Sequence[str], log: Path, placement: MachineShare) -> "RemoteProcess":
        """Run Python with `command` on the machine of `placement`, with its GPUs; its output is added to `log`."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        place = NodeAffinitySchedulingStrategy(placement.machine.id, soft=False)
        options = {
            "num_cpus": placement.cpus,
            "num_gpus": placement.gpus,
            "max_concurrency": 3,
            "scheduling_strategy": place,
        }
        actor = self._actor_class.options(**options).remote()
        return RemoteProcess(self._ray, actor, list(command), log, placement.machine.name)

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self._ray.shutdown()


def _check_reachable(address: str) -> None:
    """Fail soon: Ray itself tries an unreachable host for minutes. Raises `OSError`."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def _machine(node: Mapping[str, Any]) -> Machine:
    has = node["Resources"]
    return Machine(node["NodeID"], node["NodeManagerHostname"], int(has.get("GPU", 0)), has.get("CPU", 0.0))


class RemoteProcess:
    """A run's process on a machine of the cluster.

    `lost`: it ended with its machine, and nobody knows how. `began`: whether Ray ever placed it there.
    """

    def __init__(self, ray: Any, actor: Any, command: list[str], log: Path, machine: str) -> None:
        self.machine, self.lost, self.began = machine, False, True
        self._ray, self._actor = ray, actor
        self._placed = actor.is_placed.remote()
        self._exit = actor.run.remote(command, str(log), _environment())
        self._code: int | None = None
        self._killed_at: float | None = None

    def poll(self) -> int | None:
        """The exit code; None while it works, or waits to be placed."""
        if self._code is None and self._is_ready(self._exit):
            try:
                self._code = int(self._ray.get(self._exit))
            except self._ray.exceptions.RayError as error:
                # Ray ends what takes too much memory of a machine, before its kernel does.
                short = mentions_out_of_memory(str(error))
                self._code, self.lost = (OUT_OF_MEMORY_EXIT, False) if short else (-signal.SIGKILL, True)
                self.began = self._was_placed()
            self._kill_actor()
        return self._code

    @property
    def waits(self) -> bool:
        """Whether Ray has not placed it yet: others use the cluster as well."""
        return self._code is None and not self._is_ready(self._placed)

    def terminate(self) -> None:
        """Ask it to stop; the answer is not waited for."""
        if self._code is None:
            self._actor.end.remote(int(signal.SIGTERM))

    def kill(self) -> None:
        """Kill it with all that it started; where that has no effect, the next call kills the actor."""
        if self.poll() is not None:
            return
        if self._killed_at is None:
            self._killed_at = time.monotonic()
            self._actor.end.remote(int(signal.SIGKILL))
        elif time.monotonic() - self._killed_at > _KILL_SECONDS:
            self._kill_actor()

    def memory(self) -> int:
        """Not known from here."""
        return 0

    def _was_placed(self) -> bool:
        try:
            self._ray.get(self._placed)
        except self._ray.exceptions.RayError:
            return False
        return True

    def _is_ready(self, answer: Any) -> bool:
        return bool(self._ray.wait([answer], timeout=0)[0])

    def _kill_actor(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor, no_restart=True)


class ProcessActor:
    """The actor on the machine of a run: starts its process, waits for it, and forwards signals."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = 0

    def is_placed(self) -> None:
        """Answers as soon as Ray has placed the actor."""

    def run(self, command: list[str], log: str, environment: dict[str, str]) -> int:
        """Run Python with `command`; gives its exit code."""
        if self._ended:
            return -self._ended
        watch = ExitWatch()
        try:
            with Path(log).open("ab") as output:
                self._process = subprocess.Popen(
                    [sys.executable, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd=paths.ROOT,
                    env={**os.environ, **environment},
                    start_new_session=True,
                )
        except OSError:
            return NO_START
        self._forward_signal()
        code = self._process.wait()
        return OUT_OF_MEMORY_EXIT if watch.ended_out_of_memory(code) else code

    def end(self, number: int) -> None:
        """Send a signal to the process; a kill reaches all that it started. One that has not begun never will."""
        self._ended = number
        self._forward_signal()

    def _forward_signal(self) -> None:
        """A signal may come in the very moment in which the process begins."""
        if not self._ended or self._process is None or self._process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if self._ended == signal.SIGKILL:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.send_signal(self._ended)


def _environment() -> dict[str, str]:
    """The variables that the process needs on another machine: the store's and the trackers'."""
    return {name: value for name, value in os.environ.items() if name.startswith(("TERRASTILL_", "MLFLOW_"))}
