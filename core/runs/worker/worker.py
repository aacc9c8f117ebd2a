"""The worker: takes runs from the store and gives each a process of its own, one in a slot at a time.

It never imports torch and never touches a device: it stays small and quick, and a run that crashes cannot hurt it.
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
from core.runs.out_of_memory import count_kernel_kills, ended_short
from core.runs.store.prune import Limits, Nightly, prune
from core.runs.store.records import RunRecord, RunState
from core.runs.store.run_files import LineWriter, last_lines
from core.runs.store.run_store import RunStore
from core.runs.worker import machine_lock
from core.runs.worker.heartbeats import WINDOW_SECONDS, Watch
from core.runs.worker.processes import DISK_FULL, SPARE_BYTES, Process, obituary, start, tell_slots

PATIENCE_SECONDS = 20.0
"""How long a run that was asked to stop may take before it is killed."""
_BEAT_SECONDS = 5.0

Command = Callable[[RunRecord], list[str]]


def say(text: str) -> None:
    """One line on standard output; where that is a file on a full disk, the worker goes on without it."""
    with suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


@dataclass
class Child:
    """The process of a run, its log and where its part of that begins, and since when it has been asked to stop.

    `kernel_kills` is what the kernel had counted when it began (`core.runs.out_of_memory.count_kernel_kills`).
    """

    record: RunRecord
    process: Process
    log: LineWriter
    log_start: int
    kernel_kills: int = 0
    asked_at: float | None = None


class Worker:
    """`slots` names a device for each run that may go on at once. `command` gives the command line of a run's process.

    `now` gives monotonic seconds. `window` is how long a run may be silent before it is killed and started again.
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
        limits: Limits | None = None,
        now: Callable[[], float] = time.monotonic,
        kernel_kills: Callable[[], int] = count_kernel_kills,
        say: Callable[[str], None] = say,
    ) -> None:
        self.id = f"{platform.node() or 'localhost'}-{os.getpid()}-{secrets.token_hex(2)}"
        self.store, self.slots = store, slots
        self._command, self._patience, self._spare, self._now, self._say = command, patience, spare, now, say
        self._kernel_kills = kernel_kills
        self._limits, self._nightly = limits or Limits(), Nightly()
        self._watched = Watch(window=window, now=now)
        self._children: list[Child] = []
        self._lock: int | None = None
        self._leaving = self._full = False
        self._beaten_at = float("-inf")

    def enter(self, lock: int | None = None) -> None:
        """Take this machine's place as worker, or keep the one that `lock` holds. Raises `RunStateError`."""
        self._lock = (
            lock if lock is not None else machine_lock.acquire(machine_lock.path_of(self.store.home), patience=1.0)
        )
        if self._lock is None:
            others = [f" (process {one.pid})" for one in self.store.workers()]
            raise RunStateError(f"A worker is already running here{''.join(others[:1])}: nothing to start.")
        self.store.register_worker(self.id, os.getpid(), tell_slots(self.slots))

    def ask_to_leave(self) -> None:
        """From a signal: the loop ends at its next turn; a second time the runs are killed without waiting."""
        if self._leaving:
            self._patience = 0.0
        self._leaving = True

    def loop(self, *, pause: float = 0.5) -> None:
        """Serve until asked to leave, then stop what runs and give it back."""
        while not self._leaving:
            try:
                self.run_once()
            except (RunError, DiskFullError) as error:
                # The runs in progress need their worker more than it needs this turn.
                self._say(str(error))
            time.sleep(pause)
        self.close()

    def run_once(self) -> None:
        """One turn: beat, take back silent runs, look after the processes, fill the free slots, make room."""
        self._beat()
        self._take_back()
        for child in self._children:
            self._watch(child)
        self._bury()
        while (free := self._free()) and self._has_room():
            record = self.store.claim(self.id, free)
            if record is None:
                break
            self._start(record)
        if self._limits and self._nightly.due():
            for record in prune(self.store, self._limits):
                self._say(f"Run {record.id} ({record.name}) was old and made room.")

    def close(self) -> None:
        """Ask every run to stop, wait, kill what stays, give all back to the queue, and leave."""
        self._leaving = True
        for child in self._children:
            child.process.terminate()
        asked_at = self._now()
        while any(child.process.poll() is None for child in self._children):
            if self._now() - asked_at >= self._patience:
                for child in self._children:
                    child.process.kill()
            self._beat()
            time.sleep(0.1)
        self._bury()
        self.store.remove_worker(self.id)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        self._say("The worker has left.")

    def _beat(self) -> None:
        if self._now() - self._beaten_at >= _BEAT_SECONDS:
            self._beaten_at = self._now()
            memory = sum(child.process.memory() for child in self._children)
            self.store.beat_worker(self.id, os.getpid(), tell_slots(self.slots), memory=memory)

    def _take_back(self) -> None:
        for record in self._watched.silent(self.store.list([RunState.RUNNING]), self.store.workers()):
            reason = "The run gave no sign of life for too long."
            after = self.store.reclaim(record, reason)
            if after is not None:
                self._say(f"Run {record.id}: {reason} Now {after.state}.")
                LineWriter(self.store.folder(record.id) / "log.txt")(f"{reason} Now {after.state}.")

    def _watch(self, child: Child) -> None:
        """Kill a process that lost its run, or that does not heed a cancel."""
        record = self._held(child)
        if record is None:
            if child.process.poll() is None:
                child.process.kill()
        elif record.cancel_requested:
            child.asked_at = child.asked_at or self._now()
            if self._now() - child.asked_at > self._patience:
                child.process.kill()

    def _bury(self) -> None:
        """Free the slots of ended processes; one that did not tell its end gets words for it.

        While the store does not listen, the process is kept in mind, and told of at the next turn.
        """
        for child in list(self._children):
            code = child.process.poll()
            if code is None:
                continue
            if self._held(child) is not None:
                self._tell_end(child, code)
            self._children.remove(child)
            child.log.close()

    def _tell_end(self, child: Child, code: int) -> None:
        run, attempt = child.record, child.record.attempt
        if self._leaving or child.asked_at is not None:
            after = self.store.release(run.id, self.id, attempt=attempt)
            words = "The process was ended:"
        else:
            lines = last_lines(child.log.path, start=child.log_start)
            words = obituary(code, lines)
            if ended_short(code, lines, kernel_kills=self._kernel_kills() - child.kernel_kills):
                after = self.store.narrow(run.id, self.id, attempt=attempt)
                words = after.error or words
            elif words == DISK_FULL:
                after = self.store.release(run.id, self.id, attempt=attempt, reason=words)
            else:
                after = self.store.abandon(run.id, self.id, words, attempt=attempt)
        self._say(f"Run {run.id}: {words} Now {after.state}.")
        child.log(f"{words} Now {after.state}.")

    def _held(self, child: Child) -> RunRecord | None:
        """The run's record if this child's attempt still holds it."""
        try:
            record = self.store.get(child.record.id)
        except RunNotFoundError:
            return None
        mine = record.state == RunState.RUNNING and record.worker == self.id and record.attempt == child.record.attempt
        return record if mine else None

    def _free(self) -> list[str]:
        free = list(self.slots)
        for child in self._children:
            free.remove(child.record.device)
        return free

    def _has_room(self) -> bool:
        """Whether a run could save what it learns; says once when not, and once when there is room again."""
        full = shutil.disk_usage(self.store.home).free < self._spare
        if full != self._full:
            self._say("The disk is full: runs wait until there is space." if full else "There is space on the disk.")
        self._full = full
        return not full

    def _start(self, record: RunRecord) -> None:
        try:
            log = LineWriter(self.store.folder(record.id) / "log.txt")
            log_start, kernel_kills = log.path.stat().st_size, self._kernel_kills()
            process = self._launch(record, log)
        except FencedError:
            return
        except DiskFullError:
            self.store.release(record.id, self.id, attempt=record.attempt, reason=DISK_FULL)
            return
        except OSError as error:
            words = f"No process could be started for the run ({error.strerror}): check memory and disk, then retry."
            self.store.abandon(record.id, self.id, words, attempt=record.attempt)
            return
        self._children.append(Child(record, process, log, log_start, kernel_kills))
        self._say(f"Run {record.id} started on {record.device}.")

    def _launch(self, record: RunRecord, log: LineWriter) -> Process:
        """Begin the process of a claimed run. Raises `OSError`."""
        return start(self._command(record), log)
