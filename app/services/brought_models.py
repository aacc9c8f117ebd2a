"""Models that visitors bring: an upload → what its files say → a model of the workspace, run in a confined process.

A model is its owner's alone until they share it, as a dataset is (`own_models`); one whose owner cannot be known again
is everybody's. What was uploaded and not yet imported lies in a folder of its session.
"""

import io
import os
import secrets
import shutil
import threading
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.services import access, artifacts, benchmarks, own_models
from app.services.access import Person
from app.services.datasets import Picture
from app.services.stores import open_store
from core import paths
from core.band_set import BandSet, parse_names
from core.brought.found import FoundModel as FoundModel
from core.brought.found import ModelAnswers as ModelAnswers
from core.brought.found import Numbers, check_name, missing, settle
from core.brought.kinds import FILE_KINDS as FILE_KINDS
from core.brought.shared_card import CARD
from core.cards import ModelCard, available, brought_stem, load_card
from core.class_mapping import propose
from core.data.datasets import known
from core.errors import CheckpointError, ConfigError, ImageError, ModelError, RunStateError
from core.imagery.archives import ZipLimits, is_zip, unpack
from core.imagery.limits import MEGABYTE

if TYPE_CHECKING:
    from core.models.external.confined_network import RunLimits

Classes = Sequence[tuple[str, tuple[int, int, int]]]
UPLOAD_MEGABYTES = 500
TYPES = ("onnx", "zip")
_DRAFTS = ".drafts"
_DRAFT_SECONDS = 6 * 3600
_ZIP = ZipLimits(entries=200, total_bytes=2_000 * MEGABYTE, entry_bytes=2_000 * MEGABYTE, ratio=1100)
_BLOCK = 2**20
_PREVIEWS = threading.Lock()


@dataclass(frozen=True)
class ModelEntry:
    """A model as the page lists it. `source` is shipped, run or brought; `mine`: this visitor brought it; `shared`:
    everybody may use it."""

    name: str
    source: str
    card: ModelCard
    mine: bool
    shared: bool

    @property
    def mapping(self) -> list[tuple[str, str]]:
        """What each of its own classes stands for; empty for nothing."""
        told = self.card.model.arguments.get("map")
        return list(told.items()) if isinstance(told, dict) else []

    @property
    def has_files(self) -> bool:
        """Whether it can be downloaded: a committee has no files of its own."""
        return bool(self.card.model.arguments.get("files"))

    @property
    def logits_only(self) -> bool:
        """Whether no features of it can be tapped: it runs in a process of its own, or as a file of a runtime."""
        model = self.card.model
        return model.architecture in FILE_KINDS or bool(model.arguments.get("confined"))

    @property
    def origin(self) -> str:
        """Where it came from, in a few words."""
        return str(self.card.training.get("origin") or self.card.teacher or "")

    @property
    def notes(self) -> list[str]:
        """Sentences on what was assumed when it was imported."""
        return [str(note) for note in self.card.training.get("notes") or []]


@dataclass(frozen=True)
class UploadedModel:
    """An upload that was read and is not yet imported."""

    folder: Path
    source: Path
    found: FoundModel

    @property
    def missing(self) -> list[str]:
        """What has to be asked for."""
        return missing(self.found)


@dataclass(frozen=True)
class DraftMask:
    """What an upload makes of the middle of a picture: `image` (H, W, 3), `mask` (H, W) of indices of `classes`.

    `notes` are sentences on what was assumed.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    classes: Classes
    notes: tuple[str, ...]


def listing(owner: str | None) -> list[ModelEntry]:
    """Every readable model: shipped ones, those brought that this visitor may use, then students of runs."""
    found, stems = [], available(runs=paths.home())
    usable, everybodys = own_models.usable(stems, owner), own_models.usable(stems, None)
    for name, stem in stems.items():
        with suppress(CheckpointError):
            card = load_card(stem)
            source = "shipped" if stem.parent == paths.CHECKPOINTS else "brought" if stem.name == "card" else "run"
            if source != "shipped" and name not in usable:
                continue
            mine = source == "brought" and own_models.is_of(name, owner)
            found.append(ModelEntry(name, source, card, mine, source == "shipped" or name in everybodys))
    order = {"shipped": 0, "brought": 1, "run": 2}
    runs = sorted((one for one in found if one.source == "run"), key=lambda one: one.name, reverse=True)
    others = [one for one in found if one.source != "run"]
    return sorted(others, key=lambda one: (order[one.source], one.name)) + runs


def measured_scores(owner: str | None) -> dict[str, tuple[float, str]]:
    """The newest score that a benchmark found of each model as it is now: a fraction, and what it was scored on."""
    found: dict[str, tuple[float, str]] = {}
    models = artifacts.models(owner)
    for result in benchmarks.found(owner):
        for row in result.rows:
            known = models.get(row.model)
            if known is None or row.model in found or row.miou5 is None or row.runtime != "pytorch":
                continue
            if row.weights == artifacts.weights(known):
                found[row.model] = (row.miou5, result.scored_on)
    return found


def take_in(name: str, content: IO[bytes], who: Person) -> UploadedModel:
    """Write an upload to a folder of its own and read what it says; nothing of it runs.

    Raises `ModelError`, and `RunStateError` when this person may not launch, or brings too much in an hour.
    """
    from core.models.external.importer import inspect

    access.require(who, "launch")
    access.RATES.take(who, "imports", access.read_access().imports_an_hour)
    folder = _drafts() / f"{os.getpid()}-{secrets.token_hex(8)}"
    folder.mkdir(parents=True)
    try:
        source = _written(folder, name, content)
        return UploadedModel(folder, source, inspect(source))
    except (ModelError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _written(folder: Path, name: str, content: IO[bytes]) -> Path:
    """The file of an upload, or the folder that was in its zip."""
    suffix = ".onnx" if name.lower().endswith(".onnx") else Path(name).suffix.lower()[:8]
    upload = folder / f"upload{suffix}"
    with upload.open("wb") as file:
        shutil.copyfileobj(content, file, _BLOCK)
    if not is_zip(upload):
        return upload
    unpacked = folder / "unpacked"
    unpacked.mkdir()
    try:
        unpack(upload, unpacked, limits=_ZIP)
    except ImageError as error:
        raise ModelError(str(error)) from error
    upload.unlink()
    return _only_folder(unpacked)


def _only_folder(folder: Path) -> Path:
    """The folder in which the model lies: a zip often holds one folder."""
    while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
        folder = inside[0]
    return folder


def import_uploaded(
    upload: UploadedModel,
    name: str,
    said: ModelAnswers,
    who: Person,
    *,
    shared: bool = False,
    limits: "RunLimits | None" = None,
) -> ModelCard:
    """Take an upload into the workspace; it always runs in a confined process.

    Raises `ConfigError` with what is missing or wrong, `ModelError`, and `RunStateError` when this person may not.
    """
    from core.models.external.importer import import_model

    access.require(who, "launch")
    _require_there(upload)
    owner = own_models.owner_text(who.folder, shared=shared)
    card = import_model(upload.source, name, said, confined=True, limits=limits, beside={own_models.FILE: owner})
    discard(upload)
    return card


def seen_bands(upload: UploadedModel, said: ModelAnswers) -> BandSet | None:
    """What an upload sees of a picture by what is said of it so far; None while nobody has named its bands."""
    try:
        known = settle(upload.found, said)
    except ConfigError:
        known = upload.found
    return known.band_set if known.inputs == len(known.band_set) else None


def preview(
    upload: UploadedModel,
    said: ModelAnswers,
    picture: Picture,
    who: Person,
    *,
    limits: "RunLimits | None" = None,
) -> DraftMask:
    """What an upload makes of a picture, by what is said of it so far, in a confined process.

    One at a time on this server. Raises `ConfigError`, `ModelError`, and `RunStateError` when this person may not
    launch, or compares too much in an hour.
    """
    from core.models.external.preview import preview as run

    access.require(who, "launch")
    _require_there(upload)
    access.RATES.take(who, "comparisons", access.read_access().comparisons_an_hour)
    with _PREVIEWS:
        found = run(upload.source, said, picture.image, limits=limits, **picture.own_bands)
    classes = tuple(zip(found.classes.names, found.classes.colours, strict=True))
    return DraftMask(found.image, found.mask, classes, found.notes)


def _require_there(upload: UploadedModel) -> None:
    if not upload.source.exists():
        raise ModelError(
            "The upload is gone, because the server was started anew or hours have passed: bring it again."
        )


def discard(upload: UploadedModel) -> None:
    """Remove what was uploaded."""
    shutil.rmtree(upload.folder, ignore_errors=True)


def sweep(now: float) -> None:
    """Remove uploads that nobody imported within hours."""
    for folder in _drafts().glob("*"):
        with suppress(OSError):
            if now - folder.stat().st_mtime > _DRAFT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def targets(owner: str | None) -> dict[str, str]:
    """The datasets in whose classes a model can be asked to answer: titles by name."""
    from app.services.own_datasets import visible

    return {name: dataset.title for name, dataset in visible(owner).items() if dataset.classes.outputs}


def proposals(theirs: Sequence[str], dataset: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """The classes of a dataset, and which of them each of the model's seems to mean; empty for none."""
    own = known()[dataset].classes.scored_names
    return own, propose(theirs, own)


def typed(classes: str, found: FoundModel) -> str:
    """The names in the form's field, or nothing where they are those of the file: a name may hold a comma."""
    return "" if classes.strip() == ", ".join(found.classes).strip() else classes


def answers(
    *,
    classes: str = "",
    mapping: Mapping[str, str] | None = None,
    dataset: str | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    bands: str = "",
    scale: float = 255.0,
    **more: object,
) -> ModelAnswers:
    """What the form says. Raises `ConfigError`."""
    target = known()[dataset].classes if dataset else None
    names = tuple(part.strip() for part in classes.split(",")) if classes.strip() else ()
    made = ModelAnswers(
        classes=names, map=mapping or {}, target=target, mean=mean, std=std, scale=scale, bands=parse_names(bands)
    )
    return replace(made, **more)  # type: ignore[arg-type]


def may_change(entry: ModelEntry, who: Person) -> bool:
    """Whether this person may rename or delete a model: who brought it; as for a dataset, whom the operator lists."""
    listed = access.read_access().may_delete is not None or not own_models.has_owner(entry.name)
    return entry.source == "brought" and (entry.mine or (listed and access.may(who, "delete")))


def rename(entry: ModelEntry, new: str, who: Person) -> None:
    """Raises `ConfigError`, and `RunStateError` when this person may not."""
    from core.models.external import importer

    _require_change(entry, who)
    open_store().model_use.require_unneeded(entry.name)
    importer.rename(entry.name, check_name(new))


def share(entry: ModelEntry, shared: bool, who: Person) -> None:
    """Let everybody use a model and its students, or its owner alone. Raises as `own_models.share`."""
    own_models.share(entry.name, shared, who.folder)


def delete(entry: ModelEntry, who: Person) -> None:
    """Raises `CheckpointError`, and `RunStateError` when this person may not."""
    from core.models.external import importer

    _require_change(entry, who)
    open_store().model_use.require_unneeded(entry.name)
    importer.delete(entry.name)


def archive(name: str, owner: str | None) -> bytes:
    """A brought model with its card as a zip, which another server takes and asks for nothing. `CheckpointError`."""
    artifacts.require_known(name, owner=owner)
    stem = brought_stem(name)
    card = load_card(stem)
    if not card.model.arguments.get("files"):
        raise CheckpointError(f"{name} is a committee without files of its own: download its members.")
    if card.bytes > _ZIP.total_bytes:
        raise CheckpointError(f"{name} has more than 2 GB: copy its folder from the server.")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as made:
        for file in (*card.model.arguments["files"], CARD):
            made.write(stem.parent / file, arcname=f"{name}/{file}")
    return packed.getvalue()


def _require_change(entry: ModelEntry, who: Person) -> None:
    if not may_change(entry, who):
        raise RunStateError("Only who brought a model can change it: ask them, or this server's operator.")


def _drafts() -> Path:
    return paths.brought_models() / _DRAFTS


def numbers(text: str) -> Numbers | None:
    """Numbers as they were typed, one for each band; None for nothing. Raises `ConfigError`."""
    parts = text.replace(",", " ").split()
    try:
        return tuple(map(float, parts)) or None
    except ValueError as error:
        raise ConfigError(f"{text[:40]!r} are not numbers, one for each band: write 0.5, 0.5, 0.5.") from error


def coloured(mask: NDArray[np.uint8], classes: Classes) -> NDArray[np.uint8]:
    """A mask (H, W) in the colours of its classes, (H, W, 3)."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(classes)] = [colour for _, colour in classes]
    found: NDArray[np.uint8] = table[mask]
    return found


def class_shares(mask: NDArray[np.uint8], classes: Classes) -> list[tuple[str, float]]:
    """Which share of a mask (H, W) each class has, the largest first."""
    counts = np.bincount(mask.ravel(), minlength=len(classes)) / mask.size
    return sorted(((name, float(counts[at])) for at, (name, _) in enumerate(classes)), key=lambda one: -one[1])
