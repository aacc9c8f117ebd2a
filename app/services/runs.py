"""Runs as the app shows them, and what a person can do with them."""

import hashlib
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from app.services.artifacts import architecture
from app.services.stores import open_store
from core.config import RunConfig
from core.errors import RunStateError
from core.runs.records import RunRecord, RunState

ACTIVE = ("queued", "running")
_NO_DIFFERENCE = 0.05
"""Points that one decimal does not show."""


@dataclass(frozen=True)
class Run:
    """One run in plain values. Times are Unix seconds, `progress` and the scores fractions from 0 to 1.

    `control` is the id of this run's control, `control_of` the id of the run that this one controls for. Runs whose
    `settings_key` is the same differ in seed, name and device at most; `losses` are weights by name.
    """

    id: str
    name: str
    kind: str
    state: str
    progress: float
    student: str
    base: int | None
    teacher: str | None
    dataset: str
    temperature: float | None
    alpha: float | None
    losses: dict[str, float]
    epochs: int
    seed: int
    device: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    error: str | None
    cancel_requested: bool
    control_of: str | None
    control: str | None
    best_miou5: float | None
    teacher_miou5: float | None
    train_seconds: float | None
    collapsed: bool
    settings_key: str

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


def list_runs() -> list[Run]:
    """Every run, newest first. Raises `StoreError`."""
    records = open_store().list()
    controls = {record.config.control_of: record.id for record in reversed(records) if record.config.control_of}
    return [_run(record, controls.get(record.id)) for record in records]


def cancel(run_id: str) -> None:
    """Stop a run, and with it a control that waits for it. Raises `RunError`."""
    store = open_store()
    store.request_cancel(run_id)
    for record in store.list([RunState.QUEUED]):
        if record.config.control_of == run_id:
            store.request_cancel(record.id)


def retry(run_id: str) -> None:
    """Queue a failed or cancelled run again, a distillation with its control. Raises `RunError`."""
    store = open_store()
    config, known = store.get(run_id).config, store.list()
    if config.control_of and config.train.match_seconds is None:
        _require_on_its_way(next((record for record in known if record.id == config.control_of), None))
    store.retry(run_id)
    for record in known:
        if record.config.control_of == run_id and record.state in (RunState.FAILED, RunState.CANCELLED):
            store.retry(record.id)


def _require_on_its_way(run: RunRecord | None) -> None:
    """A control trains as long as its distillation did: without that it would only fail."""
    if run is None:
        raise RunStateError("The run it controls for was deleted, and its training time with it: launch a new pair.")
    if run.state != RunState.DONE and (run.state not in ACTIVE_STATES or run.cancel_requested):
        raise RunStateError(f"The run it controls for, {run.name}, is not done: retry that run, and this one follows.")


def delete(run_id: str) -> None:
    """Remove a run and all its files; its control stays. Raises `RunError` while it is running."""
    store = open_store()
    if any(record.config.control_of == run_id for record in store.list(ACTIVE_STATES)):
        raise RunStateError("Its control has not finished: cancel or delete the control first.")
    store.delete(run_id)


ACTIVE_STATES = (RunState.QUEUED, RunState.RUNNING)


def gain(run: Run, control: Run | None) -> tuple[str, float] | None:
    """What the distillation brought over its control, in a sentence and in points; None until both are done."""
    if control is None or run.best_miou5 is None or control.best_miou5 is None:
        return None
    if run.state != "done" or control.state != "done":
        return None
    points = 100 * (run.best_miou5 - control.best_miou5)
    figures = f"mIoU {100 * run.best_miou5:.1f} % with the teacher, {100 * control.best_miou5:.1f} % with labels only"
    budget = "same seed, same training time"
    if abs(points) < _NO_DIFFERENCE:
        return f"Distilling made no difference: {figures} ({budget}).", points
    verb = "gained" if points > 0 else "lost"
    against = "over" if points > 0 else "against"
    sentence = f"Distilling {verb} {abs(points):.1f} points {against} its control: {figures} ({budget})."
    if points > 0:
        sentence += _gap_closed(run.best_miou5, control.best_miou5, run.teacher_miou5)
    return sentence, points


@dataclass(frozen=True)
class Verdict:
    """Whether the teacher was worth it. `tone` is `good` where several seeds show it, `bad` for a loss, else `open`."""

    sentence: str
    tone: Literal["good", "bad", "open"]


def verdict(run: Run, known: Iterable[Run]) -> Verdict | None:
    """What distilling brought over labels alone, by all finished seeds of these settings; None until `run` is done.

    `run` is a distillation or its control. With two seeds or more: the mean gain and its sample standard deviation.
    """
    by_id = {other.id: other for other in known}
    run = by_id.get(run.control_of or "", run)
    told = gain(run, by_id.get(run.control or ""))
    if told is None:
        return None
    # A seed counts once, however often it was launched: the run that is looked at, else the newest.
    alike = [other for other in by_id.values() if other.kind == "distill" and other.settings_key == run.settings_key]
    alike.sort(key=lambda other: (other.id == run.id, other.created_at))
    scores: dict[int, tuple[float, float]] = {}
    for other in alike:
        control = by_id.get(other.control or "")
        if control is not None and gain(other, control) is not None:
            scores[other.seed] = (other.best_miou5 or 0.0, control.best_miou5 or 0.0)
    coming = {other.seed for other in alike if _under_way(other, by_id)} - scores.keys()
    if len(scores) == 1:
        return _of_one_seed(*told, coming=len(coming))
    return _over_seeds([scores[seed] for seed in sorted(scores)], run.teacher_miou5, coming=len(coming))


def _under_way(run: Run, by_id: Mapping[str, Run]) -> bool:
    """Whether it may still become a pair with its control."""
    control = by_id.get(run.control or "")
    return control is not None and (run.active or (run.state == "done" and control.active))


def _of_one_seed(sentence: str, points: float, *, coming: int) -> Verdict:
    advice = "the others are still to come" if coming else "launch more seeds"
    sentence += f" One seed cannot tell luck from gain: {advice}."
    return Verdict(sentence, "bad" if points <= -_NO_DIFFERENCE else "open")


def _over_seeds(scores: Sequence[tuple[float, float]], teacher: float | None, *, coming: int) -> Verdict:
    """By pairs of scores, with the teacher and without. Judged as the figures are shown, so that words fit them."""
    gains = [100 * (ours - labels) for ours, labels in scores]
    mean, spread = _shown(statistics.mean(gains)), _shown(statistics.stdev(gains))
    ours, labels = (statistics.mean(column) for column in zip(*scores, strict=True))
    words: tuple[str, Literal["good", "bad", "open"]] = ("within the spread: not shown to help", "open")
    if mean > spread:
        words = ("worth it", "good")
    elif mean < -spread:
        words = ("the teacher hurt", "bad")
    sentence = (
        f"{_signed(mean)} ± {spread:.1f} mIoU over its control ({len(scores)} seeds): {words[0]}. "
        f"On average {100 * ours:.1f} % with the teacher, {100 * labels:.1f} % with labels only (same seeds, same "
        f"training time); by seed {', '.join(_signed(_shown(points)) for points in gains)}."
    )
    if words[1] == "good":
        sentence += _gap_closed(ours, labels, teacher)
    if coming:
        sentence += f" {coming} more seed{'s are' if coming > 1 else ' is'} still to come."
    return Verdict(sentence, words[1])


def _shown(points: float) -> float:
    """To one decimal, and never minus zero."""
    return round(points, 1) + 0.0


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _gap_closed(distilled: float, labels: float, teacher: float | None) -> str:
    """How far a gain goes towards the teacher's score; nothing where there is no gap."""
    if teacher is None or teacher <= labels:
        return ""
    closed = (distilled - labels) / (teacher - labels)
    return f" That closes {100 * closed:.0f} % of the gap to the teacher's {100 * teacher:.1f} %."


def _run(record: RunRecord, control: str | None) -> Run:
    config, summary = record.config, record.summary
    base = config.model.arguments.get("base")
    return Run(
        id=record.id,
        name=record.name,
        kind=config.kind,
        state=str(record.state),
        progress=record.progress,
        student=architecture(config.model),
        base=base if isinstance(base, int) else None,
        teacher=config.distill.teacher if config.distill else None,
        dataset=config.data.dataset,
        temperature=config.distill.temperature if config.distill else None,
        alpha=config.distill.alpha if config.distill else None,
        losses=dict(config.distill.losses) if config.distill else {},
        epochs=config.train.epochs,
        seed=config.train.seed,
        device=record.device,
        created_at=record.created_at,
        started_at=record.started_at,
        finished_at=record.finished_at,
        error=record.error,
        cancel_requested=record.cancel_requested,
        control_of=config.control_of,
        control=control,
        best_miou5=summary.get("best_miou5"),
        teacher_miou5=summary.get("teacher_miou5"),
        train_seconds=summary.get("train_seconds"),
        collapsed=bool(summary.get("collapsed")),
        settings_key=settings_key(config),
    )


def settings_key(config: RunConfig) -> str:
    """The same for two runs that differ in seed, name and device at most."""
    settings = asdict(config)
    del settings["name"], settings["control_of"], settings["train"]["seed"], settings["train"]["device"]
    # Read back with every number a float: a weight of 1 is a weight of 1.0.
    plain = json.loads(json.dumps(settings), parse_int=float)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
