"""A teacher of other classes: probabilities are summed, and where it has no word the student learns from labels."""

from collections.abc import Callable
from dataclasses import replace

import torch

from core.class_mapping import class_mapping
from core.config import DistillConfig
from core.data.transforms import ViewSampler
from core.models.mapped import in_own_classes
from core.train.loop import Task
from core.train.mapped_teacher import MappedOutputs
from core.train.step import TeacherOutput
from tests.unit.train.test_step import batch_of, stepper_of

TEACHER = ("Building", "Land", "Road", "Water")
OWN = ("Ground", "Building", "Pond")
MAPPING = class_mapping(TEACHER, OWN, {"Land": "Ground", "Road": "Ground", "Water": ""})
MakeTask = Callable[..., Task]


def test_probabilities_of_what_stands_for_one_class_are_summed() -> None:
    logits = 4 * torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    building, land, road, _ = logits.softmax(dim=1).unbind(dim=1)
    known = building + land + road
    found = in_own_classes(logits.half(), MAPPING).softmax(dim=1)
    expected = torch.stack([(land + road) / known, building / known, torch.zeros_like(known)], dim=1)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert (in_own_classes(logits, MAPPING).half().isfinite()).all()


def test_it_has_no_word_where_its_class_stands_for_none_and_where_it_knows_nothing_of_the_label(
    sampler: ViewSampler,
) -> None:
    batch = batch_of(sampler)
    labels = torch.zeros_like(batch.labels)
    labels[0] = OWN.index("Pond")
    logits = torch.zeros(len(labels), 4, *labels.shape[1:])
    logits[:, 1] = 1.0
    logits[1, TEACHER.index("Water")] = 2.0
    found = MappedOutputs(lambda _: TeacherOutput(logits), MAPPING)(replace(batch, labels=labels))
    assert found.word is not None
    assert found.word.flatten(1).all(dim=1).tolist() == [False, False, True, True]
    assert found.word.flatten(1).any(dim=1).tolist() == [False, False, True, True]


def test_without_a_word_the_labels_count_as_ever(make_task: MakeTask, sampler: ViewSampler) -> None:
    task, batch = make_task(), batch_of(sampler)
    config = replace(task.config, kind="distill", distill=DistillConfig(losses={"soft_targets": 1.0}))
    stepper = replace(stepper_of(task), config=config)
    logits = torch.randn(len(batch.images), 5, *batch.labels.shape[1:], generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones_like(batch.labels, dtype=torch.bool)
    half = everywhere.clone()
    half[2:] = False
    plain = stepper.terms(batch, TeacherOutput(logits))
    same, fewer = (stepper.terms(batch, TeacherOutput(logits, word=word)) for word in (everywhere, half))
    torch.testing.assert_close(same, plain)
    for name in ("cross_entropy", "dice"):
        torch.testing.assert_close(fewer[name], plain[name])
    changed = logits.clone()
    changed[2:] = 9 * torch.randn(changed[2:].shape)
    torch.testing.assert_close(stepper.terms(batch, TeacherOutput(changed, word=half)), fewer)
    assert not torch.equal(fewer["soft_targets"], plain["soft_targets"])
