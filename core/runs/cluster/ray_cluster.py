"""A Ray cluster as a place for processes: which machines there are, and a run's process on one of them.

Each run gets an actor on the machine that was chosen for it. The actor holds the GPUs, starts the very process that a
worker would start there, and waits for it; nothing of a run lies in Ray, so that what Ray loses costs nothing.
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
from core.runs.cluster.placement import Machine, Seat
from core.runs.out_of_memory import KILLED_SHORT, count_kernel_kills, ended_short, tells

NO_START = 127
"""The exit code of a process that could not be started where it was sent."""
_KILL_SECONDS = 5.0
_KNOCK_SECONDS = 10.0


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
            _knock(address)
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
        self._attendant = ray.remote(_Attendant)

    def machines(self) -> list[Machine]:
        """The machines that are there now. Raises `RunError` when the cluster does not answer."""
        try:
            nodes = self._ray.nodes()
        except self._ray.exceptions.RayError as error:
            raise RunError(f"The Ray cluster does not answer ({type(error).__name__}).") from error
        return [_machine(node) for node in nodes if node["Alive"]]

    def start(self, command: Sequence[str], log: Path, seat: Seat) -> "RemoteProcess":
        """Give `command` to Python on the machine of `seat`, with its GPUs; what it prints goes to the end of `log`."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        place = NodeAffinitySchedulingStrategy(seat.machine.id, soft=False)
        options = {"num_cpus": seat.cpus, "num_gpus": seat.gpus, "max_concurrency": 3, "scheduling_strategy": place}
        actor = self._attendant.options(**options).remote()
        return RemoteProcess(self._ray, actor, list(command), log, seat.machine.name)

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self._ray.shutdown()


def _knock(address: str) -> None:
    """Ray itself calls a host that is not there for minutes. Raises `OSError`."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()


def _machine(node: Mapping[str, Any]) -> Machine:
    has = node["Resources"]
    return Machine(node["NodeID"], node["NodeManagerHostname"], int(has.get("GPU", 0)), has.get("CPU", 0.0))


class RemoteProcess:
    """A run's process on a machine of the cluster.

    `lost`: it ended with its machine, and nobody knows how. `began`: whether it ever had its place there.
    """

    def __init__(self, ray: Any, actor: Any, command: list[str], log: Path, machine: str) -> None:
        self.machine, self.lost, self.began = machine, False, True
        self._ray, self._actor = ray, actor
        self._there = actor.is_there.remote()
        self._answer = actor.run.remote(command, str(log), _environment())
        self._code: int | None = None
        self._killed_at: float | None = None

    def poll(self) -> int | None:
        """How it ended; None while it works, or waits for its place."""
        if self._code is None and self._is_ready(self._answer):
            try:
                self._code = int(self._ray.get(self._answer))
            except self._ray.exceptions.RayError as error:
                # Ray ends what takes too much memory of a machine, before its kernel does.
                short = tells(str(error))
                self._code, self.lost = (KILLED_SHORT, False) if short else (-signal.SIGKILL, True)
                self.began = self._had_place()
            self._dismiss()
        return self._code

    @property
    def waits(self) -> bool:
        """Whether it has no place yet: others use the cluster as well."""
        return self._code is None and not self._is_ready(self._there)

    def terminate(self) -> None:
        """Ask it to stop; the answer is not waited for."""
        if self._code is None:
            self._actor.end.remote(int(signal.SIGTERM))

    def kill(self) -> None:
        """End it with all that it started; where that has no effect, the next call takes its place away."""
        if self.poll() is not None:
            return
        if self._killed_at is None:
            self._killed_at = time.monotonic()
            self._actor.end.remote(int(signal.SIGKILL))
        elif time.monotonic() - self._killed_at > _KILL_SECONDS:
            self._dismiss()

    def memory(self) -> int:
        """Not known from here."""
        return 0

    def _had_place(self) -> bool:
        try:
            self._ray.get(self._there)
        except self._ray.exceptions.RayError:
            return False
        return True

    def _is_ready(self, answer: Any) -> bool:
        return bool(self._ray.wait([answer], timeout=0)[0])

    def _dismiss(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor, no_restart=True)


class _Attendant:
    """On the machine of a run: starts its process, waits for it, and passes signals on."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = 0

    def is_there(self) -> None:
        """Answers as soon as the place is taken."""

    def run(self, command: list[str], log: str, environment: dict[str, str]) -> int:
        """The exit code of what this machine's Python was given."""
        if self._ended:
            return -self._ended
        kernel_kills = count_kernel_kills()
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
        self._pass_on()
        code = self._process.wait()
        return KILLED_SHORT if ended_short(code, (), kernel_kills=count_kernel_kills() - kernel_kills) else code

    def end(self, number: int) -> None:
        """Send a signal to the process; a kill reaches all that it started. One that has not begun never will."""
        self._ended = number
        self._pass_on()

    def _pass_on(self) -> None:
        """A signal may come in the very moment in which the process begins."""
        if not self._ended or self._process is None or self._process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            if self._ended == signal.SIGKILL:
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.send_signal(self._ended)


def _environment() -> dict[str, str]:
    """What the process must know that its machine does not: the store, and what the person wants to be told."""
    return {name: value for name, value in os.environ.items() if name.startswith(("TERRASTILL_", "MLFLOW_"))}
