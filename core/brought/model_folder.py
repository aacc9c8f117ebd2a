"""Folders of transformers and of segmentation-models-pytorch as models: from their JSON files, none of their code."""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.band_set import MOST_BANDS
from core.brought.found import LARGEST_TILE, SMALLEST, FoundModel, Triple, is_number, ordered_names
from core.errors import ModelError
from core.files import size_text

MOST_BYTES = 16 * 10**9
_LARGEST_JSON = 20_000_000
_SMALLEST_FACTOR = 1e-6
"""16 bits are divided by 65,535."""
_UNPICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
LOGITS = {
    "SegformerForSemanticSegmentation": "SegFormer",
    "UperNetForSemanticSegmentation": "UPerNet",
    "DPTForSemanticSegmentation": "DPT",
    "BeitForSemanticSegmentation": "BEiT",
    "Data2VecVisionForSemanticSegmentation": "Data2Vec",
    "MobileViTForSemanticSegmentation": "MobileViT",
    "MobileViTV2ForSemanticSegmentation": "MobileViTV2",
    "MobileNetV2ForSemanticSegmentation": "MobileNetV2",
}
QUERIES = {
    "Mask2FormerForUniversalSegmentation": "Mask2Former",
    "OneFormerForUniversalSegmentation": "OneFormer",
}
"""Architectures of transformers that are read: those that give logits, and those that give masks and their classes."""
_NAMED = ("backbone", "encoder_name", "attn_implementation", "_attn_implementation", "experts_implementation")
"""Settings that name something which a library may look up on a hub or in another folder, where the name is a place."""
_PLACE = re.compile(r"[:/\\]")
_FETCHING = (
    "checkpoint_path",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "cache_dir",
    "use_kernels",
    "custom_pipelines",
)
_TAKEN = ("architecture", "encoder", "weights", "inputs", "outputs")
"""What our own settings of a network of smp are called: no setting of a folder can be one of these."""
_FIXED = ("BeitForSemanticSegmentation", "Data2VecVisionForSemanticSegmentation")
_TOKENS = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def inspect_folder(folder: Path) -> FoundModel:
    """What a folder says of its model; nothing of it runs, and no weight is read. Raises `ModelError`."""
    config = _json(folder, "config.json")
    if config is None:
        raise ModelError(f"{folder.name} holds no config.json: choose the folder that save_pretrained wrote.")
    _refuse_places(config)
    weights, parameters, size = _weights(folder)
    found = _smp(config, weights) if "_model_class" in config else _transformers(folder, config, weights)
    return replace(found, parameters=parameters, facts=found.facts | {"weights": size_text(size)})


def _transformers(folder: Path, config: Mapping[str, Any], weights: tuple[str, ...]) -> FoundModel:
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else "none"
    if architecture not in LOGITS | QUERIES:
        raise ModelError(
            f"The folder holds the architecture {architecture[:60]!r}; read are those for semantic segmentation: "
            f"{', '.join((LOGITS | QUERIES).values())}. Export others to ONNX."
        )
    if _fetches(config):
        raise ModelError("The model names a backbone that would have to be fetched: save it anew with all its weights.")
    if config.get("quantization_config"):
        raise ModelError("The model is quantised for another library: save it anew in float32 or float16.")
    given = _json(folder, "preprocessor_config.json") or {}
    inner = given.get("image_processor")
    processor = inner if isinstance(inner, dict) else given
    mean, std, bgr = _normalisation(processor)
    tile = _side(processor.get("crop_size") if processor.get("do_center_crop") else processor.get("size"))
    fixed = architecture in _FIXED
    tile = _side(config.get("image_size")) if fixed else tile
    tokens = tuple(name for name in _TOKENS if (folder / name).is_file())
    if architecture.startswith("OneFormer") and not tokens:
        raise ModelError("A OneFormer reads its task as words: save its processor, with the tokenizer, in the folder.")
    names = ordered_names(config.get("id2label"))
    extra = tuple(name for name in ("preprocessor_config.json", *tokens) if (folder / name).is_file())
    return FoundModel(
        kind="transformers",
        title=f"{(LOGITS | QUERIES)[architecture]}, transformers",
        files=("config.json", *weights, *extra),
        network={"architecture": architecture, "dtype": "float32", "layout": "nchw", "order": "bgr" if bgr else "rgb"},
        outputs=len(names) or None,
        classes=names,
        mean=mean,
        std=std,
        tile=tile,
        fixed=fixed and tile is not None,
        output="probabilities" if architecture in QUERIES else "logits",
        facts={"architecture": architecture},
        notes=_notes(config, names),
    )


def _smp(config: Mapping[str, Any], weights: tuple[str, ...]) -> FoundModel:
    """Its names of classes and its normalisation stand nowhere in such a folder."""
    arguments = {key: value for key, value in config.items() if not key.startswith("_")}
    classes, bands = arguments.get("classes", 1), arguments.get("in_channels", 3)
    if strange := sorted(arguments.keys() & set(_TAKEN)):
        raise ModelError(f"smp writes no setting {strange[0]!r} into config.json: save the model with save_pretrained.")
    if not _is_whole(bands) or not 1 <= bands <= MOST_BANDS:
        raise ModelError(f"The model takes {bands!r:.20} bands: pictures here have 1 to {MOST_BANDS}.")
    if not _is_whole(classes) or not 1 <= classes <= 255:
        raise ModelError("The model's config.json does not say how many classes it has: save it anew.")
    activation = arguments.pop("activation", None)
    if activation not in (None, "identity", "sigmoid", "softmax", "softmax2d"):
        raise ModelError(
            f"The model ends in the activation {activation!r:.30}: save it without one, or with a softmax."
        )
    if arguments.pop("aux_params", None):
        raise ModelError("The model has a second output that classifies whole pictures: save it without aux_params.")
    arguments.pop("encoder_weights", None)
    name, encoder = str(config["_model_class"])[:40], str(arguments.get("encoder_name", ""))[:60]
    return FoundModel(
        kind="smp-folder",
        title=f"{name} on {encoder}, smp",
        files=("config.json", *weights),
        network={
            "class": name,
            "settings": arguments,
            "binary": classes == 1,
            "dtype": "float32",
            "layout": "nchw",
            "order": "rgb",
        },
        outputs=2 if classes == 1 else classes,
        bands=bands,
        tile=_side(_smp_size(name, encoder, arguments)),
        output="logits",
        facts={"architecture": name, "encoder": encoder},
        notes=("It has one channel: what it does not find is a class of its own.",) if classes == 1 else (),
    )


def _smp_size(name: str, encoder: str, arguments: Mapping[str, Any]) -> Any:
    """The side that its encoder was built for: DPT's take no other, and timm writes it at the end of their names."""
    if name.lower() != "dpt" or arguments.get("dynamic_img_size"):
        return arguments.get("img_size")
    written = re.search(r"_(\d{3,4})(?:\.|$)", encoder)
    return arguments.get("img_size") or (int(written[1]) if written else None)


def _weights(folder: Path) -> tuple[tuple[str, ...], int, int]:
    """The files of weights, how many numbers they hold, and their bytes. Raises `ModelError`."""
    files = sorted(path for path in folder.glob("*.safetensors") if path.is_file() and not path.is_symlink())
    index = [path.name for path in folder.glob("*.safetensors.index.json")]
    if not files:
        others = sorted(path.name for path in folder.iterdir() if path.suffix in _UNPICKLED)
        if others:
            raise ModelError(
                f"{others[0]} holds pickled weights, which can run code and are never opened: load the model where "
                "you trust it, and save it with model.save_pretrained(folder, safe_serialization=True)."
            )
        raise ModelError(f"{folder.name} holds no weights (*.safetensors): save the model anew with save_pretrained.")
    size = sum(path.stat().st_size for path in files)
    if size > MOST_BYTES:
        raise ModelError(f"The weights have {size_text(size)}: at most 16 GB are read.")
    return (*(path.name for path in files), *index), sum(map(_numbers, files)), size


def _numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, by its header."""
    damaged = ModelError(f"{path.name} is no whole safetensors file: save the model anew.")
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 0 < length <= min(_LARGEST_JSON, path.stat().st_size - 8):
            raise damaged
        try:
            header = json.loads(file.read(length))
            tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
            counts = [math.prod(map(_side_of_tensor, tensor["shape"])) for tensor in tensors]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise damaged from error
    # The smallest numbers have 4 bits.
    if sum(counts) > 2 * (path.stat().st_size - 8 - length):
        raise damaged
    return sum(counts)


def _side_of_tensor(told: Any) -> int:
    """Raises `ValueError` for anything but a whole number of 0 or more."""
    if not _is_whole(told) or told < 0:
        raise ValueError(told)
    return int(told)


def _is_whole(told: Any) -> bool:
    return isinstance(told, int) and not isinstance(told, bool)


def _json(folder: Path, name: str) -> dict[str, Any] | None:
    """A JSON object of the folder; None where there is no such file. Raises `ModelError`."""
    path = folder / name
    if not path.is_file() or path.is_symlink():
        return None
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ModelError(f"{name} is too large: save the model anew.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{name} cannot be read: save the model anew.") from error
    if not isinstance(found, dict):
        raise ModelError(f"{name} is no JSON object: save the model anew.")
    return found


def _normalisation(processor: Mapping[str, Any]) -> tuple[Triple | None, Triple | None, bool]:
    """Mean and std on 0..255, and whether blue comes first."""
    bgr = bool(processor.get("do_flip_channel_order"))
    factor = processor.get("rescale_factor", 1 / 255) if processor.get("do_rescale", bool(processor)) else 1.0
    if not processor or not is_number(factor) or factor < _SMALLEST_FACTOR:
        return None, None, bgr
    normalises = processor.get("do_normalize", "image_mean" in processor)
    mean = _triple(processor.get("image_mean")) if normalises else (0.0, 0.0, 0.0)
    std = _triple(processor.get("image_std")) if normalises else (1.0, 1.0, 1.0)
    if mean is None or std is None or min(std) <= 0:
        return None, None, bgr
    if bgr:
        mean, std = mean[::-1], std[::-1]
    return _times(mean, 1 / factor), _times(std, 1 / factor), bgr


def _triple(told: Any) -> Triple | None:
    if isinstance(told, list) and len(told) == 3 and all(map(is_number, told)):
        return float(told[0]), float(told[1]), float(told[2])
    return None


def _times(values: Triple, factor: float) -> Triple:
    return values[0] * factor, values[1] * factor, values[2] * factor


def _side(told: Any) -> int | None:
    """Of a square; None for anything else."""
    if isinstance(told, dict):
        told = [told[key] for key in ("height", "width", "shortest_edge", "longest_edge") if key in told]
    if isinstance(told, list):
        told = told[0] if told and all(side == told[0] for side in told) else None
    return told if _is_whole(told) and SMALLEST <= told <= LARGEST_TILE else None


def _refuse_places(told: Any) -> None:
    """Raises `ModelError` where a setting, however deep, would have a library read from elsewhere than this folder."""
    for key, value in told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ():
        names = list(value.values()) if isinstance(value, dict) else [value]
        placed = key in _NAMED and any(isinstance(name, str) and _PLACE.search(name) for name in names)
        if placed or (key in _FETCHING and value):
            raise ModelError(
                f"The model's config.json names {value!r:.60} as its {key}, which would have to be fetched from "
                "another place: save it anew with all that it needs in its folder."
            )
        _refuse_places(value)


def _fetches(config: Mapping[str, Any]) -> bool:
    """Whether building it would fetch a backbone by its name."""
    return isinstance(config.get("backbone"), str) and not config.get("use_timm_backbone")


def _notes(config: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    if "auto_map" in config:
        notes.append("The folder asks for code of its own: it is not run; the library's own network is used.")
    if names and all(name.startswith("LABEL_") for name in names):
        notes.append("Its classes have no names of their own, only numbers.")
    return tuple(notes)
