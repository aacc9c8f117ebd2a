"""Errors that are meant for a person, shown as a sentence instead of a traceback."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from app import state
from app.components import say
from app.services.errors import TerrastillError


@contextmanager
def plainly() -> Iterator[None]:
    """Show what a `TerrastillError` says, one line for each problem, and let the rest of the page stand."""
    try:
        yield
    except TerrastillError as error:
        show_problems(getattr(error, "problems", (str(error),)))


def page(main: Callable[[], None]) -> None:
    """Draw a page, and above it which parts of its link could not be given."""
    state.open_page(main.__code__.co_filename)
    place = st.empty()
    with plainly():
        main()
    if sentences := state.missed():
        with place:
            say.warning(*sentences, icon=":material/link_off:")


def show_problems(problems: tuple[str, ...] | list[str]) -> None:
    """Sentences in red, one a line."""
    say.error(*map(str, problems))
