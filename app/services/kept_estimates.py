"""Steps that were timed on this machine, kept on the disk: a start of the server does not time them anew.

Only what was timed on an idle machine is kept. It counts for `DAYS`, as long as the teacher's weights, the machine and
its libraries are the same.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from app.services import artifacts, estimates
from app.services.artifacts import Model
from app.services.estimates import Pace, TeacherPace
from core import paths
from core.benchmark import machine
from core.config import ModelConfig
from core.errors import DiskFullError
from core.files import write_aside
from core.losses.catalogue import LOSSES, names

MOST_KEPT, DAYS = 200, 30
_T = TypeVar("_T")


def pace(teacher: Model, crop: int, device: str, *, before: Callable[[], None]) -> Pace:
    """Seconds a picture of a training step and of a pass of the teacher (`estimates.measure_pace`).

    Args:
        teacher: Whose passes are timed.
        crop: Side of a view, in pixels.
        device: As in the settings.
        before: Called before anything is timed, which takes seconds; it may refuse.

    Raises `CheckpointError` and `DeviceError`.
    """
    asked = {"pace": _weights(teacher), "crop": crop, "device": device}
    return _kept(
        asked,
        lambda: estimates.measure_pace(teacher=teacher.name, crop=crop, device=device),
        lambda told: Pace(**told),
        before,
    )


def loss_seconds(teacher: Model, crop: int, device: str, *, before: Callable[[], None]) -> dict[str, float]:
    """Seconds a picture that each loss on the teacher adds (`estimates.measure_losses`). As `pace`."""
    asked = {"losses": _weights(teacher), "crop": crop, "device": device}

    def read(told: dict[str, Any]) -> dict[str, float]:
        # A teacher that does not say where its features are has costs of those on logits alone.
        if told.keys() not in (set(LOSSES), set(names("logits"))):
            raise ValueError("These are other losses.")
        return {name: float(seconds) for name, seconds in told.items()}

    return _kept(asked, lambda: estimates.measure_losses(teacher=teacher.name, crop=crop, device=device), read, before)


def teacher_pace(
    model: ModelConfig, outputs: int, crop: int, device: str, *, before: Callable[[], None]
) -> TeacherPace:
    """Seconds of a fresh teacher (`estimates.measure_teacher_pace`), whatever weights it begins with. As `pace`.

    Raises `ModelError` besides.
    """
    network = {**asdict(model), "arguments": {**model.arguments, "weights": None}}
    asked = {"teacher pace": network, "outputs": outputs, "crop": crop, "device": device}
    return _kept(
        asked,
        lambda: estimates.measure_teacher_pace(model, outputs=outputs, crop=crop, device=device),
        lambda told: TeacherPace(float(told["step"]), Pace(**told["pace"])),
        before,
    )


def _kept(
    asked: dict[str, Any], measure: Callable[[], _T], read: Callable[[Any], _T], before: Callable[[], None]
) -> _T:
    """What the disk holds; else measured, and kept where nobody else used the machine meanwhile."""
    here = {"machine": machine.facts(), "threads": os.environ.get("OMP_NUM_THREADS")}
    file = _folder() / f"{_digest(asked | here)}.json"
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        if time.time() - file.stat().st_mtime < 86_400 * DAYS:
            return read(json.loads(file.read_text(encoding="utf-8")))
    before()
    share = estimates.others()
    found = measure()
    if share() <= estimates.QUIET:
        told = found if isinstance(found, dict) else asdict(found)  # type: ignore[call-overload]
        # It can be timed again: what cannot be kept is not worth an error.
        with suppress(OSError, DiskFullError):
            write_aside(file, lambda path: path.write_text(json.dumps(told), encoding="utf-8"))
            _drop_oldest()
    return found


def _weights(teacher: Model) -> str:
    """Changes with the teacher; a committee has no weights of its own."""
    return artifacts.weights(teacher) or teacher.identity


def _drop_oldest() -> None:
    files = sorted(_folder().glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[:-MOST_KEPT]:
        file.unlink(missing_ok=True)


def _folder() -> Path:
    return paths.home() / "estimates"


def _digest(asked: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:24]
