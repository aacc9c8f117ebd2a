"""What a search has found: the best, the front, the curves, what mattered, and what the winner is worth."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import caching, state
from app.components import say
from app.components.linked import linked_segments
from app.components.sections import sections
from app.services import searches
from app.services.figure_texts import share
from app.services.names import plain
from app.services.search_charts import MOST_CURVES, MOST_LINES, curve_chart
from app.services.searches import GOALS, Confirmation, Standing, Trial


def results(found: Standing, version: tuple[str, ...]) -> None:
    """Draw them, as far as there are any."""
    if not found.trials:
        return
    _headline(found)
    with sections(1)[0]:
        for one in reversed(found.confirmed):
            _confirmed(found, one)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader("Accuracy against cost", anchor=False)
        chosen = _front(found, version)
    with right:
        st.subheader("Trials", anchor=False)
        going = searches.active(found)
        st.fragment(run_every=_TICK_SECONDS if going else None)(_curves)(found, version, going)
        if len(found.trials) > MOST_CURVES:
            st.caption(f"The best and the newest {MOST_CURVES} of {len(found.trials)} are drawn.")
    _chosen(found, chosen)
    if shares := caching.search_importance(found.search.name, version):
        left, right = st.columns([1, 1.4], gap="medium")
        with left:
            st.subheader("What decided", anchor=False)
            st.plotly_chart(
                caching.search_chart(found.search.name, version, "importance"),
                key="search_importance",
                config={"displayModeBar": False},
                alt=f"Share of the difference by {len(shares)} settings",
            )
        with right:
            st.subheader("All settings at once", anchor=False)
            st.plotly_chart(
                caching.search_chart(found.search.name, version, "parallel"),
                key="search_parallel",
                config={"displayModeBar": False},
                alt="Settings of trials and their scores as lines",
            )
            if len(found.trials) > MOST_LINES:
                st.caption(f"The best and the newest {MOST_LINES} of {len(found.trials)} are drawn.")
    with st.expander("Best trials as a table", icon=":material/table:"):
        say.table(
            searches.table(found, searches.leading(found, 50)), hide_index=True, placeholder="–", alt="Best trials"
        )


_TICK_SECONDS = 5.0


def _curves(found: Standing, version: tuple[str, ...], going: bool) -> None:
    """Scores over epochs; of a search that goes on, those under way as they are now."""
    if going:
        shown = curve_chart(searches.with_live_curves(searches.some(found, MOST_CURVES)))
    else:
        shown = caching.search_chart(found.search.name, version, "curves")
    st.plotly_chart(
        shown,
        key="search_curves",
        config={"displayModeBar": False},
        alt="Validation mIoU of trials over their epochs",
    )


def _headline(found: Standing) -> None:
    best = found.best
    columns = st.columns(4)
    early = f"{found.pruned} stopped early"
    columns[0].metric("Trials", f"{len(found.trials)}", plain(early), delta_color="off", delta_arrow="off")
    if best is None or best.miou is None:
        columns[1].metric("Best within the limits", "none yet" if searches.active(found) else "none")
        return
    columns[1].metric(f"Best: trial {best.number:d}", plain(share(best.miou)), help="Validation mIoU")
    columns[2].metric("Student", plain(best.size.capitalize()))
    if found.plan.needed:
        words = searches.in_words(found.cost, best.value(found.cost))
        columns[3].metric(plain(GOALS[found.cost].title.split(" (")[0]), plain(words))
    elif best.kept is not None:
        columns[3].metric("Of the teacher", plain(share(best.kept)))


def _confirmed(found: Standing, one: Confirmation) -> None:
    """What the winner is worth: never its best score in the search."""
    if not one.scores:
        say.info(f"Trial {one.winner} is trained again with {len(one.pairs)} fresh seeds, each beside its control.")
        return
    mean, half = searches.spread(one.scores)
    words = (
        f"Trial {one.winner}, trained again with {len(one.scores)} fresh seeds: {100 * mean:.1f} ± {100 * half:.1f} % "
    )
    words += f"mIoU on the {one.part} pictures"
    if one.gains:
        gain, apart = searches.spread(one.gains)
        words += f", {100 * gain:+.1f} ± {100 * apart:.1f} points against controls of equal cost"
    say.success(f"{words}.")
    say.caption(
        f"It was the best of {len(found.trials)} trials. The best of many is lucky, so believe these scores, and not "
        "its score in the search. No trial was chosen by its test score."
    )


def _front(found: Standing, version: tuple[str, ...]) -> Trial | None:
    """The chart, and the trial that was clicked."""
    known = [goal for goal in GOALS if goal != "miou" and any(trial.value(goal) for trial in found.trials[:50])]
    titles = {goal: GOALS[goal].title.split(" (")[0] for goal in [found.cost, *known] if goal in known}
    if not titles:
        st.caption("Costs are known when the first student was measured.")
        return None
    cost = linked_segments("Cost", titles, name="against")
    event: Any = st.plotly_chart(
        caching.search_chart(found.search.name, version, f"front {cost}"),
        key="search_front",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Validation mIoU against {GOALS[cost].title}, a point for each trial",
    )
    numbers = {point.get("customdata") for point in event.selection.points}
    return next((trial for trial in found.trials if trial.number in numbers), None) if numbers else None


def _chosen(found: Standing, clicked: Trial | None) -> None:
    """What can be done with a trial: the one that was clicked, else the best."""
    trial = clicked or found.best
    if trial is None:
        st.caption("Click a point to open its run.")
        return
    others = [one for one in found.front if one.run_id != trial.run_id]
    settings = [f"{searches.title_of(name)} {_short(value)}" for name, value in trial.params.items()]
    with st.container(horizontal=True, vertical_alignment="center"):
        say.text(f"Trial {trial.number}: {', '.join(settings)}")
        _buttons(found, trial, others)


def _buttons(found: Standing, trial: Trial, others: Sequence[Trial]) -> None:
    if st.button("Open the run", icon=":material/monitoring:", key="search_open"):
        st.switch_page("views/runs/page.py", query_params={state.RUN: trial.run_id})
    if trial.told != "done":
        return
    if st.button("Compare", icon=":material/compare:", key="search_compare"):
        st.switch_page("views/compare/page.py", query_params=_comparison(found, [trial, *others[:1]]))
    if st.button(
        "Take this one",
        type="primary",
        icon=":material/download:",
        key="search_take",
        help="Leads to its export: a file to run without PyTorch, and a try in your browser.",
    ):
        st.switch_page("views/browser/page.py", query_params={state.MODEL: trial.run_id})


def _comparison(found: Standing, trials: Sequence[Trial]) -> dict[str, str | list[str]]:
    link: dict[str, str | list[str]] = {state.STUDENTS: [trial.run_id for trial in trials if trial.told == "done"]}
    if found.plan.config.distill is not None:
        link[state.TEACHER] = found.plan.config.distill.teacher
    return link


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
