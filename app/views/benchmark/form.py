"""What to measure: models, runtimes, pictures, threads, and how carefully."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.components import say
from app.components.guard import plainly
from app.components.sign_in import person
from app.services import benchmarks, workers
from app.services.artifacts import Model
from app.services.benchmarks import BATCHES, CAREFUL, SIZES, Choices, runtime_title, usual_runtimes

_TRAINING = "A run is training now: times will be longer than on an idle machine, and less steady. Ratios hold better."


def benchmark_form(models: Mapping[str, Model], choices: Choices, *, busy: bool) -> None:
    """Draw the form and start what it says. `busy`: another benchmark is at work."""
    left, right = st.columns(2, gap="medium")
    with left:
        settings = _models(models) | _runtimes(choices)
    with right:
        settings |= _pictures(choices)
    count = (len(settings["models"]) + 1) * len(settings["runtimes"])
    count *= len(settings["sizes"]) * len(settings["batches"]) * len(settings["threads"])
    confidence, _, seconds = CAREFUL[settings["care"]]
    say.caption(
        f"{count} cases, each until its median is known to ± {100 * confidence:.0f} % or for {seconds:.0f} seconds, "
        "all models in turns. Runs in the background."
    )
    if workers.training():
        st.warning(_TRAINING, icon=":material/warning:")
    pressed = st.button("Measure", type="primary", icon=":material/speed:", disabled=busy or not count, key="measure")
    if pressed:
        with plainly():
            benchmarks.start(person(), **settings)
            st.rerun()


def _models(models: Mapping[str, Model]) -> dict[str, Any]:
    names = list(models)
    teacher = st.selectbox(
        "Teacher",
        names,
        index=names.index("teacher") if "teacher" in names else 0,
        format_func=lambda name: models[name].label,
        key="benchmark_teacher",
        help="What the ratios refer to.",
    )
    students = [name for name in names if name != teacher]
    chosen = st.multiselect(
        "Models",
        students,
        default=["student"] if "student" in students else students[:1],
        format_func=lambda name: models[name].label,
        key="benchmark_models",
        wrap=True,
    )
    return {"models": chosen, "teacher": teacher}


def _runtimes(choices: Choices) -> dict[str, Any]:
    """Only what works here can be chosen; why the rest does not is said."""
    offered = [name for name, why_not in choices.runtimes.items() if why_not is None]
    chosen = st.multiselect(
        "Runtimes",
        offered,
        default=[name for name in usual_runtimes() if name in offered],
        format_func=runtime_title,
        key="benchmark_runtimes",
        wrap=True,
    )
    for name, why_not in choices.runtimes.items():
        if why_not is not None:
            say.caption(f"{runtime_title(name)}: {why_not}")
    return {"runtimes": chosen}


def _pictures(choices: Choices) -> dict[str, Any]:
    sizes = st.pills("Side of a picture", SIZES, default=[512], selection_mode="multi", key="benchmark_sizes")
    batches = st.pills("Pictures a pass", BATCHES, default=[1], selection_mode="multi", key="benchmark_batches")
    threads = st.pills("Threads", choices.threads, default=[1], selection_mode="multi", key="benchmark_threads")
    labelled = st.selectbox(
        "Accuracy on",
        list(choices.labelled),
        index=1,
        format_func=choices.labelled.__getitem__,
        key="benchmark_labelled",
    )
    care = st.segmented_control("Precision", list(CAREFUL), default="Quick", required=True, key="benchmark_care")
    measured = {"sizes": sorted(sizes), "batches": sorted(batches), "threads": sorted(threads)}
    return {**measured, "labelled": labelled, "care": care}
