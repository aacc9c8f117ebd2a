"""The part of a run's page that moves by itself: state, progress, curves and preview. It only reads."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app import visitor
from app.components import say
from app.components.charts import loss_chart, score_chart
from app.components.forecast import duration
from app.components.guard import plainly
from app.components.legend import legend
from app.components.palette_switch import palette_switch
from app.components.sections import sections
from app.components.sign_in import person
from app.services import launch, palettes, progress, runs, verdicts, waiting_runs, workers
from app.services.figure_texts import share
from app.services.names import plain
from app.services.progress import RunProgress
from app.services.runs import Run
from app.views.runs.listing import TICK_SECONDS, settings_line, state_badge

_SOON = 3.0
"""Seconds that a person does not count."""


def run_live(run: Run) -> None:
    """Draw a run and, while it or its counterpart is active, draw it again every `TICK_SECONDS`."""
    partner = _partner(run)
    live = run.active or (partner is not None and partner.active)
    st.fragment(run_every=TICK_SECONDS if live else None)(_draw)(run.id, (run.state, partner.state if partner else ""))


def _draw(run_id: str, states: tuple[str, str]) -> None:
    with plainly():
        found_runs = runs.some_runs([run_id], visitor.owner())
        if not found_runs:
            st.rerun()
        run = found_runs[0]
        partner = _partner(run)
        if (run.state, partner.state if partner else "") != states:
            # Buttons and the table outside this part depend on the state.
            st.rerun()
        found = progress.read_progress(run_id)
        with sections(1)[0]:
            _status(run, partner, found)
        _curves(run, partner, found)
        _preview(run)


def _partner(run: Run) -> Run | None:
    """The control of a distillation, or the distillation of a control."""
    name = run.control or run.control_of
    return next(iter(runs.some_runs([name], visitor.owner())), None) if name else None


def _status(run: Run, partner: Run | None, found: RunProgress) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        state_badge(run)
        say.caption(settings_line(run), width="stretch")
    if run.state == "running":
        st.progress(run.progress, text=plain(_progress_text(run, found)))
    elif run.state == "queued":
        _waiting(run, partner)
    elif run.state == "failed":
        say.error(run.error or "The run failed without saying why. The log below may tell.")
    if run.active or run.collapsed:
        # Of a run that came through, the log keeps them.
        for warning in found.warnings:
            say.warning(warning)
    _verdict(run, partner)


def _waiting(run: Run, partner: Run | None) -> None:
    """What a queued run waits for; where nobody is there to take it, the button that starts a worker."""
    known = {other.id: other for other in runs.every_run()}
    absent = workers.worker_state().state == "absent"
    if run.error:
        say.warning(run.error)
    sentence = "Waiting for the worker."
    if run.control_of and partner is not None and partner.active:
        sentence = "Starts when the distillation it controls for is done, with the same training time."
    elif (teacher := known.get(run.teacher or "")) is not None and teacher.active:
        sentence = "Starts when its teacher is trained."
    turn = waiting_runs.turns(list(known.values())).get(run.id)
    place = "" if turn is None else f" {_place(turn, absent=absent)}"
    say.info(f"{sentence}{' No worker is running.' if absent else ''}{place}", icon=":material/schedule:")
    if absent and st.button("Start the worker", key="start_worker_here", icon=":material/play_arrow:"):
        workers.start_worker(person())
        st.rerun()


def _place(turn: waiting_runs.Turn, *, absent: bool) -> str:
    """`Next in the queue, starts in about 4 min.`"""
    place = "Next in the queue" if turn.position == 1 else f"Number {turn.position} in the queue"
    if absent or turn.starts_in is None:
        return f"{place}."
    if turn.starts_in < _SOON:
        return f"{place}, starts at once." if turn.position == 1 else f"{place}, starts in a moment."
    return f"{place}, starts in about {duration(turn.starts_in)}."


def _verdict(run: Run, partner: Run | None) -> None:
    if run.state != "done":
        return
    # Over all seeds of these settings, wherever they stand in the list.
    known = runs.list_runs(visitor.owner()) if partner is not None else [run]
    if verdict := verdicts.verdict(run, known):
        box = {"good": say.success, "bad": say.warning, "open": say.info}[verdict.tone]
        box(verdict.sentence, icon=":material/balance:")
        _more_seeds(run, known)
    elif run.best_miou5 is not None:
        text = f"Best validation mIoU {share(run.best_miou5)}.{_on_test(run)}"
        if partner is not None and partner.active and not run.control_of:
            text += " The gain shows when the control is done too."
        say.info(text, icon=":material/flag:")


def _more_seeds(run: Run, known: Sequence[Run]) -> None:
    """Only several seeds can tell a gain from luck."""
    run = next((other for other in known if other.id == run.control_of), run)
    label = f"{launch.MORE_SEEDS} more seeds"
    if st.button(plain(label), icon=":material/casino:", key="more_seeds", help="As many runs with their controls."):
        with plainly():
            launch.launch_more_seeds(run, known, person())
            workers.ensure_worker()
            st.rerun()


def _on_test(run: Run) -> str:
    """The score on the test part, where there is one; it chose nothing."""
    return "" if run.test_miou5 is None else f" On the test pictures: {share(run.test_miou5)}."


def _progress_text(run: Run, found: RunProgress) -> str:
    if run.cancel_requested:
        return "Stopping after this step …"
    if not found.epochs:
        return found.activity or "Getting ready …"
    parts = [f"Epoch {found.epoch} of {found.epochs}"]
    if found.seconds_left is not None:
        parts.append(f"{duration(found.seconds_left)} left")
    if found.images_per_second:
        parts.append(f"{found.images_per_second:.0f} images a second")
    return " · ".join(parts)


def _curves(run: Run, partner: Run | None, found: RunProgress) -> None:
    other = progress.read_progress(partner.id) if partner else RunProgress()
    left, right = st.columns(2, gap="medium")
    curves: dict[str, Sequence[Mapping[str, float]]] = {}
    for source, rows in ((run, found.scores), (partner, other.scores)):
        if source is not None and rows:
            curves["Control" if source.control_of else "Student"] = rows
    with left:
        if curves:
            teacher = next((s for s in (found.teacher_miou5, other.teacher_miou5) if s is not None), None)
            chart = score_chart(dict(sorted(curves.items(), reverse=True)), teacher=teacher)
            st.plotly_chart(chart, key="score_chart", config={"displayModeBar": False}, alt="Validation mIoU by epoch")
        elif run.active:
            st.caption("Validation scores appear after the first validation.")
    with right:
        if found.losses:
            chart = loss_chart(found.losses)
            st.plotly_chart(chart, key="loss_chart", config={"displayModeBar": False}, alt="Loss terms by epoch")


def _preview(run: Run) -> None:
    found = progress.read_preview(run.id, run.config.data, visitor.owner())
    if found is None:
        return
    epochs = sorted(found.epochs)
    epoch = epochs[-1]
    st.subheader("Preview on a validation image", anchor=False)
    if len(epochs) > 1 and not run.active:
        epoch = st.select_slider("After epoch", epochs, value=epochs[-1], key=f"preview_{run.id}")
    palette = palette_switch(key="run_colours")
    masks = [file.read_bytes() for file in (found.truth, found.epochs[epoch])]
    pictures = [found.image.read_bytes(), *(palettes.repainted(mask, found.classes, palette) for mask in masks)]
    captions = ["Image", "Known mask", f"{'Control' if run.control_of else 'Student'} after epoch {epoch}"]
    for column, picture, caption in zip(st.columns(3), pictures, captions, strict=True):
        column.image(picture, caption=plain(caption), width="stretch", alt=caption)
    legend(palettes.painted(found.classes, palette))
