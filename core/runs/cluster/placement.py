"""Which machine of a cluster a run is placed on, from what each has and what is in use. It starts nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

GPU, CPU = "cuda:0", "cpu"
"""The device of a run: it sees only the GPUs that it was given, so they count from 0 on every machine."""


@dataclass(frozen=True)
class Machine:
    """One machine of the cluster: all GPUs and processors that it has, and its host name."""

    id: str
    name: str
    gpus: int
    cpus: float


@dataclass(frozen=True)
class MachineShare:
    """What one run takes of one machine."""

    machine: Machine
    gpus: int
    cpus: float

    @property
    def device(self) -> str:
        return GPU if self.gpus else CPU


class ClusterSlots:
    """The slots of a cluster: one for each GPU, and one for each `cpus` processors of a machine without a GPU.

    A run of several devices takes its GPUs on one machine. When too few are free, the runs behind it wait until
    something is released: otherwise small runs would keep it from ever starting.
    """

    def __init__(self, *, cpus: float = 1.0) -> None:
        self._cpus = cpus
        self._machines: dict[str, Machine] = {}
        self._taken: list[MachineShare] = []
        self._blocked: set[str] = set()
        self._avoided: dict[str, float] = {}

    def avoid(self, machine: Machine, until: float) -> None:
        """Place nothing on a machine that lost a process, until then: the cluster may notice only later that it is
        gone, and a run must not be sent there again and again."""
        self._avoided[machine.id] = until
        self._machines.pop(machine.id, None)

    def update(self, machines: Iterable[Machine], now: float) -> None:
        """Set the machines that are there. `now`: seconds of a monotonic clock."""
        there = {one.id: one for one in machines if self._avoided.get(one.id, now) <= now}
        if there != self._machines:
            self._machines = there
            self._blocked.clear()

    def all(self) -> list[str]:
        """The device of every slot, in use or free."""
        return [device for machine in self._machines.values() for device in self._slots(machine, used=False)]

    def free(self) -> list[str]:
        """The devices that a run could have now, the better first; each once."""
        free = {device for machine in self._machines.values() for device in self._slots(machine, used=True)}
        return [device for device in (GPU, CPU) if device in free - self._blocked]

    def largest(self) -> int:
        """GPUs of the machine that has the most."""
        return max((machine.gpus for machine in self._machines.values()), default=0)

    def take(self, device: str, count: int) -> MachineShare | None:
        """Place a run of `count` devices, or None: then none is free until something changes."""
        gpus = count if device == GPU else 0
        fits = [one for one in self._machines.values() if self._has(one, gpus)]
        if not fits:
            self._blocked.add(device)
            return None
        # The fullest machine that fits: whole machines stay free for runs of many devices.
        machine = min(fits, key=lambda one: (one.gpus - self._used(one)[0], -self._used(one)[1]))
        placement = MachineShare(machine, gpus, self._cpus)
        self._taken.append(placement)
        return placement

    def release(self, placement: MachineShare) -> None:
        """Free a placement: its run is over."""
        self._taken = [one for one in self._taken if one is not placement]
        self._blocked.clear()

    def _has(self, machine: Machine, gpus: int) -> bool:
        used_gpus, used_cpus = self._used(machine)
        suits = machine.gpus - used_gpus >= gpus if gpus else not machine.gpus
        return suits and machine.cpus - used_cpus >= self._cpus

    def _slots(self, machine: Machine, *, used: bool) -> list[str]:
        gpus, cpus = self._used(machine) if used else (0, 0.0)
        by_cpus = int((machine.cpus - cpus) / self._cpus + 1e-9)
        return [GPU] * min(machine.gpus - gpus, by_cpus) if machine.gpus else [CPU] * by_cpus

    def _used(self, machine: Machine) -> tuple[int, float]:
        mine = [placement for placement in self._taken if placement.machine.id == machine.id]
        return sum(placement.gpus for placement in mine), sum(placement.cpus for placement in mine)
