"""What a search is asked for, as widgets, with what it will take before it is launched."""

from typing import Any

import streamlit as st

from app import caching, state
from app.components import say
from app.components.forecast import duration
from app.components.guard import plainly, show_problems
from app.components.linked import linked_segments, linked_select
from app.components.sign_in import person
from app.services import datasets, estimates, launch, searches, workers
from app.services.artifacts import Model
from app.services.names import plain
from app.services.searches import GOALS, OPTIONAL, SITUATIONS, SIZES, SearchRequest, Standing, StudentLimits, title_of
from app.visitor import owner
from core.config.fields import settings_of


def search_form(models: dict[str, Model]) -> None:
    """Draw the form; launching opens the new search."""
    titles = {name: one.title for name, one in SITUATIONS.items()}
    chosen = linked_segments("What for", titles, name="situation", on_change=_forget)
    situation = SITUATIONS[chosen]
    say.caption(situation.help)
    values = _asked(models, chosen)
    if not situation.grid:
        values["limits"] = _limits()
    request = SearchRequest(**values)
    found = caching.check_search(request)
    show = st.container()
    if found.problems:
        show_problems(found.problems)
    for warning in found.warnings:
        say.warning(warning)
    with st.container(horizontal=True):
        pressed = st.button(
            "Start the search",
            type="primary",
            icon=":material/rocket_launch:",
            key="search_start",
            disabled=bool(found.problems),
        )
        timed = st.button(
            "Estimate its time", icon=":material/timer:", key="search_estimate", disabled=bool(found.problems)
        )
    with show, plainly():
        if pressed:
            _start(request)
        elif timed:
            with st.spinner("Timing a few steps on this machine …"):
                _estimate(request, models[request.teacher])


def _asked(models: dict[str, Model], chosen: str) -> dict[str, Any]:
    """Teacher, data, cost, and what is varied."""
    situation = SITUATIONS[chosen]
    left, right = st.columns(2, gap="medium")
    values: dict[str, Any] = {"situation": chosen}
    with left:
        values["teacher"] = linked_select(
            "Teacher",
            list(models),
            name=state.TEACHER,
            default="teacher",
            key="search_teacher",
            title=lambda name: models[name].label,
        )
        choices = [choice for choice in datasets.training_choices(owner()) if choice.labelled and not choice.needs_root]
        known = {choice.name: choice.title for choice in choices}
        values["dataset"] = linked_select(
            "Dataset", list(known), name="dataset", key="search_dataset", title=known.__getitem__
        )
        values["epochs"] = st.number_input(
            "Epochs a trial", 1, 10_000, situation.config.train.epochs, key="search_epochs"
        )
        values["name"] = st.text_input("Name", max_chars=60, placeholder=situation.title, key="search_name")
    with right:
        values["trials"] = st.number_input(
            "Trials at most",
            1,
            100_000,
            situation.trials,
            key="search_trials",
            help=None if situation.grid else "The first have the usual settings, one for each student.",
        )
        values["minutes"] = st.number_input(
            "Minutes at most (empty: no limit)", 0.1, 500_000.0, None, key="search_minutes"
        )
        if not situation.grid:
            values |= _space(situation.vary)
    return values


def _space(vary: tuple[str, ...]) -> dict[str, Any]:
    sizes = st.multiselect(
        "Students",
        list(SIZES),
        list(SIZES[:5]),
        format_func=lambda size: size.capitalize(),
        key="search_sizes",
        wrap=True,
    )
    varied = st.multiselect(
        "Settings to vary",
        list(OPTIONAL),
        list(vary),
        format_func=lambda name: title_of(name),
        key="search_vary",
        wrap=True,
    )
    goals = st.multiselect(
        "Goals (several give a front)",
        list(GOALS),
        ["miou"],
        format_func=lambda goal: GOALS[goal].title,
        key="search_goals",
        wrap=True,
        help="With several, a trial is stopped early where it is not in the best third of those that cost no more, "
        "once finished trials show that early scores tell.",
    )
    return {"sizes": tuple(sizes), "vary": tuple(varied), "goals": tuple(goals) or ("miou",)}


def _limits(now: StudentLimits | None = None, *, key: str = "search_limit") -> StudentLimits:
    """Limits on the student, starting from those of `now`; what is left empty is none."""
    shown = {"keep": "Share of the teacher, at least"}
    values = {}
    columns = st.columns(3)
    for at, (name, setting) in enumerate(settings_of(StudentLimits).items()):
        unit = f", at most ({setting.unit})" if setting.unit else ", at most"
        with columns[at % 3]:
            values[name] = st.number_input(
                plain(shown.get(name, f"{setting.title}{unit}")),
                value=getattr(now, name, None),
                min_value=0.0,
                placeholder="0.97 keeps 97 %" if name == "keep" else "no limit",
                help=setting.help,
                key=f"{key}_{name}",
            )
    return StudentLimits(**values)


def _forget() -> None:
    """Another situation brings its own numbers."""
    for name in ("epochs", "trials", "vary"):
        st.session_state.pop(f"search_{name}", None)


def _start(request: SearchRequest) -> None:
    with st.spinner("Checking the data …"):
        caching.split_summary(launch.data_key(request.run))
    name = searches.start(request, person())
    workers.ensure_worker()
    st.session_state.pop(state.SEARCH, None)
    st.query_params[state.SEARCH] = name
    st.rerun()


def _estimate(request: SearchRequest, teacher: Model) -> None:
    data = caching.split_summary(launch.data_key(request.run))
    plan = searches.plan_of(request)
    config = plan.config
    pace = caching.pace(teacher, config.data.crop, config.train.device)
    costs = caching.loss_seconds(teacher, config.data.crop, config.train.device)
    views = config.data.views_per_epoch or data["crops"]
    seconds = []
    for size in plan.sizes:
        base = int(size.split()[-1])
        macs = caching.student_size(base, teacher.ignore_index).macs_256
        seconds.append(
            estimates.training_seconds(
                config, pace, macs_256=macs, views=views, val_megapixels=data["val_megapixels"], losses=costs
            )
        )
    shared = estimates.shared_seconds(config, pace, views=views, val_megapixels=data["val_megapixels"])
    total, confirming = searches.expected_seconds(plan, seconds, searches.slots(), shared=shared)
    st.metric("Estimated time of the search", duration(total))
    note = "Every trial trained to its end; stopping early saves a part." if plan.prunes else "Every trial is trained."
    more = f" Confirming the winner takes about {duration(confirming)} more." if confirming else ""
    say.caption(f"{note}{more} From steps timed on this machine ({pace.device}); other work makes it slower.")


def continue_form(found: Standing) -> dict[str, Any]:
    """More trials, more time, other students, more settings to vary, other limits."""
    plan, done = found.plan, len(found.trials)
    trials = st.number_input("Trials in all", done, 100_000, max(done + 10, plan.trials or 0), key="search_more_trials")
    minutes = st.number_input("Minutes more (empty: no limit)", 0.1, 500_000.0, None, key="search_more_minutes")
    sizes = list(plan.sizes)
    if plan.axis("size") is not None:
        options = list(dict.fromkeys([*plan.sizes, *SIZES]))
        sizes = st.multiselect(
            "Students", options, sizes, format_func=lambda size: size.capitalize(), key="search_more_sizes", wrap=True
        )
    wanted: dict[str, Any] = {"trials": int(trials), "minutes": minutes, "sizes": sizes}
    if plan.sampler == "grid":
        return wanted
    more = [name for name in OPTIONAL if plan.axis(name) is None]
    if more:
        wanted["vary"] = st.multiselect(
            "Also vary", more, format_func=lambda name: title_of(name), key="search_more_vary", wrap=True
        )
    return {**wanted, "limits": _limits(plan.limits, key="search_more_limit")}
