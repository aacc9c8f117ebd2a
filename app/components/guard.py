"""Errors that are meant for a person, shown as a sentence instead of a traceback."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import streamlit as st

from app import state
from app.components import say
from app.components.sign_in import stop_if_signed_out
from core.errors import TerrastillError


class plainly(AbstractContextManager[None, bool]):  # noqa: N801
    """Show what a `TerrastillError` says, one line for each problem, and let the rest of the page stand.

    `ask`: only for who may still view. The page's frame asks by itself, and says how to sign in.
    """

    def __init__(self, *, ask: bool = True) -> None:
        self._ask = ask

    def __enter__(self) -> None:
        if self._ask:
            _stop_if_signed_out()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, TerrastillError):
            return False
        show_problems(getattr(error, "problems", (str(error),)))
        return True


def page(main: Callable[[], None]) -> None:
    """Draw a page, and above it which parts of its link could not be given."""
    state.open_page(main.__code__.co_filename)
    place = st.empty()
    with plainly():
        main()
    state.page_drawn()
    if sentences := state.missed():
        with place:
            say.warning(*sentences, icon=":material/link_off:")


def _stop_if_signed_out() -> None:
    try:
        stop_if_signed_out()
    except TerrastillError as error:
        # While the operator's file cannot be read, nothing is shown.
        say.error(str(error))
        st.stop()


def show_problems(problems: tuple[str, ...] | list[str]) -> None:
    """Sentences in red, one a line; nothing where there is none."""
    if problems:
        say.error(*map(str, problems))
