"""A member process: it receives each run's settings from the leader (rank 0), and trains on its own device.

The leader starts `python -m core.runs.devices.member`; under torchrun the command line calls `join_torchrun`.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from core.config import RunConfig
from core.errors import TerrastillError
from core.events import CancelledError, Event
from core.runs import execution
from core.runs.devices.launcher import ready_key
from core.train.distributed import Group, join, meet, open_store, part

_PARENT_SECONDS = 1.0


def train_with(group: Group) -> None:
    """Train run after run with the leader, until it sends an empty message or ends."""
    # Only the leader handles a stop: it saves, and the members stop with the next step.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while text := _next(group):
        order = json.loads(text)
        try:
            execution.carry_out(
                RunConfig.from_json(order["config"]),
                Path(order["folder"]),
                emit=_discard_event,
                cancelled=lambda: False,
                runs=Path(order["runs"]),
                resume=order["resume"],
                group=group,
            )
        except CancelledError:
            continue


def _next(group: Group) -> str:
    try:
        return group.broadcast_text()
    except RuntimeError:
        # The connection broke between two runs: the leader has ended.
        return ""


def _discard_event(_event: Event) -> None:
    """Only the leader reports."""


def _end_with(parent: int) -> None:
    """End this process when its parent ends, also while it waits inside a collective operation."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


def main() -> int:
    """Train with the leader that started this process. 0: all runs are over; 1: failed, with a message."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        store = open_store(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
        store.set(ready_key(rank), "")
        train_with(meet(store, rank=rank, size=size))
    except TerrastillError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    part()
    return 0


def join_torchrun() -> int:
    """The same under torchrun, which watches its processes itself."""
    train_with(join())
    part()
    return 0


if __name__ == "__main__":
    sys.exit(main())
