"""The settings of a teacher as widgets: its network, its data, how long, and whether a student follows."""

from dataclasses import replace

import streamlit as st

from app.components import say
from app.components.linked import linked_select
from app.services import launch, teachers
from app.services.datasets import DatasetChoice
from app.services.run_settings import setting_of
from app.views.distill.run_form import dataset_field, number_field
from core.config import ModelConfig, RunConfig
from core.config.fields import settings_of


def teacher_form(datasets: list[DatasetChoice]) -> teachers.TeacherRequest:
    """Draw the form and give back what it holds; widgets are bound to the link."""
    usual = teachers.USUAL
    networks = teachers.networks()
    left, right = st.columns(2, gap="medium")
    with left:
        chosen = linked_select("Network", list(networks), name="network", title=networks.__getitem__)
        model = _encoder() if chosen == teachers.ENCODER else teachers.NETWORKS[chosen][1]
        train = {
            name: number_field(setting_of(name), getattr(usual.train, name), key=f"teacher_{name}")
            for name in ("epochs", "batch_size")
        }
    with right:
        values = dataset_field(datasets)
        train["seed"] = number_field(setting_of("seed"), usual.train.seed, key="teacher_seed")
        crop = number_field(setting_of("crop"), usual.data.crop, key="teacher_crop")
    own = next((choice.classes for choice in datasets if choice.name == values["dataset"]), ())
    say.caption(f"It learns from labels to tell {len(own)} classes apart.")
    with st.expander("More settings"):
        rate = number_field(setting_of("learning_rate"), usual.train.learning_rate, key="teacher_learning_rate")
        device = st.selectbox(setting_of("device").title, launch.devices(), key="device", bind="query-params")
        name = st.text_input("Name of the run", key="teacher_name", max_chars=80, bind="query-params")
    student, control = None, False
    if st.toggle("Then distil a student from it", value=True, key="then_student", bind="query-params"):
        student = number_field(setting_of("base"), teachers.STUDENT_BASE, key="teacher_student")
        setting = settings_of(launch.Request)["control"]
        control = st.toggle(setting.title, key="then_control", bind="query-params", help=setting.help)
    config = RunConfig(
        kind="train",
        name=name,
        data=teachers.with_data(values, crop),
        model=model,
        train=replace(usual.train, **train, learning_rate=rate, device=device),
    )
    return teachers.TeacherRequest(config, student, control)


def _encoder() -> ModelConfig:
    """The name of an encoder and the file with its weights."""
    name = st.text_input(
        "Encoder",
        key="encoder",
        bind="query-params",
        placeholder="resnet18",
        help="As timm calls it. Other bands than three: its first convolution is adapted as timm does it.",
    )
    file = st.text_input(
        "File with its weights",
        key="encoder_weights",
        bind="query-params",
        placeholder="encoders/resnet18.safetensors",
        help="A safetensors file below the folder that this server opens.",
    )
    return teachers.on_encoder(name or "", file or "")
