"""Distill: choose a teacher, a student and how it learns; see what it will cost; launch."""

from dataclasses import asdict, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import caching, state
from app.components import say
from app.components.empty import empty_state
from app.components.forecast import size_figures, time_figures, total_time
from app.components.guard import page, plainly, show_problems
from app.components.linked import linked_segments
from app.components.sections import sections
from app.components.sign_in import person
from app.services import artifacts, datasets, estimates, launch, teachers, workers
from app.services.artifacts import Model
from app.services.names import plain
from app.services.run_settings import value_of, with_values
from app.views.distill.loss_form import LossForm, show_costs
from app.views.distill.run_form import run_form, student_slider
from app.views.distill.teacher_form import teacher_form
from app.visitor import owner
from core.config import DataConfig

_GOALS = {"student": "Distill", "teacher": "Train a teacher"}


def main() -> None:
    st.title("Distill", anchor=False)
    st.caption(
        "Train a small student to answer as its teacher does. It runs in the background; you can close this page."
    )
    if linked_segments("What to train", _GOALS, name="goal") == "teacher":
        _teacher()
        return
    models = artifacts.models(owner())
    if not models:
        empty_state(
            "No teacher yet",
            "A distillation needs a trained model. Put the shipped ones back into `checkpoints/`, "
            "or train one with `python -m core train`.",
        )
        return
    form, side = st.columns([1.5, 1], gap="medium")
    with form:
        request, losses, given = run_form(models, datasets.training_choices(owner()))
    with side, st.container(border=True):
        _before_launch(request, models[value_of(request.config, "teacher")], losses, given)


def _teacher() -> None:
    """A teacher of the classes of one's own labels, and a student behind it."""
    form, side = st.columns([1.5, 1], gap="medium")
    with form:
        request = teacher_form(datasets.training_choices(owner()))
    with side, st.container(border=True):
        found = teachers.check(request)
        told, estimate, read = sections(3)
        with told:
            show_problems(found.problems)
            for warning in found.warnings:
                say.warning(warning)
        with read:
            ready = not found.problems and _can_be_read(request.config.data)
        both = "Launch all three" if request.control else "Launch both"
        label = "Launch the teacher" if request.student is None else both
        pressed = _launch_button(label, ready=ready)
        below = st.container()
        if pressed:
            with plainly():
                run_id = teachers.launch(request, person())
                workers.ensure_worker()
                st.switch_page("views/runs/page.py", query_params={state.RUN: run_id})
        elif ready:
            with estimate, plainly(), st.spinner("Timing a few steps on this machine …"):
                rests_on = _teacher_estimate(request)
                with below:
                    say.caption(rests_on)


def _teacher_estimate(request: teachers.TeacherRequest) -> str:
    """Draw the time of all that is launched together, and give what it rests on."""
    config = teachers.to_config(request)
    data = caching.split_summary(asdict(config.data))
    outputs = len(datasets.class_names(config.data.dataset, owner()))
    found = caching.teacher_pace(config.model, outputs, config.data.crop, config.train.device)
    macs = 0 if request.student is None else caching.student_size(request.student, outputs).macs_256
    seconds = teachers.seconds_in_all(
        request, found, student_macs=macs, crops=data["crops"], val_megapixels=data["val_megapixels"]
    )
    behind = "" if request.student is None else ", with student and control" if request.control else ", with student"
    return total_time(f"Estimated time{behind}", seconds, found.pace)


def _launch_button(label: str, *, ready: bool) -> bool:
    icon = ":material/rocket_launch:"
    return st.button(plain(label), type="primary", icon=icon, disabled=not ready, width="stretch", key="launch")


def _can_be_read(data: DataConfig) -> bool:
    """Read the data, which is kept, and say how it is parted; what is wrong with it is shown here."""
    with plainly(), st.spinner("Reading the data …"):
        found = caching.split_summary(asdict(launch.opened_data(data)))
        say.caption(found["note"])
        for warning in found["warnings"]:
            say.warning(warning)
        return True
    return False


def _before_launch(request: launch.Request, teacher: Model, losses: LossForm, given: DeltaGenerator) -> None:
    """Size, problems and the launch button first, once the data is read; the estimate, which may take seconds, last.

    What the data gives to student and control is told at `given`.
    """
    base = student_slider()
    request = replace(request, config=with_values(request.config, {"base": base}))
    size = None
    sizes, estimate, told = sections(3)
    with sizes, plainly():
        own = datasets.class_names(request.config.data.dataset, owner())
        size = caching.student_size(base, len(own) or teacher.ignore_index)
        size_figures(size, teacher)
    found = caching.check(request)
    with told:
        for warning in found.warnings:
            say.warning(warning)
        read = None if found.problems else _read(request)
        show_problems(found.problems)
    if read is not None:
        with given:
            say.caption(launch.given(request.config, read, control=request.control))
    pressed = _launch_button("Launch", ready=read is not None)
    # What the estimate rests on is read less often than the button is pressed.
    below = st.container()
    if pressed:
        with plainly():
            _launch(request)
    elif size is not None and read is not None:
        with estimate, plainly(), st.spinner("Timing a few steps on this machine …"):
            rests_on, warnings = _estimate(request, read, teacher, size, losses)
            for warning in warnings:
                say.warning(warning)
            with below:
                say.caption(*rests_on)
    else:
        show_costs(losses, {})


def _read(request: launch.Request) -> dict[str, Any] | None:
    """Read the data, which is kept; None where nothing can be launched on it, and what is wrong is shown here."""
    with plainly(), st.spinner("Reading the data …"):
        return caching.split_summary(launch.data_key(request))
    return None


def _estimate(
    request: launch.Request, data: dict[str, Any], teacher: Model, size: estimates.Size, losses: LossForm
) -> tuple[list[str], list[str]]:
    """Draw the time and what each loss costs; give what the time rests on, and what is to be feared of the data."""
    config = launch.to_config(request)
    pace = caching.pace(teacher, config.data.crop, config.train.device)
    costs = caching.loss_seconds(teacher, config.data.crop, config.train.device)
    show_costs(losses, costs, step=pace.student(size.macs_256))
    views = config.data.views_per_epoch or data["crops"]
    seconds = estimates.training_seconds(
        config, pace, macs_256=size.macs_256, views=views, val_megapixels=data["val_megapixels"], losses=costs
    )
    rests_on = time_figures(seconds, pace, control=request.control, seeds=request.seeds)
    return [rests_on, data["note"]], data["warnings"]


def _launch(request: launch.Request) -> None:
    """Read the data once more before queueing, so that a broken pair is told here and not in a failed run."""
    with st.spinner("Checking the data …"):
        caching.split_summary(launch.data_key(request))
    run_id = launch.launch(request, person())
    workers.ensure_worker()
    st.switch_page("views/runs/page.py", query_params={state.RUN: run_id})


if __name__ == "__main__":
    page(main)
