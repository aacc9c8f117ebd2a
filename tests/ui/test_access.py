"""Who may do what, and how much of it: the operator's file, limits for each person, and pages before signing in."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app.services import access
from app.services.access import Person, Rates
from app.services.errors import ConfigError, RunError
from core import paths
from tests.ui.conftest import World, words

View = Callable[..., AppTest]
ANYBODY = Person("session")


def test_a_person_may_do_so_much_an_hour_and_others_as_much() -> None:
    clock = [0.0]
    rates = Rates(now=lambda: clock[0])
    rates.take(ANYBODY, "launches", 3, count=2)
    with pytest.raises(RunError, match="At most 3 launches an hour"):
        rates.take(ANYBODY, "launches", 3, count=2)
    rates.take(ANYBODY, "launches", 3)
    rates.take(Person("another"), "launches", 3, count=3)
    rates.take(ANYBODY, "predictions", 3, count=3)
    clock[0] = 3601.0
    rates.take(ANYBODY, "launches", 3, count=3)


def test_who_may_launch_and_delete_is_the_operators_word() -> None:
    (paths.home() / access.FILE).write_text(
        'sign_in = true\nmay_launch = ["*@example.org"]\nmay_delete = ["ann@example.org"]\n'
    )
    ann, bob = Person("s", "Ann@example.org"), Person("s", "bob@example.org")
    assert [access.may(who, "launch") for who in (ann, bob, ANYBODY, Person("s", "x@evil.org"))] == [
        True, True, False, False,
    ]  # fmt: skip
    assert [access.may(who, "delete") for who in (ann, bob, ANYBODY)] == [True, False, False]
    with pytest.raises(RunError, match=r"does not let bob@example\.org delete"):
        access.require(bob, "delete")
    (paths.home() / access.FILE).unlink()
    assert access.may(ANYBODY, "delete")


@pytest.mark.parametrize("text", ["sign_in = 1", "colour = 2", "may_launch = 'x'", "not toml", "images = '/no/such'"])
def test_an_access_file_that_cannot_be_meant_allows_nothing(text: str) -> None:
    (paths.home() / access.FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"access\.toml"):
        access.read_access()


def test_only_those_who_may_launch_and_delete(view: View, world: World) -> None:
    """Not signed in: the button is refused in words, and nothing is queued or removed."""
    from app.services import runs
    from tests.ui.test_runs import add_pair

    run_id, _ = add_pair()
    (paths.home() / access.FILE).write_text('may_launch = ["*@example.org"]\nmay_delete = []\n')
    page = view("distill")
    page.button(key="launch").click().run()
    assert not page.exception
    assert "does not let somebody who has not signed in launch runs" in page.error[0].value
    assert world.started == 0
    page = view("runs", run=run_id)
    page.button(key="cancel").click().run()
    assert "does not let" in page.error[0].value
    assert len(runs.list_runs()) == 2
    assert all(run.active for run in runs.list_runs())


def test_before_signing_in_no_page_is_shown() -> None:
    def script() -> None:
        import streamlit as st

        from app.components.sign_in import signed_in

        if signed_in():
            st.write("The inside")

    page = AppTest.from_function(script, default_timeout=60).run()
    assert "The inside" in words(page)
    (paths.home() / access.FILE).write_text("sign_in = true\n")
    page.run()
    assert not page.exception
    assert "The inside" not in words(page)
    assert [button.label for button in page.button] == ["Sign in"]
