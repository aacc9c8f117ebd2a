"""Bars on a terminal only; warnings anywhere; one line whatever a message holds."""

import io
import sys

import pytest

from core.cli.inline import run_bar
from core.cli.terminal import complain, percent, progress_bar, say_json
from core.events import EpochEvent, MessageEvent, Progress, StepEvent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tell_a_run() -> None:
    with run_bar("mine") as show:
        show(StepEvent(1, 2, 1, 2, {"ce": 1.0}, 0.1, 10.0, 5.0))
        show(MessageEvent("for the log"))
        show(MessageEvent("look out", "warning"))
        show(EpochEvent(2, 2, {}, 1.0, miou5=0.612))


def test_without_a_terminal_only_warnings_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    tell_a_run()
    with progress_bar("Scoring", "image") as show:
        show(Progress(1, 2))
    assert capsys.readouterr() == ("", "terrastill: warning: look out\n")


def test_a_terminal_shows_how_far_a_run_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    tell_a_run()
    shown = terminal.getvalue()
    assert "mine: 100 %" in shown
    assert "mIoU=61.2 %" in shown
    assert "terrastill: warning: look out\n" in shown
    assert "for the log" not in shown


def test_a_message_of_several_lines_becomes_one(capsys: pytest.CaptureFixture[str]) -> None:
    complain("one\n  two\r\nthree")
    assert capsys.readouterr().err == "terrastill: one two three\n"


def test_json_refuses_numbers_that_are_none() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        say_json({"miou5": float("nan")})


@pytest.mark.parametrize(("value", "text"), [(0.7312, "73.1 %"), (1.0, "100.0 %"), (None, "–"), (float("nan"), "–")])
def test_percent(value: float | None, text: str) -> None:
    assert percent(value).strip() == text
