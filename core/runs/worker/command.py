"""The worker's command line: it works on the queue; with `--execute` it is the process of one run."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from core import paths
from core.errors import ConfigError, RunStateError, TerrastillError
from core.out_of_memory import PREDICTING, TRAINING, set_kill_priority
from core.runs.store.prune import KeepLimits
from core.runs.store.records import VISITOR_KINDS, RunKind, RunRecord
from core.runs.store.run_store import RunStore
from core.runs.worker.heartbeats import WINDOW_SECONDS
from core.runs.worker.processes import find_devices, format_slots, parse_slots
from core.runs.worker.queue_worker import Command, Worker, print_line
from core.runs.worker.standby import wait_for_run, write_into


def main(argv: Sequence[str]) -> int:
    """Work on the queue, or be the process of one run. 0: stopped as asked, or another worker is there; 1: failed."""
    args = _arguments().parse_args(argv)
    store = RunStore(home=args.home)
    if args.standby:
        return _stand_by(store)
    if args.execute:
        if not args.worker or args.attempt is None:
            raise ConfigError("--execute needs --worker and --attempt: the worker that holds the run, and the attempt.")
        _execute(store, args.execute, args.worker, args.attempt)
        return 0
    limits = KeepLimits.from_environment()
    limits = KeepLimits(
        limits.days if args.keep_days is None else args.keep_days,
        limits.gigabytes if args.keep_gb is None else args.keep_gb,
    )
    command = partial(_command, store.home)
    options: dict[str, Any] = {"window": args.window, "limits": limits, "lock": args.lock}
    options["standby"] = _standby(store.home)
    if args.engine == "ray":
        from core.runs.cluster.ray_worker import serve as serve_cluster

        return serve_cluster(store, address=args.address, cpus=args.run_cpus, command=command, **options)
    return serve(store, command=command, slots=args.slots, **options)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core worker", description="Work on queued runs until stopped.")
    parser.add_argument("--home", type=Path, help="folder of the runs (TERRASTILL_HOME, or runs/ in the project)")
    parser.add_argument(
        "--slots",
        metavar="cuda:0=1,cpu=1",
        default=paths.slots(),
        help="how many runs go on at once on each device (TERRASTILL_SLOTS, or one on each there is)",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default=os.environ.get("TERRASTILL_ENGINE") or "local",
        help="where runs go on: on this machine, or on a Ray cluster (TERRASTILL_ENGINE; docs/SCALE.md)",
    )
    parser.add_argument(
        "--address", default=os.environ.get("RAY_ADDRESS") or "auto", help="of the Ray cluster (RAY_ADDRESS, or auto)"
    )
    parser.add_argument("--run-cpus", type=float, default=1.0, help="processors that a run on the cluster takes")
    parser.add_argument(
        "--window",
        type=float,
        default=WINDOW_SECONDS,
        help="seconds without a heartbeat after which a run is started again",
    )
    parser.add_argument(
        "--keep-days", type=float, help="each night, delete runs that ended longer ago; not pinned ones"
    )
    parser.add_argument("--keep-gb", type=float, help="each night, delete the oldest ended runs above so much disk")
    parser.add_argument("--standby", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--execute", metavar="ID", help=argparse.SUPPRESS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--attempt", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--lock", type=int, help=argparse.SUPPRESS)
    return parser


def serve(
    store: RunStore,
    *,
    command: Command,
    slots: str | None = None,
    window: float = WINDOW_SECONDS,
    limits: KeepLimits | None = None,
    lock: int | None = None,
    standby: Sequence[str] = (),
    pause: float = 0.5,
) -> int:
    """Be this machine's worker until a signal; returns at once when there is another. Raises `ConfigError`."""
    worker = Worker(store, command=command, window=window, limits=limits, standby=standby)
    # Before others can see it: whoever sees a worker may end it, and it then leaves the list.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.request_stop())
    try:
        worker.register(lock)
    except RunStateError as error:
        print_line(str(error))
        return 0
    try:
        devices = find_devices()
        worker.slots = parse_slots(slots, devices) if slots else devices
    except TerrastillError:
        worker.close()
        raise
    print_line(f"The worker (process {os.getpid()}) serves {store.home} on {format_slots(worker.slots)}.")
    worker.loop(pause=pause)
    return 0


def _standby(home: Path) -> list[str]:
    return [sys.executable, "-m", "core.runs.worker.command", "--home", str(home), "--standby"]


def _command(home: Path, record: RunRecord) -> list[str]:
    holder = ["--worker", record.worker, "--attempt", str(record.attempt)]
    return [sys.executable, "-m", "core.runs.worker.command", "--home", str(home), "--execute", record.id, *holder]


def _stand_by(store: RunStore) -> int:
    """Be the process that waits for the next prediction, and then that of its run."""
    from core.models.smp import import_smp
    from core.runs.executors.table import executor

    set_kill_priority(PREDICTING)
    executor(RunKind.PREDICTION)
    # The usual teacher needs it, and a visitor waits for the run.
    import_smp()
    found = wait_for_run()
    if found is not None:
        write_into(store.folder(found[0]) / "log.txt")
        _execute(store, *found)
    return 0


def _execute(store: RunStore, run_id: str, worker: str, attempt: int) -> None:
    """The process of a run. Heavy modules are imported only once signals are handled."""
    from core.runs.worker.run_process import hold, perform

    # What a quick run reads besides the store lies below the same folder.
    os.environ["TERRASTILL_HOME"] = str(store.home)
    kind = store.get(run_id).kind
    set_kill_priority(PREDICTING if kind in VISITOR_KINDS else TRAINING)
    heartbeat = hold(store, run_id, worker, attempt)
    from core.events import CancelledError
    from core.runs.executors.table import executor

    perform(store, heartbeat, execute=executor(kind), stopped=CancelledError)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except TerrastillError as error:
        sys.exit(str(error))
