"""A model as a hub folder, a STAC item and OpenVINO's IR: what each holds, and that real clients take it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from safetensors.torch import load as load_tensors

from core import checkpoint
from core.cards import ModelCard, beside
from core.classes import ClassMap
from core.export import make
from core.export.formats import FORMATS, Options, make_format
from core.export.hub import control_card, hub_contents, model_readme
from core.export.openvino_ir import model_info
from core.export.parity import logits
from core.export.stac import stac_item

from .conftest import CARD, random_unet
from .mlm_rules import ITEM

SCORED = replace(
    CARD,
    metrics={"miou5": 0.7242, "accuracy": 0.88, "split": "val", "per_class": {"Building": {"iou": 0.7}}},
    data={"dataset": "dubai"},
    teacher="teacher",
    created="2026-11-28T14:36:18+00:00",
)
CONTROL = replace(SCORED, name="tiny-control", metrics={**SCORED.metrics, "miou5": 0.7001}, teacher=None)


@pytest.fixture(scope="module")
def stem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved unet(2) with random weights, and its control beside it."""
    folder = tmp_path_factory.mktemp("model")
    checkpoint.save(folder / "tiny", random_unet(), SCORED)
    checkpoint.save(folder / "tiny-control", random_unet(), CONTROL)
    return folder / "tiny"


def front_matter(readme: str) -> dict[str, object]:
    found = re.match(r"---\n(.*?)\n---\n", readme, re.DOTALL)
    assert found is not None
    read: dict[str, object] = yaml.safe_load(found[1])
    return read


def test_the_model_card_has_a_front_matter_and_the_scores_of_the_control_beside_its_own() -> None:
    text = model_readme(SCORED, CONTROL)
    front = front_matter(text)
    assert front["pipeline_tag"] == "image-segmentation"
    assert front["license"] == "apache-2.0"
    assert front["datasets"] == ["dubai"]
    (entry,) = front["model-index"]  # type: ignore[misc]
    (result,) = entry["results"]  # type: ignore[index]
    assert {one["type"]: one["value"] for one in result["metrics"]} == {"mean_iou": 0.7242, "accuracy": 0.88}
    assert "| mIoU-5 | 72.42 % | 70.01 % |" in text
    assert "the gain of its teacher is not known" in model_readme(SCORED, None)
    assert "holds no scores" in model_readme(CARD, None)
    odd = model_readme(replace(SCORED, name='a: "b" #c'), None)
    assert front_matter(odd)["model-index"][0]["name"] == 'a: "b" #c'  # type: ignore[index]


def test_a_control_is_found_beside_a_model_and_by_the_settings_of_a_run(
    stem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert control_card(stem) == checkpoint.load_card(stem.with_name("tiny-control"))
    monkeypatch.setenv("TERRASTILL_HOME", str(tmp_path))
    for run, settings in (("20260101-a", {}), ("20260101-b", {"control_of": "20260101-a"})):
        checkpoint.save(tmp_path / run / "student", random_unet(), replace(CONTROL, name=run))
        (tmp_path / run / "config.json").write_text(json.dumps(settings))
    found = control_card(tmp_path / "20260101-a" / "student")
    assert found is not None
    assert found.name == "20260101-b"
    assert control_card(tmp_path / "20260101-b" / "student") is None


@pytest.mark.slow
def test_the_script_of_a_hub_folder_runs_offline_and_masks_as_pytorch_does(stem: Path, tmp_path: Path) -> None:
    weights = beside(stem, ".safetensors").read_bytes()
    for name, content in hub_contents(make.export(stem), weights, CONTROL).items():
        (tmp_path / name).write_bytes(content)
    loaded = checkpoint.load(stem)
    assert load_tensors(weights).keys() == loaded.model.state_dict().keys()
    config = json.loads((tmp_path / "config.json").read_text())
    assert list(config["id2label"].values()) == (tmp_path / "labels.txt").read_text().splitlines()
    rgb = np.random.default_rng(0).integers(0, 256, (61, 75, 3), dtype=np.uint8)
    Image.fromarray(rgb).save(tmp_path / "photo.png")
    script = [sys.executable, "segment.py", "photo.png", "mask.png"]
    subprocess.run(script, cwd=tmp_path, check=True, timeout=60, env={"PATH": "", "no_proxy": "*"})
    with Image.open(tmp_path / "mask.png") as mask:
        found = np.asarray(mask)
    expected = logits(loaded.model, loaded.card, rgb[None])[0].argmax(0)
    assert (found == expected).mean() >= 0.9995


def _item(card: ModelCard = SCORED) -> dict[str, object]:
    return stac_item(card, name="tiny", size=1234)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_stac_item_is_valid_and_the_extension_reads_it() -> None:
    pystac = pytest.importorskip("pystac", reason="pystac is not installed: pip install -r requirements-dev.txt")
    mlm = pytest.importorskip("pystac.extensions.mlm", reason="pystac-ext-mlm is not installed")
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    item = pystac.Item.from_dict(_item(), migrate=False)
    # STAC's own schemas lie in the package.
    JsonSchemaSTACValidator().validate_core(_item(), pystac.STACObjectType.ITEM, "1.1.0")
    found = mlm.MLMExtension.ext(item)
    assert found.mlm_name == "tiny"
    assert found.total_parameters == SCORED.parameters
    (given,), (answer,) = found.input, found.output
    assert given.input.shape == [-1, -1, -1, 3]
    assert item.properties["mlm:input"][0]["bands"] == [band["name"] for band in item.properties["bands"]]
    assert [one.description for one in answer.classes] == list(SCORED.classes.scored_names)
    assert answer.result.shape[1] == SCORED.classes.outputs


ALIKE = ClassMap(("roof (red)", "roof red", "…", "tree", "none"), ((1, 2, 3),) * 5, 4)


@pytest.mark.parametrize("card", [SCORED, replace(CARD, name="ünï/42", metres_per_pixel=0.3, classes=ALIKE)])
def test_the_stac_item_says_what_the_extension_asks_for_in_its_words(card: ModelCard) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="pystac brings it: pip install -r requirements-dev.txt")
    rules = jsonschema.Draft7Validator(ITEM)
    item: dict[str, Any] = json.loads(json.dumps(_item(card)))
    assert [error.message for error in rules.iter_errors(item)] == []
    properties = item["properties"]
    (given,), (answer,) = properties["mlm:input"], properties["mlm:output"]
    # One name for each side, and for each band one of the item's.
    for tensor in (given["input"], answer["result"]):
        assert len(tensor["shape"]) == len(tensor["dim_order"])
    assert given["bands"] == [band["name"] for band in properties["bands"]]
    assert answer["tasks"] == properties["mlm:tasks"]
    classes = answer["classification:classes"]
    assert [one["value"] for one in classes] == list(range(answer["result"]["shape"][1]))
    assert len({one["name"] for one in classes}) == len(classes)
    for broken in (
        {"mlm:tasks": ["segmenting"]}, {"mlm:framework": "onnx"}, {"mlm:input": []}, {"mlm:memory": 3},
        {"mlm:name": "x"}, {"mlm:output": [answer | {"result": {"shape": [1]}}]},
    ):  # fmt: skip
        assert list(rules.iter_errors(item | {"properties": properties | broken}))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_stac_item_is_valid_by_the_schema_of_the_extension() -> None:
    pystac = pytest.importorskip("pystac", reason="pystac is not installed: pip install -r requirements-dev.txt")
    try:
        uris = pystac.Item.from_dict(_item(), migrate=False).validate()
    except pystac.validation.stac_validator.GetSchemaError:
        pytest.skip("The extension's schema lies on the network, which is not reached from here.")
    assert any("mlm/v1.5" in uri for uri in uris)


@pytest.mark.parametrize("name", ["x", "9 lives", "a/b", "…", "  ", "ünï", "ok", "student-2"])
def test_any_name_of_a_model_is_a_name_of_the_extension(name: str) -> None:
    told = _item(replace(SCORED, name=name))["properties"]["mlm:name"]  # type: ignore[index]
    assert re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]", told)


@pytest.mark.slow
def test_openvino_reads_its_files_and_what_they_say(stem: Path, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    for name, content in make_format(stem, "openvino", Options("tiny", tile=96)).items():
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    model = openvino.Core().read_model(str(tmp_path / "tiny-openvino" / "model.xml"))
    told = {key: model.get_rt_info(["model_info", key]).astype(str) for key in model_info(CARD, side=96)}
    assert told == model_info(SCORED, side=96)
    assert told["labels"].split() == list(CARD.classes.scored_names)
    tile = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    mean, scale = (np.array(told[key].split(), np.float32) for key in ("mean_values", "scale_values"))
    given = ((tile - mean) / scale).transpose(2, 0, 1)[None].astype(np.float32)
    found = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(given)[0]
    loaded = checkpoint.load(stem)
    assert (found.argmax(1) == logits(loaded.model, loaded.card, tile[None]).argmax(1)).mean() >= 0.9995


def test_every_format_has_its_maker() -> None:
    from importlib import import_module

    for chosen in FORMATS.values():
        module, function = chosen.maker.split(":")
        assert callable(getattr(import_module(module), function))
