"""Writes the events of a run into its folder, where people, the app and plots read them."""

import csv
import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.config import RunConfig
from core.data.datasets import dataset_of
from core.data.palette import to_rgb
from core.events import EpochEvent, Event, MessageEvent, PreviewEvent, StepEvent, TeacherEvent
from core.files import discard
from core.image import encode_png
from core.runs.store.records import LAST_CHECKPOINT
from core.runs.store.run_files import LineWriter, atomic_write

__all__ = ["Recorder", "atomic_write"]


class Recorder:
    """Writes every event of one run into `folder`; it is an `Emit`.

    - `config.json`: the settings.
    - `events.jsonl`: one JSON object a line, `{"time": …, "type": …, …}` with the fields of the event; the types are
      step, epoch, preview, teacher, message and start. Appended, so the last line may be half a line while it is being
      read. After a resume a step or an epoch may come twice: the later line holds.
    - `metrics.csv`: one row an epoch, in order, without repetition; rewritten whole.
    - `log.txt`: sentences with their time; the output of the run's process goes there as well.
    - `preview/`: `image.png`, `truth.png` and `epoch_0003.png`, in the colours of the dataset's classes.

    A run that starts without `last.ckpt` starts anew: curves and previews of an earlier try are removed, the log stays.
    """

    def __init__(self, folder: Path, config: RunConfig, *, now: Callable[[], float] = time.time) -> None:
        self.folder, self.config = folder, config
        self._now = now
        if not (folder / LAST_CHECKPOINT).exists():
            for name in ("metrics.csv", "events.jsonl", "preview"):
                discard(folder / name)
        # Opened once: when a later attempt replaces these two files, this one adds to copies that nobody reads.
        self._events, self._log = LineWriter(folder / "events.jsonl"), LineWriter(folder / "log.txt")
        atomic_write(folder / "config.json", config.to_json().encode())
        self._append("start", {})

    def __call__(self, event: Event) -> None:
        match event:
            case StepEvent():
                self._append("step", asdict(event))
            case EpochEvent():
                self._append("epoch", asdict(event))
                self._add_metrics(event)
            case MessageEvent():
                self._append("message", asdict(event))
                self.log(event.text if event.level == "info" else f"Warning: {event.text}")
            case TeacherEvent():
                self._append("teacher", asdict(event))
                self.log(f"The teacher {event.name} reaches mIoU {event.miou5:.3f} on the same validation pictures.")
            case PreviewEvent():
                self._append("preview", {"epoch": event.epoch})
                self._draw(event)

    def log(self, text: str) -> None:
        """One line in `log.txt`."""
        self._log(f"{time.strftime('%H:%M:%S', time.localtime(self._now()))}  {text}")

    def _append(self, kind: str, values: dict[str, Any]) -> None:
        self._events(json.dumps(_finite({"time": round(self._now(), 3), "type": kind, **values})))

    def _add_metrics(self, event: EpochEvent) -> None:
        path = self.folder / "metrics.csv"
        rows = [row for row in read_metrics(path) if int(row["epoch"]) < event.epoch]
        rows.append(_metrics_row(event))
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        atomic_write(path, text.getvalue().encode())

    def _draw(self, event: PreviewEvent) -> None:
        preview, classes = self.folder / "preview", dataset_of(self.config.data).classes
        atomic_write(preview / "image.png", encode_png(event.image))
        atomic_write(preview / "truth.png", encode_png(to_rgb(event.truth, classes)))
        atomic_write(preview / f"epoch_{event.epoch:04d}.png", encode_png(to_rgb(event.prediction, classes)))


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a `metrics.csv`, empty text where a value is missing; no rows when there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file, restval=""))


def read_events(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """The events after byte `offset` of an `events.jsonl`, and the offset to go on from. Half a line is left."""
    if not path.is_file():
        return [], 0
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)


def _metrics_row(event: EpochEvent) -> dict[str, str]:
    scores = {"miou5": event.miou5, "miou6": event.miou6, "accuracy": event.accuracy}
    classes = {f"iou_{name}": value for name, value in event.iou.items()}
    losses = {f"loss_{name}": value for name, value in event.losses.items()}
    numbers = {"seconds": event.seconds, **losses, **scores, **classes}
    return {"epoch": str(event.epoch), **{name: _text(value) for name, value in numbers.items()}}


def _text(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def _finite(value: Any) -> Any:
    """The same JSON value with null for numbers that JSON cannot express (a loss that is not a number, say)."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
