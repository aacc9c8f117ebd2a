"""A model as a folder for a hub of models: weights, settings, a card that people read, and a script that uses it.

The script needs ONNX Runtime alone. The weights are for Terrastill, which builds the network from `card.json`.
"""

import json
from pathlib import Path
from typing import Any

from core.cards import ModelCard, beside, load_card
from core.checkpoint import Loaded
from core.data.datasets import known, score_titles
from core.errors import CheckpointError
from core.export import make
from core.export.formats import Options
from core.paths import home

_BYTE = 255.0
_USE = """## How to use it

```sh
pip install onnxruntime numpy pillow
python segment.py photo.jpg mask.png
```

`model.onnx` takes pictures in bytes, uint8 (N, height, width, bands) of any size, and gives logits, float32
(N, classes, height, width): padding and normalisation are in the graph. `model.safetensors` holds the weights for
Terrastill, which builds the network from `card.json`. `labels.txt` names the classes in the order of the indices.
"""


def hub_files(_: Loaded, options: Options) -> dict[str, bytes]:
    """The folder NAME-hub. Raises `ExportError` and what `core.export.make.export` raises."""
    assert options.stem is not None
    exported = make.export(options.stem, data=options.data)
    weights = beside(options.stem, ".safetensors").read_bytes()
    files = hub_contents(exported, weights, control_card(options.stem))
    return {f"{options.name}-hub/{name}": content for name, content in files.items()}


def hub_contents(exported: make.Exported, weights: bytes, control: ModelCard | None) -> dict[str, bytes]:
    """Files by their name in the folder; `control` is the same student without a teacher, where there is one."""
    card, usual = exported.card, make.contents(exported)
    kept = {name: usual[name] for name in ("model.onnx", "card.json", "classes.json", "parity.json", "segment.py")}
    names = "".join(f"{name}\n" for name in card.classes.scored_names)
    return {
        **kept,
        "model.safetensors": weights,
        "config.json": _json(_config(card)),
        "preprocessor_config.json": _json(_preprocessing(card)),
        "labels.txt": names.encode(),
        "README.md": model_readme(card, control).encode(),
    }


def control_card(stem: Path) -> ModelCard | None:
    """Of the same student that learnt from labels alone: NAME-control beside it, or the control of its run."""
    try:
        if beside(stem, "-control.json").is_file():
            return load_card(stem.with_name(f"{stem.name}-control"))
        for path in sorted(home().glob("*/config.json"), reverse=True):
            if stem.name == "student" and _control_of(path) == stem.parent.name:
                return load_card(path.with_name("student"))
    except CheckpointError:
        return None
    return None


def model_readme(card: ModelCard, control: ModelCard | None) -> str:
    """The card that people read, with a front matter that hubs read."""
    dataset = known().get(str(card.data.get("dataset", "")))
    title = dataset.title if dataset is not None else str(card.data.get("dataset", "unknown pictures"))
    front = ["---", f"license: {card.licence.lower()}", "pipeline_tag: image-segmentation", "library_name: terrastill"]
    front += ["tags:", "- image-segmentation", "- semantic-segmentation", "- onnx"]
    front += ["datasets:", f"- {json.dumps(str(card.data.get('dataset', 'unknown')))}"]
    front += ["metrics:", "- mean_iou", "- accuracy", *_index(card, title), "---", ""]
    taught = f"It learnt from a larger model, {card.teacher}." if card.teacher else "It learnt from labels alone."
    ground = "" if card.metres_per_pixel is None else f" A pixel of its pictures is {card.metres_per_pixel:g} m wide."
    made = (
        f"# {card.name}\n\nA model that gives every pixel of an aerial picture one of {card.classes.outputs} classes: "
        f"{', '.join(card.classes.scored_names)}. It has {card.parameters:,} parameters. {taught} Trained on {title}."
        f"{ground} Made with Terrastill.\n\n"
    )
    credit = f"\n## Pictures\n\n{title}: {dataset.attribution} {dataset.licence}\n" if dataset is not None else ""
    return "\n".join(front) + made + _scores(card, control) + _USE + credit


def _index(card: ModelCard, title: str) -> list[str]:
    """Scores as hubs list them; none where the card has none."""
    scores = [("mean_iou", card.metrics.get("miou5")), ("accuracy", card.metrics.get("accuracy"))]
    known_scores = [(kind, float(value)) for kind, value in scores if value is not None]
    if not known_scores:
        return []
    name, data = json.dumps(card.name), json.dumps(title)
    lines = ["model-index:", f"- name: {name}", "  results:", "  - task:", "      type: image-segmentation"]
    lines += [
        "    dataset:",
        f"      type: {json.dumps(str(card.data.get('dataset', 'unknown')))}",
        f"      name: {data}",
    ]
    lines += [f"      split: {json.dumps(str(card.metrics.get('split', 'unknown')))}", "    metrics:"]
    return lines + [
        line for kind, value in known_scores for line in (f"    - type: {kind}", f"      value: {value:.4f}")
    ]


def _scores(card: ModelCard, control: ModelCard | None) -> str:
    """A table of scores, with those of the control beside them."""
    if not card.metrics:
        return "## Scores\n\nIts card holds no scores.\n\n"
    title = score_titles(card.classes)[0]
    columns = [card] if control is None else [card, control]
    heads = ["this model", "the same without a teacher"][: len(columns)]
    rows = [(title, [one.metrics.get("miou5") for one in columns])]
    rows.append(("accuracy", [one.metrics.get("accuracy") for one in columns]))
    rows += [(f"IoU {name}", [_iou(one, name) for one in columns]) for name in card.classes.scored_names]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(map(_percent, values))} |" for name, values in rows]
    words = "" if control is not None else "\nThere is no control beside it: the gain of its teacher is not known.\n"
    return f"## Scores\n\nOn the split `{card.metrics.get('split')}`.\n\n" + "\n".join(lines) + f"\n{words}\n"


def _iou(card: ModelCard, name: str) -> float | None:
    per_class = card.metrics.get("per_class", {})
    found: float | None = per_class.get(name, {}).get("iou")
    return found


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _config(card: ModelCard) -> dict[str, Any]:
    names = card.classes.scored_names
    return {
        "model_type": "terrastill",
        "architectures": [card.model.architecture],
        "architecture_arguments": card.model.arguments,
        "num_channels": len(card.mean),
        "num_labels": len(names),
        "id2label": {str(index): name for index, name in enumerate(names)},
        "label2id": {name: index for index, name in enumerate(names)},
        "metres_per_pixel": card.metres_per_pixel,
        "torch_dtype": "float32",
    }


def _preprocessing(card: ModelCard) -> dict[str, Any]:
    return {
        "do_rescale": True,
        "rescale_factor": 1 / _BYTE,
        "do_normalize": True,
        "image_mean": [value / _BYTE for value in card.mean],
        "image_std": [value / _BYTE for value in card.std],
        "do_resize": False,
    }


def _control_of(path: Path) -> str | None:
    """The run that a run is the control of, by its settings."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("control_of") if isinstance(found, dict) else None


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
