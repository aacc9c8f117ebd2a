"""A teacher and one student that shares its classes, for pages that look at a pair."""

from streamlit.delta_generator import DeltaGenerator

from app import state
from app.components.linked import linked_select
from app.services.artifacts import Model


def choose_pair(models: dict[str, Model], left: DeltaGenerator, right: DeltaGenerator) -> tuple[Model, Model] | None:
    """The teacher is chosen in `left`, the student in `right`; None where no other model knows the same classes."""

    def title(name: str) -> str:
        return models[name].label

    with left:
        teacher = models[linked_select("Teacher", list(models), name=state.TEACHER, default="teacher", title=title)]
    fitting = [name for name, model in models.items() if name != teacher.name and model.classes == teacher.classes]
    if not fitting:
        return None
    with right:
        student = linked_select("Student", fitting, name=state.STUDENT, default="student", title=title)
    return teacher, models[student]
