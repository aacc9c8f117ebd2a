"""Who is killed first when this machine runs out of memory: the processes that can be started again."""

from contextlib import suppress
from pathlib import Path

DECODING, PREDICTING, TRAINING = 1000, 900, 600
"""The system adds this, in thousandths of its memory, to what a process takes, and ends the largest (Linux alone).

The server and the worker stay at 0: they hold what others wait for.
"""


def end_me_before_others(score: int) -> None:
    """Raise this process's score, and that of all it starts from now on. Anybody may raise it, nobody lower it."""
    with suppress(OSError):
        file = Path("/proc/self/oom_score_adj")
        if int(file.read_text(encoding="ascii")) < score:
            file.write_text(str(score), encoding="ascii")
