"""A process that shares the runs of another: it takes each run's settings from the leader, and trains along.

`python -m core.runs.devices.member` is started by the leader; under torchrun the command line comes here by itself.
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
from core.runs.devices.launcher import arrival
from core.train.distributed import Group, join, meet, open_store, part

_LOOK_SECONDS = 1.0


def follow(group: Group) -> None:
    """Share one run after the other, until the leader says that there is none, or is gone."""
    # A stop is the leader's to hear: it saves, and its word comes with the next step.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while text := _next(group):
        order = json.loads(text)
        try:
            execution.carry_out(
                RunConfig.from_json(order["config"]),
                Path(order["folder"]),
                emit=_say_nothing,
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
        # The connection broke while nothing was being done: the leader has gone home.
        return ""


def _say_nothing(_event: Event) -> None:
    """The leader speaks for all."""


def _end_with(parent: int) -> None:
    """Followers that wait inside a collective operation cannot look for themselves whether their leader lives."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def main() -> int:
    """Follow whoever started this process. 0: dismissed; 1: failed, and said why."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        store = open_store(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
        store.set(arrival(rank), "")
        follow(meet(store, rank=rank, size=size))
    except TerrastillError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    part()
    return 0


def follow_torchrun() -> int:
    """The same under torchrun, which watches over its processes itself."""
    follow(join())
    part()
    return 0


if __name__ == "__main__":
    sys.exit(main())
