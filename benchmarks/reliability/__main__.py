"""What a run survives, measured: `python -m benchmarks.reliability SHOW [--json]`; docs/RELIABILITY.md has the figures.

Nothing here runs in `make bench`: the shows kill, stop and fill, and take minutes.
"""

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.reliability import disk, queue, service, training
from benchmarks.reliability.kit import Figures, show
from tests import postgres


def over_postgresql(work: Callable[..., Figures]) -> Figures:
    """The same show with the store in a real PostgreSQL server."""
    if postgres.programs() is None:
        return {"not shown": postgres.MISSING}
    with postgres.server() as url:
        return work(url=url)


SHOWS: dict[str, tuple[str, Callable[[], Figures]]] = {
    "kills": ("kill -9 of a training process at 50 points", training.kills),
    "queue": ("300 kills on the queue alone", queue.kills),
    "queue-postgresql": ("the same over PostgreSQL", lambda: over_postgresql(queue.kills)),
    "stops": ("two workers, 200 jobs, one stopped past its lease and continued", queue.stops),
    "stops-postgresql": ("the same over PostgreSQL", lambda: over_postgresql(queue.stops)),
    "stops-unfenced": ("the same without the fence: the negative control", lambda: queue.stops(fenced=False)),
    "writers": ("20 writers at once", queue.writers),
    "writers-postgresql": ("the same over PostgreSQL", lambda: over_postgresql(queue.writers)),
    "clocks": ("the clock jumps by an hour and a day, and a run hangs", service.clocks),
    "full": ("the disk is full at 10 points of a save", disk.full),
    "full-run": ("the disk fills up under a run", disk.full_run),
    "corrupt": ("one bit changed at 40 places", disk.corrupt),
    "cancels": ("how soon a cancel is heard", service.cancels),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reliability", description=__doc__.splitlines()[0])
    parser.add_argument("shows", nargs="*", metavar="SHOW", help=f"{', '.join(SHOWS)} (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a show, and nothing else")
    args = parser.parse_args()
    if unknown := [name for name in args.shows if name not in SHOWS]:
        parser.error(f"there is no show {', '.join(unknown)}; there are {', '.join(SHOWS)}")
    for name in args.shows or SHOWS:
        title, work = SHOWS[name]
        began = time.monotonic()
        figures = work()
        show(f"{name}: {title}", figures | {"seconds": round(time.monotonic() - began, 1)}, as_json=args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
