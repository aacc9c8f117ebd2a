"""The worker of a cluster: it takes runs from the store as any worker does, and places each on a machine of its own.

`python -m core worker --engine ray` starts one, anywhere from where the store and the run folders can be reached. All
that it knows stands in the store: when it is lost its runs give themselves back, and another goes on.
"""

import os
import signal
from typing import Any

from core import paths
from core.errors import RunStateError
from core.runs.cluster.placement import GPU, Seat, Seats
from core.runs.cluster.ray_cluster import NO_START, Cluster, RemoteProcess
from core.runs.store.records import RunRecord
from core.runs.store.run_files import LineWriter
from core.runs.store.run_store import RunStore
from core.runs.worker.processes import Process, tell_slots
from core.runs.worker.worker import Child, Worker, say

_LOOK_SECONDS = 2.0
_BEAT_SECONDS = 5.0
_DOUBT_SECONDS = 60.0
"""How long nothing goes to a machine that lost a run: Ray takes up to half a minute to see that one is gone."""


class RayWorker(Worker):
    """Each GPU of the cluster is a slot, and `cpus` processors on each machine without one."""

    def __init__(self, store: RunStore, cluster: Cluster, *, cpus: float = 1.0, **options: Any) -> None:
        super().__init__(store, **options)
        self._cluster, self._seats = cluster, Seats(cpus=cpus)
        self._taken: dict[tuple[str, int], Seat] = {}
        self._looked_at = self._beaten_for = float("-inf")
        self.look()

    def look(self) -> None:
        """See which machines there are. Raises `RunError`."""
        self._seats.look(self._cluster.machines(), self._now())
        self.slots = self._seats.all()

    def run_once(self) -> None:
        """One turn, after a look at the cluster."""
        if self._now() - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = self._now()
            self.look()
        self._hold_waiting()
        super().run_once()

    def _hold_waiting(self) -> None:
        """A run that has no place yet, because others use the cluster as well, is not silent: it waits."""
        if self._now() - self._beaten_for < _BEAT_SECONDS:
            return
        self._beaten_for = self._now()
        for child in self._children:
            if isinstance(child.process, RemoteProcess) and child.process.waits and self._held(child):
                run = child.record
                self.store.heartbeat(run.id, self.id, run.progress, attempt=run.attempt)

    def _free(self) -> list[str]:
        return self._seats.free()

    def _start(self, record: RunRecord) -> None:
        """Find a machine for a claimed run: or put it back until one is free, or fail it where none is large enough."""
        devices = record.config.train.devices
        if record.device == GPU and devices > self._seats.largest():
            words = f"It wants {devices} GPUs of one machine, and the largest here has {self._seats.largest()}: "
            self.store.fail(record.id, self.id, f"{words}choose fewer devices.", attempt=record.attempt)
            return
        seat = self._seats.take(record.device, devices)
        if seat is None:
            words = f"It waits for {devices} free GPUs on one machine."
            self.store.release(record.id, self.id, attempt=record.attempt, reason=words)
            return
        self._taken[_key(record)] = seat
        super()._start(record)
        self._settle()

    def _launch(self, record: RunRecord, log: LineWriter) -> Process:
        seat = self._taken[_key(record)]
        log(f"Goes to {seat.machine.name}.")
        return self._cluster.start(self._command(record)[1:], log.path, seat)

    def _bury(self) -> None:
        super()._bury()
        self._settle()

    def _settle(self) -> None:
        """Free the places of processes that are no more."""
        for key in self._taken.keys() - {_key(child.record) for child in self._children}:
            self._seats.give_back(self._taken.pop(key))

    def _tell_end(self, child: Child, code: int) -> None:
        process, run = child.process, child.record
        assert isinstance(process, RemoteProcess)
        if process.lost:
            self._seats.doubt(self._taken[_key(run)].machine, self._now() + _DOUBT_SECONDS)
        stopped = self._leaving or child.asked_at is not None
        if stopped or not (process.lost or code == NO_START):
            super()._tell_end(child, code)
            return
        if process.lost and not process.began:
            # Nothing has happened to the run: no lapse.
            words = f"The machine {process.machine} took no run."
            after = self.store.release(run.id, self.id, attempt=run.attempt, reason=words)
        else:
            words = f"The machine {process.machine} was lost, and the run's process with it."
            if code == NO_START:
                words = (
                    f"The machine {process.machine} could not start the run: it needs this project at {paths.ROOT}, "
                    f"and the folder {self.store.home} on a disk that all machines share."
                )
            after = self.store.abandon(run.id, self.id, words, attempt=run.attempt)
        self._say(f"Run {run.id}: {words} Now {after.state}.")
        child.log(f"{words} Now {after.state}.")


def _key(record: RunRecord) -> tuple[str, int]:
    return record.id, record.attempt


def serve(store: RunStore, *, address: str, cpus: float = 1.0, lock: int | None = None, **options: Any) -> int:
    """Serve the queue on the cluster until a signal; leaves at once when this machine has a worker.

    `options` are those of `Worker`. Raises `ConfigError` when no cluster answers.
    """
    cluster = Cluster(address)
    try:
        worker = RayWorker(store, cluster, cpus=cpus, **options)
        try:
            worker.enter(lock)
        except RunStateError as error:
            say(str(error))
            return 0
        # After the connection: Ray sets handlers of its own.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.ask_to_leave())
        say(f"The worker (process {os.getpid()}) serves {store.home} on Ray: {tell_slots(worker.slots) or 'nothing'}.")
        worker.loop()
    finally:
        cluster.close()
    return 0
