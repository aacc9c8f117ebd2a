"""Whether a teacher was worth it: a distillation beside its control, over all seeds that there are.

Both are judged on the test pictures, where the data has some: they neither trained a model nor chose its weights. Every
figure is rounded once, to one decimal, and gains are worked out from the rounded ones, so that what is shown adds up.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from app.services.datasets import short_title
from app.services.figure_texts import share
from app.services.runs import Run
from core import cards, paths
from core.cards import ModelCard
from core.errors import CheckpointError


@dataclass(frozen=True)
class WithAndWithout:
    """A distillation and its control on the same pictures, in per cent with one decimal.

    `part` is `test` or `validation`, `images` how many pictures it has, where that is known.
    """

    ours: float
    labels: float
    part: Literal["test", "validation"]
    images: int | None = None

    @property
    def gain(self) -> float:
        """In points."""
        return _shown(self.ours - self.labels)

    @property
    def where(self) -> str:
        """`on 2 test pictures`."""
        pictures = "the" if self.images is None else str(self.images)
        told = f"on {pictures} {self.part} picture{'' if self.images == 1 else 's'}"
        return told if self.part == "test" else f"{told}, which also chose the weights"


def scores(run: Run, control: Run | None, *, test: bool = True) -> WithAndWithout | None:
    """What both scored: on the test pictures with `test` and where both were, else in validation.

    None until both are done.
    """
    if control is None or run.state != "done" or control.state != "done":
        return None
    if test and run.test_miou5 is not None and control.test_miou5 is not None:
        return WithAndWithout(_percent(run.test_miou5), _percent(control.test_miou5), "test", run.test_images)
    if run.best_miou5 is None or control.best_miou5 is None:
        return None
    return WithAndWithout(_percent(run.best_miou5), _percent(control.best_miou5), "validation", run.val_images)


def gain(run: Run, control: Run | None) -> tuple[str, float] | None:
    """What the distillation brought over its control, in a sentence and in points; None until both are done."""
    found = scores(run, control)
    if found is None:
        return None
    ours, labels = share(found.ours / 100), share(found.labels / 100)
    figures = f"mIoU {ours} with the teacher, {labels} with labels only {found.where}"
    budget = "same seed, same training time"
    points = found.gain
    if points == 0:
        return f"Distilling made no difference: {figures} ({budget}).", points
    verb = "gained" if points > 0 else "lost"
    against = "over" if points > 0 else "against"
    sentence = f"Distilling {verb} {abs(points):.1f} points {against} its control: {figures} ({budget})."
    if points > 0:
        sentence += _gap_closed(found.ours, found.labels, _teacher(run, found.part))
    return sentence, points


def knowledge(run: Run, control: Run | None) -> str:
    """What the teacher learned from and what the control did, in a sentence; empty where the teacher is gone."""
    card = None if run.teacher is None else _card(run.teacher)
    if card is None:
        return ""
    count, name = _labels_of(card), str(card.data.get("dataset", ""))
    own = None if control is None or (held := _card(control.id)) is None else _labels_of(held)
    few = run.config.data.labelled
    theirs = _with_labels(
        own, "all training pictures with labels" if few is None else f"at most {few} pictures with labels"
    )
    told = f"; the control from {theirs} of {short_title(run.config.data.dataset)}."
    if count is None or not name:
        return f" What the teacher had learned from is not known here{told}"
    if not count:
        return f" The teacher had learned from another model's answers, and from no label{told}"
    return f" The teacher had learned from {_with_labels(count)} of {short_title(name)}{told}"


def _card(name: str) -> ModelCard | None:
    try:
        return cards.load_card(cards.resolve(name, runs=paths.home()))
    except CheckpointError:
        return None


def _labels_of(card: ModelCard) -> int | None:
    """Of how many pictures it learned the labels; older cards only say how many there were, and how many at most."""
    if isinstance(count := card.data.get("labelled_images"), int):
        return count
    said = [number for name in ("labelled", "training_images") if isinstance(number := card.data.get(name), int)]
    return min(said, default=None)


def _with_labels(count: int | None, otherwise: str = "") -> str:
    return otherwise if count is None else f"{count:,} picture{'' if count == 1 else 's'} with labels"


def _teacher(run: Run, part: str) -> float | None:
    """The teacher's score on that part, in per cent, where the run has noted it."""
    found = run.teacher_test_miou5 if part == "test" else run.teacher_miou5
    return None if found is None else _percent(found)


def _percent(score: float) -> float:
    return _shown(100 * score)


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
    control = by_id.get(run.control or "")
    told = gain(run, control)
    if told is None:
        return None
    found = scores_by_seed(run, by_id)
    alike = [other for other in by_id.values() if other.config.kind == "distill" and _alike(other, run)]
    coming = {other.seed for other in alike if _is_unfinished(other, by_id)} - found.keys()
    ordered = [found[seed] for seed in sorted(found)]
    knew = _limits(run, ordered[0]) + knowledge(run, control)
    if len(found) == 1:
        return _of_one_seed(*told, knew=knew, coming=len(coming))
    return _over_seeds(ordered, _teacher(run, ordered[0].part), knew=knew, coming=len(coming))


def scores_by_seed(run: Run, by_id: Mapping[str, Run]) -> dict[int, WithAndWithout]:
    """The scores of every seed of these settings whose distillation and control are done.

    A seed counts once, however often it was launched: the run that is looked at, else the newest.
    """
    alike = [other for other in by_id.values() if other.config.kind == "distill" and _alike(other, run)]
    alike.sort(key=lambda other: (other.id == run.id, other.created_at))
    couples = [(other, by_id.get(other.control or "")) for other in alike]
    told = [found for couple in couples if (found := scores(*couple)) is not None]
    test = all(found.part == "test" for found in told)
    pairs = ((couple[0].seed, scores(*couple, test=test)) for couple in couples)
    return {seed: found for seed, found in pairs if found is not None}


def _limits(run: Run, found: WithAndWithout) -> str:
    """What keeps the scores from being more than they are, in a sentence each."""
    told = " One picture tells little of others: label more of them." if found.images == 1 else ""
    return f"{told} The parts of the data share pictures, so both scores are too high." if run.leaks else told


def _alike(one: Run, other: Run) -> bool:
    return one.settings_key == other.settings_key


def _is_unfinished(run: Run, by_id: Mapping[str, Run]) -> bool:
    """Whether it may still become a pair with its control."""
    control = by_id.get(run.control or "")
    return control is not None and (run.active or (run.state == "done" and control.active))


def _of_one_seed(sentence: str, points: float, *, knew: str, coming: int) -> Verdict:
    advice = "the others are still to come" if coming else "launch more seeds"
    sentence += f"{knew} One seed cannot tell luck from gain: {advice}."
    return Verdict(sentence, "bad" if points < 0 else "open")


_ENOUGH = 3
"""So many seeds can show a gain or a loss: of two that differ by luck alone, one pair in five is beyond its spread."""


def _over_seeds(found: Sequence[WithAndWithout], teacher: float | None, *, knew: str, coming: int) -> Verdict:
    """Judged as the figures are shown, so that words fit them."""
    ours, labels = (_shown(statistics.mean(column)) for column in ([s.ours for s in found], [s.labels for s in found]))
    mean, spread = _shown(ours - labels), _shown(statistics.stdev([each.gain for each in found]))
    words: tuple[str, Literal["good", "bad", "open"]] = ("within the spread: not shown to help", "open")
    if abs(mean) > spread and len(found) < _ENOUGH:
        words = ("beyond their spread, but two seeds are few: launch more", "open")
    elif mean > spread:
        words = ("worth it", "good")
    elif mean < -spread:
        words = ("the teacher hurt", "bad")
    sentence = (
        f"{_signed(mean)} ± {spread:.1f} mIoU over its control ({len(found)} seeds): {words[0]}. "
        f"On average {share(ours / 100)} with the teacher, {share(labels / 100)} with labels only {found[0].where} "
        f"(same seeds, same training time); by seed {', '.join(_signed(each.gain) for each in found)}."
    )
    if words[1] == "good":
        sentence += _gap_closed(ours, labels, teacher)
    sentence += knew
    if coming:
        sentence += f" {coming} more seed{'s are' if coming > 1 else ' is'} still to come."
    return Verdict(sentence, words[1])


def _shown(points: float) -> float:
    """To one decimal, and never minus zero."""
    return round(points, 1) + 0.0


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _gap_closed(ours: float, labels: float, teacher: float | None) -> str:
    """How far a gain goes towards the teacher's score; nothing where there is no gap. All in per cent."""
    if teacher is None or teacher <= labels:
        return ""
    closed = (ours - labels) / (teacher - labels)
    return f" That closes {100 * closed:.0f} % of the gap to the teacher's {share(teacher / 100)}."
