"""Temperature: what softening does to a teacher's answers, on the pixels of an image."""

import streamlit as st

from app import caching, state, visitor
from app.components import say
from app.components.empty import empty_state, no_models
from app.components.guard import page
from app.components.in_javascript import softener
from app.components.picture_choice import choose_pair, choose_picture
from app.components.sign_in import stop_if_signed_out
from app.services import artifacts, softening
from app.services.artifacts import Model
from app.services.datasets import Picture
from app.services.names import plain
from app.services.run_settings import link_name
from app.services.shipped_studies import shipped_study
from core.losses.catalogue import LOSSES

_USUAL, _LEAST, _MOST = 2.0, 0.5, 20.0
_START = "temperature_start"

_TEXT = r"""
A network ends in **logits** $z_i$, one for each class. A softmax turns them into shares; dividing *the logits* by a
temperature $T$ first makes the shares softer:

$$q_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}$$

At $T = 1$ these are the usual probabilities, and mostly one class has nearly all. At a higher $T$ the small shares
grow, and show what the teacher thinks of the *other* classes: that this roof looks a little like road, and nothing like
water. That is what a student can learn and a label does not hold. As $T$ grows without bound, all classes become alike.

The student is softened at the same $T$, and for every pixel the loss is $T^2 \cdot \mathrm{KL}(q^{teacher} \,\|\,
q^{student})$, summed over the classes. Its gradient on the student's logits is $T \, (q^{student}_i -
q^{teacher}_i)$. Without the factor $T^2$ it would be $(q^{student}_i - q^{teacher}_i) / T$, and the teacher would fall
silent as $T$ grows: the difference of the shares itself shrinks with $1/T$.

**Two mistakes** are often written. Dividing *probabilities* by $T$, $\mathrm{softmax}(p / T)$, and taking *softmax
twice*, $\mathrm{softmax}(\mathrm{softmax}(z / T))$. Probabilities differ by 1 at most, so with five classes no
share can exceed $e / (e + 4) = 40\,\%$, however sure the teacher is: the student would be taught to be unsure.

After Hinton, Vinyals and Dean,
[*Distilling the Knowledge in a Neural Network*](https://arxiv.org/abs/1503.02531), 2015.
"""


def main() -> None:
    st.title("Temperature", anchor=False)
    st.caption("What a student learns from its teacher, softened: pixel by pixel, with the real logits of both models.")
    models = artifacts.models(visitor.owner())
    if not models:
        no_models()
        return
    first, second, middle, right = st.columns([1.35, 0.9, 1.7, 1.3], gap="medium")
    wide = st.container()
    pair = choose_pair(models, middle, right)
    open_picture = choose_picture(first, second, wide, models=pair or ())
    picture = open_picture()
    if picture is None:
        empty_state("No image yet", "Choose a shipped scene, or upload a PNG, JPEG or TIFF above.")
    elif pair is None:
        empty_state("No student yet", "Choose a teacher whose classes another model shares.")
    else:
        _soften(picture, teacher=pair[0], student=pair[1])
    with st.expander("What temperature is", expanded=True):
        st.markdown(_TEXT)
        if shipped_study("map") is not None and st.button(
            "Temperature and alpha in real runs", icon=":material/grid_on:", key="temperature_map"
        ):
            st.switch_page("views/search/page.py")


@st.fragment
def _soften(picture: Picture, *, teacher: Model, student: Model) -> None:
    """The window that the link names; another one comes with a run of this part alone."""
    stop_if_signed_out()
    # Above the picture, which fills a screen: where it leads to is seen without scrolling.
    onward = st.container()
    start = st.session_state.setdefault(_START, state.temperature_from_link(_USUAL, least=_LEAST, most=_MOST))
    across, down = state.place_from_link()
    at = softening.window(picture.image, across=across, down=down)
    with st.spinner("Both models run on the image …"):
        said = {model.name: caching.logits(picture, model, at) for model in (teacher, student)}
    payload = softening.pack(
        picture.image,
        at,
        teacher=(teacher.title, said[teacher.name]),
        student=(student.title, said[student.name]),
        class_names=[name for name, _ in teacher.classes[: teacher.ignore_index]],
        temperature=start,
    )
    result = softener(payload)
    if result.temperature is not None:
        state.to_link(state.TEMPERATURE, f"{float(result.temperature):g}", default=f"{_USUAL:g}")
    if result.place is not None:
        state.place_to_link(float(result.place["x"]), float(result.place["y"]))
        st.rerun(scope="fragment")
    with onward:
        _distill(teacher, state.temperature_from_link(_USUAL, least=_LEAST, most=_MOST))


def _distill(teacher: Model, temperature: float) -> None:
    """From the temperature that is shown to a student that learns at it, and what it means for each loss there."""
    label = f"Distill at T = {temperature:g}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(plain(label), icon=":material/science:", key="distill_at"):
            link = {link_name("temperature"): f"{temperature:g}", state.TEACHER: teacher.name}
            st.switch_page("views/distill/page.py", query_params=link)
        with st.popover("What T does in each loss", icon=":material/functions:", width="content"):
            for loss in LOSSES.values():
                say.titled(loss.title, loss.temperature)


if __name__ == "__main__":
    page(main)
