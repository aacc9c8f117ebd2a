"""What a person sees: results on stdout, warnings and errors in one line each on stderr, bars on a terminal only."""

import io
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.events import OnProgress, Progress


def print_anything() -> None:
    """Let this process print letters that the terminal's encoding does not have, as \\uXXXX, where it failed before."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Within it a SIGTERM raises `KeyboardInterrupt`, so that what is half done is cleaned up; a second one ends it.

    Nothing changes beside the main thread, where Python takes no signals, nor where SIGTERM is ignored.
    """
    before = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or before is not signal.SIG_DFL:
        yield
        return

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(line: str) -> None:
    print(line, flush=True)


def say_json(value: Any) -> None:
    """The only thing on stdout when JSON was asked for."""
    print(json.dumps(value, indent=2, allow_nan=False), flush=True)


def complain(message: str) -> None:
    """One line on stderr, whatever line breaks and control characters the message has."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(message.split()))
    print(f"terrastill: {line}", file=sys.stderr, flush=True)


def warn(messages: list[str]) -> None:
    for message in messages:
        complain(f"warning: {message}")


def percent(fraction: float | None) -> str:
    """`0.7312` → ` 73.1 %`; a dash for a score that is not defined."""
    return "     –" if fraction is None or fraction != fraction else f"{100 * fraction:5.1f} %"


@contextmanager
def progress_bar(what: str, unit: str) -> "Iterator[OnProgress]":
    """A callback that draws a bar on stderr when that is a terminal, and nothing otherwise."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, disable=None, leave=False) as bar:

        def show(now: "Progress") -> None:
            bar.total = now.total
            bar.update(now.done - bar.n)

        yield show
