"""The worker of a cluster: it claims runs as any worker does, and places each on a machine of the cluster.

`python -m core worker --engine ray` starts one, anywhere from where the store and the run folders can be reached. All
that it knows is in the store: when it is lost, its runs return to the queue, and another worker continues.
"""

import os
import signal
from typing import Any

from core import paths
from core.errors import RunStateError
from core.runs.cluster.placement import GPU, ClusterSlots, MachineShare
from core.runs.cluster.ray_cluster import NO_START, Cluster, RemoteProcess
from core.runs.store.records import QUICK_KINDS, RunKind, RunRecord
from core.runs.store.run_files import LineWriter
from core.runs.store.run_store import RunStore
from core.runs.worker.processes import Process, format_slots
from core.runs.worker.queue_worker import Child, Worker, print_line

_REFRESH_SECONDS = 2.0
_HEARTBEAT_SECONDS = 5.0
_AVOID_SECONDS = 60.0
"""How long nothing is placed on a machine that lost a run: Ray takes up to half a minute to notice."""


class RayWorker(Worker):
    """Each GPU of the cluster is a slot, and `cpus` processors on each machine without one."""

    def __init__(self, store: RunStore, cluster: Cluster, *, cpus: float = 1.0, **options: Any) -> None:
        super().__init__(store, **options)
        self._cluster, self._placements = cluster, ClusterSlots(cpus=cpus)
        self._taken: dict[tuple[str, int], MachineShare] = {}
        self._refreshed_at = self._renewed_at = float("-inf")
        self.refresh()

    def refresh(self) -> None:
        """Read which machines there are. Raises `RunError`."""
        self._placements.update(self._cluster.machines(), self._now())
        self.slots = self._placements.all()

    def run_once(self) -> None:
        """One turn of the loop, with the machines that the cluster has now."""
        if self._now() - self._refreshed_at >= _REFRESH_SECONDS:
            self._refreshed_at = self._now()
            self.refresh()
        self._renew_unplaced()
        super().run_once()

    def _renew_unplaced(self) -> None:
        """Send the heartbeat of runs that Ray has not placed yet: they only wait."""
        if self._now() - self._renewed_at < _HEARTBEAT_SECONDS:
            return
        self._renewed_at = self._now()
        for child in self._children:
            if isinstance(child.process, RemoteProcess) and child.process.waits and self._held(child):
                run = child.record
                self.store.heartbeat(run.id, self.id, run.progress, attempt=run.attempt)

    def _free(self, kind: RunKind) -> list[str]:
        return super()._free(kind) if kind in QUICK_KINDS else self._placements.free()

    def _start(self, record: RunRecord) -> None:
        """Place a claimed run; requeue it while no machine is free, and fail it where none is large enough.

        Quick runs go on beside this worker, where the pictures of visitors lie.
        """
        if record.kind in QUICK_KINDS:
            super()._start(record)
            return
        devices = record.config.train.devices
        if record.device == GPU and devices > self._placements.largest():
            message = f"It wants {devices} GPUs of one machine, and the largest here has {self._placements.largest()}: "
            self.store.fail(record.id, self.id, f"{message}choose fewer devices.", attempt=record.attempt)
            return
        placement = self._placements.take(record.device, devices)
        if placement is None:
            message = f"It waits for {devices} free GPUs on one machine."
            self.store.release(record.id, self.id, attempt=record.attempt, reason=message)
            return
        self._taken[_key(record)] = placement
        super()._start(record)
        self._release_placements()

    def _launch(self, record: RunRecord, log: LineWriter) -> Process:
        if record.kind in QUICK_KINDS:
            return super()._launch(record, log)
        placement = self._taken[_key(record)]
        log(f"Placed on {placement.machine.name}.")
        return self._cluster.start(self._command(record)[1:], log.path, placement)

    def collect_ended(self) -> None:
        super().collect_ended()
        self._release_placements()

    def _release_placements(self) -> None:
        """Release the placements of processes that have ended."""
        for key in self._taken.keys() - {_key(child.record) for child in self._children}:
            self._placements.release(self._taken.pop(key))

    def _report_end(self, child: Child, code: int) -> None:
        process, run = child.process, child.record
        if run.kind in QUICK_KINDS:
            super()._report_end(child, code)
            return
        assert isinstance(process, RemoteProcess)
        if process.lost:
            self._placements.avoid(self._taken[_key(run)].machine, self._now() + _AVOID_SECONDS)
        stopped = self._stopping or child.stop_requested_at is not None
        if stopped or not (process.lost or code == NO_START):
            super()._report_end(child, code)
            return
        if process.lost and not process.began:
            # The run never began: no restart is counted.
            message = f"The machine {process.machine} took no run."
            after = self.store.release(run.id, self.id, attempt=run.attempt, reason=message)
        else:
            message = f"The machine {process.machine} was lost, and the run's process with it."
            if code == NO_START:
                message = (
                    f"The machine {process.machine} could not start the run: it needs this project at {paths.ROOT}, "
                    f"and the folder {self.store.home} on a disk that all machines share."
                )
            after = self.store.abandon(run.id, self.id, message, attempt=run.attempt)
        self._report(f"Run {run.id}: {message} Now {after.state}.")
        child.log(f"{message} Now {after.state}.")


def _key(record: RunRecord) -> tuple[str, int]:
    return record.id, record.attempt


def serve(store: RunStore, *, address: str, cpus: float = 1.0, lock: int | None = None, **options: Any) -> int:
    """Serve the queue on the cluster until a signal; returns at once when this machine has a worker.

    `options` are those of `Worker`. Raises `ConfigError` when no cluster answers.
    """
    cluster = Cluster(address)
    try:
        worker = RayWorker(store, cluster, cpus=cpus, **options)
        # After the connection, for Ray sets handlers of its own, and before others can see this worker.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.request_stop())
        try:
            worker.register(lock)
        except RunStateError as error:
            print_line(str(error))
            return 0
        print_line(
            f"The worker (process {os.getpid()}) serves {store.home} on Ray: {format_slots(worker.slots) or 'nothing'}."
        )
        worker.loop()
    finally:
        cluster.close()
    return 0
