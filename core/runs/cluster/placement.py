"""Where the runs of a cluster go: which machine has what is free for the next one. Numbers only; it starts nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

GPU, CPU = "cuda:0", "cpu"
"""What a run calls its device: it sees only the GPUs that it was given, so they count from 0 on every machine."""


@dataclass(frozen=True)
class Machine:
    """One machine of the cluster: what it has in all, and what people call it."""

    id: str
    name: str
    gpus: int
    cpus: float


@dataclass(frozen=True)
class Seat:
    """What one run takes of one machine."""

    machine: Machine
    gpus: int
    cpus: float

    @property
    def device(self) -> str:
        return GPU if self.gpus else CPU


class Seats:
    """All places of the cluster: one for each GPU, and on machines without one a place for each `cpus` processors.

    A run of several devices takes its GPUs on one machine. One that finds too few of them free keeps the others behind
    it waiting until something is given back, or small runs would keep it from ever starting.
    """

    def __init__(self, *, cpus: float = 1.0) -> None:
        self._cpus = cpus
        self._machines: dict[str, Machine] = {}
        self._taken: list[Seat] = []
        self._blocked: set[str] = set()
        self._doubted: dict[str, float] = {}

    def doubt(self, machine: Machine, until: float) -> None:
        """Offer nothing of a machine that lost a process, until then: the cluster may take a while to see that it is
        gone, and a run must not be sent there again and again."""
        self._doubted[machine.id] = until
        self._machines.pop(machine.id, None)

    def look(self, machines: Iterable[Machine], now: float) -> None:
        """These machines are there at this time (seconds, on any clock that only goes forward)."""
        there = {one.id: one for one in machines if self._doubted.get(one.id, now) <= now}
        if there != self._machines:
            self._machines = there
            self._blocked.clear()

    def all(self) -> list[str]:
        """Every place that there is, taken or free, by its device."""
        return [device for machine in self._machines.values() for device in self._places(machine, used=False)]

    def free(self) -> list[str]:
        """Devices that a run could have now, the better first; each is named once."""
        free = {device for machine in self._machines.values() for device in self._places(machine, used=True)}
        return [device for device in (GPU, CPU) if device in free - self._blocked]

    def largest(self) -> int:
        """GPUs of the machine that has the most."""
        return max((machine.gpus for machine in self._machines.values()), default=0)

    def take(self, device: str, count: int) -> Seat | None:
        """A place for a run of `count` devices, or None: then none is free until something changes."""
        gpus = count if device == GPU else 0
        fits = [one for one in self._machines.values() if self._has(one, gpus)]
        if not fits:
            self._blocked.add(device)
            return None
        # The fullest machine that fits: whole machines stay free for runs of many devices.
        machine = min(fits, key=lambda one: (one.gpus - self._used(one)[0], -self._used(one)[1]))
        seat = Seat(machine, gpus, self._cpus)
        self._taken.append(seat)
        return seat

    def give_back(self, seat: Seat) -> None:
        """Its run is over."""
        self._taken = [one for one in self._taken if one is not seat]
        self._blocked.clear()

    def _has(self, machine: Machine, gpus: int) -> bool:
        used_gpus, used_cpus = self._used(machine)
        suits = machine.gpus - used_gpus >= gpus if gpus else not machine.gpus
        return suits and machine.cpus - used_cpus >= self._cpus

    def _places(self, machine: Machine, *, used: bool) -> list[str]:
        gpus, cpus = self._used(machine) if used else (0, 0.0)
        by_cpus = int((machine.cpus - cpus) / self._cpus + 1e-9)
        return [GPU] * min(machine.gpus - gpus, by_cpus) if machine.gpus else [CPU] * by_cpus

    def _used(self, machine: Machine) -> tuple[int, float]:
        mine = [seat for seat in self._taken if seat.machine.id == machine.id]
        return sum(seat.gpus for seat in mine), sum(seat.cpus for seat in mine)
