"""Who may do what, and how much of it: the operator's file, limits for each person, and pages before signing in."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.services import access, benchmarks, exports, launch, runs, waiting_runs, workers
from app.services.access import Person, Rates
from app.services.stores import open_store
from core import paths
from core.errors import ConfigError, RunError
from tests.ui.conftest import ANYBODY, World, ask, words

View = Callable[..., AppTest]


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


def test_no_page_is_shown_while_the_access_file_cannot_be_read(view: View) -> None:
    (paths.home() / access.FILE).write_text("not toml")
    page = view("runs")
    assert not page.exception
    assert "nothing is allowed until it can" in page.error[0].value
    assert page.title == []


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


def at_once(count: int, work: Callable[[], object]) -> list[str]:
    """What became of `count` threads that do the same together: empty, or the refusal."""
    gate, told = threading.Barrier(count), []

    def go() -> None:
        gate.wait()
        try:
            work()
            told.append("")
        except RunError as error:
            told.append(str(error))

    threads = [threading.Thread(target=go) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


@pytest.mark.parametrize(
    ("settings", "most", "through"),
    [
        (ask(control=False), 3, 3),
        (ask(control=True), 3, 1),
        (ask(control=True, seeds=2), 9, 2),
        (ask(control=True, seeds=5), 9, 0),
    ],
)
def test_exactly_as_many_wait_as_may_whoever_launches_at_once(
    settings: launch.Request, most: int, through: int
) -> None:
    """Controls and every seed are counted, and a launch gets in whole or not at all."""
    (paths.home() / access.FILE).write_text(f"waiting_runs = {most}\n")
    told = at_once(6, lambda: launch.launch(settings, ANYBODY))
    assert sum(not refusal for refusal in told) == through
    assert all(f"At most {most} runs wait" in refusal for refusal in told if refusal)
    queued = runs.list_runs()
    assert len(queued) == through * settings.seeds * (1 + settings.control)
    assert len(list(paths.home().glob("*/config.json"))) == len(queued)


def test_a_retry_counts_among_those_that_wait() -> None:
    launched = [launch.launch(ask(control=False), ANYBODY) for _ in range(4)]
    for run_id in launched:
        runs.cancel(run_id, ANYBODY)
    (paths.home() / access.FILE).write_text("waiting_runs = 2\n")
    waiting = iter(launched)
    told = at_once(4, lambda: runs.retry(next(waiting), ANYBODY))
    assert sorted(map(bool, told)) == [False, False, True, True]
    assert sum(run.active for run in runs.list_runs()) == 2


def test_a_launch_counts_each_of_its_runs_an_hour_and_a_refused_one_none() -> None:
    (paths.home() / access.FILE).write_text("launches_an_hour = 4\nwaiting_runs = 2\n")
    first = launch.launch(ask(), ANYBODY)
    with pytest.raises(RunError, match="At most 2 runs wait"):
        launch.launch(ask(control=False), ANYBODY)
    runs.cancel(first, ANYBODY)
    launch.launch(ask(), ANYBODY)
    with pytest.raises(RunError, match="At most 4 launches an hour"):
        runs.retry(first, ANYBODY)


DEEDS: dict[str, Callable[[str, Person], object]] = {
    "cancel": runs.cancel,
    "retry": runs.retry,
    "pin": lambda run_id, who: runs.pin(run_id, True, who),
    "first": waiting_runs.move_to_front,
    "delete": runs.delete,
    "launch": lambda _, who: launch.launch(ask(), who),
    "start a worker": lambda _, who: workers.start_worker(who),
    "measure": lambda _, who: benchmarks.start(who, **BENCHMARK),
    "stop measuring": lambda _, who: benchmarks.cancel("1", who),
    "dismiss": lambda _, who: benchmarks.dismiss(who),
    "delete a result": lambda _, who: benchmarks.delete("1", who),
}
BENCHMARK: dict[str, Any] = {
    "models": ["student"], "teacher": "teacher", "runtimes": ["pytorch"], "sizes": [256], "batches": [1],
    "threads": [1], "labelled": "none", "care": "Quick",
}  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
def test_whoever_may_nothing_changes_nothing_whatever_the_page_forgot(deed: str) -> None:
    run_id = launch.launch(ask(control=False), Person("198.51.100.1"))
    (paths.home() / access.FILE).write_text('may_launch = ["*@example.org"]\nmay_delete = []\n')
    before = open_store().list()
    with pytest.raises(RunError, match="does not let somebody who has not signed in"):
        DEEDS[deed](run_id, ANYBODY)
    assert open_store().list() == before


def test_who_launched_a_run_may_cancel_it_and_others_as_the_operator_says() -> None:
    ann, bob, carl = (Person("203.0.113.1", f"{name}@example.org") for name in ("ann", "bob", "carl"))
    for rule, allowed in (
        ("", {"ann", "bob", "carl"}),
        ('may_launch = ["ann@*", "bob@*"]', {"ann", "bob"}),
        ("may_cancel = []", {"ann"}),
        ('may_cancel = ["carl@*"]', {"ann", "carl"}),
    ):
        (paths.home() / access.FILE).unlink(missing_ok=True)
        run_id = launch.launch(ask(control=False), ann)
        (paths.home() / access.FILE).write_text(f"{rule}\n")
        owner = open_store().get(run_id).launched_by
        may = {who.email.split("@")[0] for who in (ann, bob, carl) if access.may(who, "cancel", launched_by=owner)}
        assert may == allowed, rule


def test_one_person_is_an_address_an_email_or_a_network_of_ipv6() -> None:
    assert Person("1.2.3.4", "Ann@Example.org").key == Person("5.6.7.8", "ann@example.org").key
    assert Person("1.2.3.4").key == Person("::ffff:1.2.3.4").key != Person("1.2.3.5").key
    assert Person("2001:db8::1").key == Person("2001:db8:0:0:ffff::9").key != Person("2001:db8:0:1::1").key


def test_comparisons_estimates_and_exports_count_an_hour(view: View, world: World) -> None:
    (paths.home() / access.FILE).write_text("comparisons_an_hour = 0\nestimates_an_hour = 0\nexports_an_hour = 0\n")
    page = view("compare")
    assert "At most 0 comparisons an hour" in page.error[0].value
    assert world.predicted == []
    assert "At most 0 estimates an hour" in words(view("distill"))
    with pytest.raises(RunError, match="At most 0 exports an hour"):
        exports.archive(world.models["student"], ANYBODY)
    (paths.home() / access.FILE).unlink()
    assert not view("compare").error
    assert world.predicted


LISTED = 'may_view = ["*@example.org"]\n'


@pytest.mark.parametrize(
    ("claims", "text", "email"),
    [
        ({"email": "ann@example.org", "email_verified": True}, "", "ann@example.org"),
        ({"email": "ann@example.org", "email_verified": "true"}, "", "ann@example.org"),
        ({"email": "ann@example.org", "email_verified": False}, "", None),
        ({"email": "ann@example.org", "email_verified": "false"}, "", None),
        ({"email": "ann@example.org", "email_verified": 1.5}, "", None),
        ({"email": "ann@example.org"}, "", None),
        ({"email_verified": True}, "", None),
        ({"email": "ann@example.org"}, "unverified_emails = true", "ann@example.org"),
        ({"email": "ann@example.org", "email_verified": False}, "unverified_emails = true", "ann@example.org"),
    ],
)
def test_an_address_counts_when_it_is_verified(claims: dict[str, object], text: str, email: str | None) -> None:
    (paths.home() / access.FILE).write_text(text)
    assert access.email_of(claims, access.read_access()) == email


def test_people_sign_in_anew_after_some_hours() -> None:
    hour, now = 3600.0, 1_000_000_000.0
    (paths.home() / access.FILE).write_text("sign_in_hours = 8")
    limited = access.read_access()
    for issued, ended in ((now, False), (now - 7.9 * hour, False), (now - 8.1 * hour, True), (now + 2 * hour, True)):
        assert access.signed_in_too_long({"iat": issued}, limited, now=now) is ended
    for claims in ({}, {"iat": None}, {"iat": "yesterday"}, {"iat": True}, {"iat": float("nan")}):
        assert access.signed_in_too_long(claims, limited, now=now)
    (paths.home() / access.FILE).write_text("sign_in_hours = 0")
    assert not access.signed_in_too_long({}, access.read_access(), now=now)
    assert access.Access().sign_in_hours > 0


def _shown_to(monkeypatch: pytest.MonkeyPatch, text: str, **claims: object) -> AppTest:
    """The frame of every page, with a part that is drawn as a fragment's is, for who has these claims."""

    def script() -> None:
        import streamlit as st

        from app.components.guard import plainly
        from app.components.sign_in import signed_in

        with plainly(ask=False):
            if signed_in():
                st.write("The inside")
        with plainly():
            st.write("The moving part")

    import streamlit as st

    monkeypatch.setattr(st, "user", claims)
    monkeypatch.setattr(type(st.context), "cookies", {})
    (paths.home() / access.FILE).write_text(text)
    page = AppTest.from_function(script, default_timeout=60).run()
    assert not page.exception
    return page


@pytest.mark.parametrize("text", [LISTED, f"sign_in = true\n{LISTED}"])
def test_only_who_is_listed_may_view(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    good = {"is_logged_in": True, "email": "ann@example.org", "email_verified": True, "iat": time.time()}
    page = _shown_to(monkeypatch, text, **good)
    assert "The inside" in words(page)
    assert "The moving part" in words(page)
    for change, button in (
        ({"email": "ann@evil.example"}, "Sign out"),
        ({"email_verified": False}, "Sign out"),
        ({"email_verified": None}, "Sign out"),
        ({"is_logged_in": False}, "Sign in"),
        ({"iat": time.time() - 13 * 3600}, "Sign in"),
        ({"iat": None}, "Sign in"),
    ):
        page = _shown_to(monkeypatch, text, **{**good, **change})
        assert "The inside" not in words(page)
        assert "The moving part" not in words(page)
        assert "reload this page" in words(page)
        assert [found.label for found in page.button] == [button]


def test_rights_to_launch_end_with_the_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    import streamlit as st

    from app.visitor import person

    (paths.home() / access.FILE).write_text('may_launch = ["ann@example.org"]\n')
    claims = {"is_logged_in": True, "email": "ann@example.org", "email_verified": True, "iat": time.time()}
    monkeypatch.setattr(st, "user", claims)
    assert access.may(person(), "launch")
    for change in ({"iat": time.time() - 13 * 3600}, {"email_verified": False}, {"is_logged_in": False}):
        monkeypatch.setattr(st, "user", {**claims, **change})
        assert not access.may(person(), "launch")
