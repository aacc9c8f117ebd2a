"""The worker: takes runs from the store and gives each a process of its own, one on a device at a time.

It never imports torch: it stays small and quick, and a run that crashes cannot hurt it. `python -m core.runs.worker`
serves until it is told to leave; with `--execute` it is the process of one run.
"""

import argparse
import os
import platform
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.errors import RunError, RunNotFoundError, RunStateError, TerrastillError
from core.runs.files import append_line, last_lines
from core.runs.process import find_devices, kill, obituary, start
from core.runs.records import RunRecord, RunState
from core.runs.store import RunStore

LEASE_SECONDS = 120.0
PATIENCE_SECONDS = 20.0
"""How long a run that was asked to stop may take before it is killed."""
_BEAT_SECONDS = 5.0
_SLEPT_SECONDS = 30.0

Command = Callable[[RunRecord], list[str]]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@dataclass
class _Child:
    """The process of a run, where its part of the log begins, and since when it has been asked to stop."""

    record: RunRecord
    process: subprocess.Popen[bytes]
    log_start: int
    asked_at: float | None = None


class Worker:
    """One slot a device. `command` gives the command line of a run's process; `now` Unix seconds."""

    def __init__(
        self,
        store: RunStore,
        *,
        command: Command,
        devices: Sequence[str] = ("cpu",),
        lease: float = LEASE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        now: Callable[[], float] = time.time,
        say: Callable[[str], None] = _say,
    ) -> None:
        self.id = f"{platform.node() or 'localhost'}-{os.getpid()}-{secrets.token_hex(2)}"
        self.store, self.devices = store, devices
        self._command, self._lease, self._patience, self._now, self._say = command, lease, patience, now, say
        self._children: dict[str, _Child] = {}
        self._leaving = False
        self._beaten_at = float("-inf")
        self._ticked_at = now()
        self._lapses_from = float("-inf")

    def enter(self) -> None:
        """Take this machine's place as worker. Raises `RunStateError` when another worker has it."""
        self.store.register_worker(self.id, os.getpid(), ",".join(self.devices))

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
            except RunError as error:
                # The runs in progress need their worker more than it needs this turn.
                self._say(str(error))
            time.sleep(pause)
        self.close()

    def run_once(self) -> None:
        """One turn: beat, take back silent runs, look after the processes, fill the free slots."""
        self._beat()
        self._take_back()
        for child in self._children.values():
            self._watch(child)
        self._bury()
        while free := [slot for slot in self.devices if slot not in self._children]:
            record = self.store.claim(self.id, free)
            if record is None:
                break
            self._start(record)

    def close(self) -> None:
        """Ask every run to stop, wait, kill what stays, give all back to the queue, and leave."""
        self._leaving = True
        for child in self._children.values():
            child.process.terminate()
        asked_at = self._now()
        while any(child.process.poll() is None for child in self._children.values()):
            if self._now() - asked_at >= self._patience:
                for child in self._children.values():
                    kill(child.process)
            self._beat()
            time.sleep(0.1)
        self._bury()
        self.store.remove_worker(self.id)
        self._say("The worker has left.")

    def _beat(self) -> None:
        if self._now() - self._beaten_at >= _BEAT_SECONDS:
            self._beaten_at = self._now()
            self.store.beat_worker(self.id, os.getpid(), ",".join(self.devices))

    def _take_back(self) -> None:
        now = self._now()
        # After the machine slept, every heartbeat is old: the runs get one lease to show that they live.
        if now - self._ticked_at > _SLEPT_SECONDS:
            self._lapses_from = now + self._lease
        self._ticked_at = now
        if now >= self._lapses_from:
            for record in self.store.requeue_lapsed(self._lease):
                self._note(record, f"No sign of life for {self._lease:.0f} seconds: {record.state}.")

    def _watch(self, child: _Child) -> None:
        """Kill a process that lost its run, or that does not heed a cancel."""
        record = self._held(child)
        if record is None:
            if child.process.poll() is None:
                kill(child.process)
        elif record.cancel_requested:
            child.asked_at = child.asked_at or self._now()
            if self._now() - child.asked_at > self._patience:
                kill(child.process)

    def _bury(self) -> None:
        """Free the slots of ended processes; one that did not tell its end gets words for it."""
        for slot, child in list(self._children.items()):
            code = child.process.poll()
            if code is None:
                continue
            del self._children[slot]
            if self._held(child) is None:
                continue
            run, attempt = child.record, child.record.attempt
            if self._leaving or child.asked_at is not None:
                after = self.store.release(run.id, self.id, attempt=attempt)
                self._note(after, f"The process was ended: {after.state}.")
            else:
                words = obituary(code, last_lines(self._log(run), start=child.log_start))
                after = self.store.abandon(run.id, self.id, words, attempt=attempt)
                self._note(after, f"{words} Now {after.state}.")

    def _held(self, child: _Child) -> RunRecord | None:
        """The run's record if this child's attempt still holds it."""
        try:
            record = self.store.get(child.record.id)
        except RunNotFoundError:
            return None
        mine = record.state == RunState.RUNNING and record.worker == self.id and record.attempt == child.record.attempt
        return record if mine else None

    def _start(self, record: RunRecord) -> None:
        log = self._log(record)
        log_start = log.stat().st_size if log.exists() else 0
        try:
            process = start(self._command(record), log)
        except OSError as error:
            words = f"No process could be started for the run ({error.strerror}): check memory and disk, then retry."
            self.store.abandon(record.id, self.id, words, attempt=record.attempt)
            return
        self._children[record.device] = _Child(record, process, log_start)
        self._say(f"Run {record.id} started on {record.device}.")

    def _note(self, record: RunRecord, text: str) -> None:
        self._say(f"Run {record.id}: {text}")
        append_line(self._log(record), text)

    def _log(self, record: RunRecord) -> Path:
        return self.store.folder(record.id) / "log.txt"


def main(argv: Sequence[str]) -> int:
    """Serve the queue, or be the process of one run. 0: left as asked, or another worker is there; 1: failed."""
    parser = argparse.ArgumentParser(prog="python -m core worker", description="Work on queued runs until stopped.")
    parser.add_argument("--home", type=Path, help="folder of the runs (TERRASTILL_HOME, or runs/ in the project)")
    parser.add_argument("--execute", metavar="ID", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--attempt", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    store = RunStore(home=args.home)
    if args.execute:
        _execute(store, args.execute, args.worker, args.attempt)
        return 0
    return serve(store, command=partial(_command, store.home))


def serve(store: RunStore, *, command: Command, pause: float = 0.5) -> int:
    """Be this machine's worker until a signal; leaves at once when another one is."""
    worker = Worker(store, command=command)
    try:
        worker.enter()
    except RunStateError as error:
        _say(str(error))
        return 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.ask_to_leave())
    worker.devices = find_devices()
    _say(f"The worker (process {os.getpid()}) serves {store.home} on {', '.join(worker.devices)}.")
    worker.loop(pause=pause)
    return 0


def _command(home: Path, record: RunRecord) -> list[str]:
    holder = ["--worker", record.worker, "--attempt", str(record.attempt)]
    return [sys.executable, "-m", "core.runs.worker", "--home", str(home), "--execute", record.id, *holder]


def _execute(store: RunStore, run_id: str, worker: str, attempt: int) -> None:
    """The life of a run's process. What is heavy is imported only now, once a signal would be heard."""
    from core.runs.child import hold, perform

    pulse = hold(store, run_id, worker, attempt)
    from core.runs import jobs
    from core.train.loop import RunCancelledError

    perform(store, pulse, execute=jobs.execute, stopped=RunCancelledError)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except TerrastillError as error:
        sys.exit(str(error))
