"""Runs as the app shows them, and what a person can do with them."""

from dataclasses import dataclass

from app.services.stores import open_store
from core.errors import RunStateError
from core.runs.records import RunRecord, RunState

ACTIVE = ("queued", "running")


@dataclass(frozen=True)
class Run:
    """One run in plain values. Times are Unix seconds, `progress` and the scores fractions from 0 to 1.

    `control` is the id of this run's control, `control_of` the id of the run that this one controls for.
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
    """Queue a failed or cancelled run again. Raises `RunError`."""
    open_store().retry(run_id)


def delete(run_id: str) -> None:
    """Remove a run and all its files; its control stays. Raises `RunError` while it is running."""
    store = open_store()
    waiting = [r for r in store.list(ACTIVE_STATES) if r.config.control_of == run_id]
    if waiting:
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
    if abs(points) < 0.05:
        return f"Distilling made no difference: {figures} ({budget}).", points
    verb = "gained" if points > 0 else "lost"
    against = "over" if points > 0 else "against"
    sentence = f"Distilling {verb} {abs(points):.1f} points {against} its control: {figures} ({budget})."
    teacher = run.teacher_miou5
    if teacher is not None and teacher > control.best_miou5 and points > 0:
        closed = (run.best_miou5 - control.best_miou5) / (teacher - control.best_miou5)
        sentence += f" That closes {100 * closed:.0f} % of the gap to the teacher's {100 * teacher:.1f} %."
    return sentence, points


def _run(record: RunRecord, control: str | None) -> Run:
    config, summary = record.config, record.summary
    base = config.model.arguments.get("base")
    return Run(
        id=record.id,
        name=record.name,
        kind=config.kind,
        state=str(record.state),
        progress=record.progress,
        student=f"U-Net {base}" if config.model.architecture == "unet" else config.model.architecture,
        base=base if isinstance(base, int) else None,
        teacher=config.distill.teacher if config.distill else None,
        dataset=config.data.dataset,
        temperature=config.distill.temperature if config.distill else None,
        alpha=config.distill.alpha if config.distill else None,
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
    )
