"""Folders of transformers and smp answer as in their own library's pipeline, by masks and by probabilities."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from torch.nn import functional

from core import checkpoint
from core.brought.found import ModelAnswers
from core.cards import resolve
from core.errors import ModelError, TerrastillError
from core.infer.predict import Prediction, predict
from core.models.external.importer import import_model, inspect
from core.models.tap import Tap, feature_shape
from core.normalise import Normaliser
from tests.unit.brought import folders
from tests.unit.brought.folders import LABELS, MEAN, SIDE, STD
from tests.unit.brought.graphs import batch, picture

LOGITS = [folders.segformer, folders.upernet, folders.beit, folders.dpt, folders.mobilevit]
SEVERAL = "ignore::Warning"


def answer(name: str, image: np.ndarray) -> Prediction:
    loaded = checkpoint.load(resolve(name))
    return predict(loaded.model, image, normaliser=Normaliser.of_card(loaded.card, "cpu"))


def saved(folder: Path, make: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, processor = make()
        folders.telling(model, batch(picture(SIDE)) / 127.5 - 1).save_pretrained(folder)
        processor.save_pretrained(folder)
    return model, processor


@pytest.mark.parametrize("make", LOGITS)
@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_logits_are_those_of_the_librarys_own_pipeline(tmp_path: Path, make: Callable[[], tuple[Any, Any]]) -> None:
    model, processor = saved(tmp_path / "folder", make)
    image = picture(SIDE)
    card = import_model(tmp_path / "folder", "brought", ModelAnswers())
    with torch.inference_mode():
        found = model(**processor(images=Image.fromarray(image), return_tensors="pt"))
        (mask,) = processor.post_process_semantic_segmentation(found, target_sizes=[(SIDE, SIDE)])
        expected = functional.interpolate(found.logits, size=(SIDE, SIDE), mode="bilinear").softmax(dim=1)[0].numpy()
    ours = answer("brought", image)
    assert card.classes.scored_names == tuple(LABELS.values())
    assert np.abs(ours.probabilities - expected).max() < 1e-3
    # Where two classes are as probable as each other to what the probabilities may differ by, either is right.
    second, first = np.sort(expected, axis=0)[-2:]
    decided = first - second > 2e-3
    # The fresh MobileViT lets next to nothing of a picture through, and decides nowhere.
    assert decided.mean() > 0.5 or make is folders.mobilevit
    assert ((ours.mask == mask.numpy()) | ~decided).mean() >= 0.999
    assert len(np.unique(ours.mask)) > 1


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_masks_of_mask2former_are_those_of_its_own_pipeline(tmp_path: Path) -> None:
    model, processor = saved(tmp_path / "folder", folders.mask2former)
    image = picture(SIDE)
    import_model(tmp_path / "folder", "brought", ModelAnswers())
    with torch.inference_mode():
        found = model(**processor(images=Image.fromarray(image), return_tensors="pt"))
        (mask,) = processor.post_process_semantic_segmentation(found, target_sizes=[(SIDE, SIDE)])
    ours = answer("brought", image)
    assert (ours.mask == mask.numpy()).mean() >= 0.999


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_masks_of_oneformer_are_those_of_its_own_pipeline(tmp_path: Path) -> None:
    folder, image = tmp_path / "folder", picture(SIDE)
    folder.mkdir()
    torch.manual_seed(0)
    model, tokenizer = folders.oneformer(folder)
    model.eval().save_pretrained(folder)
    rules = {"do_rescale": True, "image_mean": list(MEAN), "image_std": list(STD), "size": folders.size()}
    (folder / "preprocessor_config.json").write_text(json.dumps(rules))
    import_model(folder, "brought", ModelAnswers())
    values = ((batch(image) / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)).float()
    options = {"padding": "max_length", "max_length": 16, "truncation": True, "return_tensors": "pt"}
    words = tokenizer(["the task is semantic"], **options)
    with torch.inference_mode():
        found = model(pixel_values=values, task_inputs=words["input_ids"])
        shares = found.class_queries_logits.softmax(dim=-1)[..., :-1]
        scores = torch.einsum("bqc,bqhw->bchw", shares, found.masks_queries_logits.sigmoid())
        expected = functional.interpolate(scores, size=(SIDE, SIDE), mode="bilinear").argmax(dim=1)[0].numpy()
    assert (answer("brought", image).mask == expected).mean() >= 0.999


@pytest.mark.parametrize(("classes", "activation"), [(4, None), (1, None), (4, "softmax2d")])
def test_an_smp_folder_answers_as_the_library_does(tmp_path: Path, classes: int, activation: str | None) -> None:
    folders.smp_folder(tmp_path / "folder", classes=classes, activation=activation)
    names = ("other", "roof") if classes == 1 else tuple(LABELS.values())
    import_model(tmp_path / "folder", "brought", ModelAnswers(classes=names, mean=MEAN, std=STD))
    image = picture(SIDE)
    values = ((batch(image) / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)).float()
    with torch.inference_mode():
        scores = smp.from_pretrained(tmp_path / "folder").eval()(values)[0]
    roof = scores.sigmoid()
    several = scores if activation else scores.softmax(dim=0)
    expected = (torch.cat([1 - roof, roof]) if classes == 1 else several).numpy()
    found = answer("brought", image)
    assert np.abs(found.probabilities - expected).max() < 1e-3
    assert (found.mask == expected.argmax(axis=0)).mean() >= 0.999
    assert len(np.unique(found.mask)) == len(names)


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_features_are_tapped_by_the_name_of_a_module_and_not_of_a_confined_model(tmp_path: Path) -> None:
    saved(tmp_path / "folder", folders.segformer)
    import_model(tmp_path / "folder", "free", ModelAnswers())
    model = checkpoint.own_answers(checkpoint.load(resolve("free")))
    assert feature_shape(model, "network.model.segformer.stages.1", size=SIDE) == (16, 8, 8)
    import_model(tmp_path / "folder", "confined", ModelAnswers(), confined=True)
    with pytest.raises(ModelError, match="logits alone"):
        Tap(checkpoint.own_answers(checkpoint.load(resolve("confined"))), "network")
    image = picture(SIDE)
    assert np.abs(answer("free", image).probabilities - answer("confined", image).probabilities).max() < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_a_folder_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved(tmp_path / "folder", folders.segformer)
    weights = tmp_path / "folder" / "model.safetensors"
    tensors = load_file(weights)
    save_file({name: tensor for name, tensor in tensors.items() if "classifier" not in name}, weights, {"format": "pt"})
    with pytest.raises(ModelError, match="are missing"):
        import_model(tmp_path / "folder", "half", ModelAnswers())


def test_a_backbone_that_would_be_fetched_is_refused(tmp_path: Path) -> None:
    config = {"architectures": ["UperNetForSemanticSegmentation"], "backbone": "microsoft/resnet-50"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="fetched"):
        inspect(tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_weights_in_parts_and_in_sixteen_bits_answer_as_the_whole(tmp_path: Path) -> None:
    model, processor = saved(tmp_path / "whole", folders.segformer)
    model.save_pretrained(tmp_path / "parts", max_shard_size="20KB")
    model.half().save_pretrained(tmp_path / "half")
    image, found = picture(SIDE), {}
    for name in ("whole", "parts", "half"):
        processor.save_pretrained(tmp_path / name)
        card = import_model(tmp_path / name, name, ModelAnswers())
        assert card.parameters == sum(weight.numel() for weight in model.state_dict().values())
        found[name] = answer(name, image).probabilities
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 2
    assert np.array_equal(found["whole"], found["parts"])
    assert np.abs(found["whole"] - found["half"]).max() < 0.05


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
@pytest.mark.parametrize(
    "change",
    [
        {"hidden_sizes": "abc"},
        {"hidden_sizes": [10**9] * 4},
        {"depths": None},
        {"num_attention_heads": [0, 0, 0, 0]},
        {"strides": [0, 0, 0, 0]},
        {"model_type": "bert"},
        {"model_type": ["segformer"]},
    ],
)
def test_settings_that_cannot_be_are_one_sentence(tmp_path: Path, change: dict[str, Any]) -> None:
    saved(tmp_path / "folder", folders.segformer)
    file = tmp_path / "folder" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(TerrastillError) as refusal:
        import_model(tmp_path / "folder", "odd", ModelAnswers())
    assert "\n" not in str(refusal.value)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
def test_weights_that_are_cut_off_are_one_sentence(tmp_path: Path) -> None:
    saved(tmp_path / "folder", folders.segformer)
    weights = tmp_path / "folder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="save it anew"):
        import_model(tmp_path / "folder", "half", ModelAnswers())


@pytest.mark.slow
@pytest.mark.filterwarnings(SEVERAL)
@pytest.mark.parametrize("architecture", list(smp.MODEL_ARCHITECTURES_MAPPING))
def test_a_folder_of_every_architecture_of_smp_answers_as_the_library_does(tmp_path: Path, architecture: str) -> None:
    torch.manual_seed(0)
    # DPT asks for a vision transformer.
    options = {"encoder_name": "tu-vit_tiny_patch16_224"} if architecture == "dpt" else {"encoder_name": "mobilenet_v2"}
    made = smp.create_model(architecture, encoder_weights=None, classes=len(LABELS), **options).eval()
    made.save_pretrained(tmp_path / "folder")
    said = ModelAnswers(classes=tuple(LABELS.values()), mean=MEAN, std=STD)
    card = import_model(tmp_path / "folder", "brought", said)
    assert (card.model.arguments["fixed"], card.macs_256 > 0) == (architecture == "dpt", True)
    # That transformer takes no other side, and PAN none that is much smaller.
    image = picture(224)
    values = ((batch(image) / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)).float()
    with torch.inference_mode():
        expected = smp.from_pretrained(tmp_path / "folder").eval()(values)[0].softmax(dim=0).numpy()
    assert np.abs(answer("brought", image).probabilities - expected).max() < 1e-3
