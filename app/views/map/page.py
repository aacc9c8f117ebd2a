"""Your images: bring pictures of any size, segment them, see and take away the results."""

from typing import Any

import streamlit as st

from app import caching, visitor
from app.components import say
from app.components.empty import empty_state, no_models
from app.components.guard import page, plainly
from app.components.own_upload import own_upload
from app.components.sections import sections
from app.components.sign_in import person
from app.services import access, artifacts, mapping, uploads, workers, workspaces
from app.services.artifacts import Model
from app.services.names import plain, size_text
from app.services.workspaces import Workspace
from app.views.map.results import results
from core.imagery.band_names import parse_bands

# What is found again after a reload.
_NAMES = "model teacher extras flips bands ground smallest smooth shown plane opacity"
_KEPT = tuple(f"map_{name}" for name in _NAMES.split())
_NONE = "none"
TICK_SECONDS = 1.0
_EXTRAS = {
    "gpkg": "Polygons (GeoPackage)",
    "geojson": "Polygons (GeoJSON)",
    "probabilities": "Probabilities (GeoTIFF)",
    "report": "Report (HTML, prints well)",
}
_extra = _EXTRAS.__getitem__


def main() -> None:
    st.title("Your images", anchor=False)
    models = artifacts.models(visitor.owner())
    if not models:
        no_models()
        return
    workspace = _workspace()
    say.caption(
        "Photos, drone pictures and GeoTIFFs of any size, segmented in windows, with coordinates kept. "
        + _how_long(workspace)
    )
    brought, listed, chosen, below = sections(4)
    with brought, plainly():
        _bring(workspace)
    with listed:
        _list(workspace)
    if workspace.pictures:
        workers.expect_prediction()
    with chosen:
        choice = _choose(models)
    _remember(workspace)
    with below:
        _segment(workspace, choice, models)


def _segment(workspace: Workspace, choice: mapping.Choice | None, models: dict[str, Model]) -> None:
    """The button, and what came of it."""
    job = mapping.current(workspace)
    running = job is not None and not job.ended
    label = f"Segment {len(workspace.pictures)} images" if len(workspace.pictures) > 1 else "Segment"
    pressed = st.button(
        plain(label),
        type="primary",
        icon=":material/map:",
        disabled=running or not workspace.pictures or choice is None,
        key="segment",
    )
    if pressed and choice is not None:
        with plainly():
            _start(workspace, choice)
            st.rerun()
    if job is None:
        if not workspace.pictures:
            empty_state("No image yet", "Upload a PNG, JPEG or TIFF above, several of them, or a zip.")
        return
    _came_of(job, running, models)
    _remember(workspace)


def _came_of(job: mapping.SegmentationJob, running: bool, models: dict[str, Model]) -> None:
    """How far the segmentation is, and what it gave so far."""
    progress, below = sections(2)
    with progress:
        st.fragment(run_every=TICK_SECONDS if running else None)(draw_job)(job, running)
    found = job.read_state()
    if not found.results:
        return
    with below:
        if job.choice.model in models:
            results(job, found.results, models[job.choice.model], [own.path for own in job.pictures])
        else:
            st.warning("The model of these results is gone: segment the images with another one.")


def _workspace() -> Workspace:
    """The visitor's own folder, with what was chosen when it was last used."""
    found = visitor.workspace()
    for key in _KEPT:
        if key not in st.session_state and key in found.settings:
            st.session_state[key] = found.settings[key]
    return found


def _remember(workspace: Workspace) -> None:
    workspace.keep(**{key: st.session_state[key] for key in _KEPT if key in st.session_state})


def _how_long(workspace: Workspace) -> str:
    if not workspace.kept:
        return "This browser keeps no cookie, so all of it is gone when the page is reloaded or closed."
    whose = "you alone" if person().email else "this browser alone"
    return f"Images and results stay on the server for a day, for {whose}, or until you delete them."


def _bring(workspace: Workspace) -> None:
    """The upload, or a path on the server where the operator opens a folder."""
    root = access.read_access().images
    if root is not None:
        text = st.text_input(
            "Image or folder on the server",
            placeholder="north/tile_07.tif",
            help="A path inside the folder that the operator opened.",
            key="server_path",
        )
        if st.button("Add", key="add_path", icon=":material/add:") and text:
            workspace.add_path(text)
    label = (
        f"PNG, JPEG, TIFF or a zip of them: at most {workspaces.UPLOAD_MEGABYTES} MB each, "
        f"{workspaces.TOGETHER_MEGABYTES:,} MB and {workspaces.MOST_FILES} images together, "
        f"{workspaces.MEGAPIXELS} megapixels an image."
    )
    if own_upload(workspace, key="own", label=label):
        st.rerun()


def _list(workspace: Workspace) -> None:
    """What is there, and ways to be rid of it."""
    job = mapping.current(workspace)
    if not workspace.pictures and job is None:
        return
    names = [own.name for own in workspace.pictures]
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    total = size_text(sum(own.size for own in workspace.pictures))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        say.caption(f"{len(names)} image{'s' if len(names) > 1 else ''}, {total}: {listed}" if names else "No image.")
        with st.container(horizontal=True, width="content"):
            if st.button("Remove all", key="clear", icon=":material/delete:", help="Results stay.", disabled=not names):
                workspace.clear()
                st.rerun()
            if st.button(
                "Delete my pictures now",
                key="delete_all",
                icon=":material/delete_forever:",
                help="Removes images and results from the server, in every tab of yours.",
            ):
                workspace.delete()
                caching.forget_maps()
                st.rerun()


def _choose(models: dict[str, Model]) -> mapping.Choice | None:
    """Model, comparison and files; None while something cannot be meant."""
    left, middle, right = st.columns([1.2, 1.2, 1.6], gap="medium")
    names = list(models)
    _start_with("map_model", names, "student" if "student" in names else names[0])
    with left:
        name = st.selectbox("Model", names, format_func=lambda key: models[key].label, key="map_model")
    same = [other for other in names if other != name and models[other].classes == models[name].classes]
    _start_with("map_teacher", [_NONE, *same], _NONE)
    with middle:
        teacher = st.selectbox(
            "Difference from",
            [_NONE, *same],
            format_func=lambda key: "No other model" if key == _NONE else models[key].label,
            help="Segments with a second model too, and gives where they differ as a raster and as areas.",
            key="map_teacher",
        )
    with right:
        extras = st.multiselect(
            "Also make", list(_EXTRAS), format_func=_extra, placeholder="Polygons, report", key="map_extras", wrap=True
        )
    with st.expander("More settings", icon=":material/tune:"):
        ground, smallest, smooth = _measures()
        flips = st.toggle("Average over mirror images", help="Steadier edges, four times the time.", key="map_flips")
        text = st.text_input(
            "Bands that are red, green and blue",
            placeholder="as the file says",
            help="For pictures whose bands are not named: 3,2,1 for blue, green, red, near infrared.",
            key="map_bands",
        )
    with plainly():
        return mapping.Choice(
            name,
            None if teacher == _NONE else teacher,
            geojson="geojson" in extras,
            gpkg="gpkg" in extras,
            probabilities="probabilities" in extras,
            report="report" in extras,
            flips=flips,
            bands=parse_bands(text.strip() or None),
            ground=ground,
            smallest_area=smallest,
            smooth=smooth,
        )
    return None


def _measures() -> tuple[float | None, float | None, float]:
    """Metres a pixel, and how polygons are made: the smallest area and the smoothing."""
    least, most = mapping.GROUND_RANGE
    fields = mapping.POLYGON_SETTINGS
    st.session_state.setdefault("map_smooth", mapping.Choice.smooth)
    left, middle, right = st.columns(3, gap="medium")
    with left:
        ground = st.number_input(
            "Metres a pixel",
            least,
            most,
            value=None,
            format="%.3f",
            placeholder="as the file says",
            help="Where the file does not say it: areas are worked out with it, and say that it was given by you.",
            key="map_ground",
        )
    with middle:
        smallest = _of_polygons(fields["smallest_area"], "map_smallest", placeholder="12 pixels", value=None)
    with right:
        smooth = _of_polygons(fields["smooth"], "map_smooth", step=0.5)
    return ground, smallest, smooth or 0.0


def _of_polygons(setting: mapping.Setting, key: str, **more: Any) -> float | None:
    """The field of a setting of the polygons."""
    number: float | None = st.number_input(
        f"{setting.title} of polygons, {setting.unit}",
        None if setting.low is None else float(setting.low),
        None if setting.high is None else float(setting.high),
        help=setting.help,
        key=key,
        **more,
    )
    return number


def _start_with(key: str, options: list[str], default: str) -> None:
    """Before a menu is drawn: what it last held, or its default where that is no option any more."""
    if st.session_state.get(key) not in options:
        st.session_state[key] = default


def _start(workspace: Workspace, choice: mapping.Choice) -> None:
    allowed = access.read_access()
    pixels = uploads.megapixels(own.path for own in workspace.pictures)
    access.RATES.take(person(), "megapixels", allowed.megapixels_an_hour, pixels)
    access.RATES.take(person(), "predictions", allowed.predictions_an_hour, len(workspace.pictures))
    mapping.SegmentationJob(workspace, list(workspace.pictures), choice)


def draw_job(job: mapping.SegmentationJob, running: bool) -> None:
    """How far a segmentation is, and the button that stops it; drawn again until it has ended."""
    with plainly():
        found = job.read_state()
        if running and found.state not in ("waiting", "running"):
            st.rerun()
        _say(found)
        if found.state in ("waiting", "running"):
            st.button("Cancel", key="cancel_map", icon=":material/block:", on_click=job.cancel)


def _say(found: mapping.SegmentationState) -> None:
    if found.state == "waiting":
        say.info(f"Waiting: {found.ahead} before you.", icon=":material/schedule:")
    elif found.state == "running":
        now = found.progress
        parts = [f"Image {found.at + 1} of {found.of}: {now.doing}" if found.results or now.done else now.doing]
        if found.seconds_left is not None:
            parts.append(f"{_duration(found.seconds_left)} left")
        st.progress(now.share, text=plain(" · ".join(parts) or "Starting"))
    elif found.state == "failed":
        say.error(found.error or "It failed.")
    elif found.state == "cancelled":
        st.warning("Cancelled. Images that were finished by then are below.", icon=":material/block:")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    page(main)
