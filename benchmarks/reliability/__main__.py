"""What a run survives, measured: `python -m benchmarks.reliability SHOW [--json]`; docs/RELIABILITY.md has the figures.

Nothing here runs in `make bench`: the shows kill, stop and fill, and take minutes. `--small` is what the slow tests do.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.reliability import queue
from benchmarks.reliability.kit import Figures, show
from tests import postgres


@dataclass(frozen=True)
class Show:
    """`small` are the arguments that make it short."""

    title: str
    work: Callable[..., Figures]
    small: dict[str, Any] = field(default_factory=dict)


def over_postgresql(work: Callable[..., Figures]) -> Callable[..., Figures]:
    """The same show with the store in a real PostgreSQL server."""

    def begin(**arguments: Any) -> Figures:
        if postgres.programs() is None:
            return {"not shown": postgres.MISSING}
        with postgres.server() as url:
            return work(url=url, **arguments)

    return begin


def without_the_fence(**arguments: Any) -> Figures:
    return queue.stops(fenced=False, **arguments)


# torch makes a process slow to fork, so it is imported by the shows that train alone.


def kills(**arguments: Any) -> Figures:
    from benchmarks.reliability import training

    return training.kills(**arguments)


def searches(**arguments: Any) -> Figures:
    from benchmarks.reliability import searching

    return searching.kills(**arguments)


def clocks(**arguments: Any) -> Figures:
    from benchmarks.reliability import service

    return service.clocks(**arguments)


def cancels(**arguments: Any) -> Figures:
    from benchmarks.reliability import service

    return service.cancels(**arguments)


def reruns(**arguments: Any) -> Figures:
    from benchmarks.reliability import beside

    return beside.reruns(**arguments)


def full() -> Figures:
    from benchmarks.reliability import disk

    return disk.full()


def full_run() -> Figures:
    from benchmarks.reliability import disk

    return disk.full_run()


def corrupt() -> Figures:
    from benchmarks.reliability import disk

    return disk.corrupt()


KILLS, STOPS, WRITERS = {"count": 15, "lease": 2.0}, {"jobs": 25}, {"each": 3}
SHOWS = {
    "kills": Show("kill -9 of a training process at 50 points", kills, {"at_random": 2, "in_saves": 3}),
    "queue": Show("300 kills on the queue alone", queue.kills, KILLS),
    "queue-postgresql": Show("the same over PostgreSQL", over_postgresql(queue.kills), KILLS),
    "stops": Show("two workers, 200 jobs, one stopped past its lease and continued", queue.stops, STOPS),
    "stops-postgresql": Show("the same over PostgreSQL", over_postgresql(queue.stops), STOPS),
    "stops-unfenced": Show("the same without the fence: the negative control", without_the_fence, STOPS),
    "search": Show(
        "kill -9 of a search's workers and of its own process at 50 points", searches, {"count": 6, "trials": 6}
    ),
    "writers": Show("20 writers at once", queue.writers, WRITERS),
    "writers-postgresql": Show("the same over PostgreSQL", over_postgresql(queue.writers), WRITERS),
    "clocks": Show("the clock jumps by an hour and a day, and a run hangs", clocks, {"window": 30.0}),
    "full": Show("the disk is full at 10 points of a save", full),
    "full-run": Show("the disk fills up under a run", full_run),
    "corrupt": Show("one bit changed at 40 places", corrupt),
    "reruns": Show("how soon a page answers beside a run", reruns, {"turns": 1, "each": 5}),
    "cancels": Show("how soon a cancel arrives", cancels, {"queued": 5, "running": 2}),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__.splitlines()[0])
    parser.add_argument("shows", nargs="*", metavar="SHOW", help=f"{', '.join(SHOWS)} (default: all)")
    parser.add_argument("--small", action="store_true", help="a few kills and jobs instead of hundreds")
    parser.add_argument("--json", action="store_true", help="print one JSON object a show, and nothing else")
    args = parser.parse_args()
    if unknown := [name for name in args.shows if name not in SHOWS]:
        parser.error(f"there is no show {', '.join(unknown)}; there are {', '.join(SHOWS)}")
    for name in args.shows or SHOWS:
        chosen = SHOWS[name]
        began = time.monotonic()
        try:
            figures = chosen.work(**(chosen.small if args.small else {}))
        except PermissionError as error:
            figures = {"not shown": str(error)}
        seconds = round(time.monotonic() - began, 1)
        show(f"{name}: {chosen.title}", figures | {"seconds": seconds}, as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
