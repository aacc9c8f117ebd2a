"""A teacher's answers as a dataset of a visitor's: what is asked for, the job that makes it, and the zip to take away.

The job is a run of a kind of its own (`core.runs.executors.pseudo_masking`); the page follows it, and may stop it.
"""

import shutil
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from app.services import access, own_datasets, progress, uploads, workers
from app.services.access import Person
from app.services.artifacts import require_known
from app.services.figure_texts import share
from app.services.imports import check_room
from app.services.names import size_text
from app.services.own_datasets import require_visible
from app.services.stores import open_store
from core import paths
from core.config.fields import Setting as Setting
from core.config.fields import settings_of
from core.config.pseudo_mask_order import PictureSource as PictureSource
from core.config.pseudo_mask_order import PseudoMaskOrder
from core.data import named
from core.data.datasets import dataset_named
from core.data.folder import Pair
from core.data.picture_sources import find_pictures
from core.errors import ConfigError, DatasetNotFoundError, RunNotFoundError, RunStateError
from core.events import Progress
from core.imagery.limits import MEGABYTE
from core.runs.store.records import JobRequest, RunKind, RunRecord, RunState
from core.runs.store.run_files import announce_job

SETTINGS: dict[str, Setting] = settings_of(PseudoMaskOrder)
USUAL_CONFIDENCE = PseudoMaskOrder.confidence
MOST_WAITING = 4
MOST_ZIP_MEGABYTES = 1000
_KINDS = (RunKind.PSEUDO_MASKS,)


@dataclass(frozen=True)
class MaskRequest:
    """What the page asks for. `shared`: everybody may use the dataset; else its maker alone."""

    model: str
    source: PictureSource
    title: str
    confidence: float = USUAL_CONFIDENCE
    flips: bool = False
    shared: bool = False


@dataclass(frozen=True)
class MaskJob:
    """The visitor's last job. `dataset` is the name of what was made, `told` what came of it, in a sentence or two."""

    running: bool
    progress: Progress
    error: str | None = None
    dataset: str = ""
    told: tuple[str, ...] = ()


def start(request: MaskRequest, who: Person) -> str:
    """Queue it, and give the id of the run.

    Raises:
        ConfigError: A model, a dataset or a confidence that cannot be; nobody could find the dataset again.
        DatasetNotFoundError: There are no pictures.
        DataError: There is no room for the dataset.
        RunStateError: This person may not, or too many wait.
    """
    require_known(request.model, owner=who.folder)
    if who.folder is None and not request.shared:
        raise ConfigError("This browser keeps no cookie, so nobody could find the dataset again: share it.")
    if not request.title.strip():
        raise ConfigError("Name the dataset.")
    source = _checked(request.source, who)
    pairs = find_pictures(source).pairs
    if not pairs:
        raise DatasetNotFoundError("There is no picture: choose other images.")
    check_room(sum(_bytes_of(pair) for pair in pairs))
    order = PseudoMaskOrder(
        model=request.model,
        source=source,
        name=own_datasets.free_name(request.title),
        title=request.title.strip(),
        confidence=request.confidence,
        flips=request.flips,
    ).validate()
    allowed = access.read_access()
    pixels = uploads.megapixels(pair.image for pair in pairs)
    access.RATES.take(who, "megapixels", allowed.megapixels_an_hour, pixels)
    job = {"order": order.to_json(), "owner": {"owner": who.folder, "shared": request.shared}}
    with access.launching(who, 1):
        dismiss(who)
        made = open_store().add_job(
            JobRequest(RunKind.PSEUDO_MASKS, job, "Pseudo-masks"), most=MOST_WAITING, launched_by=who.key
        )
    workers.ensure_worker()
    return made.id


def job(who: Person) -> MaskJob | None:
    """The job that this visitor started last, until it is dismissed. Raises `StoreError`."""
    record = next(iter(_jobs_of(who)), None)
    if record is None:
        return None
    running = not record.state.final
    if record.state == RunState.DONE:
        return MaskJob(False, Progress(1, 1), dataset=str(record.summary["dataset"]), told=_told(record))
    stopped = "It was stopped; nothing was kept." if record.state == RunState.CANCELLED else record.error
    return MaskJob(running, progress.read_job(record.id).progress, None if running else stopped)


def cancel(who: Person) -> None:
    """Ask the visitor's job to stop; nothing of it is kept."""
    for record in _jobs_of(who):
        with suppress(RunStateError, RunNotFoundError):
            open_store().request_cancel(record.id)
            announce_job(open_store().home)


def dismiss(who: Person) -> None:
    """Forget the visitor's jobs that ended; the datasets stay."""
    for record in _jobs_of(who):
        if record.state.final:
            left = paths.named_datasets().glob(f".*.{record.id}.part")
            for folder in left:
                shutil.rmtree(folder, ignore_errors=True)
            open_store().delete(record.id)


def can_be_taken(name: str) -> bool:
    """Whether a dataset is one whose masks a model made, and no other: these may be taken away as a zip."""
    return named.is_there(name) and bool(dataset_named(name).labelled_by)


def zip_of(name: str, owner: str | None) -> BinaryIO:
    """A dataset of pseudo-masks as a zip, open for reading; the file goes when it is closed.

    Raises `ConfigError` for a dataset that this visitor may not use or that is none of these, or is too large.
    """
    require_visible(name, owner)
    if not can_be_taken(name):
        raise ConfigError("Only datasets whose masks a model made are given as a zip.")
    folder = named.folder_of(name)
    if uploads.bytes_below(folder) > MOST_ZIP_MEGABYTES * MEGABYTE:
        most = size_text(MOST_ZIP_MEGABYTES * MEGABYTE)
        raise ConfigError(f"It is larger than {most}: ask this server's operator for the folder datasets/{name}.")
    # Not in a `with` block: who asked for it reads and closes it.
    packed = tempfile.TemporaryFile()  # noqa: SIM115
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.name != named.OWNER_FILE:
                archive.write(file, f"{name}/{file.relative_to(folder)}")
    packed.seek(0)
    return cast(BinaryIO, packed)


def _jobs_of(who: Person) -> list[RunRecord]:
    """Newest first."""
    known = open_store().list(kinds=_KINDS)
    return [one for one in known if one.launched_by == who.key and one.job["owner"]["owner"] == who.folder]


def _checked(source: PictureSource, who: Person) -> PictureSource:
    """The same where this visitor may have these pictures, a folder of theirs below the one that is opened."""
    if source.dataset:
        own_datasets.require_visible(source.dataset, who.folder)
    if source.folder:
        folder, opened = access.opened_path(source.folder)
        return PictureSource(folder=str(folder), opened=str(opened))
    return source


def _bytes_of(pair: Pair) -> int:
    try:
        return pair.image.stat().st_size
    except OSError:
        return 0


def _told(record: RunRecord) -> tuple[str, ...]:
    """What came of it."""
    found = record.summary
    told = f"{found['pictures']:,} images, {found['masks']:,} with a mask"
    if "sure" in found:
        told += f"; {share(found['sure'])} of their pixels got a class"
    problems = [str(problem) for problem in found.get("problems", [])]
    return (f"{told}.", *problems[:3], *([f"and {len(problems) - 3} more."] if len(problems) > 3 else []))
