"""Folders of models made by transformers and by smp: small, of random weights that tell classes apart."""

import json
import warnings
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn

from tests.unit.networks import noise

SIDE = 64
LABELS = {0: "ground", 1: "roof", 2: "water", 3: "tree"}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def transformers() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers as library
    return library


def segformer() -> tuple[Any, Any]:
    library = transformers()
    config = library.SegformerConfig(
        depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], decoder_hidden_size=16, num_attention_heads=[1, 1, 2, 2],
        id2label=LABELS,
    )  # fmt: skip
    return library.SegformerForSemanticSegmentation(config), library.SegformerImageProcessor(size=size())


def upernet() -> tuple[Any, Any]:
    library = transformers()
    backbone = library.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], out_features=stages())
    config = library.UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_in_channels=24, auxiliary_channels=8, id2label=LABELS
    )
    return library.UperNetForSemanticSegmentation(config), library.SegformerImageProcessor(size=size())


def beit() -> tuple[Any, Any]:
    library = transformers()
    config = library.BeitConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=SIDE,
        out_indices=[1, 2, 3, 4], use_relative_position_bias=True, auxiliary_channels=8, auxiliary_num_convs=1,
        id2label=LABELS,
    )  # fmt: skip
    processor = library.BeitImageProcessor(size=size(), do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    return library.BeitForSemanticSegmentation(config), processor


def dpt() -> tuple[Any, Any]:
    library = transformers()
    config = library.DPTConfig(
        hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=SIDE,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=8, id2label=LABELS,
    )  # fmt: skip
    return library.DPTForSemanticSegmentation(config), library.DPTImageProcessor(size=size())


def mobilevit() -> tuple[Any, Any]:
    library = transformers()
    config = library.MobileViTConfig(
        hidden_sizes=[16, 24, 32], neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 32], aspp_out_channels=16, id2label=LABELS
    )
    processor = library.MobileViTImageProcessor(
        size={"shortest_edge": SIDE}, crop_size=size(), do_flip_channel_order=True
    )
    return library.MobileViTForSemanticSegmentation(config), processor


def mask2former() -> tuple[Any, Any]:
    library = transformers()
    swin = library.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, out_features=stages()
    )
    config = library.Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=16,
        dim_feedforward=16, encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=12, id2label=LABELS,
    )  # fmt: skip
    return library.Mask2FormerForUniversalSegmentation(config), library.Mask2FormerImageProcessor(size=size())


def oneformer(folder: Path) -> tuple[Any, Any]:
    """With a tokenizer of letters, as its processor has one of words."""
    library = transformers()
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"{letter}</w>" for letter in "abcdefghijklmnopqrstuvwxyz")]
    words = {word: at for at, word in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = library.CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    swin = library.SwinConfig(
        embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=4, out_features=stages()
    )
    config = library.OneFormerConfig(
        backbone_config=swin, conv_dim=32, mask_dim=32, hidden_dim=32, encoder_feedforward_dim=16, dim_feedforward=16,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, num_queries=12, text_encoder_width=16,
        text_encoder_num_layers=1, text_encoder_vocab_size=len(words), text_encoder_context_length=16, task_seq_len=16,
        max_seq_len=16, query_dec_layers=1, use_task_norm=True, is_training=False, id2label=LABELS,
    )  # fmt: skip
    return library.OneFormerForUniversalSegmentation(config), tokenizer


def size() -> dict[str, int]:
    return {"height": SIDE, "width": SIDE}


def stages() -> list[str]:
    return ["stage1", "stage2", "stage3", "stage4"]


def telling(model: nn.Module, image: Tensor) -> nn.Module:
    """With weights that pass a picture on (their own fade within layers), and every class in what it gives."""
    for weight in model.parameters():
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight)
    last = [
        module for module in model.modules() if isinstance(module, nn.Conv2d) and module.out_channels == len(LABELS)
    ]
    if not last or last[-1].bias is None:
        return model.eval()
    with torch.no_grad():
        logits = model.eval()(pixel_values=image).logits.transpose(0, 1).flatten(1)
        spread = logits.std(dim=1).clamp_min(1e-3)
        last[-1].bias.sub_(logits.mean(dim=1)).div_(spread)
        last[-1].weight.div_(spread.view(-1, 1, 1, 1))
    return model


def smp_folder(folder: Path, *, classes: int = 4, activation: str | None = None) -> None:
    """Saved by the library itself."""
    torch.manual_seed(0)
    widths = (32, 16, 8, 8, 8)
    made = {
        end: smp.Unet("resnet18", encoder_weights=None, classes=classes, activation=end, decoder_channels=widths).eval()
        for end in (None, activation)
    }
    plain = made[None]
    with torch.no_grad():
        logits = plain(noise(SIDE)).transpose(0, 1).flatten(1)
        last = plain.segmentation_head[0]
        last.bias.sub_(logits.mean(dim=1)).div_(logits.std(dim=1))
        last.weight.div_(logits.std(dim=1).view(-1, 1, 1, 1))
    made[activation].load_state_dict(plain.state_dict())
    made[activation].save_pretrained(folder)
