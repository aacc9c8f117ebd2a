"""One step: the teacher only looks, the student learns, and each sees the same view in its own normalisation."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from core.config import DistillConfig
from core.data.datasets.dubai import AERIAL
from core.data.scene import TEACHABLE
from core.data.transforms import ViewSampler
from core.losses.objective import distillation_terms
from core.losses.supervised import supervised
from core.normalise import Normaliser
from core.train.batches import Batch, epoch_batches
from core.train.loop import Task
from core.train.schedule import build_optimiser
from core.train.step import FrozenTeacher, Stepper, TeacherOutput

CPU = torch.device("cpu")
MakeTask = Callable[..., Task]


class Watched(nn.Module):
    """Remembers what it was shown. Its dropout and normalisation give it away when it is not in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.Dropout(0.5))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images)
        found: Tensor = self.body(images)
        return found


def batch_of(sampler: ViewSampler) -> Batch:
    return next(epoch_batches(sampler, epoch=0, views=4, batch_size=4))


def teacher(dtype: torch.dtype = torch.float32) -> tuple[FrozenTeacher, Watched]:
    torch.manual_seed(0)
    model = Watched().train()
    return FrozenTeacher(model, Normaliser.of((100.0, 110.0, 120.0), (50.0, 60.0, 70.0), CPU), dtype), model


def stepper_of(task: Task) -> Stepper:
    return Stepper(
        model=task.model,
        forward=task.model,
        normaliser=task.normaliser,
        optimiser=build_optimiser(task.model, task.config.train),
        scaler=torch.amp.GradScaler("cpu", enabled=False),
        config=task.config,
        ignore_index=AERIAL.ignore_index,
        dtype=task.dtype,
    )


def test_the_teacher_answers_in_eval_mode_whoever_called_train_on_it(sampler: ViewSampler) -> None:
    frozen, model = teacher()
    images = batch_of(sampler).images
    first = frozen.output(images).logits
    model.train()
    statistics = copy.deepcopy(model.body[1].state_dict())
    second = frozen.output(images).logits
    assert torch.equal(first, second), "dropout was on"
    assert not any(module.training for module in model.modules())
    for key, value in model.body[1].state_dict().items():
        assert torch.equal(value, statistics[key]), "its normalisation statistics moved"


def test_the_teacher_has_no_gradient(sampler: ViewSampler) -> None:
    frozen, model = teacher()
    logits = frozen.output(batch_of(sampler).images).logits
    assert not logits.requires_grad
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_teacher_has_its_own_normalisation(sampler: ViewSampler) -> None:
    frozen, model = teacher()
    images = batch_of(sampler).images
    frozen.output(images)
    mean, std = torch.tensor([100.0, 110.0, 120.0]), torch.tensor([50.0, 60.0, 70.0])
    torch.testing.assert_close(model.seen[0], ((images.float() - mean) / std).permute(0, 3, 1, 2))


@pytest.mark.parametrize("axis", [1, 2])
def test_mirrored_answers_lie_on_the_pixels_that_they_are_about(sampler: ViewSampler, axis: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(3, 5, 3, padding=1)
    frozen = FrozenTeacher(convolution, teacher()[0].normaliser, torch.float32, average_flips=True)
    images = batch_of(sampler).images
    mirrored = frozen.output(images.flip(axis)).logits
    torch.testing.assert_close(mirrored.flip(axis + 1), frozen.output(images).logits)


def test_the_teacher_works_under_autocast(sampler: ViewSampler) -> None:
    images = batch_of(sampler).images
    rounded = teacher(torch.bfloat16)[0].output(images).logits
    exact = teacher()[0].output(images).logits
    assert rounded.shape == exact.shape
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.05)
    assert not torch.equal(rounded.float(), exact)


def test_a_step_moves_the_student_and_not_the_teacher(make_task: MakeTask, sampler: ViewSampler) -> None:
    task = make_task(distill=DistillConfig(temperature=2.0, alpha=0.0))
    frozen, model = teacher()
    batch = batch_of(sampler)
    kept = copy.deepcopy(model.state_dict())
    student = copy.deepcopy(task.model.state_dict())
    stepper_of(task.model and task).step(batch, frozen.output(batch.images), 1e-2)
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items())
    moved = [key for key, value in task.model.state_dict().items() if not torch.equal(value, student[key])]
    assert set(dict(task.model.named_parameters())) <= set(moved)


def test_terms_are_those_of_the_objective(make_task: MakeTask, sampler: ViewSampler) -> None:
    task = make_task(distill=DistillConfig(temperature=3.0, alpha=0.25, losses={"soft_targets": 1.0}), dice=0.4)
    task.model.eval()
    batch, (frozen, _) = batch_of(sampler), teacher()
    answers = frozen.output(batch.images)
    found = stepper_of(task).terms(batch, answers)
    expected = distillation_terms(
        student=task.model(task.normaliser(batch.images)),
        teacher=answers.logits,
        labels=batch.labels,
        ignore_index=5,
        alpha=0.25,
        temperature=3.0,
        dice_share=0.4,
    )
    torch.testing.assert_close(found, expected)


def test_without_a_teacher_they_are_those_of_the_labels(make_task: MakeTask, sampler: ViewSampler) -> None:
    task = make_task(dice=0.4)
    task.model.eval()
    batch = batch_of(sampler)
    expected = supervised(
        logits=task.model(task.normaliser(batch.images)), labels=batch.labels, ignore_index=5, dice_share=0.4
    )
    torch.testing.assert_close(stepper_of(task).terms(batch, None), expected)


def test_answers_from_a_half_precision_cache_will_do(make_task: MakeTask, sampler: ViewSampler) -> None:
    task = make_task(distill=DistillConfig(temperature=2.0, alpha=0.5))
    task.model.eval()
    batch, (frozen, _) = batch_of(sampler), teacher()
    answers = frozen.output(batch.images)
    stepper = stepper_of(task)
    torch.testing.assert_close(
        stepper.terms(batch, TeacherOutput(answers.logits.half())), stepper.terms(batch, answers), atol=1e-3, rtol=1e-3
    )


def test_the_rate_given_is_the_rate_used(make_task: MakeTask, sampler: ViewSampler) -> None:
    """AdamW's first step moves each parameter by the rate, whatever its gradient; at a rate of 0 nothing moves."""
    for rate in (0.0, 1e-3):
        task = make_task(weight_decay=0.0)
        before = task.model.head.bias.detach().clone()  # type: ignore[union-attr]
        stepper_of(task).step(batch_of(sampler), None, rate)
        moved = (task.model.head.bias - before).abs()  # type: ignore[union-attr]
        torch.testing.assert_close(moved, torch.full_like(moved, rate), atol=1e-6, rtol=1e-3)


def test_the_gradient_is_clipped_to_the_norm_allowed(make_task: MakeTask, sampler: ViewSampler) -> None:
    task = make_task(clip_norm=0.01)
    stepper_of(task).step(batch_of(sampler), None, 1e-3)
    gradients = [p.grad.flatten() for p in task.model.parameters() if p.grad is not None]
    assert torch.cat(gradients).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_a_gradient_is_of_its_own_batch_alone(make_task: MakeTask, sampler: ViewSampler) -> None:
    one, two = make_task(), make_task()
    batches = list(epoch_batches(sampler, epoch=0, views=8, batch_size=4))
    stepper = stepper_of(one)
    stepper.step(batches[0], None, 0.0)
    stepper.step(batches[1], None, 0.0)
    stepper_of(two).step(batches[1], None, 0.0)
    assert one.model.head.bias.grad is not None  # type: ignore[union-attr]
    torch.testing.assert_close(one.model.head.bias.grad, two.model.head.bias.grad)  # type: ignore[union-attr]


def test_what_is_given_back_holds_no_graph(make_task: MakeTask, sampler: ViewSampler) -> None:
    terms = stepper_of(make_task()).step(batch_of(sampler), None, 1e-3)
    assert set(terms) == {"cross_entropy", "dice"}
    assert not any(term.requires_grad for term in terms.values())


def test_it_works_under_autocast(make_task: MakeTask, sampler: ViewSampler) -> None:
    task = make_task()
    stepper = stepper_of(task)
    object.__setattr__(stepper, "dtype", torch.bfloat16)
    terms = stepper.step(batch_of(sampler), None, 1e-3)
    assert all(torch.isfinite(term) for term in terms.values())
    assert all(parameter.dtype == torch.float32 for parameter in task.model.parameters())


@pytest.mark.parametrize("taught", [False, True])
def test_a_batch_in_parts_is_the_same_step(make_task: MakeTask, sampler: ViewSampler, taught: bool) -> None:
    """Where every part has as many labelled pixels and statistics do not depend on the batch, to rounding."""
    distill = DistillConfig(temperature=2.0, alpha=0.5) if taught else None
    batch, (frozen, _) = batch_of(sampler), teacher()
    batch = replace(batch, labels=batch.labels.where(batch.labels != AERIAL.ignore_index, 0))
    output = frozen.output(batch.images) if taught else None
    found = []
    for parts in (1, 2, 4):
        task = make_task(distill=distill, accumulate=parts, dice=0.0)
        told = stepper_of(replace(task, model=task.model.eval())).step(batch, output, 1e-3)
        found.append((told, task.model.state_dict()))
    (told, whole), *others = found
    for other_told, other in others:
        torch.testing.assert_close(other_told, told)
        torch.testing.assert_close(other, whole, atol=1e-5, rtol=1e-4)


def test_a_picture_without_a_mask_teaches_no_label(make_task: MakeTask, sampler: ViewSampler) -> None:
    """Its pixels count as unlabelled in the terms on labels, whatever the teacher may say of them."""
    task = make_task()
    batch = batch_of(sampler)
    without = batch.labels.clone()
    without[1] = TEACHABLE
    ignored = without.where(without != TEACHABLE, AERIAL.ignore_index)
    torch.manual_seed(0)
    answer = TeacherOutput(torch.randn(len(batch.images), AERIAL.outputs, *batch.labels.shape[1:]))
    distill = DistillConfig(losses={"soft_targets": 1.0})
    config = replace(task.config, kind="distill", distill=distill)
    stepper = replace(stepper_of(task), config=config)
    found = stepper.terms(replace(batch, labels=without), answer)
    unlabelled = stepper.terms(replace(batch, labels=ignored), answer)
    for name in ("cross_entropy", "dice"):
        torch.testing.assert_close(found[name], unlabelled[name])
    assert not torch.equal(found["soft_targets"], unlabelled["soft_targets"])


def test_the_teacher_leads_at_first_and_the_labels_in_the_end(make_task: MakeTask, sampler: ViewSampler) -> None:
    """Between the two shares the alpha follows half a cosine; a run that ends at 1 is then one on labels alone."""
    task = make_task(distill=DistillConfig(alpha=0.2, alpha_end=1.0, losses={"soft_targets": 1.0}), dice=0.0)
    task.model.eval()
    batch, (frozen, _) = batch_of(sampler), teacher()
    answers, stepper = frozen.output(batch.images), stepper_of(task)
    first, middle = (stepper.terms(batch, answers, done) for done in (0.0, 0.5))
    assert set(stepper.terms(batch, answers, 1.0)) == {"cross_entropy"}
    torch.testing.assert_close(middle["cross_entropy"] / first["cross_entropy"], torch.tensor(0.6 / 0.2))
    torch.testing.assert_close(first["soft_targets"] / middle["soft_targets"], torch.tensor(0.8 / 0.4))


def test_without_an_end_the_share_of_the_labels_stays() -> None:
    assert {DistillConfig(alpha=0.3).alpha_at(done) for done in (0.0, 0.4, 1.0)} == {0.3}
