"""Compare: a teacher and its student on one picture, and what the small one keeps of the large one."""

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app import caching, state, visitor
from app.components import say
from app.components.empty import empty_state, no_models
from app.components.guard import page, plainly
from app.components.linked import linked_multiselect, linked_select
from app.components.picture_choice import choose_picture, scene_title
from app.components.report_button import report_button
from app.components.score_table import score_table, table_csv, table_rows
from app.components.sections import sections
from app.components.viewer import viewer
from app.services import artifacts, picture_use, report_contents, speeds
from app.services.artifacts import Model
from app.services.datasets import Picture
from app.services.inference import Quality
from app.services.names import plain, stem
from app.services.scene_figures import PairFigures
from app.services.speeds import Speed
from app.views.compare.answer import answer, items

_SHOWN = "viewer_shown"


def main() -> None:
    with st.container(gap="xsmall"):
        st.title("Compare", anchor=False)
        strip = st.empty()
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="above_viewer"):
            controls = st.popover("Image and models", icon=":material/tune:", width="content")
            about = st.container(width="content")
            aside = st.container(width="content")
        waiting = st.empty()
        shown = st.container()
    if not st.session_state.get(_SHOWN):
        # Afterwards the old masks stay until the new ones are there, and the viewer keeps its place and zoom.
        waiting.skeleton(height=420)
    models = artifacts.models(visitor.owner())
    picture, refused, pair = None, True, None
    with controls:
        first, upload_row, second, middle, right = (st.container() for _ in range(5))
        teacher, students = _choose_models(models, middle, right)
        if teacher is not None and students:
            pair = _pair(strip, (teacher, *students))
        usual, learner = pair.typical if pair else None, students[0] if students else teacher
        shown_by = [model for model in (*students, teacher) if model is not None]
        open_picture = choose_picture(first, second, upload_row, usual=usual, student=learner, models=shown_by)
        # Reading it takes longer than drawing the menus, which are there by now.
        with plainly():
            picture = open_picture()
            refused = False
    if models and picture is not None and teacher is not None:
        picture = picture.known_to(teacher.classes)
        compared = (teacher, *students)
        with waiting, st.spinner("The models segment the image …"):
            qualities = {model.name: caching.quality(picture, model, teacher) for model in compared}
        waiting.empty()
        with about:
            _about(picture, compared, pair)
        with aside:
            _without_teacher(compared, models)
        with shown:
            viewer(caching.payload(picture, compared))
        _results(picture, compared, qualities, pair, strip)
        return
    st.session_state[_SHOWN] = False
    waiting.empty()
    with waiting:
        _nothing(any_model=bool(models), refused=refused)


def _pair(strip: DeltaGenerator, compared: tuple[Model, ...]) -> PairFigures | None:
    """How the first two do on the test scenes; measured the first time that somebody asks for these two."""
    teacher, student = compared[:2]
    with strip, st.spinner("Both models segment the test scenes, once …"):
        pair = caching.pair_figures(teacher=teacher, student=student)
    with strip:
        answer(items(pair, _kept_speeds(compared), teacher=teacher, student=student, measuring=True))
    return pair


def _kept_speeds(models: tuple[Model, ...]) -> dict[str, Speed]:
    found = caching.kept_speeds(models)
    return {name: by_runtime[speeds.USUAL] for name, by_runtime in found.items() if speeds.USUAL in by_runtime}


def _nothing(*, any_model: bool, refused: bool) -> None:
    """What is missing; a picture that was `refused` has been told of above."""
    if not any_model:
        no_models()
    elif not refused:
        empty_state("No image yet", "Choose a shipped scene, or upload a PNG, JPEG or TIFF above.")


def _choose_models(
    models: dict[str, Model], left: DeltaGenerator, right: DeltaGenerator
) -> tuple[Model | None, list[Model]]:
    """The teacher is chosen in `left`, the students in `right`."""
    if not models:
        return None, []
    with left:
        name = linked_select(
            "Teacher",
            list(models),
            name=state.TEACHER,
            default=artifacts.USUAL_TEACHER,
            title=lambda name: models[name].label,
        )
    with right:
        return models[name], _choose_students(models, models[name])


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
        placeholder="Choose one to three models",
    )
    return [models[name] for name in chosen]


def _about(picture: Picture, compared: tuple[Model, ...], pair: PairFigures | None) -> None:
    """Which picture this is, and what it was for the student."""
    told = [scene_title(picture.name)]
    help_text = None
    if len(compared) > 1:
        use = caching.use_of(picture, compared[1])
        told += [f"{picture_use.TITLES[use]} of {compared[1].title}"] if use else []
        help_text = picture_use.sentence(use, compared[1]) or None
        if pair is not None and picture.name == pair.typical and picture.dataset:
            told.append("typical")
            chosen = f"Chosen as the one of median agreement among {len(pair.scenes)} test scenes."
            help_text = f"{help_text or ''} {chosen}"
    if picture.classes and picture.classes != tuple(name for name, _ in compared[0].classes[:-1]):
        told.append("labels of other classes")
        help_text = f"{help_text or ''} Its labels tell other classes apart than these models, so they are not shown."
    say.caption(" · ".join(told), help=plain(help_text) if help_text else None)


def _without_teacher(compared: tuple[Model, ...], models: dict[str, Model]) -> None:
    """Offers the student that was trained as long on the labels alone, where there is one."""
    control = artifacts.control_of(compared[1], models) if len(compared) == 2 else None
    if control is not None:
        st.button(
            "What if there had been no teacher?",
            icon=":material/person_off:",
            type="tertiary",
            key="control",
            help="Shows the same student, trained as long on the labels alone, without the pictures that only the "
            "teacher answered on.",
            on_click=_add_student,
            args=(control,),
        )


def _add_student(name: str) -> None:
    """Before the menus are drawn again."""
    st.session_state[state.STUDENTS] = [*st.session_state.get(state.STUDENTS, []), name]


def _results(
    picture: Picture,
    models: tuple[Model, ...],
    qualities: Mapping[str, Quality],
    pair: PairFigures | None,
    strip: DeltaGenerator,
) -> None:
    st.session_state[_SHOWN] = True
    with sections(1)[0]:
        if len(models) == 1:
            st.info(
                "Choose a student under Image and models to see it beside its teacher.", icon=":material/arrow_upward:"
            )
    place = st.empty()
    measured = _kept_speeds(models)
    if caching.speeds_due(models):
        # Drawn twice only here: what is known, and what measuring brings seconds afterwards.
        with place.container():
            score_table(models, qualities, measured or None)
        measured = {}
        with plainly():
            measured = caching.measured_speeds(models)
        if len(models) > 1:
            with strip:
                answer(items(pair, measured, teacher=models[0], student=models[1], measuring=False))
    with place.container():
        score_table(models, qualities, measured)
        if notes := _on_scores(picture, models):
            say.caption(*notes)
        _downloads(picture, models, qualities, measured)


def _on_scores(picture: Picture, models: tuple[Model, ...]) -> list[str]:
    """What to think of the scores of each model on this picture, where it is no test picture for all of them."""
    uses = [(model, caching.use_of(picture, model)) for model in models]
    return [
        picture_use.sentence(use, model) for model, use in uses if picture.mask is not None and use in ("train", "val")
    ]


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


if __name__ == "__main__":
    page(main)
