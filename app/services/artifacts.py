"""Trained models as the app shows them: names, sizes, scores from their cards, and the student as one download."""

import functools
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from app.services import own_models
from core import paths
from core.band_set import COLOURS, BandSet
from core.brought.kinds import KINDS
from core.cards import ModelCard, available, is_brought, load_card, resolve, weights_file
from core.config import ModelConfig
from core.errors import CheckpointError

MOST_STUDENTS = 3
"""How many Compare shows beside a teacher."""
USUAL_TEACHER, USUAL_STUDENTS = "teacher", ("student",)
"""What is shown where nobody chose."""
_FAMILIES = {"compact": "Compact", "unet": "U-Net"}
_KNOWN_ENCODERS = {"tu-tf_efficientnet_lite0": "EfficientNet-Lite0"}


@dataclass(frozen=True)
class TrainedOn:
    """What a card says of the pictures of its model: the name of the dataset, the rule of the split, and digests of
    pictures (`core.data.scene.digest`) by use (`train`, `val`, `test`); none of these in older cards."""

    dataset: str = ""
    split: str = ""
    pictures: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass(frozen=True)
class Model:
    """A model that can be chosen. `identity` changes when its weights do; `miou5` is a fraction, or None.

    `bands` are those that it sees. A `starting_point` answers nothing: runs begin with it.
    """

    name: str
    title: str
    architecture: str
    identity: str
    parameters: int
    macs_256: int
    bytes: int
    classes: tuple[tuple[str, tuple[int, int, int]], ...]
    ignore_index: int
    teacher: str | None
    miou5: float | None
    from_run: bool
    brought: bool = False
    trained_on: TrainedOn = TrainedOn()
    bands: BandSet = COLOURS
    starting_point: bool = False

    @property
    def label(self) -> str:
        """For menus: `teacher (U-Net on EfficientNet-Lite0)`; for a run its name and the end of its id."""
        return f"{self.title} ({self.name[-4:] if self.from_run else self.architecture})"


def models(owner: str | None) -> dict[str, Model]:
    """Every readable model by name, shipped ones first, then students of runs, newest first, then brought ones.

    Args:
        owner: Who is at the browser (`app.visitor.owner`), who sees what they brought; None: nobody in particular.
    """
    return {name: model for name, model in _described(owner).items() if not model.starting_point}


def starting_points(owner: str | None) -> dict[str, Model]:
    """What a run can begin with but nobody can ask for an answer, by name.

    Args:
        owner: As for `models`.
    """
    return {name: model for name, model in _described(owner).items() if model.starting_point}


def _described(owner: str | None) -> dict[str, Model]:
    found: dict[str, Model] = {}
    stems = available(runs=paths.home())
    shipped = sorted(name for name in stems if stems[name].parent == paths.CHECKPOINTS)
    brought = sorted(name for name in stems if is_brought(stems[name]))
    shown = {*shipped, *own_models.usable(stems.keys() - set(shipped), owner)}
    for name in [*shipped, *sorted(stems.keys() - {*shipped, *brought}, reverse=True), *brought]:
        if name not in shown:
            continue
        try:
            found[name] = describe(name, stems[name])
        except CheckpointError:
            # A run may be writing its first student, or a card may be from another version: it cannot be chosen now.
            continue
    return found


def require_known(*names: str, owner: str | None) -> None:
    """Raises `CheckpointError` unless each is a name in `models`: a visitor's is never taken for a path."""
    there = models(owner)
    for name in names:
        if name not in there:
            raise CheckpointError(f"There is no model {name[:80]!r}: choose one from the list.")


def describe(name: str, stem: Path) -> Model:
    """What the card says. Raises `CheckpointError`."""
    card = load_card(stem)
    shipped = stem.parent == paths.CHECKPOINTS
    return Model(
        name=name,
        title=name if shipped else (card.name or name),
        architecture=architecture(card.model),
        identity=_identity(stem),
        parameters=card.parameters,
        macs_256=card.macs_256,
        bytes=card.bytes,
        classes=tuple(zip(card.classes.names, card.classes.colours, strict=True)),
        ignore_index=card.classes.ignore_index,
        teacher=card.teacher,
        miou5=_miou5(card.metrics),
        from_run=not shipped and not is_brought(stem),
        brought=is_brought(stem),
        trained_on=_trained_on(card),
        bands=card.bands,
        starting_point=card.starting_point,
    )


def control_of(model: Model, known: dict[str, Model]) -> str | None:
    """The model of the same kind that had no teacher, on the same data: of a shipped one, by its name."""
    name = f"{model.name}-control"
    return name if not model.from_run and name in known else None


def weights(model: Model) -> str:
    """12 hexadecimal digits that change with the weights, as benchmarks write them; empty where there are none."""
    return _weights(model.name, model.identity)


@functools.lru_cache(maxsize=4096)
def _weights(name: str, identity: str) -> str:
    del identity
    try:
        return hashlib.sha256(weights_file(resolve(name, runs=paths.home())).read_bytes()).hexdigest()[:12]
    except (OSError, CheckpointError):
        return ""


def _trained_on(card: ModelCard) -> TrainedOn:
    listed = card.data.get("pictures")
    listed = listed if isinstance(listed, dict) else {}
    found = tuple((use, frozenset(map(str, names))) for use, names in listed.items() if isinstance(names, list))
    return TrainedOn(str(card.data.get("dataset", "")), str(card.data.get("split", "")), found)


def architecture(model: ModelConfig) -> str:
    """`Compact 4` or `U-Net 4` for the width families, `U-Net on EfficientNet-Lite0` for the others."""
    arguments = model.arguments
    if kind := KINDS.get(model.architecture):
        return kind.title
    if family := _FAMILIES.get(model.architecture):
        return f"{family} {arguments.get('base', '')}".strip()
    decoder = str(arguments.get("architecture", model.architecture))
    encoder = str(arguments.get("encoder", ""))
    decoder = "U-Net" if decoder.lower() == "unet" else decoder
    return f"{decoder} on {_KNOWN_ENCODERS.get(encoder, encoder)}" if encoder else decoder


def short_count(count: float) -> str:
    """`121 k`, `1.94 M`, `6.1 G`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            value = count / limit
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count:.0f}"


def student_archive(run_id: str) -> bytes:
    """The student of a run as a zip of its weights and its card. Raises `CheckpointError` while there is none."""
    stem = resolve(run_id, runs=paths.home())
    load_card(stem)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for ending in (".safetensors", ".json"):
            file = stem.with_name(stem.name + ending)
            archive.write(file, arcname=f"{run_id}/{file.name}")
    return packed.getvalue()


def _identity(stem: Path) -> str:
    weights = weights_file(stem)
    if not weights.is_file():
        return f"{stem}:missing"
    status = weights.stat()
    return f"{stem}:{status.st_mtime_ns}:{status.st_size}"


def _miou5(metrics: dict[str, object]) -> float | None:
    for candidate in (metrics, *(value for value in metrics.values() if isinstance(value, dict))):
        value = candidate.get("miou5")
        if isinstance(value, int | float):
            return float(value)
    return None
