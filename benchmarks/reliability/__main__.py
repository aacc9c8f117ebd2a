"""What a run survives, measured: `python -m benchmarks.reliability SHOW [--json]`; docs/RELIABILITY.md has the figures.

Nothing here runs in `make bench`: the shows kill, stop and fill, and take minutes.
"""

import argparse
import sys
import time
from collections.abc import Callable

from benchmarks.reliability import training
from benchmarks.reliability.kit import Figures, show

SHOWS: dict[str, tuple[str, Callable[[], Figures]]] = {
    "kills": ("kill -9 of a training process at 50 points", training.kills),
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
