"""Errors that are meant for a person, shown as a sentence instead of a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.components import say
from app.services.errors import TerrastillError


@contextmanager
def plainly() -> Iterator[None]:
    """Show what a `TerrastillError` says, one line for each problem, and let the rest of the page stand."""
    try:
        yield
    except TerrastillError as error:
        show_problems(getattr(error, "problems", (str(error),)))


def show_problems(problems: tuple[str, ...] | list[str]) -> None:
    """Sentences in red, one a line."""
    say.error(*map(str, problems))
