"""Page settings, navigation and the worker's state in the sidebar: the frame of every page."""

import streamlit as st

from app.components.brand import MARK, brand
from app.components.guard import plainly
from app.components.in_javascript import history
from app.components.sign_in import signed_in
from app.components.tour import tour, tour_button
from app.components.worker_status import worker_status
from app.visitor import let_in

# The sidebar is as wide, in pixels, as its longest title needs: the rest is the pages' own.
st.set_page_config(page_title="Terrastill", page_icon=str(MARK), layout="wide", initial_sidebar_state=240)
brand()


def compare_by_name() -> None:
    """Streamlit serves the first page at the root alone; who writes its name arrives there too, link and all."""
    st.switch_page("views/compare/page.py", query_params=st.query_params.to_dict())


page = st.navigation(
    [
        st.Page("views/compare/page.py", title="Compare", icon=":material/compare:", url_path="start", default=True),
        st.Page("views/gallery/page.py", title="Gallery", icon=":material/grid_view:", url_path="gallery"),
        st.Page("views/temperature/page.py", title="Temperature", icon=":material/thermostat:", url_path="temperature"),
        st.Page("views/map/page.py", title="Your images", icon=":material/map:", url_path="images"),
        st.Page("views/datasets/page.py", title="Datasets", icon=":material/dataset:", url_path="datasets"),
        st.Page("views/models/page.py", title="Models", icon=":material/hub:", url_path="models"),
        st.Page("views/distill/page.py", title="Distill", icon=":material/science:", url_path="distill"),
        st.Page("views/search/page.py", title="Search", icon=":material/search:", url_path="search"),
        st.Page("views/runs/page.py", title="Runs", icon=":material/monitoring:", url_path="runs"),
        st.Page("views/benchmark/page.py", title="Benchmark", icon=":material/speed:", url_path="benchmark"),
        st.Page("views/cost/page.py", title="Cost", icon=":material/payments:", url_path="cost"),
        st.Page("views/browser/page.py", title="In your browser", icon=":material/web:", url_path="browser"),
        st.Page(compare_by_name, title="Compare", url_path="compare", visibility="hidden"),
    ]
)
with plainly(ask=False):
    shown = signed_in()
    let_in(shown)
    if shown:
        with st.sidebar:
            tour_button()
            worker_status()
            history()
        tour()
        page.run()
