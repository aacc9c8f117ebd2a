"""What a person sees: results on stdout, warnings and errors in one line each on stderr, bars on a terminal only."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def say(line: str) -> None:
    print(line, flush=True)


def say_json(value: Any) -> None:
    """The only thing on stdout when JSON was asked for."""
    print(json.dumps(value, indent=2, allow_nan=False), flush=True)


def complain(message: str) -> None:
    """One line on stderr, whatever line breaks the message has."""
    print(f"terrastill: {' '.join(message.split())}", file=sys.stderr, flush=True)


def warn(messages: list[str]) -> None:
    for message in messages:
        complain(f"warning: {message}")


def percent(fraction: float | None) -> str:
    """`0.7312` → ` 73.1 %`; a dash for a score that is not defined."""
    return "     –" if fraction is None or fraction != fraction else f"{100 * fraction:5.1f} %"


@contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A callback (done, total) that draws a bar on stderr when that is a terminal, and nothing otherwise."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, disable=None, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
