"""A model from outside → a folder of the workspace with its card. It is run once, in a confined process, before."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core.brought.found import FoundModel, ModelAnswers, card_of, check_name, missing, settle
from core.brought.kinds import FILE_KINDS, KINDS, kind_of_file
from core.brought.model_folder import inspect_folder
from core.brought.picture_values import check_channels
from core.brought.shared_card import CARD, with_card
from core.cards import ModelCard, brought_stem, load_card, resolve
from core.errors import CheckpointError, ConfigError, ModelError, PictureRefusedError
from core.files import discard, write_aside
from core.models.external import limits_for
from core.models.external.confined_network import ConfinedRun, OpenedModel, RunLimits
from core.models.external.onnx_network import ArrayNetwork, Run
from core.models.external.torch_networks import TORCH_KINDS, TorchRun, build_here

_PROBES = ((1, 251, 313), (32, 256, 320), (32, 512, 512), (32, 256, 256))
"""Multiples of which a side has to be, and sides that tell; the first that a network takes counts."""
_PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".h5", ".keras", ".pb")
_SAME, _ROUNDED = 1e-3, 2e-2
"""How far from probabilities a float32 may be, and one that was computed in 16 bits."""
_SHARED = "Its probabilities do not add up to 1, as of a sigmoid for each class: each is divided by their sum."
_ONE_BY_ONE = (
    "Its file says that it takes any number of pictures, and it answers for one alone: it sees them one by one."
)
_BLOCK = 2**20


@dataclass(frozen=True)
class Probe:
    """What a model gave for pictures of noise: the sides of its answer, and whether these were probabilities.

    `multiple` is what sides have to be a multiple of, `fixed` whether it took no side but that of its tiles. `macs_256`
    are the multiply-accumulates of one picture of 256 by 256 pixels, 0 where they cannot be told. `one_by_one`: it
    answers for one picture at a time alone, though its files say that it takes any number. `adds_up`: what it gave for
    a pixel had the sum 1.
    """

    shape: tuple[int, int, int]
    channels_last: bool
    probabilities: bool
    seconds: float
    multiple: int = 1
    fixed: bool = False
    macs_256: int = 0
    one_by_one: bool = False
    adds_up: bool = True


def inspect(source: Path) -> FoundModel:
    """What a model says of itself: an .onnx file, the .xml of an OpenVINO IR, a folder of one, of transformers or smp.

    Nothing of it runs. A card beside it (`core.brought.shared_card`) says what its files do not. Raises `ModelError`.
    """
    return settle(*found_in(source, ModelAnswers()))


def found_in(source: Path, said: ModelAnswers) -> tuple[FoundModel, ModelAnswers]:
    """What the files of a model say, and what a person says and the card beside it. Raises `ModelError`."""
    found = _inspected(source)
    return found, _with_card(found, said, source)


def _with_card(found: FoundModel, said: ModelAnswers, source: Path) -> ModelAnswers:
    """What was said, and what the card beside the model says; one that does not fit its model says nothing."""
    try:
        settle(found, with_card(ModelAnswers(), source))
    except ConfigError:
        return said
    return with_card(said, source)


def _inspected(source: Path) -> FoundModel:
    """What the files of the model itself say. Raises `ModelError`."""
    if source.is_dir():
        for kind in (KINDS[name] for name in FILE_KINDS):
            graphs = sorted(source.glob(f"*{kind.suffix}"))
            if len(graphs) == 1 and not (source / "config.json").is_file():
                return kind.inspect(graphs[0])
        return inspect_folder(source)
    if not source.is_file():
        raise ModelError(
            f"There is no file or folder {source.name}: choose an .onnx or .xml file, or a folder of a model."
        )
    if source.suffix.lower() in _PICKLES:
        raise ModelError(
            f"{source.name} may run code when it is opened, so it never is: export the model to ONNX "
            "(torch.onnx.export), or save it with save_pretrained(folder, safe_serialization=True), and bring that."
        )
    return kind_of_file(source).inspect(source)


def import_model(
    source: Path,
    name: str,
    said: ModelAnswers,
    *,
    confined: bool = False,
    limits: RunLimits | None = None,
    beside: Mapping[str, str] | None = None,
) -> ModelCard:
    """Take a model into the workspace under a name of its own.

    Args:
        source: As for `inspect`.
        name: Letters, digits, - and _, not yet taken.
        said: What its files do not say.
        confined: Whether it always runs in a confined process: of what a visitor brings.
        limits: Of the process that runs it once.
        beside: Files that stand beside its card from the first moment on, their text by name.

    Raises:
        ConfigError: The name is taken, or something is missing or wrong; `.problems` lists it.
        ModelError: It cannot be used.
    """
    target = brought_stem(check_name(name)).parent
    require_free(name)
    found, said = found_in(source, said)
    known = settle(found, said)
    if asked := missing(known):
        raise ConfigError(asked)
    with _staged(target) as folder:
        base = source if source.is_dir() else source.parent
        for file in known.files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(base / file, folder / file)
        # What was copied counts: the source may have changed since.
        copied = _inspected(folder if known.kind in TORCH_KINDS else folder / known.network["file"])
        known = settle(copied, said)
        size = sum((folder / file).stat().st_size for file in known.files)
        probed = probe(folder, known, limits or limits_for(size), confined=confined)
        known = with_probe(known, probed)
        digest = _digest(folder, known.files)
        said = replace(said, origin=said.origin or source.name)
        card = card_of(name, known, said, size=size, digest=digest, confined=confined)
        created = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
        card = replace(card, created=created, macs_256=probed.macs_256)
        for file, text in {**(beside or {}), CARD: card.to_json()}.items():
            (folder / file).write_text(text, encoding="utf-8")
        folder.replace(target)
    return card


def keep_card(name: str, card: ModelCard) -> ModelCard:
    """Write the card of a model that has no files of its own, as a committee. Raises `ConfigError`."""
    target = brought_stem(check_name(name)).parent
    require_free(name)
    card = replace(card, created=time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()))
    with _staged(target) as folder:
        write_aside(folder / "card.json", lambda path: path.write_text(card.to_json(), encoding="utf-8"))
        folder.replace(target)
    return card


def require_free(name: str) -> None:
    """Raises `ConfigError` when a model of this name is there."""
    try:
        resolve(name)
    except CheckpointError:
        return
    raise ConfigError(f"There is a model {name} already: choose another name, or delete that one.")


def rename(name: str, new: str) -> None:
    """Give a brought model another name. Raises `ConfigError` and `CheckpointError`."""
    stem = brought_stem(name)
    card = load_card(stem)
    target = brought_stem(check_name(new)).parent
    require_free(new)
    text = replace(card, name=new).to_json()
    write_aside(stem.parent / "card.json", lambda path: path.write_text(text, encoding="utf-8"))
    stem.parent.replace(target)


def delete(name: str) -> None:
    """Remove a brought model for good. Raises `CheckpointError` where there is none."""
    folder = brought_stem(name).parent
    if not (folder / "card.json").is_file():
        raise CheckpointError(f"There is no brought model {name[:80]}: nothing is deleted.")
    discard(folder)


def probe(folder: Path, known: FoundModel, limits: RunLimits, *, confined: bool) -> Probe:
    """Run it on pictures of noise and see what it gives; what a visitor brings, and ONNX, in a confined process.

    Raises `ModelError`.
    """
    with running(folder, known, limits, confined=confined or known.kind in FILE_KINDS) as run:
        found = probe_with(run, known)
        return replace(found, macs_256=_macs_256(run, replace(known, fixed=found.fixed)))


def _macs_256(run: ConfinedRun | TorchRun, known: FoundModel) -> int:
    """Of a model that takes one size alone, its own picture's share of them."""
    side = known.tile if known.fixed and known.tile else 256
    batch = int(known.network.get("batch") or 1)
    last = known.network.get("layout") == "nhwc"
    shape = (batch, side, side, known.inputs) if last else (batch, known.inputs, side, side)
    return round(run.macs(shape) / batch * (256 / side) ** 2)


def probe_with(run: Run, known: FoundModel) -> Probe:
    """The same with a model that is open. Raises `ModelError`."""
    own = ((1, known.tile, known.tile),) if known.tile else ()
    sides = own if known.fixed and own else (*_PROBES, *own)
    for at, (multiple, height, width) in enumerate(sides):
        try:
            found = replace(_probed(run, known, height, width), multiple=multiple)
            alone = known.kind in FILE_KINDS and not known.network.get("batch")
            alone = alone and not _takes_two(run, known, height, width)
            return replace(found, fixed=known.fixed or at == len(_PROBES), one_by_one=alone)
        except PictureRefusedError:
            # A network of fixed strides may take no odd size, one that knows places by their numbers no other at all.
            if at == len(sides) - 1:
                raise
    raise ModelError("The model was not run.")


@contextmanager
def running(folder: Path, known: FoundModel, limits: RunLimits, *, confined: bool) -> Iterator[ConfinedRun | TorchRun]:
    """The model of a folder as a function from arrays to arrays, in a process of its own where it is `confined`."""
    if not confined:
        yield TorchRun(build_here(folder, known.kind, known.network))
        return
    run = ConfinedRun(OpenedModel(folder, known.kind, known.network), limits=limits, threads=torch.get_num_threads())
    try:
        yield run
    finally:
        run.close()


def _noise(known: FoundModel, count: int, height: int, width: int) -> torch.Tensor:
    """(N, D, H, W) as the model takes them."""
    noise = torch.rand(count, known.inputs, height, width, generator=torch.Generator().manual_seed(0))
    return 255 * noise if known.network.get("dtype") == "uint8" else 4 * noise - 2


def _takes_two(run: Run, known: FoundModel, height: int, width: int) -> bool:
    """Whether it answers for two pictures at once: some exporters write the number of one into a graph."""
    try:
        found = ArrayNetwork(run, known.network)(_noise(known, 2, height, width))
    except PictureRefusedError:
        return False
    return found.ndim == 4 and len(found) == 2


def _probed(run: Run, known: FoundModel, height: int, width: int) -> Probe:
    images = _noise(known, 1, height, width)
    started = time.perf_counter()
    found = ArrayNetwork(run, known.network)(images).numpy()
    seconds = time.perf_counter() - started
    if found.ndim != 4 or len(found) != 1:
        raise ModelError(
            f"The model gives {found.shape} for one picture: it must give one score for each class and pixel, "
            "(N, C, H, W)."
        )
    if not np.isfinite(found).all():
        raise ModelError("The model gives values that are no numbers: export it anew in float32.")
    last = _classes_last(found.shape, height, width, known.outputs if not known.network.get("binary") else 1)
    scores = found.transpose(0, 3, 1, 2) if last else found
    channels, rows, columns = scores.shape[1:]
    check_channels(channels)
    if abs(rows / height - columns / width) > 0.02 or not 1 / 32 <= rows / height <= 2:
        raise ModelError(
            f"The model gives {columns} x {rows} pixels for {width} x {height}: it does not tell each pixel."
        )
    if known.outputs and channels != (1 if known.network.get("binary") else known.outputs):
        raise ModelError(
            f"The model gives {channels} channels, and its file says {known.outputs}: import it with the names of "
            f"{channels} classes (--classes)."
        )
    sums = _largest_distance(scores)
    return Probe((channels, rows, columns), last, sums < _SAME, seconds, adds_up=sums < _ROUNDED)


def _classes_last(shape: tuple[int, ...], height: int, width: int, channels: int | None) -> bool:
    """Whether (1, h, w, C) rather than (1, C, h, w)."""
    _, one, two, three = shape
    first = abs(two / height - three / width) < 0.02 and channels in (None, one)
    last = abs(one / height - two / width) < 0.02 and channels in (None, three)
    return last and not first


def _largest_distance(scores: NDArray[np.float32]) -> float:
    """How far scores (1, C, h, w) are from probabilities: below 0, above 1, or in their sum."""
    beside = max(-float(scores.min()), float(scores.max()) - 1, 0.0)
    return beside if scores.shape[1] == 1 else max(beside, float(np.abs(scores.sum(axis=1) - 1).max()))


def with_probe(known: FoundModel, probed: Probe, *, asking: bool = True) -> FoundModel:
    """What a run adds to what its files say: how many channels, where they lie, what they are.

    Raises `ConfigError` where it is `asking` and something is still missing.
    """
    channels = probed.shape[0]
    binary = channels == 1
    network = known.network | {"channels_last": probed.channels_last, "binary": binary, "multiple": probed.multiple}
    network |= {"batch": 1} if probed.one_by_one else {}
    facts = known.facts | {"measured": f"{probed.seconds:.2f} s for its first picture"}
    notes = known.notes
    output = known.output or ("probabilities" if probed.probabilities else "logits")
    if known.output is None:
        notes = (*notes, f"It was run on noise: it gives {output}.")
    if output == "probabilities" and not probed.adds_up:
        notes = (*notes, _SHARED)
    if probed.one_by_one:
        notes = (*notes, _ONE_BY_ONE)
    settled = replace(
        known,
        network=network,
        outputs=2 if binary else channels,
        output=output,
        fixed=probed.fixed,
        facts=facts,
        notes=notes,
    )
    if asking and (asked := missing(settled)):
        raise ConfigError(asked)
    return settled


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder beside `target` to fill; gone afterwards unless it was renamed."""
    folder = target.with_name(f".{target.name}.{time.monotonic_ns()}.part")
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _digest(folder: Path, files: tuple[str, ...]) -> str:
    """Changes with any of the files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode())
        with (folder / name).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
