"""A distillation as a person asks for it → checked → queued: one run for each seed, its control behind it."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.services import access, own_datasets
from app.services.access import Person
from app.services.run_settings import QUICK
from app.services.runs import Run, require_opened
from app.services.situations import SITUATIONS
from app.services.situations import USUAL as USUAL_SITUATION
from app.services.stores import open_store, training_run
from core import paths
from core.class_mapping import propose
from core.config import DataConfig, RunConfig, TrainConfig
from core.config.fields import problems_of, setting, settings_of
from core.data.datasets import dataset_of, has_pictures
from core.data.datasets.shipped_scenes import SHIPPED_SCENES
from core.errors import CheckpointError, ConfigError, DatasetNotFoundError
from core.losses.catalogue import uses_features

_LONGEST_NAME = 71
"""So that the control's name stays within the 80 characters of a run's name."""
MOST_SEEDS = 5
MORE_SEEDS = 3
"""That a button below a verdict adds."""
_LARGEST_SEED = int(settings_of(TrainConfig)["seed"].high or 0)


@dataclass(frozen=True)
class Request:
    """What the form asks for. `config` is the run of the first seed; its folder is still as it was typed."""

    config: RunConfig = QUICK
    seeds: int = setting(
        1,
        "Seeds",
        "As many distillations, with this seed and the next ones. Only several can tell a gain from luck.",
        low=1,
        high=MOST_SEEDS,
    )
    control: bool = setting(
        True,
        "Also train a control",
        "The same student on labels only, same seed and training time. Without it, a gain means nothing.",
    )
    have: str = USUAL_SITUATION
    """What the person has, a key of `situations.SITUATIONS`."""


@dataclass(frozen=True)
class Check:
    """`problems` keep a request from being queued; `warnings` do not."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def to_config(request: Request) -> RunConfig:
    """The run of the first seed, with what follows from the other settings, not yet validated.

    Losses on features need the very views: whole pictures are not stored for them, whatever the form says. Raises
    `DatasetNotFoundError` for a folder that the operator did not open, `ConfigError` for an unknown dataset.
    """
    config = request.config
    train, distill, data = config.train, config.distill, config.data
    assert distill is not None
    pictures = distill.cache_pictures and not uses_features(distill.losses)
    views = 0 if pictures else min(distill.cache_views, max(train.epochs, 0))
    return replace(
        config,
        name=config.name.strip() or f"Compact {config.model.arguments['base']} from {distill.teacher}",
        data=opened_data(data),
        train=replace(train, validate_every=max(train.validate_every, train.epochs // 50)),
        distill=replace(distill, cache_pictures=pictures, cache_views=views),
    )


def opened_data(data: DataConfig) -> DataConfig:
    """The same pictures, their folder below the one that the operator opened.

    Raises `DatasetNotFoundError` for a folder that is not, `ConfigError` for an unknown dataset.
    """
    root, opened = access.opened_path(data.root or "") if dataset_of(data).needs_root else (None, None)
    transfer = data.transfer
    if transfer is not None and not has_pictures(transfer):
        folder, opened = access.opened_path(transfer)
        transfer = str(folder)
    opened_text = None if opened is None else str(opened)
    return replace(data, root=None if root is None else str(root), transfer=transfer, opened=opened_text)


def to_configs(request: Request) -> list[RunConfig]:
    """One run a seed; their names say which when there are several."""
    first = to_config(request)
    if request.seeds == 1:
        return [first]
    return [_of_seed(first, seed) for seed in range(first.train.seed, first.train.seed + request.seeds)]


def usual_mapping(teacher: Sequence[str], own: Sequence[str]) -> dict[str, str]:
    """By each of the teacher's classes the one of the data's that it stands for, unless a person says otherwise.

    Empty where both tell the same classes apart, or the data has none.
    """
    return {} if not own or set(own) == set(teacher) else propose(teacher, own)


def given(config: RunConfig, read: Mapping[str, Any], *, control: bool) -> str:
    """What the student and its control learn from, in a sentence or two.

    Args:
        config: The distillation.
        read: What `datasets.split_summary` found: its counts are told, not those that were asked for.
        control: Whether a control is trained as well.
    """
    few, distill, there = config.data.labelled, config.distill, int(read["labelled"])
    if distill is None or (few is not None and few < 1):
        return ""
    labels = f"the labels of {_counted(there if few is None else min(few, there))}"
    answers = f"the teacher's answers to {_counted(int(read['train']))}"
    if more := int(read["without"]):
        answers += f" and to {more:,} more without labels"
    told = f"The student learns from {answers}, and from no label" if distill.taught_alone else ""
    told = told or f"The student learns from {labels}, and from {answers}"
    told += f"; its control learns from {labels} alone." if control else "."
    if (distill.teacher, config.data.dataset) == ("teacher", SHIPPED_SCENES.name):
        told += (
            " The shipped teacher has seen none of the shipped scenes: it learned from Dubai and other synthetic ones."
        )
    return told


def _counted(pictures: int) -> str:
    return f"{pictures:,} training picture{'' if pictures == 1 else 's'}"


def data_key(request: Request) -> dict[str, Any]:
    """The part of the settings that says which pictures are read, for `datasets.split_summary`."""
    return asdict(to_config(request).data)


def problems(request: Request, owner: str | None = None) -> list[str]:
    """What is out of range, each with its range, and models that this visitor may not use; no picture is opened."""
    data = request.config.data
    try:
        if dataset_of(data).needs_root and not (data.root or "").strip():
            return ["Name the folder that holds images/ and masks/."]
        if data.transfer == "":
            return ["Name the folder that holds the pictures without labels."]
        if SITUATIONS[request.have].needs_pictures and data.transfer in (None, data.dataset):
            return ["A new area needs images of it without labels: bring your own, or choose a dataset or a folder."]
        config = to_config(request)
        require_opened(config, owner)
        found = config.problems()
    except (CheckpointError, DatasetNotFoundError) as error:
        return [str(error)]
    except ConfigError as error:
        return list(error.problems)
    found += problems_of(request)
    return found or to_configs(request)[-1].problems()


def check(request: Request, owner: str | None = None) -> Check:
    """Everything that can be known to be wrong before the data is read; a visitor's paths are judged here too."""
    from core.runs.checks import check_settings

    if found := problems(request, owner):
        return Check(found)
    try:
        return Check(warnings=check_settings(to_config(request), runs=paths.home()))
    except ConfigError as error:
        return Check(list(error.problems))


def launch(request: Request, who: Person) -> str:
    """Queue a distillation a seed, each with its control when asked for: all, or none. Gives the first one's id.

    Raises `ConfigError`, `StoreError`, and `RunStateError` when this person may not, or too many would wait.
    """
    own_datasets.require_data(request.config.data, who.folder)
    if found := problems(request, who.folder):
        raise ConfigError(found)
    configs = to_configs(request)
    with access.launching(who, len(configs) * (2 if request.control else 1)) as allowed:
        queued = open_store().add_all(
            configs,
            control=as_control if request.control else None,
            most=allowed.waiting_runs,
            launched_by=who.key,
        )
    return queued[0].id


def launch_more_seeds(run: Run, known: Iterable[Run], who: Person) -> str:
    """Queue `MORE_SEEDS` further seeds of these settings, each with its control; gives the first one's id.

    Raises what `launch` raises.
    """
    config = training_run(run.id, who.folder).config
    own_datasets.require_data(config.data, who.folder)
    require_opened(config, who.folder)
    taken = {other.seed for other in known if other.settings_key == run.settings_key}
    free = (seed for seed in itertools.count(run.seed) if seed % (_LARGEST_SEED + 1) not in taken)
    seeds = [seed % (_LARGEST_SEED + 1) for seed in itertools.islice(free, MORE_SEEDS)]
    first = replace(config, name=re.sub(r", seed \d+$", "", config.name), trial_of=None)
    configs = [_of_seed(first, seed).validate() for seed in seeds]
    with access.launching(who, 2 * len(configs)) as allowed:
        queued = open_store().add_all(configs, control=as_control, most=allowed.waiting_runs, launched_by=who.key)
    return queued[0].id


def _of_seed(config: RunConfig, seed: int) -> RunConfig:
    """The same run with another seed, which its name says."""
    ending = f", seed {seed}"
    name = config.name[: _LONGEST_NAME - len(ending)] + ending
    return replace(config, name=name, train=replace(config.train, seed=seed))


def as_control(config: RunConfig, run_id: str) -> RunConfig:
    """The control of a run: the same student on labels alone, for as long."""
    return config.as_control(run_id, name=f"{config.name[:_LONGEST_NAME]}, control")


def devices() -> list[str]:
    """`auto`, and the devices of this machine."""
    from core.device import available

    return ["auto", *available()]
