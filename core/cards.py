"""Model cards: what is known of a trained model without building it. Quick to import: no torch.

`core.checkpoint` saves and loads the weights beside a card, and offers everything here as well.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core import paths
from core.band_set import COLOURS, BandSet
from core.class_mapping import ClassMapping, class_mapping
from core.classes import ClassMap
from core.config import ModelConfig
from core.errors import CheckpointError, ConfigError
from core.typed import misfits

SCHEMA = 1
_LARGEST_CARD = 1_000_000
_WIDEST = 2048


@dataclass(frozen=True)
class ModelCard:
    """Everything there is to say about a trained model, and enough to build it again.

    `mean` and `std` normalise input channels, in the units of the pictures (0..255 for 8 bits); `bands` says what these
    are, and of which type. `macs_256` counts one 256 x 256 picture (0: not known), `bytes` the weights file. `metrics`
    are `core.metrics.Scores` as JSON with the split they were measured on. `metres_per_pixel` is the ground resolution
    of the training pictures, where it is known: pictures that know theirs are resampled to it. With a `starting_point`
    runs begin: its last layer is fresh, so that it answers nothing, whatever classes its card names.
    """

    name: str
    model: ModelConfig
    classes: ClassMap
    mean: tuple[float, ...]
    std: tuple[float, ...]
    parameters: int
    macs_256: int
    bytes: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    distillation: dict[str, Any] | None = None
    teacher: str | None = None
    seed: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    licence: str = "Apache-2.0"
    schema: int = SCHEMA
    metres_per_pixel: float | None = None
    bands: BandSet = COLOURS
    starting_point: bool = False

    @property
    def inputs(self) -> int:
        """How many channels the model takes."""
        return len(self.bands)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def load_card(stem: Path) -> ModelCard:
    """Read and check STEM.json. Raises `CheckpointError`."""
    path = beside(stem, ".json")
    if not path.is_file():
        raise CheckpointError(
            f"There is no model card {path.name} in {path.parent}: choose one of {_names(path.parent)}."
        )
    if path.stat().st_size > _LARGEST_CARD:
        raise CheckpointError(f"{path.name} is too large for a model card: use the file that came with the weights.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path.name} is not a model card ({error}): use the file that came with the weights."
        ) from error
    return _card_from_json(data, path.name)


def brought_stem(name: str, *, runs: Path | None = None) -> Path:
    """The stem of a brought model of this name, whether it is there or not."""
    return (runs or paths.home()) / paths.brought_models().name / name / "card"


def is_brought(stem: Path) -> bool:
    """Whether the model of this stem is one that somebody brought."""
    return stem.name == "card"


def weights_file(stem: Path) -> Path:
    """The file that changes with the weights of a model: of a brought one its card, which holds a digest of them."""
    own = beside(stem, ".safetensors")
    return own if own.is_file() or not is_brought(stem) else beside(stem, ".json")


def mapping_of(card: ModelCard, own: Sequence[str], said: Mapping[str, str]) -> ClassMapping:
    """What a teacher's classes stand for in the data.

    A brought model has classes of its own behind those of its card: where these stand for nothing, it has no word.

    Args:
        card: Of the teacher.
        own: The names of the data's classes.
        said: By a class of the card, one of the data, or nothing for none.

    Raises:
        ConfigError: As `class_mapping`.
    """
    outer = class_mapping(card.classes.scored_names, own, said)
    inner = card.model.arguments.get("map")
    if not isinstance(inner, dict):
        return outer
    meant = {theirs: outer.to[at] for at, theirs in enumerate(card.classes.scored_names)}
    theirs = tuple(card.model.arguments["classes"])
    return ClassMapping(theirs, tuple(own), tuple(meant.get(inner.get(name, name)) for name in theirs))


def available(*, runs: Path | None = None) -> dict[str, Path]:
    """Every model there is, by name: shipped ones, students of finished runs (by run id), and those people brought."""
    found = {path.stem: path.with_suffix("") for path in sorted(paths.CHECKPOINTS.glob("*.json"))}
    for path in sorted((runs or paths.home()).glob("*/student.json")):
        found.setdefault(path.parent.name, path.with_suffix(""))
    for path in sorted(brought_stem("*", runs=runs).parents[1].glob("[a-z]*/card.json")):
        found.setdefault(path.parent.name, path.with_suffix(""))
    return found


def resolve(name: str, *, runs: Path | None = None) -> Path:
    """The stem of a shipped model, a run, or a path (with or without its ending).

    A name that is none of these is that of a run: the latest one with a model counts, and no control. So one recipe
    begins with the weights of another by its name. Raises `CheckpointError`.
    """
    models = available(runs=runs)
    if name in models:
        return models[name]
    path = Path(name)
    stem = path.with_suffix("") if path.suffix in (".json", ".safetensors") else path
    for candidate in (stem, stem / "student"):
        if candidate.name and _is_file(beside(candidate, ".json")):
            return candidate
    if (named := _latest_named(name, runs or paths.home())) is not None:
        return named
    raise CheckpointError(
        f"There is no model {name[:80]}; there are {', '.join(models) or 'none yet'}.{_how_to_make(name)}"
    )


def _latest_named(name: str, runs: Path) -> Path | None:
    """The student of the newest run of this name; run ids begin with their time."""
    for path in sorted(runs.glob("*/student.json"), reverse=True):
        card, settings = _facts(path), _facts(path.with_name("config.json"))
        if name and card.get("name") == name and not settings.get("control_of"):
            return path.with_suffix("")
    return None


def _how_to_make(name: str) -> str:
    """The command that makes this model, where there is a recipe for it."""
    recipe = paths.RECIPES / f"{name}.json"
    if Path(name).name != name or not _is_file(recipe):
        return ""
    return f" `python -m core {_facts(recipe).get('kind')} --config {recipe.relative_to(paths.ROOT)}` makes it."


def _facts(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _LARGEST_CARD else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _card_from_json(data: Any, name: str) -> ModelCard:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        schema = data.get("schema") if isinstance(data, dict) else None
        raise CheckpointError(
            f"{name} is a card of schema {schema}; this version reads schema {SCHEMA}. Update Terrastill."
        )
    try:
        values = dict(data)
        values["model"] = ModelConfig(str(data["model"]["architecture"]), dict(data["model"]["arguments"]))
        values["classes"] = ClassMap.from_json(data["classes"])
        for key in ("mean", "std"):
            values[key] = tuple(data[key])
        values["bands"] = BandSet.from_json(data.get("bands"))
        if wrong := [*misfits(ModelCard, values), *values["model"].problems(), *_outsized(values["model"].arguments)]:
            raise ConfigError(wrong)
        if not values["classes"].outputs:
            raise ValueError("a model needs two classes beside the ignored one")
        if not len(values["mean"]) == len(values["std"]) == len(values["bands"]):
            raise ValueError(f"mean and std must be {len(values['bands'])} numbers, one a band")
        if not all(map(math.isfinite, values["mean"])) or not all(0 < value < math.inf for value in values["std"]):
            raise ValueError("mean must be finite and std above zero")
        if not 0 < (values.get("metres_per_pixel") or 1) < math.inf:
            raise ValueError("metres_per_pixel must be above zero")
        return ModelCard(**values)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise CheckpointError(
            f"{name} is not a complete model card ({error}): use the file that came with the weights."
        ) from error


def _outsized(arguments: dict[str, Any]) -> list[str]:
    """Numbers in a card that would build a network of many gigabytes before its weights could be compared with it."""
    numbers = [
        (name, number)
        for name, value in arguments.items()
        for number in (value if isinstance(value, list) else [value])
        if isinstance(number, int | float)
    ]
    return [f"{name} is {number:g}, over {_WIDEST:,}." for name, number in numbers if not abs(number) <= _WIDEST]


def beside(stem: Path, ending: str) -> Path:
    """STEM + ending; `with_suffix` would cut a name that holds a dot."""
    return stem.with_name(stem.name + ending)


def _is_file(path: Path) -> bool:
    """Whether it is there; a name that no file system takes is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def _names(folder: Path) -> str:
    return ", ".join(sorted(path.stem for path in folder.glob("*.json"))) or "none yet"
