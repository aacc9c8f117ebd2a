"""Compare: a teacher and its students on one picture."""

from collections.abc import Mapping

import streamlit as st

from app import caching, state
from app.components.empty import empty_state
from app.components.guard import page, plainly
from app.components.linked import linked_multiselect, linked_select
from app.components.picture_choice import OpenPicture, choose_picture, scene_title
from app.components.report_button import report_button
from app.components.score_table import score_table, table_csv, table_rows
from app.components.viewer import viewer
from app.services import artifacts, report_contents
from app.services.artifacts import Model
from app.services.datasets import Picture
from app.services.inference import Quality, Speed
from app.services.names import stem

_MEASURED = "measured_speeds"
_SHOWN = "viewer_shown"
_OTHER_DATA = (
    "The shipped models were trained on photographs of Dubai, and the shipped scenes are synthetic: "
    "scores here are lower than on the data they were made for."
)


def main() -> None:
    st.title("Compare", anchor=False)
    st.caption("One image, one teacher, up to three students: where they agree, how well they do, and what they cost.")
    controls = st.container()
    waiting = st.empty()
    if not st.session_state.get(_SHOWN):
        # Later on the old masks stay until the new ones are there, and the viewer keeps its place and zoom.
        waiting.skeleton(height=420)
    models = artifacts.models()
    picture, refused = None, True
    with controls:
        open_picture, teacher, students = _choose(models)
        # Reading it takes longer than drawing the menus, which are there by now.
        with plainly():
            picture = open_picture()
            refused = False
    if models and picture is not None and teacher is not None:
        shown = (teacher, *students)
        with waiting, st.spinner("The models look at the image …"):
            qualities = {model.name: caching.quality(picture, model, teacher) for model in shown}
        waiting.empty()
        _results(picture, shown, qualities)
        return
    st.session_state[_SHOWN] = False
    waiting.empty()
    with waiting:
        _nothing(any_model=bool(models), refused=refused)


def _nothing(*, any_model: bool, refused: bool) -> None:
    """What is missing; a picture that was `refused` has been told of above."""
    if not any_model:
        empty_state(
            "No models yet",
            "Shipped models lie in `checkpoints/`. Put them back, or train one with `python -m core train`.",
        )
    elif not refused:
        empty_state("No image yet", "Choose a shipped scene, or upload a PNG, JPEG or TIFF above.")


def _choose(models: dict[str, Model]) -> tuple[OpenPicture, Model | None, list[Model]]:
    """The widgets above the pictures: image, teacher, students."""
    first, second, middle, right = st.columns([1.35, 0.9, 1.5, 1.75], gap="medium")
    upload_row = st.container()
    open_picture = choose_picture(first, second, upload_row)
    if not models:
        return open_picture, None, []
    with middle:
        teacher = models[
            linked_select(
                "Teacher",
                list(models),
                name=state.TEACHER,
                default=artifacts.USUAL_TEACHER,
                title=lambda name: models[name].label,
            )
        ]
    with right:
        students = _choose_students(models, teacher)
    return open_picture, teacher, students


def _choose_students(models: dict[str, Model], teacher: Model) -> list[Model]:
    """Only other models with the teacher's classes can stand beside it."""
    fitting = [name for name, model in models.items() if name != teacher.name and model.classes == teacher.classes]
    usual = [name for name in artifacts.USUAL_STUDENTS if name in fitting]
    chosen = linked_multiselect(
        "Students",
        fitting,
        name=state.STUDENTS,
        default=usual or fitting[:1],
        most=artifacts.MOST_STUDENTS,
        title=lambda name: models[name].label,
        wrap=True,
        placeholder="Choose one to three models",
    )
    return [models[name] for name in chosen]


def _results(picture: Picture, models: tuple[Model, ...], qualities: Mapping[str, Quality]) -> None:
    viewer(caching.payload(picture, models))
    st.session_state[_SHOWN] = True
    if len(models) == 1:
        st.info("Choose a student above to see it beside its teacher.", icon=":material/arrow_upward:")
    place = st.empty()
    key = tuple(model.identity for model in models)
    measured = st.session_state.setdefault(_MEASURED, set())
    if key not in measured:
        with place.container():
            score_table(models, qualities, None)
    speeds = caching.speeds(models)
    measured.add(key)
    with place.container():
        score_table(models, qualities, speeds)
        if models[0].name == artifacts.USUAL_TEACHER and not picture.private:
            st.caption(_OTHER_DATA)
        _downloads(picture, models, qualities, speeds)


def _downloads(
    picture: Picture, models: tuple[Model, ...], qualities: Mapping[str, Quality], speeds: Mapping[str, Speed]
) -> None:
    shown = state.shown()

    def report() -> str:
        return report_contents.of_comparison(
            picture_name=scene_title(picture.name),
            image=picture.image,
            truth=picture.mask,
            models=models,
            masks={model.name: caching.mask(picture, model) for model in models},
            qualities=qualities,
            speeds=speeds,
            palette=shown.palette,
        )

    with st.container(horizontal=True):
        report_button(report, name=f"compare-{picture.name}", key="report")
        st.download_button(
            "Table",
            data=lambda: table_csv(table_rows(models, qualities, speeds)).encode(),
            file_name=f"compare-{stem(picture.name)}.csv",
            mime="text/csv",
            icon=":material/table:",
            on_click="ignore",
            help="This table as CSV.",
            key="table",
        )


page(main)
