"""From a saved dataset a visitor is led to what it can do on Distill: teach by labels, or be answered on."""

import io
import time
from collections.abc import Callable

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from app.services import imports
from app.services.visitors import COOKIE
from core.image import encode_png
from tests.ui.conftest import World
from tests.ui.test_own_datasets import ANN, ANN_ID, Done, saved, with_usual


def test_a_dataset_leads_to_what_it_can_do_on_distill(
    view: Callable[..., AppTest], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {COOKIE: ANN_ID})
    monkeypatch.setattr(imports, "_process", Done)
    labelled, draft = saved(), imports.open_draft(ANN, "session", now=time.time())
    draft.bring([("flight.png", io.BytesIO(encode_png(np.full((64, 64, 3), 90, np.uint8))))])
    report = draft.report()
    assert report is not None
    draft.save(with_usual(report, "Flights"), shared=False)
    page = view("datasets")
    for key in ("train_flights", f"train_{labelled}", f"distill_{labelled}"):
        page.button(key=key).click().run()
    links = {"have": "none", "transfer": "flights"}, {"goal": "teacher", "dataset": labelled}, {"dataset": labelled}
    assert world.switched == [("views/distill/page.py", link) for link in links]
