"""A step of torchdistill (1.1), by its own box, loader, loss and loop: what ours is measured against."""

import copy
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, RandomSampler

from core.models.pretrained import LITE_MEAN, LITE_STD
from core.train.batches import Batch


class Views(Dataset[tuple[Tensor, Tensor]]):
    """The same views as ours, already normalised: float32 (3, H, W) and labels (H, W)."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        images = torch.cat([batch.images for batch in batches]).permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (LITE_MEAN, LITE_STD))
        self.images = ((images - mean) / std).contiguous()
        self.labels = torch.cat([batch.labels for batch in batches])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]


def steps(
    *, teacher: nn.Module, student: nn.Module, batches: Sequence[Batch], device: torch.device
) -> Callable[[Batch], Any]:
    """A function that takes the next step of its loop, whatever batch it is given."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    logging.getLogger("torchdistill").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchdistill.core.distillation import get_distillation_box
    box = get_distillation_box(
        *(copy.deepcopy(model).to(memory_format=torch.contiguous_format) for model in (teacher, student)),
        {"views": Views(batches)},
        _settings(len(batches[0].images)),
        device,
        [],
        False,
        1.0,
    )
    stream = _endless(box)

    def step(_batch: Batch) -> None:
        images, labels, extra = next(stream)
        box.pre_forward_process()
        loss = box.forward_process(images.to(device), targets=labels.to(device), supp_dict=extra)
        box.post_forward_process(loss=loss)

    return step


def _endless(box: Any) -> Iterator[Any]:
    while True:
        box.pre_epoch_process(epoch=0)
        yield from box.train_data_loader


def _settings(batch_size: int) -> dict[str, Any]:
    inputs = {f"{whose}_module_{what}": value for whose in ("student", "teacher") for what, value in _WHERE.items()}
    loss = {"key": "KDLoss", "kwargs": {**inputs, "temperature": 2.0, "alpha": 0.5, "ignore_index": 5}}
    return {
        "num_epochs": 1,
        "train_data_loader": {
            "dataset_id": "views",
            "sampler": {"class_or_func": RandomSampler},
            "kwargs": {"batch_size": batch_size},
        },
        "teacher": {"requires_grad": False, "forward_proc": "forward_batch_only"},
        "student": {"requires_grad": True, "forward_proc": "forward_batch_only"},
        "optimizer": {"key": "AdamW", "kwargs": {"lr": 1e-4}, "max_grad_norm": 1.0},
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": {"kd": {"criterion": loss, "weight": 1.0}}}},
    }


_WHERE = {"path": ".", "io": "output"}
