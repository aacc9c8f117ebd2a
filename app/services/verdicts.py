"""Whether a teacher was worth it: a distillation beside its control, over all seeds that there are."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.services.runs import Run

_NO_DIFFERENCE = 0.05
"""Points that one decimal does not show."""


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
    taught = [other for other in by_id.values() if other.config.kind == "distill"]
    alike = [other for other in taught if other.settings_key == run.settings_key]
    alike.sort(key=lambda other: (other.id == run.id, other.created_at))
    scores: dict[int, tuple[float, float]] = {}
    for other in alike:
        control = by_id.get(other.control or "")
        if control is not None and gain(other, control) is not None:
            scores[other.seed] = (other.best_miou5 or 0.0, control.best_miou5 or 0.0)
    coming = {other.seed for other in alike if _is_unfinished(other, by_id)} - scores.keys()
    if len(scores) == 1:
        return _of_one_seed(*told, coming=len(coming))
    return _over_seeds([scores[seed] for seed in sorted(scores)], run.teacher_miou5, coming=len(coming))


def _is_unfinished(run: Run, by_id: Mapping[str, Run]) -> bool:
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
