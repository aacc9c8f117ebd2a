"""The worker: claims runs from the store and starts a process for each, one in a slot at a time.

Every kind of run has slots of its own: training runs one a device, each quick kind one. So a picture that somebody
brings never waits behind a training run, and is claimed before all others.

It never imports torch and never uses a device: it stays small, and a run that crashes cannot end it.
core/runs/worker/command.py is its command line.
"""

import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.errors import DiskFullError, FencedError, RunError, RunNotFoundError, RunStateError
from core.out_of_memory import ExitWatch
from core.runs.store.prune import KeepLimits, Nightly, prune
from core.runs.store.records import MACHINE, QUICK_KINDS, SEARCHES, VISITOR_KINDS, RunKind, RunRecord, RunState
from core.runs.store.run_files import LineWriter, last_announced, last_lines
from core.runs.store.run_store import RunStore
from core.runs.worker import machine_lock
from core.runs.worker.heartbeats import WINDOW_SECONDS, HeartbeatMonitor
from core.runs.worker.processes import DISK_FULL, SPARE_BYTES, Process, exit_message, format_slots, start
from core.runs.worker.standby import Standby

PATIENCE_SECONDS = 20.0
"""How long a run that was asked to stop may take before it is killed, in seconds."""
_HEARTBEAT_SECONDS = 5.0
_ANNOUNCED_SECONDS = 0.02
"""How often it is looked whether a quick run was queued meanwhile: one question to the file system."""

Command = Callable[[RunRecord], list[str]]


def print_line(text: str) -> None:
    """One line on standard output; where that is a file on a full disk, the worker goes on without it."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@dataclass
class Child:
    """The process of a run, its log and where its part of that begins, and when it was asked to stop.

    `watch` finds whether it ended because memory ran out.
    """

    record: RunRecord
    process: Process
    log: LineWriter
    log_start: int
    watch: ExitWatch
    stop_requested_at: float | None = None


class Worker:
    """`slots` names a device for each training run that may go on at once. `command` gives the command line of a run's
    process, `standby` that of one that waits for a visitor's run (none: there is no such process).

    `now` gives monotonic seconds. After `window` seconds without a heartbeat a run is killed and started again.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        command: Command,
        slots: Sequence[str] = ("cpu",),
        window: float = WINDOW_SECONDS,
        patience: float = PATIENCE_SECONDS,
        spare: int = SPARE_BYTES,
        limits: KeepLimits | None = None,
        standby: Sequence[str] = (),
        now: Callable[[], float] = time.monotonic,
        watch_exit: Callable[[], ExitWatch] = ExitWatch,
        report: Callable[[str], None] = print_line,
    ) -> None:
        self.id = f"{platform.node() or 'localhost'}-{os.getpid()}-{secrets.token_hex(2)}"
        self.store, self.slots = store, slots
        self._command, self._patience, self._spare, self._now, self._report = command, patience, spare, now, report
        self._watch_exit = watch_exit
        self._limits, self._nightly = limits or KeepLimits(), Nightly()
        self._monitor = HeartbeatMonitor(window=window, now=now)
        self._children: list[Child] = []
        self._standby = Standby(store.home, standby)
        self._lock: int | None = None
        self._stopping = self._full = False
        self._sent_at = float("-inf")

    def register(self, lock: int | None = None) -> None:
        """Become this machine's worker, with the `lock` that was passed on, if any. Raises `RunStateError`."""
        self._lock = (
            lock if lock is not None else machine_lock.acquire(machine_lock.path_of(self.store.home), patience=1.0)
        )
        if self._lock is None:
            others = [f" (process {one.pid})" for one in self.store.workers()]
            raise RunStateError(f"A worker is already running here{''.join(others[:1])}: nothing to start.")
        self.store.register_worker(self.id, os.getpid(), format_slots(self.slots))
        self.store.adopt_jobs(MACHINE)

    def request_stop(self) -> None:
        """From a signal: the loop ends at its next turn. A second call kills the runs without waiting."""
        if self._stopping:
            self._patience = 0.0
        self._stopping = True

    def loop(self, *, pause: float = 0.5) -> None:
        """Work until asked to stop, then stop the runs and requeue them."""
        while not self._stopping:
            announced = last_announced(self.store.home)
            try:
                self.run_once()
            except (RunError, DiskFullError) as error:
                # The runs in progress need their worker: it goes on with its next turn.
                self._report(str(error))
            self._rest(pause, announced)
        self.close()

    def _rest(self, pause: float, announced: int) -> None:
        """Wait for `pause` seconds, or until this worker is asked to stop or something is queued after `announced`."""
        until = time.monotonic() + pause
        while not self._stopping and time.monotonic() < until and last_announced(self.store.home) == announced:
            time.sleep(min(pause, _ANNOUNCED_SECONDS))

    def run_once(self) -> None:
        """One turn: heartbeat, reclaim expired runs, end and collect processes, fill free slots, prune."""
        self._send_heartbeat()
        self._reclaim_expired()
        for child in self._children:
            self._stop_if_asked(child)
        self.collect_ended()
        waiting = self.store.waiting_kinds()
        for kind in (*QUICK_KINDS, RunKind.TRAINING):
            while kind in waiting and (free := self._free(kind)) and self._has_disk():
                record = self.store.claim(self.id, free, kind)
                if record is None:
                    break
                self._start(record)
        self._standby.keep(busy=not self._free(RunKind.PREDICTION))
        if self._limits and self._nightly.due():
            for record in prune(self.store, self._limits):
                self._report(f"Run {record.id} ({record.name}) was old and made room.")

    def close(self) -> None:
        """Ask every run to stop, wait, kill what is left, requeue all, and remove this worker."""
        self._stopping = True
        self._standby.end()
        for child in self._children:
            child.process.terminate()
        stop_requested_at = self._now()
        while any(child.process.poll() is None for child in self._children):
            if self._now() - stop_requested_at >= self._patience:
                for child in self._children:
                    child.process.kill()
            self._send_heartbeat()
            time.sleep(0.1)
        self.collect_ended()
        self.store.remove_worker(self.id)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._report("The worker has left.")

    def _send_heartbeat(self) -> None:
        if self._now() - self._sent_at >= _HEARTBEAT_SECONDS:
            self._sent_at = self._now()
            memory = self._standby.memory() + sum(child.process.memory() for child in self._children)
            self.store.worker_heartbeat(self.id, os.getpid(), format_slots(self.slots), memory=memory)

    def _reclaim_expired(self) -> None:
        running = self.store.list([RunState.RUNNING], kinds=tuple(RunKind))
        expired = self._monitor.expired(running, self.store.workers())
        for record in expired:
            reason = "The run sent no heartbeat for too long."
            after = self.store.reclaim(record, reason)
            if after is not None:
                self._report(f"Run {record.id}: {reason} Now {after.state}.")
                LineWriter(self.store.folder(record.id) / "log.txt")(f"{reason} Now {after.state}.")
        if expired:
            self.store.adopt_jobs(MACHINE)

    def _stop_if_asked(self, child: Child) -> None:
        """Kill a process that lost its run, or that does not stop after a cancel."""
        record = self._held(child)
        if record is None:
            if child.process.poll() is None:
                child.process.kill()
        elif record.cancel_requested:
            if child.stop_requested_at is None and record.kind in QUICK_KINDS:
                # Somebody waits for it to end; a training run reads the request with its next heartbeat.
                child.process.terminate()
            child.stop_requested_at = child.stop_requested_at or self._now()
            if self._now() - child.stop_requested_at > self._patience:
                child.process.kill()

    def collect_ended(self) -> None:
        """Free the slots of ended processes, and report the end of those that did not do so themselves.

        While the store cannot be used, the process stays listed, and is reported at the next turn.
        """
        for child in list(self._children):
            code = child.process.poll()
            if code is None:
                continue
            if self._held(child) is not None:
                self._report_end(child, code)
            self._children.remove(child)
            child.log.close()

    def _report_end(self, child: Child, code: int) -> None:
        run, attempt = child.record, child.record.attempt
        if self._stopping or child.stop_requested_at is not None:
            after = self.store.release(run.id, self.id, attempt=attempt)
            message = "The process was ended:"
        else:
            lines = last_lines(child.log.path, start=child.log_start)
            message = exit_message(code, lines, run.kind)
            if child.watch.ended_out_of_memory(code, lines):
                after = self.store.reduce_batch(run.id, self.id, attempt=attempt)
                message = after.error or message
            elif message == DISK_FULL:
                after = self.store.release(run.id, self.id, attempt=attempt, reason=message)
            else:
                after = self.store.abandon(run.id, self.id, message, attempt=attempt)
        self._report(f"Run {run.id}: {message} Now {after.state}.")
        child.log(f"{message} Now {after.state}.")

    def _held(self, child: Child) -> RunRecord | None:
        """The run's record if this child's attempt still holds it."""
        try:
            record = self.store.get(child.record.id)
        except RunNotFoundError:
            return None
        mine = record.state == RunState.RUNNING and record.worker == self.id and record.attempt == child.record.attempt
        return record if mine else None

    def _free(self, kind: RunKind) -> list[str]:
        """The free slots for runs of a kind; those of a quick kind are called as this machine is."""
        own = [MACHINE] * (SEARCHES if kind == RunKind.SEARCH else 1)
        free = own if kind in QUICK_KINDS else list(self.slots)
        for child in self._children:
            if child.record.kind == kind:
                free.remove(child.record.device)
        return free

    def _has_disk(self) -> bool:
        """Whether there is disk for a run to save; each change is reported once."""
        full = shutil.disk_usage(self.store.home).free < self._spare
        if full != self._full:
            self._report("The disk is full: runs wait until there is space." if full else "There is space on the disk.")
        self._full = full
        return not full

    def _start(self, record: RunRecord) -> None:
        try:
            log = LineWriter(self.store.folder(record.id) / "log.txt")
            log_start, watch = log.path.stat().st_size, self._watch_exit()
            process = self._launch(record, log)
        except FencedError:
            return
        except DiskFullError:
            self.store.release(record.id, self.id, attempt=record.attempt, reason=DISK_FULL)
            return
        except OSError as error:
            message = f"No process could be started for the run ({error.strerror}): check memory and disk, then retry."
            self.store.abandon(record.id, self.id, message, attempt=record.attempt)
            return
        self._children.append(Child(record, process, log, log_start, watch))
        self._report(f"Run {record.id} started on {record.device}.")

    def _launch(self, record: RunRecord, log: LineWriter) -> Process:
        """Begin the process of a claimed run. Raises `OSError`."""
        waiting = self._standby.take(record) if record.kind in VISITOR_KINDS else None
        return waiting or start(self._command(record), log)
