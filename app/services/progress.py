"""What a run has written so far: curves, previews, log. Read from its folder, so it works while the run goes on."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.services import own_datasets
from app.services.stores import open_store
from core.config import DataConfig
from core.data.datasets import dataset_of
from core.errors import ConfigError, DataError
from core.events import COLLAPSED, Progress
from core.runs.recorder import read_events
from core.runs.store.run_files import PROGRESS_FILE, last_lines

LARGEST_CURVE = 1500


@dataclass(frozen=True)
class Preview:
    """PNG files of one validation crop; `epochs` maps an epoch to the prediction after it.

    `classes` are the names and colours that the masks are drawn in; none where the dataset is no longer known.
    """

    image: Path
    truth: Path
    epochs: dict[int, Path]
    classes: tuple[tuple[str, tuple[int, int, int]], ...]


@dataclass(frozen=True)
class RunProgress:
    """Where a run is. `losses` and `scores` are rows for charts: a fractional epoch and values by name."""

    epoch: int = 0
    epochs: int = 0
    seconds_left: float | None = None
    images_per_second: float | None = None
    losses: list[dict[str, float]] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)
    teacher_miou5: float | None = None
    warnings: list[str] = field(default_factory=list)
    activity: str = ""


@dataclass(frozen=True)
class JobProgress:
    """How far a quick run is; `seconds_left` of what it does now, None where that cannot be told."""

    progress: Progress
    seconds_left: float | None = None


def read_job(run_id: str) -> JobProgress:
    """How far a prediction or a benchmark is; one that has not begun is "Starting"."""
    try:
        told = json.loads((open_store().folder(run_id) / PROGRESS_FILE).read_text(encoding="utf-8"))
        now = Progress(told["done"], told["total"], told["doing"])
        left = told["seconds"] / now.done * (now.total - now.done) if now.done else None
    except (OSError, ValueError, KeyError, TypeError):
        return JobProgress(Progress(0, 1, "Starting"))
    return JobProgress(now, left)


def read_progress(run_id: str) -> RunProgress:
    """Everything the charts need. Raises `RunNotFoundError`; a run that has not begun gives an empty `RunProgress`."""
    events, _ = read_events(open_store().folder(run_id) / "events.jsonl")
    steps = [event for event in events if event["type"] == "step"]
    epochs = {event["epoch"]: event for event in events if event["type"] == "epoch"}
    messages = [event for event in events if event["type"] == "message"]
    last = steps[-1] if steps else {}
    teacher: dict[str, Any] = next((event for event in reversed(events) if event["type"] == "teacher"), {})
    return RunProgress(
        epoch=max([int(last.get("epoch", 0)), *epochs], default=0),
        epochs=int(last.get("epochs") or next((e["epochs"] for e in reversed(epochs.values())), 0)),
        seconds_left=last.get("seconds_left"),
        images_per_second=last.get("images_per_second"),
        losses=_losses(steps),
        scores=[_scores(event) for _, event in sorted(epochs.items()) if event.get("miou5") is not None],
        teacher_miou5=teacher.get("miou5"),
        warnings=_warnings(events),
        activity=messages[-1]["text"] if messages and not steps else "",
    )


def read_preview(run_id: str, data: DataConfig, owner: str | None = None) -> Preview | None:
    """The preview pictures of a run on this data, or None before its first validation.

    None too for who may not see the pictures of this dataset (`own_datasets.may_use`).
    """
    if not own_datasets.may_use(data.dataset, owner):
        return None
    folder = open_store().folder(run_id) / "preview"
    epochs = {int(path.stem.removeprefix("epoch_")): path for path in sorted(folder.glob("epoch_*.png"))}
    if not epochs or not (folder / "image.png").is_file():
        return None
    classes: tuple[tuple[str, tuple[int, int, int]], ...] = ()
    with suppress(ConfigError, DataError):
        known = dataset_of(data).classes
        classes = tuple(zip(known.names, known.colours, strict=True))
    return Preview(folder / "image.png", folder / "truth.png", epochs, classes)


def read_log(run_id: str, *, lines: int = 200) -> str:
    """The end of the run's log."""
    return "\n".join(last_lines(open_store().folder(run_id) / "log.txt", lines))


def _warnings(events: list[dict[str, Any]]) -> list[str]:
    """Each once; that of a collapse until a later validation finds more than one class again."""
    found: list[str] = []
    for event in events:
        if event["type"] == "message" and event.get("level") == "warning":
            found.append(event["text"])
        elif event["type"] == "epoch" and event.get("collapsed") is False:
            found = [text for text in found if not text.startswith(COLLAPSED)]
    return list(dict.fromkeys(found))


def _losses(steps: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Loss terms by fractional epoch; a later try of the same step replaces the earlier, long curves are thinned."""
    rows: dict[float, dict[str, float]] = {}
    for event in steps:
        at = event["epoch"] - 1 + event["step"] / max(event["steps"], 1)
        terms = {name: value for name, value in event["losses"].items() if value is not None}
        rows[at] = {"epoch": at, **terms}
    ordered = [rows[at] for at in sorted(rows)]
    stride = -(-len(ordered) // LARGEST_CURVE) or 1
    return ordered[::stride]


def _scores(event: dict[str, Any]) -> dict[str, float]:
    classes = {f"iou_{name}": value for name, value in (event.get("iou") or {}).items() if value is not None}
    return {"epoch": event["epoch"], "miou5": event["miou5"], "seconds": event["seconds"], **classes}
