"""Steps that were timed once are kept on the disk for the next start of the server, unless something changed."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from app.services import artifacts, estimates, kept_estimates, teachers
from core import paths
from core.benchmark import machine
from core.errors import RunStateError
from core.losses.catalogue import LOSSES
from tests.ui.conftest import make_model

TEACHER = make_model("teacher")
PACE = estimates.Pace(128, "a CPU", 0.01, 0.5, 0.02)


@dataclass
class Timed:
    """What was timed, in order, and which share of the processors others took meanwhile."""

    what: list[str] = field(default_factory=list)
    others: float = 0.0

    def note(self, what: str, value: object) -> Callable[..., object]:
        def measure(*_: object, **__: object) -> object:
            self.what.append(what)
            return value

        return measure


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    made = Timed()
    monkeypatch.setattr(artifacts, "weights", lambda model: f"weights of {model.identity}")
    monkeypatch.setattr(machine, "facts", lambda: {"processor": "A CPU", "cores": 2, "packages": {"torch": "2.15"}})
    monkeypatch.setattr(estimates, "others", lambda: lambda: made.others)
    monkeypatch.setattr(estimates, "measure_pace", made.note("pace", PACE))
    monkeypatch.setattr(estimates, "measure_losses", made.note("losses", dict.fromkeys(LOSSES, 0.25)))
    monkeypatch.setattr(estimates, "measure_teacher_pace", made.note("teacher", estimates.TeacherPace(0.5, PACE)))
    return made


def allow() -> None: ...


def ask_all(teacher: artifacts.Model = TEACHER, crop: int = 128) -> tuple[object, ...]:
    return (
        kept_estimates.pace(teacher, crop, "auto", before=allow),
        kept_estimates.loss_seconds(teacher, crop, "auto", before=allow),
        kept_estimates.teacher_pace(teachers.NETWORKS["fresh"][1], 5, crop, "auto", before=allow),
    )


def test_what_was_timed_on_an_idle_machine_is_timed_once(timed: Timed) -> None:
    first = ask_all()
    assert timed.what == ["pace", "losses", "teacher"]
    assert ask_all() == first == (PACE, dict.fromkeys(LOSSES, 0.25), estimates.TeacherPace(0.5, PACE))
    assert timed.what == ["pace", "losses", "teacher"]


def test_another_teacher_crop_machine_or_library_is_timed_anew(timed: Timed, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_estimates.pace(TEACHER, 128, "auto", before=allow)
    kept_estimates.pace(replace(TEACHER, identity="other"), 128, "auto", before=allow)
    kept_estimates.pace(TEACHER, 256, "auto", before=allow)
    kept_estimates.pace(TEACHER, 128, "cpu", before=allow)
    for facts in ({"processor": "Another"}, {"processor": "A CPU", "cores": 2, "packages": {"torch": "2.16"}}):
        monkeypatch.setattr(machine, "facts", lambda facts=facts: facts)
        kept_estimates.pace(TEACHER, 128, "auto", before=allow)
    assert timed.what == ["pace"] * 6


def test_a_teacher_on_an_encoder_is_timed_once_whatever_file_its_weights_come_from(timed: Timed) -> None:
    for encoder, weights in (
        ("resnet18", "a.safetensors"),
        ("resnet18", "b.safetensors"),
        ("resnet34", "a.safetensors"),
    ):
        kept_estimates.teacher_pace(teachers.on_encoder(encoder, weights), 5, 128, "auto", before=allow)
    assert timed.what == ["teacher"] * 2


def test_what_was_timed_beside_others_is_not_kept(timed: Timed) -> None:
    timed.others = 0.5
    ask_all()
    ask_all()
    assert timed.what == ["pace", "losses", "teacher"] * 2


def test_old_and_damaged_figures_are_timed_anew(timed: Timed) -> None:
    ask_all()
    files = list((paths.home() / "estimates").iterdir())
    assert len(files) == 3
    for text in ("", "[1]", '{"fixed": 1}'):
        for file in files:
            file.write_text(text)
        ask_all()
    assert timed.what == ["pace", "losses", "teacher"] * 4
    old = time.time() - 86_400 * (kept_estimates.DAYS + 1)
    for file in files:
        os.utime(file, (old, old))
    ask_all()
    assert timed.what == ["pace", "losses", "teacher"] * 5


@pytest.mark.usefixtures("timed")
def test_only_what_is_timed_counts_against_the_visitors_hour() -> None:
    def refuse() -> None:
        raise RunStateError("That is enough for this hour.")

    with pytest.raises(RunStateError):
        kept_estimates.pace(TEACHER, 128, "auto", before=refuse)
    kept_estimates.pace(TEACHER, 128, "auto", before=allow)
    assert kept_estimates.pace(TEACHER, 128, "auto", before=refuse) == PACE


@pytest.mark.usefixtures("timed")
def test_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_estimates, "MOST_KEPT", 3)
    for crop in (32, 64, 96, 128, 160):
        kept_estimates.pace(TEACHER, crop, "auto", before=allow)
    assert len(list((paths.home() / "estimates").iterdir())) == 3
