"""In your browser: an exported student runs on the visitor's own device, and is there to take away."""

import streamlit as st

from app import caching, state, visitor
from app.components.empty import empty_state, no_models
from app.components.guard import page, plainly
from app.components.in_javascript import in_browser
from app.components.linked import linked_select
from app.components.palette_switch import palette_switch
from app.services import artifacts, exports
from app.services.artifacts import Model
from app.services.benchmarks import runtime_title
from app.services.figure_texts import latency
from app.views.browser.export_button import export_button

_RUNTIMES = ("onnx", "pytorch")


def main() -> None:
    st.title("In your browser", anchor=False)
    st.caption("The model comes to your device and works there. Your images are not uploaded.")
    models = artifacts.models(visitor.owner())
    if not models:
        no_models()
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = linked_select(
            "Model",
            list(models),
            name=state.MODEL,
            default="student",
            title=lambda name: models[name].label,
            width=320,
        )
        export_button(models[name])
        palette = palette_switch(key="browser_colours")
    if not exports.runtime_is_there():
        empty_state(
            "The browser's runtime is not here yet",
            "Run `make web` in the project's folder (it needs npm) and reload this page. It fetches ONNX Runtime Web; "
            "this app serves it from then on.",
        )
        return
    with st.spinner("Exporting the model and comparing it with PyTorch …"):
        payload = caching.for_browser(models[name])
    in_browser({**payload, "palette": palette, "server": _server_speeds(models[name])})


def _server_speeds(model: Model) -> list[dict[str, str | float]]:
    """What this server takes for a picture of the same size: the figures that every page shows."""
    with plainly(), st.spinner("Measuring the model on this server, once …"):
        caching.measured_speeds((model,), _RUNTIMES)
    found = caching.kept_speeds((model,))[model.name]
    return [
        {"name": f"Server, {runtime_title(name)} ({found[name].within})", "took": latency(found[name].latency_ms)}
        for name in _RUNTIMES
        if name in found
    ]


if __name__ == "__main__":
    page(main)
